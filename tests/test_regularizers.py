"""Penalties: hand-worked numbers, numerical gradients, Nielsen's two scalings."""

import numpy as np
import pytest

from minidl.blocks import BLOCK
from minidl.errors import ConfigError, StateError
from minidl.layers import Dense
from minidl.layers.base import Parameter
from minidl.losses import MeanSquaredError
from minidl.optimizers import SGD
from minidl.regularizers import L1, L2


def model(dtype=np.float64):
    weight = Parameter(np.array([[1.0, -2.0], [0.0, 3.0]], dtype=dtype))
    bias = Parameter(np.array([10.0, 10.0], dtype=dtype), decay=False)
    for parameter in (weight, bias):
        parameter.grad = np.ones_like(parameter.value)
    return [("0.weight", weight), ("0.bias", bias)]


def test_l2_by_hand():
    # 0.5/2 * (1 + 4 + 0 + 9) = 3.5; the gradient is 1 + 0.5 w; the bias is left alone.
    net = model()
    assert L2(0.5).penalty(net) == pytest.approx(3.5)
    L2(0.5).add_gradient(net)
    np.testing.assert_array_equal(net[0][1].grad, [[1.5, 0], [1, 2.5]])
    np.testing.assert_array_equal(net[1][1].grad, [1, 1])


def test_l1_by_hand():
    # 0.5 * (1 + 2 + 0 + 3) = 3; the gradient is 1 + 0.5 sign(w), with sign(0) = 0.
    net = model()
    assert L1(0.5).penalty(net) == pytest.approx(3)
    L1(0.5).add_gradient(net)
    np.testing.assert_array_equal(net[0][1].grad, [[1.5, 0.5], [1, 1.5]])
    np.testing.assert_array_equal(net[1][1].grad, [1, 1])


@pytest.mark.parametrize("kind", [L1, L2])
def test_gradient_agrees_with_central_differences(kind):
    rng = np.random.default_rng(0)
    w = Parameter(rng.uniform(0.1, 1, (3, 4)) * rng.choice([-1, 1], (3, 4)))  # away from the kink at 0
    w.grad = np.zeros((3, 4))
    penalty, net, h = kind(0.7), [("w", w)], 1e-5
    penalty.add_gradient(net)
    for index in np.ndindex(3, 4):
        kept = w.value[index]
        w.value[index] = kept + h
        ahead = penalty.penalty(net)
        w.value[index] = kept - h
        behind = penalty.penalty(net)
        w.value[index] = kept
        assert w.grad[index] == pytest.approx((ahead - behind) / (2 * h), rel=1e-7)


def test_squared_error_with_l2_is_ridge_regression():
    # TUE: RSS(w) + lambda w^T w is least at (X^T X + lambda I)^-1 X^T t. Ours is the mean over n examples plus
    # strength/2 w^T w: the same divided by n if strength = 2 lambda / n.
    rng = np.random.default_rng(0)
    x, t, lam = rng.normal(size=(12, 3)), rng.normal(size=(12, 1)), 5.0
    layer, loss, penalty = Dense(1, bias=False), MeanSquaredError(), L2(2 * lam / 12)
    layer.build((3,), dtype=np.float64)
    w = layer.parameters["weight"]
    w.value[...] = np.linalg.solve(x.T @ x + lam * np.eye(3), x.T @ t)
    value = loss.forward(layer.forward(x, train=True), t) + penalty.penalty(layer.named_parameters())
    assert 12 * value == pytest.approx(((x @ w.value - t) ** 2).sum() + lam * (w.value**2).sum())
    layer.backward(loss.backward())
    assert abs(w.grad).max() > 0.01  # of the error alone
    penalty.add_gradient(layer.named_parameters())
    np.testing.assert_allclose(w.grad, 0, atol=1e-14)


def test_network3_scaling_of_the_lecture():
    # LECTURE 0.3 and 2.1: lambda = 0.1 with 5,000 batches (50,000 images in tens) is a gradient of
    # 2e-5 w; with 25,000 batches 4e-6 w; and the same as the book's lambda = 1.0.
    assert L2.network3(0.1, batches=5000).strength == pytest.approx(2e-5)
    assert L2.network3(0.1, batches=25000).strength == pytest.approx(4e-6)
    assert L2.book(1.0, examples=50000).strength == pytest.approx(2e-5)
    net = model()
    L2.network3(0.1, batches=5000).add_gradient(net)
    np.testing.assert_allclose(net[0][1].grad - 1, 2e-5 * net[0][1].value, rtol=1e-9, atol=1e-18)
    # The cost as network3.py writes it: 0.5 * lmbda * sum(w^2) / num_training_batches.
    assert L2.network3(0.1, batches=5000).penalty(net) == pytest.approx(0.5 * 0.1 * 14 / 5000)
    # The shrinkage of a weight in one epoch at rate 0.03 is 0.3 % for both sizes.
    for batches in (5000, 25000):
        shrunk = (1 - 0.03 * L2.network3(0.1, batches).strength) ** batches
        assert 1 - shrunk == pytest.approx(0.003, rel=1e-2)


def test_book_scaling():
    # Eq. 87: lambda/(2n) sum w^2. Eq. 95: lambda/n sum |w|; one step is w - eta lambda/n sgn(w) - eta g.
    net = model()
    assert L2.book(5.0, examples=100).penalty(net) == pytest.approx(5 / 200 * 14)
    assert L1.book(5.0, examples=100).penalty(net) == pytest.approx(5 / 100 * 6)
    before = net[0][1].value.copy()
    L1.book(5.0, examples=100).add_gradient(net)
    SGD(0.1).step(net)
    np.testing.assert_allclose(net[0][1].value, before - 0.1 * 5 / 100 * np.sign(before) - 0.1)


@pytest.mark.parametrize("kind", [L1, L2])
def test_float32_and_large_arrays(kind):
    rng = np.random.default_rng(1)
    w = Parameter(rng.normal(size=(3, BLOCK)).astype(np.float32))
    w.grad = np.zeros((BLOCK, 3), np.float32).T  # a gradient may have any memory order
    kind(0.5).add_gradient([("w", w)])
    assert w.grad.dtype == np.float32
    expected = np.float32(0.5) * (w.value if kind is L2 else np.sign(w.value))
    np.testing.assert_array_equal(w.grad, expected)
    exact = w.value.astype(np.float64)
    size = 0.25 * (exact**2).sum() if kind is L2 else 0.5 * abs(exact).sum()
    assert kind(0.5).penalty([("w", w)]) == pytest.approx(size, rel=1e-5)


def test_no_parameters_no_penalty():
    assert L2(1.0).penalty([]) == 0.0
    assert L1(1.0).penalty(model()[1:]) == 0.0


def test_errors():
    with pytest.raises(ConfigError, match="L2: strength must be a finite number >= 0, got -1"):
        L2(-1)
    with pytest.raises(ConfigError, match="L1: strength"):
        L1(float("nan"))
    with pytest.raises(ConfigError, match=r"L2\.book: examples must be at least 1, got 0"):
        L2.book(1.0, examples=0)
    net = model()
    net[0][1].grad = None
    with pytest.raises(StateError, match=r"'0\.weight' has no gradient"):
        L2(1.0).add_gradient(net)
