"""Best weights and their ties, the guard against NaN, the progress bar."""

import io
import sys
import warnings

import numpy as np
import pytest

from minidl.errors import ConfigError, DivergenceError, StateError
from minidl.layers import Dense, ReLU, Residual, Sequential
from minidl.losses import MeanSquaredError, SoftmaxCrossEntropy
from minidl.optimizers import SGD
from minidl.training import BestWeights, Callback, NaNGuard, Trainer, check_finite
from tests.training.toys import blobs, loader, network, trainer


class Model:
    """One number as weights, enough for BestWeights."""

    def __init__(self):
        self.weight = np.zeros(1)

    def state_dict(self):
        return {"weight": self.weight}

    def load_state_dict(self, state):
        self.weight[...] = state["weight"]


@pytest.mark.parametrize(
    "metric, ties, values, best",
    [
        ("accuracy", "later", [0.5, 0.9, 0.9, 0.8], 3),  # Nielsen: >=
        ("accuracy", "earlier", [0.5, 0.9, 0.9, 0.8], 2),
        ("loss", "later", [0.5, 0.1, 0.1, 0.2], 3),
        ("loss", "earlier", [0.5, 0.1, 0.1, 0.2], 2),
        ("loss", "later", [float("nan"), 0.3, float("nan")], 2),
        ("accuracy", "later", [0.9, 0.5], 1),
    ],
)
def test_the_best_weights_and_ties(metric, ties, values, best):
    model, keeper = Model(), BestWeights(metric, ties)
    for epoch, value in enumerate(values, start=1):
        model.weight[...] = epoch
        assert keeper.update(model, epoch, value) == (keeper.epoch == epoch)
    assert (keeper.epoch, keeper.value) == (best, values[best - 1])
    keeper.restore(model)
    assert model.weight.tolist() == [best]
    model.weight += 1  # the kept copy is not the model's own array
    keeper.restore(model)
    assert model.weight.tolist() == [best]


def test_restoring_before_any_validation():
    with pytest.raises(StateError, match="no epoch was validated"):
        BestWeights().restore(Model())


@pytest.mark.parametrize("options", [{"metric": "f1"}, {"ties": "first"}])
def test_options_of_best_weights(options):
    with pytest.raises(ConfigError):
        BestWeights(**options)


def test_restore_best_puts_back_the_weights_validated_after_that_epoch():
    class Spoil(Callback):
        """Destroy the weights before epoch 3, so that an earlier epoch is best."""

        def on_epoch_start(self, trainer):
            if trainer.epoch == 3:
                trainer.model.layers[0].parameters["weight"].value[...] = 0
                trainer.optimizer.lr = 0.0

    run = trainer(callbacks=[Spoil()], keep_best="loss")
    history = run.fit(loader(blobs()), 4, blobs(seed=1))
    assert run.best.epoch == 2
    run.restore_best()
    from minidl.training import evaluate

    assert evaluate(run.model, run.loss, blobs(seed=1)).loss == history["val_loss"][1]


def test_a_best_weights_among_the_callbacks_takes_the_place_of_keep_best():
    mine = BestWeights("loss", ties="earlier")
    run = trainer(callbacks=[mine])
    assert run.best is mine and sum(isinstance(each, BestWeights) for each in run.callbacks) == 1


def test_accuracy_cannot_judge_a_regression():
    model = Sequential([Dense(1)])
    model.build((6,))
    split = blobs()
    from tests.training.test_trainer import Batches

    data = Batches((split.images, split.labels[:, None].astype(float)))
    model.to(dtype=np.float64)
    with pytest.raises(ConfigError, match="keep_best='loss'"):
        Trainer(model, MeanSquaredError(), SGD(0.01)).fit(data, 1, data)
    history = Trainer(model, MeanSquaredError(), SGD(0.01), keep_best="loss").fit(data, 1, data)
    assert history.columns == ["epoch", "lr", "train_loss", "val_loss"]


def test_a_diverging_run_stops_at_once_with_a_diagnosis_and_no_warnings():
    model = Sequential([Dense(20), ReLU(), Dense(20), ReLU(), Dense(3)])
    model.build((6,), rng=0)
    seen = []

    class Count(Callback):
        def on_batch_end(self, trainer):
            seen.append(trainer.loss_sum)

    run = Trainer(model, SoftmaxCrossEntropy(), SGD(1e9), callbacks=[Count()])
    with warnings.catch_warnings(), pytest.raises(DivergenceError) as caught:
        warnings.simplefilter("error")
        run.fit(loader(blobs()), 50)
    assert all(np.isfinite(value) for value in seen)  # no step was made with a loss that is not finite
    message = str(caught.value)
    where = f"epoch {run.epoch} of 50, batch {run.batch + 1} of 6 at learning rate 1e+09"
    assert where in message and "became " in message
    assert "the first array that is not finite is the " in message
    assert "the largest finite weight is " in message
    assert "learning rate 3 to 10 times smaller" in message and "\n" not in message


def test_the_diagnosis_names_the_first_culprit():
    x = np.ones((2, 4), np.float32)

    def model():
        net = Sequential([Dense(4), Residual(Sequential([Dense(4), ReLU()])), Sequential([ReLU(), Dense(3)])])
        net.build((4,), rng=0)
        return net

    def diagnosis(net, x):
        with pytest.raises(DivergenceError) as caught:
            check_finite(float("nan"), net, x, "epoch 1, batch 2", 0.5)
        return str(caught.value)

    healthy = model()
    check_finite(1.0, healthy, x)  # says nothing
    assert "so the loss or its targets are at fault" in diagnosis(healthy, x)
    assert "the batch itself holds values" in diagnosis(healthy, x * np.float32(np.nan))
    assert "in epoch 1, batch 2 at learning rate 0.5: " in diagnosis(healthy, x)

    broken = model()
    broken.state_dict()["1.body.0.weight"][1, 2] = np.nan
    assert "is the parameter 1.body.0.weight" in diagnosis(broken, x)

    large = model()
    large.state_dict()["2.1.weight"][...] = 3e38
    large.state_dict()["0.weight"][...] = 1
    large.state_dict()["0.bias"][...] = 10
    message = diagnosis(large, x)
    assert "is the output of layer 2.1 (Dense)" in message
    assert "the largest finite weight is 3e+38, in 2.1.weight" in message


def test_elsewhere_than_on_the_cpu_the_guard_looks_now_and_then_and_at_the_end():
    class Fake:
        model, inputs, batches, epochs, epoch, optimizer = network(), blobs().images, 7, 1, 1, SGD(0.1)
        loss_sum, batch = float("nan"), 5

    guard = NaNGuard()
    guard._every = 100
    guard.on_loss(Fake)
    Fake.batch = 100
    with pytest.raises(DivergenceError):
        guard.on_loss(Fake)
    with pytest.raises(DivergenceError):
        guard.on_epoch_end(Fake, {"train_loss": float("inf")})


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_quiet_when_stderr_is_no_terminal_and_in_short_runs(monkeypatch):
    from minidl.training import Progress

    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        run = trainer()
        assert any(isinstance(each, Progress) for each in run.callbacks) == stream.isatty()
        run.fit(loader(blobs()), 2)
        assert stream.getvalue().strip() == ""


@pytest.mark.parametrize("with_tqdm", [True, False])
def test_progress_in_a_run_longer_than_two_seconds(monkeypatch, with_tqdm):
    from minidl.training import Progress

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(Progress, "DELAY", 0.0)
    if not with_tqdm:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    trainer().fit(loader(blobs()), 3, blobs(seed=1))
    assert ("batch" in stream.getvalue()) == with_tqdm
    if not with_tqdm:
        assert "epoch 2/3 loss 0." in stream.getvalue() and "validation " in stream.getvalue()


def test_callbacks_that_can_be_named_in_a_configuration():
    from minidl.experiments import vocabulary
    from minidl.expressions import build

    names = vocabulary.callbacks()
    assert {"BestWeights", "EarlyStopping", "ReduceOnPlateau", "Snapshots", "WeightAverage"} <= names.keys()
    assert not {"Callback", "NaNGuard", "Progress"} & names.keys()
    stopper = build("EarlyStopping('loss', patience=3)", names, "the callback")
    assert (stopper.metric, stopper.patience) == ("loss", 3)
    average = build("WeightAverage(mode='polyak', start=3/4)", names, "the callback")
    assert (average.mode, average.start, average.decay) == ("polyak", 0.75, None)
    with pytest.raises(
        ConfigError, match="the callback: EarlyStopping has no option 'patient'; did you mean 'patience'"
    ):
        build("EarlyStopping(patient=3)", names, "the callback")
