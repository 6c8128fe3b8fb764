"""Initial weights: the spread of the activations, the learning curves, the book's experiment."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.experiments.concepts import initialisation
from minidl.experiments.concepts.initialisation import (
    BOOK_STARTS,
    STARTS,
    Outcome,
    Plan,
    conclusion,
    last_losses,
    measure,
    spreads,
)
from minidl.experiments.concepts.short_run import dense_network
from minidl.initializers import He, Normal
from minidl.plots.concepts.initialisation import initialisation_plot

SMALL = Plan(depth=3, width=40, images=400, epochs=5, batch_size=20, book_images=1197, book_epochs=4)


@pytest.fixture(scope="module")
def outcome(digits):
    return measure(digits, SMALL)


def test_he_keeps_the_spread_and_half_of_it_halves_the_variance(digits):
    """E[y^2] of ReLU layers: with Var(w) = 2 / n unchanged, with v times that v times as large per layer."""
    images = digits.train.subset(200)
    squares = {}
    for name, init in (("he", He()), ("large", Normal(1.0))):
        found = []
        for seed in range(5):
            model = dense_network([300] * 3, 10, init=init)
            model.build((1, 28, 28), seed)
            found.append(spreads(model, images) ** 2)
        squares[name] = np.mean(found, axis=0)
    assert squares["he"][0] == pytest.approx((images.images / 255).var(), rel=1e-6)
    assert squares["he"][3] / squares["he"][1] == pytest.approx(1, abs=0.5)
    # The same random numbers, sqrt(300 / 2) times larger in each of the two layers after the first.
    ratio = (squares["large"][3] / squares["large"][1]) / (squares["he"][3] / squares["he"][1])
    assert ratio == pytest.approx(150.0**2, rel=1e-3)


def test_what_each_start_does(outcome):
    spread = dict(zip(STARTS, outcome.spread, strict=True))
    loss = dict(zip(STARTS, last_losses(outcome, SMALL), strict=True))
    assert outcome.spread.shape == (5, 4)
    assert spread["N(0, 1)"][3] > 100 * spread["He, √(2/n)"][3] > 1e4 * spread["N(0, 0.01²)"][3] > 0
    assert (spread["zeros"][1:] == 0).all()
    assert loss["He, √(2/n)"] < 0.7 and loss["zeros"] > 2.2 and loss["N(0, 0.01²)"] > 2
    large, small = outcome.accuracy
    assert outcome.accuracy.shape == (2, 4) and small[-1] > large[-1] + 5 > 60


def test_two_sentences_and_a_picture(shown, outcome):
    text, found = shown(initialisation, "init", SMALL)
    assert found["book_accuracy"] == outcome.accuracy.tolist()  # the same seed, the same numbers
    assert "zeros let nothing through (the loss ends at 2.3" in text and "the book:" not in text
    assert f"{outcome.accuracy[0, 0]:.1f} % from N(0, 1) and at {outcome.accuracy[1, 0]:.1f} %" in text


def test_the_sentences_follow_the_numbers():
    spread = np.array([[1, 2, 8], [1, 2, 2], [1, 2, 1], [1, 2, 0.02], [1, 0, 0]])
    losses = np.array([[math.inf] * 2, [1, 0.125], [1, 0.25], [2.3, 2.3], [2.3, 2.3]])
    accuracy = np.array([[86.0, 96.0], [92.0, 96.5]])
    told = conclusion(Plan(depth=2, epochs=2, book_epochs=2), Outcome(spread, losses, accuracy), True)
    assert "to layer 2 the spread" in told and "factor of 4.0 with N(0, 1) (the training is lost)" in told
    assert "0.50 with fan-in, √(1/n) (the loss ends at 0.25)" in told and "0.010 with N(0, 0.01²)" in told
    assert (
        "86.0 % from N(0, 1) (the book: below 87) and at 92.0 % from N(0, 1/n) (the book: almost 93)" in told
    )
    assert "after 2 the two are 0.5 points apart." in told


def test_the_picture_draws_what_it_is_given(outcome):
    pytest.importorskip("matplotlib")
    book = (list(BOOK_STARTS), outcome.accuracy)
    figure = initialisation_plot(list(STARTS), outcome.spread, outcome.losses, 5, book, 2.3, title="T")
    above, left, right = figure.axes
    assert np.array_equal(above.lines[0].get_ydata(), outcome.spread[0])
    assert np.isnan(above.lines[4].get_ydata()[1:]).all()
    assert [line.get_ydata().tolist() for line in right.lines] == outcome.accuracy.tolist()
    assert any("N(0, 1)" in text.get_text() for text in left.texts) == bool(np.isinf(outcome.losses[0]).any())
    with pytest.raises(ShapeError, match="initialisation_plot: 1 starts"):
        initialisation_plot(["a"], outcome.spread, outcome.losses, 5, book, 2.3)
