"""The loop itself: one step by hand, the history, regularizers, schedules, callbacks."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minidl.data.datasets import Split
from minidl.data.loader import Loader
from minidl.errors import ConfigError, StateError
from minidl.files import read_json
from minidl.layers import Dense, Sequential
from minidl.losses import MeanSquaredError, SoftmaxCrossEntropy
from minidl.optimizers import SGD, Momentum, Nesterov
from minidl.regularizers import L2
from minidl.schedules import Linear, OneCycle
from minidl.training import Callback, History, Trainer, evaluate
from tests.training.toys import blobs, loader, network, trainer


class Batches:
    """The same batches in every epoch, for arithmetic by hand."""

    def __init__(self, *batches):
        self.batches = [(np.array(x, np.float64), np.array(y)) for x, y in batches]

    def __len__(self):
        return len(self.batches)

    def epoch(self, epoch):
        return iter(self.batches)


def linear(weight, bias):
    model = Sequential([Dense(len(bias))])
    model.build((len(weight),), dtype=np.float64)
    state = {"0.weight": np.array(weight, np.float64), "0.bias": np.array(bias, np.float64)}
    model.load_state_dict(state)
    return model


def test_one_step_by_hand():
    # y = w x + b with w = 2, b = 1; two examples x = 1, 3 with targets 2, 4.
    # outputs 3, 7; differences 1, 3; loss = (1 + 9)/2 = 5.
    # dw = 2/2 (1*1 + 3*3) = 10, db = 2/2 (1 + 3) = 4; with lr = 0.1: w = 1, b = 0.6.
    model = linear([[2.0]], [1.0])
    run = Trainer(model, MeanSquaredError(), SGD(lr=0.1), keep_best=None)
    history = run.fit(Batches(([[1], [3]], [[2.0], [4.0]])), 1)
    assert history.rows == [{"epoch": 1, "lr": 0.1, "train_loss": 5.0}]
    np.testing.assert_allclose(model.state_dict()["0.weight"], [[1.0]], rtol=1e-15)
    np.testing.assert_allclose(model.state_dict()["0.bias"], [0.6], rtol=1e-15)


def test_the_penalty_enters_the_gradient_and_the_history_but_not_the_loss():
    # As above with L2(0.5): dw = 10 + 0.5*2 = 11, so w = 0.9; the bias is exempt.
    # Penalty after the epoch: 0.5/2 * 0.9^2 = 0.2025.
    model = linear([[2.0]], [1.0])
    run = Trainer(model, MeanSquaredError(), SGD(lr=0.1), regularizers=[L2(0.5)], keep_best=None)
    (row,) = run.fit(Batches(([[1], [3]], [[2.0], [4.0]])), 1)
    np.testing.assert_allclose(model.state_dict()["0.weight"], [[0.9]], rtol=1e-15)
    np.testing.assert_allclose(model.state_dict()["0.bias"], [0.6], rtol=1e-15)
    assert row["train_loss"] == 5.0
    assert row["penalty"] == pytest.approx(0.2025, rel=1e-15)


def test_the_means_of_an_epoch_count_examples_and_not_batches():
    # lr = 0, outputs are the inputs. Three examples in a batch of two and a batch of one.
    # Squared errors and their means: 1: (1, 0) -> 0.5; 2: (0, 0) -> 0; 3: (0, 4) -> 2.
    # Mean over the examples 2.5/3; over the batches it would be (0.25 + 2)/2.
    # Largest output against largest target: right, right, wrong.
    model = linear([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])
    first = ([[2, 0], [0, 1]], [[1.0, 0.0], [0.0, 1.0]])
    second = ([[1, 2]], [[1.0, 0.0]])
    (row,) = Trainer(model, MeanSquaredError(), SGD(lr=0.0)).fit(Batches(first, second), 1)
    assert row["train_loss"] == pytest.approx(2.5 / 3, rel=1e-15)
    assert row["train_accuracy"] == 2 / 3


def test_the_trainer_does_what_the_plain_loop_does_bit_for_bit():
    split, validation = blobs(), blobs(seed=1)
    run = trainer(regularizers=[L2(1e-3)])
    history = run.fit(loader(split), 3, validation)

    model, loss, optimizer, penalty = network(), SoftmaxCrossEntropy(), Momentum(0.05, 0.9), L2(1e-3)
    batches = loader(split)
    for epoch in range(3):
        for x, y in batches.epoch(epoch):
            logits = model.forward(x, train=True)
            loss.forward(logits, y)
            model.backward(loss.backward())
            penalty.add_gradient(model.named_parameters())
            optimizer.step(model.named_parameters())
        score = evaluate(model, loss, validation)
        assert (score.loss, score.accuracy) == (history["val_loss"][epoch], history["val_accuracy"][epoch])
    for (path, x), y in zip(model.state_dict().items(), run.model.state_dict().values(), strict=True):
        assert np.array_equal(x, y), path


def test_look_ahead_is_prepared_before_every_forward_pass():
    # f(w) = w^2 (x = 1, target 0), lr 0.1, mu 0.5: v1 = 2w = 2, w1 = 0.8.
    # Look-ahead: w1 - 0.1*0.5*2 = 0.7; gradient 1.4; v2 = 0.5*2 + 1.4 = 2.4; w2 = 0.8 - 0.24 = 0.56.
    # Without prepare the optimizer refuses.
    model = Sequential([Dense(1, bias=False)])
    model.build((1,), dtype=np.float64)
    model.load_state_dict({"0.weight": np.ones((1, 1))})
    optimizer = Nesterov(lr=0.1, momentum=0.5, form="lookahead")
    Trainer(model, MeanSquaredError(), optimizer).fit(Batches(([[1]], [[0.0]])), 2)
    np.testing.assert_allclose(model.state_dict()["0.weight"], [[0.56]], rtol=1e-14)


def test_it_learns_a_separable_problem():
    split, validation = blobs(300, noise=0.3), blobs(300, noise=0.3, seed=1)
    history = trainer().fit(loader(split), 15, validation)
    assert history["train_loss"][-1] < 0.2 * history["train_loss"][0]
    assert history["val_accuracy"][-1] == 1.0
    assert history.columns == ["epoch", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]
    assert history["epoch"] == list(range(1, 16))


def test_the_schedule_is_followed_before_every_step():
    rates = []

    class Watch(Callback):
        def on_batch_end(self, trainer):
            rates.append((trainer.optimizer.lr, trainer.optimizer.momentum))

    schedule = OneCycle(0.2)
    split = blobs(60)  # three batches of 20
    history = trainer(schedule=schedule, callbacks=[Watch()]).fit(loader(split), 4)
    assert rates == [(schedule(step / 12), schedule.momentum(step / 12)) for step in range(12)]
    assert history["lr"] == [schedule(step / 12) for step in (2, 5, 8, 11)]


def test_a_schedule_without_momentum_leaves_it_alone():
    optimizer = Momentum(0.05, 0.7)
    trainer(optimizer=optimizer, schedule=Linear(0.1)).fit(loader(blobs()), 1)
    assert optimizer.momentum == 0.7
    plain = SGD(0.1)
    trainer(optimizer=plain, schedule=OneCycle(0.1)).fit(loader(blobs()), 1)
    assert not hasattr(plain, "momentum")


def test_hooks_come_in_their_order_and_per_batch_only_where_defined():
    calls = []

    def make(name, place):
        class Recorder(Callback):
            order = place

            def on_fit_start(self, trainer):
                calls.append(f"{name} start")

            def on_epoch_start(self, trainer):
                calls.append(f"{name} epoch {trainer.epoch}")

            def on_loss(self, trainer):
                calls.append(f"{name} loss {trainer.batch}")

            def on_epoch_end(self, trainer, row):
                calls.append(f"{name} row {row['epoch']} of {len(trainer.history)}")

            def on_fit_end(self, trainer):
                calls.append(f"{name} end")

        return Recorder()

    trainer(callbacks=[make("b", 1), make("a", -1)]).fit(loader(blobs(40)), 1)
    expected = ["start", "epoch 1", "loss 0", "loss 1", "row 1 of 1", "end"]
    assert calls == [f"{name} {event}" for event in expected for name in "ab"]


def test_stop_after_an_epoch_and_in_the_middle_of_one():
    class After(Callback):
        def on_epoch_end(self, trainer, row):
            trainer.stop = trainer.epoch == 2

    class Within(Callback):
        def on_batch_end(self, trainer):
            trainer.stop = (trainer.epoch, trainer.batch) == (2, 1)

    assert trainer(callbacks=[After()]).fit(loader(blobs()), 5)["epoch"] == [1, 2]
    assert trainer(callbacks=[Within()]).fit(loader(blobs()), 5)["epoch"] == [1]


def test_a_second_fit_goes_on_from_the_weights_with_a_new_history():
    run = trainer()
    first = run.fit(loader(blobs()), 2, blobs(seed=1))
    last = first["val_loss"][-1]
    second = run.fit(loader(blobs()), 1, blobs(seed=1))
    assert len(first) == 2 and len(second) == 1 and run.best.epoch == 1
    assert second["val_loss"][0] < first["val_loss"][0] and abs(second["val_loss"][0] - last) < 0.3


def test_bytes_are_scaled_alike_in_training_and_validation():
    generator = np.random.default_rng(0)
    split = Split(generator.integers(0, 256, (40, 6), dtype=np.uint8), generator.integers(3, size=40))
    seen = []

    class Probe(Dense):
        def forward(self, x, train=False):
            seen.append((train, x.dtype, float(x.max())))
            return super().forward(x, train)

    model = Sequential([Probe(3)])
    model.build((6,))
    batches = Loader(split.images, split.labels, 40, scale=1 / 64)
    Trainer(model, SoftmaxCrossEntropy(), SGD(0.1)).fit(batches, 1, split)
    assert seen[0] == (True, np.float32, split.images.max() / 64)
    assert seen[1] == (False, np.float32, split.images.max() / 64)


def test_the_run_folder_says_what_was_done(tmp_path):
    config = {"rung": 3, "sizes": (1, 2), "path": Path("data"), "rate": np.float64(0.1)}
    config["schedule"] = Linear(0.1)
    run = trainer(run_dir=tmp_path, config=config, seed=7, regularizers=[L2(0.1)], schedule=Linear(0.1))
    history = run.fit(loader(blobs()), 2, blobs(seed=1))

    text = read_json(tmp_path / "run.json")
    assert text["config"] == {
        "rung": 3,
        "sizes": [1, 2],
        "path": "data",
        "rate": 0.1,
        "schedule": {"class": "Linear", "lr": 0.1, "final": 0.0},
    }
    assert (text["seed"], text["device"], text["dtype"]) == (7, "cpu", "float32")
    assert text["versions"]["numpy"] == np.__version__ and {"python", "minidl"} < set(text["versions"])
    assert set(text["machine"]) == {"system", "processor", "cores"}
    assert text["training"]["regularizers"] == [{"class": "L2", "strength": 0.1}]
    assert text["training"]["optimizer"]["class"] == "Momentum"
    assert text["training"]["layers"]["0"]["parameters"] == {"weight": [6, 12], "bias": [12]}
    assert text["training"]["train"]["batch_size"] == 20 and text["training"]["train"]["dtype"] == "float32"
    assert text["training"]["train"]["images"].startswith("array (120, 6) float32 crc32 ")

    assert History.read_csv(tmp_path / "history.csv").rows == history.rows
    assert History.read_csv(tmp_path / "timings.csv")["epoch"] == [1, 2]
    results = read_json(tmp_path / "results.json")
    assert results["final"] == history.rows[-1] and results["best"] == history.rows[run.best.epoch - 1]
    assert results["parameters"] == 6 * 12 + 12 + 2 * 12 + 12 * 3 + 3
    assert results["train_seconds"] > 0 and results["stopped_early"] is False


def test_results_with_numbers_that_json_does_not_have(tmp_path):
    from minidl.training import RunFolder

    RunFolder(tmp_path).write_results({"final": {"val_loss": float("inf")}})
    assert json.loads((tmp_path / "results.json").read_text()) == {"final": {"val_loss": None}}


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: trainer(keep_best="best"), "keep_best must be"),
        (lambda: trainer(checkpoint_every=0), "checkpoint_every must be an integer >= 1, got 0"),
        (lambda: trainer().fit(loader(blobs()), 0), "epochs must be an integer >= 1, got 0"),
        (lambda: trainer().fit(loader(blobs()), 1.5), "epochs must be an integer >= 1, got 1.5"),
        (lambda: trainer().fit(Batches(), 1), "no batches"),
        (lambda: trainer(run_dir="unused", config={"a": {"b": object()}}), r"config\.a\.b is a object"),
    ],
)
def test_options_that_make_no_sense(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_restoring_weights_that_were_not_kept():
    run = trainer(keep_best=None)
    run.fit(loader(blobs()), 1, blobs(seed=1))
    with pytest.raises(StateError, match="keep_best='accuracy'"):
        run.restore_best()
    run = trainer()
    run.fit(loader(blobs()), 1)
    with pytest.raises(StateError, match="no epoch was validated"):
        run.restore_best()


def test_importing_and_training_need_numpy_alone(tmp_path):
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in "scipy sklearn matplotlib tqdm joblib safetensors cupy torch".split():
            raise ImportError(name)
sys.meta_path.insert(0, Block())
from tests.training.toys import blobs, loader, trainer
from minidl.errors import ConfigError
trainer().fit(loader(blobs()), 1, blobs(seed=1))
try:
    trainer(run_dir=sys.argv[1]).fit(loader(blobs()), 1)
except ConfigError as error:
    print(error)
"""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "run").exists()
    assert "safetensors, which is not installed" in done.stdout
