"""The range test: against a loop written out, on quadratics of known curvature, and without a trace."""

import math

import numpy as np
import pytest

from minidl.data.loader import Loader
from minidl.errors import ConfigError, DivergenceError
from minidl.layers import Dense, Sequential
from minidl.losses import MeanSquaredError, SoftmaxCrossEntropy
from minidl.optimizers import SGD, Adam, Momentum, Nesterov
from minidl.regularizers import L2
from minidl.training import lr_range_test
from tests.training.toys import blobs, loader, network, trainer


def one_epoch(epoch):
    return list(loader(blobs()).epoch(epoch))


@pytest.mark.parametrize("mode", ["exponential", "linear"])
@pytest.mark.parametrize("regularizers", [(), (L2(0.5),)])
def test_it_is_the_loop_written_out(mode, regularizers):
    # 6 batches per epoch: 15 steps end in the third.
    found = lr_range_test(
        network(),
        SoftmaxCrossEntropy(),
        Momentum(),
        loader(blobs()),
        regularizers=regularizers,
        low=1e-3,
        high=0.1,
        steps=15,
        mode=mode,
        smoothing=0.8,
        stop_factor=100,
    )
    model, loss, optimizer = network(), SoftmaxCrossEntropy(), Momentum()
    average, losses, smoothed, rates = 0.0, [], [], []
    for i, (x, y) in enumerate((one_epoch(0) + one_epoch(1) + one_epoch(2))[:15]):
        rate = 1e-3 * 100 ** (i / 14) if mode == "exponential" else 1e-3 + (0.1 - 1e-3) * i / 14
        rates.append(rate)
        losses.append(float(loss.forward(model.forward(x, train=True), y)))
        average = 0.8 * average + 0.2 * losses[-1]
        smoothed.append(average / (1 - 0.8 ** (i + 1)))
        model.backward(loss.backward())
        for regularizer in regularizers:
            regularizer.add_gradient(model.named_parameters())
        optimizer.lr = rate
        optimizer.step(model.named_parameters())
    assert found.rates == pytest.approx(rates, rel=1e-12)
    assert found.losses == pytest.approx(losses, rel=1e-6)
    assert found.smoothed == pytest.approx(smoothed, rel=1e-6)
    assert found.divergence is None


# a quadratic of known curvature


def quadratic(scale):
    """Least squares in two weights with the Hessian diag(2, 0.5) * scale**2, and a noise nothing can fit."""
    generator = np.random.default_rng(1)
    x = np.linalg.qr(generator.normal(size=(64, 3)))[0] * 8  # orthogonal columns of mean square 1
    inputs = x[:, :2] * [scale, scale / 2]
    targets = 3 * inputs[:, :1] / scale - 2 * inputs[:, 1:] / scale + 0.01 * x[:, 2:]
    model = Sequential([Dense(1, bias=False)])
    model.build((2,), dtype=np.float64)
    batches = [(inputs, targets)]

    class FullBatch:
        def __len__(self):
            return 1

        def epoch(self, epoch):
            return iter(batches)

    # d^2/dw^2 of mean((w x - t)^2) is 2 mean(x^2) = 2 scale^2.
    return model, FullBatch(), 2 / (2 * scale**2)


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_it_finds_the_stable_limit_of_gradient_descent(scale):
    # Gradient descent converges for rates below 2 / lambda, and grows geometrically above: from the tiny
    # error that the right rates have left, it takes a few steps to show.
    model, batches, limit = quadratic(scale)
    found = lr_range_test(
        model,
        MeanSquaredError(),
        SGD(),
        batches,
        low=1e-4 * limit,
        high=100 * limit,
        steps=200,
        smoothing=0.0,
    )
    assert limit < found.divergence < 10 * limit
    assert 0.1 * limit < found.lowest < 3 * limit
    assert 0.01 * limit < found.suggestion < limit
    assert found.suggestion < found.lowest < found.divergence
    assert found.tenth_of_lowest == found.lowest / 10
    assert f"{found.suggestion:.2g}" in found.verdict and f"{found.divergence:.2g}" in found.verdict


def test_the_suggestion_is_the_steepest_point_of_the_curve():
    model, batches, limit = quadratic(1.0)
    found = lr_range_test(model, MeanSquaredError(), SGD(), batches, low=1e-3 * limit, high=limit, steps=60)
    slopes = np.diff(found.smoothed) / np.diff(np.log(found.rates))
    steepest = found.rates[6:][int(np.argmin(slopes[6:]))]
    assert found.suggestion == pytest.approx(steepest, rel=0.15)  # one step apart at most


def test_a_second_valley_after_a_large_rise_is_luck():
    class Script(MeanSquaredError):
        """A loss of given values, with a gradient of zero."""

        calls = 0

        def forward(self, outputs, targets):
            super().forward(outputs, targets)
            self.calls += 1
            return values[self.calls - 1]

        def backward(self):
            return 0 * super().backward()

    #            flat for 10, down to 0.5, up to 0.8, down to 0.1
    values = [1.0] * 10 + [0.9, 0.8, 0.6, 0.5, 0.5] + [0.6, 0.8, 0.8, 0.6, 0.1, 0.1]
    model, batches, _ = quadratic(1.0)
    found = lr_range_test(model, Script(), SGD(), batches, low=1, high=2**20, steps=21, smoothing=0)
    # Step i has the rate 2 ** i. Steepest around step 12, where central differences see 0.8 - 0.5.
    assert (found.suggestion, found.lowest) == pytest.approx((2**12, 2**13))
    assert found.verdict.endswith("; beyond that it rises again")


# verdicts where there is nothing to suggest


def test_a_range_that_ends_too_low():
    model, batches, _ = quadratic(1.0)
    found = lr_range_test(model, MeanSquaredError(), SGD(), batches, low=1e-9, high=1e-6)
    assert found.suggestion is found.lowest is found.tenth_of_lowest is found.divergence is None
    assert len(found.rates) == 100
    assert "of no use" in found.verdict and "raise high" in found.verdict


def test_a_range_that_begins_too_high():
    model, batches, limit = quadratic(1.0)
    found = lr_range_test(model, MeanSquaredError(), SGD(), batches, low=10 * limit, high=1e3 * limit)
    assert found.suggestion is None and 10 * limit < found.divergence < 20 * limit
    assert "of no use" in found.verdict and "lower low" in found.verdict


def test_a_loss_that_rises_but_does_not_diverge():
    model, batches, limit = quadratic(1.0)
    options = {"low": 1.5 * limit, "high": 1.6 * limit, "steps": 10, "stop_factor": 1e9}
    found = lr_range_test(model, MeanSquaredError(), SGD(), batches, **options)
    assert found.suggestion is found.divergence is None
    assert "the loss rises without having fallen" in found.verdict and "lower low" in found.verdict


def test_a_range_that_ends_while_the_loss_still_falls():
    model, batches, limit = quadratic(1.0)
    found = lr_range_test(model, MeanSquaredError(), SGD(), batches, low=1e-3 * limit, high=0.05 * limit)
    assert found.suggestion is not None and "raise high" in found.verdict


def test_an_overflow_ends_the_test_and_leaves_no_infinity():
    model, batches, limit = quadratic(1.0)
    found = lr_range_test(
        model, MeanSquaredError(), SGD(), batches, low=limit, high=1e200, steps=10, stop_factor=1e308
    )
    assert found.divergence is not None and len(found.rates) == len(found.losses) < 10
    assert np.isfinite(found.losses).all() and np.isfinite(found.smoothed).all()


def test_a_loss_that_is_not_finite_from_the_beginning_is_an_error():
    split = blobs()
    split.images[:] = np.nan
    with pytest.raises(DivergenceError, match="before any step.*the data are at fault"):
        lr_range_test(network(), SoftmaxCrossEntropy(), SGD(), loader(split))


# it leaves no trace


def bits(model, optimizer):
    """Return everything that a training step changes, as comparable bytes."""
    parameters = dict(model.named_parameters())
    return {
        "weights": {name: x.tobytes() for name, x in model.state_dict().items()},
        "gradients": {name: None if p.grad is None else p.grad.tobytes() for name, p in parameters.items()},
        "identities": {name: id(p.value) for name, p in parameters.items()},
        "generators": {name: repr(g.bit_generator.state) for name, g in model.named_generators()},
        "optimizer": {
            name: x.tobytes() if isinstance(x, np.ndarray) else x
            for name, x in optimizer.state_dict().items()
        },
        "rate": (optimizer.lr, optimizer.steps),
    }


class Interrupted(Loader):
    """A loader that is stopped in its eighth batch, as by Ctrl-C."""

    error = KeyboardInterrupt

    def epoch(self, epoch):
        for index, batch in enumerate(super().epoch(epoch)):
            if epoch == 1 and index == 2:
                raise self.error
            yield batch


class Broken(Interrupted):
    error = OSError


OPTIMIZERS = [Adam, Momentum, lambda lr: Nesterov(lr, form="lookahead")]


@pytest.mark.parametrize("make_optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", [Loader, Interrupted, Broken])
@pytest.mark.parametrize("epochs", [0, 2])
def test_nothing_is_changed_however_it_ends(kind, epochs, make_optimizer):
    """Dropout draws, batch normalisation averages, the optimizer remembers; none of it may show."""
    model, optimizer, split = network(), make_optimizer(0.01), blobs()
    if epochs:
        trainer(model, optimizer).fit(loader(split), epochs)
    before = bits(model, optimizer)
    assert (before["optimizer"]["step"] > 0) is (epochs > 0)
    batches = kind(split.images, split.labels, 20, scale=1)
    if kind is Loader:
        found = lr_range_test(model, SoftmaxCrossEntropy(), optimizer, batches, steps=50)
        assert found.losses.std() > 0.01  # it did train
    else:
        with pytest.raises(kind.error):
            lr_range_test(model, SoftmaxCrossEntropy(), optimizer, batches, steps=50)
    assert bits(model, optimizer) == before


def test_a_training_goes_on_as_if_there_had_been_no_test():
    runs = []
    for tested in (False, True):
        run = trainer(network(), Adam(0.01))
        batches = loader(blobs())
        run.fit(batches, 2)
        if tested:
            lr_range_test(run.model, run.loss, run.optimizer, batches)
        runs.append((run.fit(batches, 2).rows, bits(run.model, run.optimizer)))
    (rows, state), (rows_tested, state_tested) = runs
    assert rows == rows_tested
    assert {**state, "identities": 0} == {**state_tested, "identities": 0}


def test_even_between_forward_and_backward():
    model, loss, (x, y) = network(), SoftmaxCrossEntropy(), one_epoch(0)[0]
    gradients = []
    for tested in (False, True):
        model.build((6,), rng=0)
        loss.forward(model.forward(x, train=True), y)
        if tested:
            lr_range_test(model, loss, SGD(), loader(blobs()), steps=10)
        model.backward(loss.backward())
        gradients.append({name: parameter.grad.tobytes() for name, parameter in model.named_parameters()})
    assert gradients[0] == gradients[1]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"low": 0}, "0 < low < high"),
        ({"low": 1, "high": 1}, "0 < low < high"),
        ({"high": math.inf}, "0 < low < high"),
        ({"low": math.nan}, "0 < low < high"),
        ({"steps": 9}, "steps must be an integer >= 10"),
        ({"steps": 20.0}, "steps must be an integer >= 10"),
        ({"mode": "log"}, "mode must be 'exponential' or 'linear'"),
        ({"smoothing": 1}, r"smoothing must lie in \[0, 1\)"),
        ({"stop_factor": 1}, "stop_factor must be a finite number above 1"),
    ],
)
def test_bad_options(options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        lr_range_test(network(), SoftmaxCrossEntropy(), SGD(), loader(blobs()), **options)


def test_a_loader_without_batches():
    class Empty:
        def __len__(self):
            return 0

    with pytest.raises(ConfigError, match="the loader has no batches"):
        lr_range_test(network(), SoftmaxCrossEntropy(), SGD(), Empty())
