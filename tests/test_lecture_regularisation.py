"""Where the lectures print two forms of a regularisation, or a wrong one: numbers that tell them apart."""

import itertools

import numpy as np
import pytest

from minidl.layers import Dense, Dropout, Sequential
from minidl.layers.base import Parameter
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD, Adam, AdamW
from minidl.regularizers import L1, L2
from minidl.training import evaluate
from tests.training.toys import blobs


def stepped(optimizer, weights, gradients, penalty=None):
    """Return the weights after one step."""
    parameter = Parameter(np.array(weights, np.float64))
    parameter.grad = np.array(gradients, np.float64)
    if penalty is not None:
        penalty.add_gradient([("w", parameter)])
    optimizer.step([("w", parameter)])
    return parameter.value


# Penalties (book, eq. 93 and 96) -----------------------------------------------------------------


def test_one_step_with_l2_and_l1_as_the_book_prints_them():
    # eta = 0.5, lambda = 5, n = 100: eta lambda / n = 0.025.
    # L2: w (1 - 0.025) - 0.5 g = 1.95 - 0.1 = 1.85 and -0.975 - 0.2 = -1.175: proportional to w.
    # L1: w - 0.025 sgn(w) - 0.5 g = 2 - 0.025 - 0.1 = 1.875 and -1 + 0.025 - 0.2 = -1.175: the same for all.
    w, g = [2.0, -1.0], [0.2, 0.4]
    assert stepped(SGD(0.5), w, g, L2.book(5, examples=100)) == pytest.approx([1.85, -1.175])
    assert stepped(SGD(0.5), w, g, L1.book(5, examples=100)) == pytest.approx([1.875, -1.175])


def test_weight_decay_stays_constant_when_the_training_set_grows():
    # UU "check that weight decay is constant": lambda = 0.1 for 1,000 images is lambda = 5.0 for 50,000.
    small, large = L2.book(0.1, examples=1000), L2.book(5.0, examples=50_000)
    assert small.strength == pytest.approx(large.strength) == pytest.approx(1e-4)
    # The same lambda for 50 times the images would shrink the weights 50 times less in a step.
    assert L2.book(0.1, examples=50_000).strength == pytest.approx(small.strength / 50)
    assert stepped(SGD(0.5), [2.0], [0.0], large) == pytest.approx([2 * (1 - 0.5 * 0.1 / 1000)])


def test_decay_in_proportion_to_the_weights_needs_the_squared_norm():
    # Erratum 13. For w = (3, 4) and ten times that: the gradient of lambda/2 |w|^2 is lambda w, ten times
    # larger for the larger weights; that of the norm lambda |w|, as printed, is lambda w / |w| for both.
    for factor in (1, 10):
        w = factor * np.array([3.0, 4.0])
        pull = 1.0 * w - stepped(SGD(1.0), w, [0.0, 0.0], L2(0.5))
        np.testing.assert_allclose(pull, 0.5 * w)
        h = 1e-6
        norm = [(np.hypot(w[0] + h, w[1]) - np.hypot(w[0] - h, w[1])) / (2 * h),
                (np.hypot(w[0], w[1] + h) - np.hypot(w[0], w[1] - h)) / (2 * h)]  # fmt: skip
        np.testing.assert_allclose(norm, [0.6, 0.8], rtol=1e-6)


def test_l2_in_the_loss_is_decoupled_decay_for_sgd_but_not_for_adam():
    # Erratum 13. w = 1, g = 0.1, rate 0.1, strength 0.5.
    # SGD: 1 - 0.1 (0.1 + 0.5) = 0.94, and 1 (1 - 0.1 * 0.5) - 0.1 * 0.1 = 0.94.
    assert stepped(SGD(0.1), [1.0], [0.1], L2(0.5)) == pytest.approx([0.94])
    assert stepped(SGD(0.1, weight_decay=0.5), [1.0], [0.1]) == pytest.approx([0.94])
    # The first step of Adam has the size of the rate whatever the gradient: 1 - 0.1 = 0.9, and the
    # penalty is lost in it. Decoupled it is not: 0.95 - 0.1 = 0.85.
    assert stepped(Adam(0.1), [1.0], [0.1], L2(0.5)) == pytest.approx([0.9])
    assert stepped(Adam(0.1), [1.0], [0.1], L2(50.0)) == pytest.approx([0.9])
    for decoupled in (Adam(0.1, weight_decay=0.5), AdamW(0.1, weight_decay=0.5)):
        assert stepped(decoupled, [1.0], [0.1]) == pytest.approx([0.85])


# Dropout -----------------------------------------------------------------------------------------


def expected_input(w, x, p):
    """Return E[sum w_i x_i] over all masks, each unit kept with probability 1 - p."""
    total = 0.0
    for mask in itertools.product([0, 1], repeat=len(x)):
        probability = np.prod([1 - p if kept else p for kept in mask])
        total += probability * np.dot(w, np.multiply(mask, x))
    return total


def test_multiplying_by_the_probability_of_dropping_is_wrong_at_one_fifth():
    # Erratum 10 (AAR: "multiply by dropout probability p"). w x = 3 + 10 + 2 = 15, so the mean over the eight
    # masks is 0.8 * 15 = 12; the slide gives 0.2 * 15 = 3.
    w, x = np.array([[1.0], [2.0], [4.0]]), np.array([[3.0, 5.0, 0.5]])
    assert expected_input(w[:, 0], x[0], 0.2) == pytest.approx(12)
    dense = Dense(1, bias=False)
    dense.build((3,), dtype=np.float64)
    dense.parameters["weight"].value[...] = w
    full = dense.forward(x)
    assert full == pytest.approx(15) and 0.2 * full == pytest.approx(3)
    for scaling, gain in (
        ("test", 1.0),
        ("train", 1 / 0.8),
    ):  # inverted dropout trains with 1/0.8 of the input
        drop = Dropout(0.2, scaling=scaling)
        drop.build((3,), dtype=np.float64)
        # p is realised to 1/65536
        assert dense.forward(drop.forward(x)) == pytest.approx(gain * 12, rel=1e-5)
    # At p = 1/2 the two cannot be told apart, which is how the slip went unnoticed.
    assert expected_input(w[:, 0], x[0], 0.5) == pytest.approx(0.5 * 15)


def test_the_weights_are_halved_once_not_after_each_epoch():
    # Erratum 2 (UU: "after each epoch decrease each weight by 1/2"). Running the full network, the weights
    # that leave the hidden units are halved once: that is what evaluation does, however long one trained.
    hidden, out, drop = Dense(8), Dense(3), Dropout(0.5, scaling="test")
    model = Sequential([hidden, drop, out])
    model.build((6,), dtype=np.float64)
    split, loss, optimizer = blobs(40), SoftmaxCrossEntropy(), SGD(0.1)
    x = split.images.astype(np.float64)
    for _ in range(3):
        loss.forward(model.forward(x, train=True), split.labels)
        model.backward(loss.backward())
        optimizer.step(model.named_parameters())
    bias = out.parameters["bias"].value
    full = hidden.forward(x) @ out.parameters["weight"].value
    np.testing.assert_allclose(model.forward(x), full / 2 + bias, rtol=1e-12)
    np.testing.assert_array_equal(model.forward(x), model.forward(x))
    assert not np.allclose(model.forward(x), full / 2**3 + bias)


# Cost and accuracy -------------------------------------------------------------------------------


def test_cost_means_something_that_accuracy_does_not_see():
    # Erratum 8 (UU: "cost has no meaning, accuracy does"). Ten times the weights change no answer, but the
    # network is now sure of its mistakes, and the cost says so.
    split = blobs(300, noise=1.5)
    model = Sequential([Dense(3)])
    model.build((6,), rng=0)
    loss, optimizer = SoftmaxCrossEntropy(), SGD(0.5)
    for _ in range(100):
        loss.forward(model.forward(split.images, train=True), split.labels)
        model.backward(loss.backward())
        optimizer.step(model.named_parameters())
    modest = evaluate(model, loss, split)
    for _, parameter in model.named_parameters():
        parameter.value *= 10
    sure = evaluate(model, loss, split)
    assert 0.5 < modest.accuracy < 1 and sure.accuracy == modest.accuracy
    assert sure.loss > 2 * modest.loss
