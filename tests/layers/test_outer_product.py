"""A dense layer's gradient kept as two factors is the gradient, at any time and for every optimizer."""

import copy

import numpy as np
import pytest

from minidl import L2, SGD, Adagrad, Adam, AdamW, Dense, Momentum, Nesterov, RMSProp, Sequential, threads
from minidl.layers.outer import OuterProduct, is_thin

INPUTS, UNITS, BATCH = 500, 400, 6


@pytest.fixture
def passed():
    """Return a dense layer after a backward pass, its input and the gradient of its output."""
    rng = np.random.default_rng(3)
    layer = Dense(UNITS)
    layer.build((INPUTS,), rng=1)
    x = rng.standard_normal((BATCH, INPUTS), dtype=np.float32)
    dy = rng.standard_normal((BATCH, UNITS), dtype=np.float32)
    layer.forward(x, train=True)
    layer.backward(dy)
    return layer, x, dy


def test_a_large_layer_at_a_small_batch_keeps_the_factors(passed):
    layer, x, dy = passed
    assert layer.parameters["weight"].product is not None
    assert not is_thin(np.tile(x, (10, 1)), np.tile(dy, (10, 1))), "a batch of 60 is not thin"
    assert not is_thin(x[:, :50], dy[:, :50]), "a small matrix is written out"


def test_the_gradient_is_there_when_it_is_asked_for(passed):
    layer, x, dy = passed
    weight = layer.parameters["weight"]
    expected = x.astype(np.float64).T @ dy.astype(np.float64)
    x[:], dy[:] = np.nan, np.nan  # whatever becomes of the arrays that were passed
    np.testing.assert_allclose(weight.grad, expected, rtol=1e-5, atol=1e-5)
    assert weight.grad is weight.grad
    assert weight.product is None


@pytest.mark.parametrize("order", ["C", "F"])
def test_written_out_in_pieces_or_whole_the_bits_are_the_same(order):
    rng = np.random.default_rng(0)
    x = np.asarray(rng.standard_normal((BATCH, INPUTS)), order=order)
    dy = np.asarray(rng.standard_normal((BATCH, UNITS)), order=order)
    product = OuterProduct(x, dy, lambda: np.empty((INPUTS, UNITS)))
    whole = product.whole()
    rows = [(value, gradient()) for value, gradient in product.pieces(whole, ())]
    assert len(rows) > 1
    for value, gradient in rows:
        assert np.array_equal(value, gradient)
    assert sum(len(value) for value, _ in rows) == INPUTS
    np.testing.assert_allclose(whole, np.einsum("nd,nk->dk", x, dy), rtol=1e-12, atol=1e-12)


OPTIMIZERS = [
    lambda: SGD(0.1),
    lambda: SGD(0.1, weight_decay=0.01),
    lambda: SGD(0.1, clip_norm=1.0),
    lambda: Momentum(0.1),
    lambda: Nesterov(0.1),
    lambda: Nesterov(0.1, form="lookahead"),
    lambda: Adagrad(0.1),
    lambda: RMSProp(0.01),
    lambda: Adam(0.01),
    lambda: AdamW(0.01, weight_decay=0.1),
]


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize("count", [1, 2])
def test_every_optimizer_takes_the_same_step_with_factors_as_with_the_matrix(make, count, monkeypatch):
    monkeypatch.setattr("minidl.optimizer.WORTH_SHARING", 1)  # let two threads share this update
    rng = np.random.default_rng(7)
    factored = Sequential([Dense(UNITS), Dense(3)])
    factored.build((INPUTS,), rng=2)
    written = copy.deepcopy(factored)
    one, other = make(), make()
    x = rng.standard_normal((3, BATCH, INPUTS), dtype=np.float32)
    dy = rng.standard_normal((3, BATCH, 3), dtype=np.float32)
    with threads(count):
        for step in range(3):
            for model, optimizer in ((factored, one), (written, other)):
                parameters = list(model.named_parameters())
                optimizer.prepare(parameters)
                model.forward(x[step], train=True)
                model.backward(dy[step])
                if model is written:
                    for _, parameter in parameters:
                        assert parameter.grad is not None  # asking for it writes it out
                optimizer.step(parameters)
    for (name, a), (_, b) in zip(factored.named_parameters(), written.named_parameters(), strict=True):
        assert np.array_equal(a.value, b.value), name


def test_a_penalty_is_added_to_the_written_out_gradient(passed):
    layer, x, dy = passed
    parameters = list(layer.named_parameters())
    L2(0.5).add_gradient(parameters)
    weight = layer.parameters["weight"]
    np.testing.assert_allclose(weight.grad, x.T @ dy + 0.5 * weight.value, rtol=1e-5, atol=1e-5)


def test_the_gradient_is_still_there_after_the_step(passed):
    layer, x, dy = passed
    SGD(0.1).step(layer.named_parameters())
    np.testing.assert_allclose(layer.parameters["weight"].grad, x.T @ dy, rtol=1e-5, atol=1e-5)


def test_a_gradient_that_is_set_replaces_the_factors(passed):
    layer, _, _ = passed
    weight = layer.parameters["weight"]
    gradient = np.ones_like(weight.value)
    weight.grad = gradient
    assert weight.grad is gradient
    weight.grad = None
    assert weight.grad is None
