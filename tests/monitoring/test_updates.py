"""The ratio of update to weight is that of the updates really made."""

import math

import numpy as np
import pytest

from minidl.data import Loader
from minidl.layers import Dense, Sequential, Tanh
from minidl.losses import MeanSquaredError
from minidl.monitoring import UpdateRatios, update_ratio
from minidl.optimizers import SGD, Momentum, Nesterov
from tests.training.toys import blobs, loader, trainer


def test_by_hand():
    # ||(0.3, -0.4)|| / ||(3, 4)|| = 0.5 / 5.
    assert update_ratio(np.array([3.0, 4.0]), np.array([3.3, 3.6])) == pytest.approx(0.1)
    assert math.isnan(update_ratio(np.zeros(2), np.ones(2)))


def watch(optimizer, steps, every=1):
    """Train y = w x on x = 1, target 0 by hand: the gradient of (w - 0)^2 / n is known."""
    model = Sequential([Dense(1, bias=False)])
    model.build((1,), rng=0, dtype=np.float64)
    weight = dict(model.named_parameters())["0.weight"]
    weight.value[...] = 1.0
    x, target, loss = np.ones((1, 1)), np.zeros((1, 1)), MeanSquaredError()
    monitor = UpdateRatios(every=every)
    monitor.start(model, batches=100)
    parameters, weights = list(model.named_parameters()), [1.0]
    for _ in range(steps):
        optimizer.prepare(parameters)
        loss.forward(model.forward(x, train=True), target)
        model.backward(loss.backward())
        monitor.observe_gradients()
        optimizer.step(parameters)
        monitor.observe()
        weights.append(float(weight.value[0, 0]))
    return monitor.table.rows, np.array(weights)


@pytest.mark.parametrize(
    "optimizer",
    [SGD(0.1), Momentum(0.1, 0.9), Nesterov(0.1, momentum=0.9, form="lookahead"), SGD(0.1, weight_decay=0.5)],
)
def test_it_is_the_update_and_not_the_gradient(optimizer):
    rows, weights = watch(optimizer, 5)
    expected = np.abs(np.diff(weights) / weights[:-1])
    np.testing.assert_allclose([row["ratio/0.weight"] for row in rows], expected, rtol=1e-12)


def test_plain_sgd_by_hand():
    # Loss w^2, gradient 2 w, update 0.1 * 2 w: the ratio is 0.2 and the gradient's norm 2 w = 2, 1.6, 1.28.
    rows, _ = watch(SGD(0.1), 3)
    assert [row["ratio/0.weight"] for row in rows] == pytest.approx([0.2, 0.2, 0.2])
    assert [row["gradient_norm"] for row in rows] == pytest.approx([2.0, 1.6, 1.28])


def test_only_sampled_steps_are_kept_and_each_compares_with_the_step_before():
    rows, weights = watch(Momentum(0.1, 0.9), 9, every=4)
    assert [row["step"] for row in rows] == [1, 5, 9]
    expected = [abs(weights[step] / weights[step - 1] - 1) for step in (1, 5, 9)]
    assert [row["ratio/0.weight"] for row in rows] == pytest.approx(expected)


def test_the_gradient_norm_is_taken_before_clipping():
    monitor = UpdateRatios(every=1)
    trainer(optimizer=SGD(0.1, clip_norm=1e-3), callbacks=[monitor]).fit(loader(blobs()), 1)
    assert all(row["gradient_norm"] > 0.01 for row in monitor.table.rows)


def test_large_updates_are_warned_of_once_and_healthy_ones_are_not(capsys):
    # Pure noise to learn: the gradient does not become smaller.
    data = Loader(blobs(400).images, np.random.default_rng(0).integers(0, 3, 400), 4, scale=1)

    def train(lr, monitor):
        model = Sequential([Dense(12), Tanh(), Dense(3)])
        model.build((6,), rng=0)
        trainer(model, SGD(lr), callbacks=[monitor]).fit(data, 5)

    train(0.003, UpdateRatios(every=40))
    assert capsys.readouterr().err == ""
    monitor = UpdateRatios(every=40)
    train(1.0, monitor)
    (entry,) = monitor.notes.entries
    assert entry["kind"] == "large updates" and "lower learning rate" in entry["text"]
    assert capsys.readouterr().err.count("\n") == 1
