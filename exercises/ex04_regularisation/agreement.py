"""The reference of this exercise and the library agree: scales, penalties, the mean of dropout, and when to stop."""

import numpy as np

import minidl
from minidl import initializers
from minidl.layers import Parameter
from minidl.regularizers import L1, L2
from minidl.training import EarlyStopping


def agree_on_scales(submission, rng):
    shape, seed = (300, 200), int(rng.integers(1 << 30))
    for name, ours in (
        ("normal_weights", initializers.FanIn()),
        ("he_weights", initializers.He()),
        ("glorot_weights", initializers.Glorot()),
    ):
        theirs = submission.call(name, *shape, submission.generator(seed))
        drawn = ours(shape, *shape, np.random.default_rng(seed + 1), np.float32)
        assert theirs.dtype == drawn.dtype == np.float32
        np.testing.assert_allclose(
            theirs.std(), drawn.std(), rtol=0.04
        )  # 60,000 numbers each: ten standard errors


def agree_on_penalties(submission, rng):
    arrays = {
        "0.weight": rng.normal(size=(3, 2)),
        "0.bias": rng.normal(size=2),
        "1.weight": rng.normal(size=(2, 4)),
    }
    for name, ours in (("l2", L2(0.3)), ("l1", L1(0.3))):
        parameters = {key: Parameter(value.copy(), not key.endswith("bias")) for key, value in arrays.items()}
        for parameter in parameters.values():
            parameter.grad = np.zeros_like(parameter.value)
        np.testing.assert_allclose(
            submission.call(f"{name}_penalty", arrays, 0.3), ours.penalty(parameters.items())
        )
        ours.add_gradient(parameters.items())
        theirs = submission.call(f"{name}_gradient", arrays, 0.3)
        for key, parameter in parameters.items():
            np.testing.assert_allclose(theirs[key], parameter.grad, rtol=1e-9)


def agree_on_dropout(submission, rng):
    """The masks are other numbers, so what is compared is what does not depend on them."""
    ours, x = minidl.Dropout(0.25), rng.uniform(1, 2, size=(500, 40))
    ours.build((40,), rng=int(rng.integers(1 << 30)), dtype=np.float64)
    theirs = submission.new("Dropout", 0.25, submission.generator(int(rng.integers(1 << 30))))
    for y in (ours.forward(x, True), theirs.forward(x, True)):
        np.testing.assert_allclose(np.unique(np.round(y[y != 0] / x[y != 0], 6)), [np.round(4 / 3, 6)])
        assert abs(np.mean(y == 0) - 0.25) < 0.02
    np.testing.assert_allclose(theirs.forward(x, False), ours.forward(x, False))


def agree_on_stopping(submission, rng):
    for patience in (1, 3):
        accuracies = [*rng.integers(0, 10, size=12) / 16, float("nan"), 0.5]
        ours, theirs = (
            EarlyStopping(patience=patience, min_delta=0.125),
            submission.new("EarlyStopping", patience, 0.125),
        )
        assert [theirs.update(float(a)) for a in accuracies] == [ours.update(float(a)) for a in accuracies]
