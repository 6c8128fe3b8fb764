"""Weight averaging: the formulas by hand and against PyTorch, and what a Trainer does with them."""

import numpy as np
import pytest

from minidl.blocks import BLOCK
from minidl.data.loader import Loader
from minidl.errors import ConfigError, StateError
from minidl.layers import BatchNorm, Dense, Dropout, ReLU, Sequential
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD
from minidl.training import BestWeights, Callback, Trainer, WeightAverage, evaluate, recompute_batchnorm
from minidl.training.checkpoint import read_checkpoint
from tests.training.toys import blobs, loader, network, trainer


def one_weight():
    model = Sequential([Dense(1, bias=False)])
    model.build((1,), dtype=np.float64)
    return model, model.layers[0].parameters["weight"].value


def averages(average, values):
    """Return the average of a single weight after each of the values it takes on."""
    model, weight = one_weight()
    found = []
    for value in values:
        weight[...] = value
        average.update(model)
        found.append(float(average.weights["0.weight"][0, 0]))
    return found


def test_exponential_average_by_hand():
    # a = 1; 0.5 * 1 + 0.5 * 3 = 2; 0.5 * 2 + 0.5 * 6 = 4
    assert averages(WeightAverage(0.5, warmup=False), [1, 3, 6]) == [1, 2, 4]


def test_warm_up_by_hand():
    # n = 1: d = 2/11, a = 2/11 * 0 + 9/11 * 11 = 9. n = 2: d = 3/12 = 1/4, a = 9/4 + 3/4 * 1 = 3.
    # Without it d = 0.9: 0.1 * 11 = 1.1, then 0.99 + 0.1 = 1.09: the first value still rules.
    assert averages(WeightAverage(0.9), [0, 11, 1]) == pytest.approx([0, 9, 3])
    assert averages(WeightAverage(0.9, warmup=False), [0, 11, 1]) == pytest.approx([0, 1.1, 1.09])
    # (1 + n) / (10 + n) reaches 0.5 at n = 8, and stays there.
    average = WeightAverage(0.5)
    rates = []
    for n in range(12):
        average.updates = n
        rates.append(average._rate())
    assert rates[8:] == [0.5] * 4 and rates[7] == pytest.approx(1 - 8 / 17) and rates[0] == 1


def test_polyak_average_is_the_plain_mean():
    values = [1.0, 3.0, 8.0, 0.0]
    assert averages(WeightAverage(mode="polyak"), values) == [1, 2, 4, 3]


@pytest.mark.parametrize("options", [{"decay": 0.9, "warmup": False}, {"decay": 0.97}, {"mode": "polyak"}])
def test_against_pytorch(options):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    from torch.optim.swa_utils import AveragedModel

    def ema(average, current, updates):
        n = int(updates)
        decay = (
            options["decay"] if not options.get("warmup", True) else min(options["decay"], (1 + n) / (10 + n))
        )
        return decay * average + (1 - decay) * current

    theirs = torch.nn.Linear(5, 3)
    reference = AveragedModel(theirs, avg_fn=ema if "decay" in options else None)
    model = Sequential([Dense(3)])
    model.build((5,))
    ours = model.state_dict()
    average = WeightAverage(**options)
    rng = np.random.default_rng(0)
    for _ in range(40):
        weight, bias = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)
        ours["0.weight"][...], ours["0.bias"][...] = weight, bias
        with torch.no_grad():
            theirs.weight.copy_(torch.from_numpy(weight.T.copy()))
            theirs.bias.copy_(torch.from_numpy(bias))
        average.update(model)
        reference.update_parameters(theirs)
    np.testing.assert_allclose(
        average.weights["0.weight"], reference.module.weight.detach().numpy().T, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        average.weights["0.bias"], reference.module.bias.detach().numpy(), rtol=1e-5, atol=1e-6
    )
    assert average.weights["0.weight"].dtype == np.float32


def test_large_and_oddly_ordered_arrays_are_averaged_in_pieces():
    model = Sequential([Dense(BLOCK // 4, bias=False)])
    model.build((9,))
    parameter = model.layers[0].parameters["weight"]
    parameter.value = np.asfortranarray(parameter.value)
    average, rng = WeightAverage(0.5, warmup=False), np.random.default_rng(0)
    first, second = (rng.normal(size=parameter.value.shape).astype(np.float32) for _ in range(2))
    parameter.value[...] = first
    average.update(model)
    parameter.value[...] = second
    average.update(model)
    expected = first + np.float32(0.5) * (second - first)
    np.testing.assert_array_equal(average.weights["0.weight"], expected)


def test_applied_and_back_bit_for_bit_even_after_an_error():
    model, average = network(), WeightAverage(0.9)
    average.update(model)
    for parameter in dict(model.named_parameters()).values():
        parameter.value += 1
    average.update(model)
    before = {name: x.copy() for name, x in model.state_dict().items()}
    arrays = model.state_dict()
    with average.applied(model) as applied:
        assert applied is model
        for name, x in average.weights.items():
            assert np.array_equal(model.state_dict()[name], x) and not np.array_equal(x, before[name])
    with pytest.raises(KeyboardInterrupt), average.applied(model):
        raise KeyboardInterrupt
    assert all(np.array_equal(x, before[name]) for name, x in model.state_dict().items())
    assert all(model.state_dict()[name] is x for name, x in arrays.items())  # the same arrays throughout
    average.apply(model)  # for good
    assert np.array_equal(model.state_dict()["0.weight"], average.weights["0.weight"])


def test_options_and_misuse():
    for options, message in [
        ({"mode": "swa"}, "mode must be one of 'ema', 'polyak', got 'swa'"),
        ({"decay": 1.0}, "decay must lie between 0 and 1, got 1.0"),
        ({"decay": 0}, "decay must lie between 0 and 1, got 0"),
        ({"mode": "polyak", "decay": 0.9}, "leave decay out"),
        ({"start": -1}, "start must be"),
        ({"start": 1.0}, "start must be a number of epochs .* got 1.0"),
        ({"start": True}, "start must be"),
        ({"batchnorm": "average"}, "batchnorm must be one of 'copy', 'recompute', got 'average'"),
    ]:
        with pytest.raises(ConfigError, match=message):
            WeightAverage(**options)
    average, model = WeightAverage(batchnorm="recompute"), network()
    with pytest.raises(StateError, match="nothing has been averaged yet"):
        average.apply(model)
    average.update(model)
    with pytest.raises(StateError, match="of another model"):
        average.update(network(hidden=7))
    with pytest.raises(ConfigError, match="needs the training data"), average.applied(model):
        pass
    with average.applied(model, loader(blobs())), pytest.raises(StateError, match="in the model already"):
        average.applied(model, loader(blobs())).__enter__()


# Batch normalisation -----------------------------------------------------------------------------


def test_recomputed_statistics_are_the_means_over_the_batches():
    model = Sequential([BatchNorm(momentum=0.9)])
    model.build((6,), dtype=np.float64)
    split = blobs(120)
    data = Loader(split.images, split.labels, 4, scale=1, dtype=np.float64)  # more batches than 1 / (1 - 0.9)
    for epoch in range(3):  # leave something behind that must not count
        for x, _ in data.epoch(epoch):
            model.forward(x + 5, train=True)
    recompute_batchnorm(model, data, epoch=1)
    batches = [x for x, _ in data.epoch(1)]
    state = model.state_dict()
    np.testing.assert_allclose(state["0.running_mean"], split.images.mean(axis=0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        state["0.running_var"], np.mean([x.var(axis=0, ddof=1) for x in batches], axis=0), rtol=1e-12
    )
    assert state["0.batches"] == 30 and model.layers[0].momentum == 0.9


def test_recomputing_agrees_with_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    from torch.optim.swa_utils import update_bn

    model = Sequential([Dense(4), BatchNorm(), ReLU(), BatchNorm()])
    model.build((6,), rng=3)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(6, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU(), torch.nn.BatchNorm1d(4)
    )
    with torch.no_grad():
        theirs[0].weight.copy_(torch.from_numpy(model.state_dict()["0.weight"].T.copy()))
        theirs[0].bias.copy_(torch.from_numpy(model.state_dict()["0.bias"].copy()))
    data = loader(blobs())
    recompute_batchnorm(model, data)
    update_bn([torch.from_numpy(x) for x, _ in data.epoch(0)], theirs)
    for index in (1, 3):
        for name in ("running_mean", "running_var"):
            expected = getattr(theirs[index], name).numpy()
            np.testing.assert_allclose(model.state_dict()[f"{index}.{name}"], expected, rtol=1e-5, atol=1e-6)


def test_recomputing_leaves_no_trace_but_the_statistics():
    model = network()  # with dropout
    before = {name: x.copy() for name, x in model.state_dict().items()}
    states = [repr(generator.bit_generator.state) for _, generator in model.named_generators()]
    assert states
    recompute_batchnorm(model, loader(blobs()))
    assert [repr(generator.bit_generator.state) for _, generator in model.named_generators()] == states
    changed = {name for name, x in model.state_dict().items() if not np.array_equal(x, before[name])}
    assert changed == {"1.running_mean", "1.running_var", "1.batches"}
    first = {name: x.copy() for name, x in model.state_dict().items()}
    recompute_batchnorm(model, loader(blobs()))
    assert all(np.array_equal(x, first[name]) for name, x in model.state_dict().items())


def test_a_frozen_normalisation_keeps_its_statistics():
    model = network()
    for parameter in model.layers[1].parameters.values():
        parameter.frozen = True
    recompute_batchnorm(model, loader(blobs()))
    assert model.state_dict()["1.batches"] == 0 and not model.state_dict()["1.running_mean"].any()


# In a Trainer ------------------------------------------------------------------------------------


class Watch(Callback):
    """Keep the weights after every step, and those validated."""

    def __init__(self):
        self.steps, self.validated, self.after = [], [], []

    def on_batch_end(self, trainer):
        self.steps.append(trainer.model.state_dict()["0.weight"].copy())

    def on_validation_start(self, trainer):
        self.validated.append({name: x.copy() for name, x in trainer.model.state_dict().items()})

    def on_epoch_end(self, trainer, row):
        self.after.append(trainer.model.state_dict()["0.weight"].copy())


def test_averaging_changes_no_step_but_what_is_validated():
    plain, watch = Watch(), Watch()
    without = trainer(callbacks=[plain]).fit(loader(blobs()), 3, blobs(seed=1))
    average = WeightAverage(0.9)
    run = trainer(callbacks=[watch, average])
    history = run.fit(loader(blobs()), 3, blobs(seed=1))

    assert all(np.array_equal(x, y) for x, y in zip(watch.steps, plain.steps, strict=True))
    assert history["train_loss"] == without["train_loss"]
    assert history["val_loss"] != without["val_loss"]
    # The average over the 18 steps, in float64, is what was validated after the third epoch.
    mean = watch.steps[0].astype(np.float64)
    for n, weight in enumerate(watch.steps[1:], start=1):
        decay = min(0.9, (1 + n) / (10 + n))
        mean = decay * mean + (1 - decay) * weight
    np.testing.assert_allclose(watch.validated[2]["0.weight"], mean, rtol=1e-5, atol=1e-6)
    # After it the model has its own weights again, and it keeps them.
    assert all(np.array_equal(watch.after[epoch], watch.steps[6 * epoch + 5]) for epoch in range(3))
    assert np.array_equal(run.model.state_dict()["0.weight"], watch.steps[-1])
    with average.applied(run.model):
        assert evaluate(run.model, run.loss, blobs(seed=1)).loss == history["val_loss"][2]
    average.apply(run.model)
    assert evaluate(run.model, run.loss, blobs(seed=1)).loss == history["val_loss"][2]


def test_the_best_weights_are_the_averaged_ones(tmp_path):
    watch, best = Watch(), BestWeights("loss")
    run = trainer(run_dir=tmp_path, callbacks=[watch, WeightAverage(0.8), best])
    history = run.fit(loader(blobs()), 4, blobs(seed=1))
    expected = watch.validated[best.epoch - 1]
    assert all(np.array_equal(x, expected[name]) for name, x in best.weights.items())
    run.restore_best()
    assert evaluate(run.model, run.loss, blobs(seed=1)).loss == min(history["val_loss"])
    tensors, _ = read_checkpoint(tmp_path / "checkpoints/last.safetensors")
    assert np.array_equal(tensors["model/0.weight"], watch.steps[-1])  # the last weights are still there


@pytest.mark.parametrize(
    "start, first", [(0, 1), (1, 7), (2, 13), (0.5, 13), (0.3, 8), (0.25, 7)]
)  # of 24 steps in 4 epochs: 0.3 * 24 = 7.2, so the steps after the seventh
def test_where_averaging_starts(start, first):
    watch, average = Watch(), WeightAverage(mode="polyak", start=start)
    run = trainer(callbacks=[watch, average])
    run.fit(loader(blobs()), 4, blobs(seed=1))
    assert average.updates == 24 - first + 1
    expected = np.mean(watch.steps[first - 1 :], axis=0, dtype=np.float64)
    np.testing.assert_allclose(average.weights["0.weight"], expected, rtol=1e-5, atol=1e-6)
    if start == 2:  # nothing is averaged before, so the weights themselves are validated
        assert np.array_equal(watch.validated[1]["0.weight"], watch.steps[11])


def test_statistics_in_a_trainer_copied_or_recomputed():
    copied, recomputed = Watch(), Watch()
    one = trainer(callbacks=[copied, WeightAverage(0.9)])
    one.fit(loader(blobs()), 2, blobs(seed=1))
    other = trainer(callbacks=[recomputed, WeightAverage(0.9, batchnorm="recompute")])
    other.fit(loader(blobs()), 2, blobs(seed=1))
    # Copied: those of the model as it trains. Either way the training itself is the same, dropout included.
    for name, x in one.model.state_dict().items():
        assert np.array_equal(x, other.model.state_dict()[name])
    assert np.array_equal(copied.validated[1]["1.running_mean"], one.model.state_dict()["1.running_mean"])
    model = network()
    model.load_state_dict(recomputed.validated[1])
    states = [generator for _, generator in other.model.named_generators()]
    for (_, ours), theirs in zip(model.named_generators(), states, strict=True):
        ours.bit_generator.state = theirs.bit_generator.state
    recompute_batchnorm(model, loader(blobs()), epoch=1)
    for name in ("1.running_mean", "1.running_var"):
        assert np.array_equal(model.state_dict()[name], recomputed.validated[1][name])
        assert not np.array_equal(model.state_dict()[name], copied.validated[1][name])


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_interrupted_in_the_validation_the_model_has_its_own_weights(interruption):
    class Interrupt(Callback):
        order = 50

        def on_validation_start(self, trainer):
            raise interruption

    watch = Watch()
    run = trainer(callbacks=[watch, WeightAverage(0.9), Interrupt()])
    with pytest.raises(interruption):
        run.fit(loader(blobs()), 2, blobs(seed=1))
    assert not np.array_equal(watch.validated[0]["0.weight"], watch.steps[-1])
    assert np.array_equal(run.model.state_dict()["0.weight"], watch.steps[-1])


def test_two_averages_in_one_trainer_are_refused():
    # Each would put back what it found, and the second finds the first one's average.
    with pytest.raises(ConfigError, match="only one average"):
        trainer(callbacks=[WeightAverage(0.9), WeightAverage(0.99)]).fit(loader(blobs()), 1)


def test_a_second_fit_averages_anew():
    average = WeightAverage(0.9)
    run = trainer(callbacks=[average])
    for _ in range(2):
        run.fit(loader(blobs()), 2, blobs(seed=1))
        assert average.updates == 12


def test_a_share_of_the_training_binds_the_run_to_its_epochs(tmp_path):
    from minidl.errors import CheckpointError

    def make(name, start):
        return trainer(run_dir=tmp_path / name, callbacks=[WeightAverage(start=start)])

    make("share", 0.5).fit(loader(blobs()), 2)
    with pytest.raises(CheckpointError, match=r"training\.epochs \(was 2, now 3\)"):
        make("share", 0.5).fit(loader(blobs()), 3, resume=True)
    make("epochs", 1).fit(loader(blobs()), 2)
    assert len(make("epochs", 1).fit(loader(blobs()), 3, resume=True)) == 3


def test_averaging_quietens_noisy_steps():
    """The reason for it all: at a rate that is too high the average is better than the last weights."""
    split = blobs(200, noise=1.5, seed=3)
    scores = {}
    for name, callbacks in {"last": [], "average": [WeightAverage(mode="polyak", start=0.5)]}.items():
        model = Sequential([Dense(24), ReLU(), Dropout(0.2), Dense(3)])
        model.build((6,), rng=0)
        run = Trainer(model, SoftmaxCrossEntropy(), SGD(1.0), callbacks=callbacks)
        history = run.fit(loader(split, batch_size=4), 12, blobs(1000, noise=1.5, seed=4))
        scores[name] = history["val_loss"][-1]
    assert scores["average"] < 0.9 * scores["last"]
