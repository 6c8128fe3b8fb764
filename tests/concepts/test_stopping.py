"""Stopping by the cost and by the accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.experiments.concepts import stopping
from minidl.experiments.concepts.stopping import (
    BOOK_ACCURACY,
    BOOK_COST,
    Curves,
    Plan,
    conclusion,
    rules,
    stopped,
    table,
)
from minidl.plots.concepts.stopping import stopping_plot

SMALL = Plan(images=150, epochs=60, patience=(5, 20), penalty=0.1)


def test_the_rules_by_hand():
    accuracy = np.array([50, 60, 59, 59, 61, 60, 60, 60, 70.0])
    # Patience 2: epochs 3 and 4 bring nothing, so it ends there with the weights of epoch 2.
    assert stopped(accuracy, "accuracy", 2) == (4, 2)
    assert stopped(accuracy, "accuracy", 3) == (8, 5)
    assert stopped(accuracy, "accuracy", 4) == (9, 9)  # never: to the end
    cost = np.array([2.0, 1.0, 1.5, 0.9])
    assert stopped(cost, "loss", 1) == (3, 2) and stopped(cost, "loss", 2) == (4, 4)


def test_moments_of_the_curves():
    curves = Curves(np.array([3, 1, 2.0]), np.array([80, 89.95, 90.0]), 100.0)
    assert (curves.lowest, curves.settled) == (2, 2)
    found = rules(curves, (1,))
    assert found == [("no lower cost in 1", 3, 2, 89.95), ("no better accuracy in 1", 3, 3, 90.0)]


def test_the_books_numbers():
    """Epochs 14 and 399 of the book, counted from 0; 280 and 374."""
    assert BOOK_COST == ((15, 1.203), (400, 1.773)) and BOOK_ACCURACY == ((281, 82.21), (375, 82.27))
    assert (Plan().images, Plan().epochs, Plan().hidden) == (1000, 400, 30)


def test_the_cost_rises_while_the_accuracy_does_not_fall(shown):
    text, found = shown(stopping, "stopping", SMALL)
    plain, penalised = (found[name] for name in ("without_penalty", "with_penalty"))
    cost, accuracy = np.array(plain["cost"]), np.array(plain["accuracy"])
    assert len(cost) == len(accuracy) == 60 and plain["training"] == 100
    assert plain["lowest_cost_at"] < 50 and cost[-1] > 1.03 * cost.min()
    assert plain["settled_at"] > plain["lowest_cost_at"]
    assert penalised["cost"][-1] < 0.95 * cost[-1]
    assert "the book" not in text  # its numbers are of MNIST
    assert f"The cost is lowest, {cost.min():.3f}, after {plain['lowest_cost_at']} epochs" in text


def test_the_sentences_follow_the_numbers():
    plain = Curves(np.array([1.5, 1.0, 2.0]), np.array([80.0, 81, 84]), 100.0)
    penalised = Curves(np.array([1.5, 0.9, 0.8]), np.array([80.0, 85, 88]), 100.0)
    plan = Plan(epochs=3, patience=(1,))
    told = conclusion(plan, plain, penalised, compared=True)
    assert (
        "lowest, 1.000, after 2 epochs and 2.000 in the end (the book, on test images: 1.203 after 15" in told
    )
    assert (
        "81.00 % at that moment, comes within 0.1 points of its best, 84.00 %, after 3 epochs (the book: 82.21 %"
        in told
    )
    assert "ends the training after 3 of 3 epochs at 84.00 %" in told
    assert "lambda = 0.1 is 88.00 % (the book: 87.10 %)." in told
    assert "book" not in conclusion(plan, plain, penalised, compared=False)
    assert "no lower cost in 1" in table(plan, plain, penalised)


def test_the_picture_draws_what_it_is_given():
    pytest.importorskip("matplotlib")
    curves = {"a": (np.array([2.0, 1.0]), np.array([70.0, 80]))}
    book = (((1, 1.2), (2, 1.7)), ((2, 82.0),), 87.0)
    figure = stopping_plot(curves, (2, 1), book=book, title="T")
    above, below = figure.axes
    assert above.lines[0].get_ydata().tolist() == [2, 1] and below.lines[0].get_xdata().tolist() == [1, 2]
    assert above.lines[1].get_xdata()[0] == 2 and below.lines[1].get_xdata()[0] == 1
    assert list(above.lines[2].get_ydata()) == [1.2, 1.7] and list(below.lines[2].get_ydata()) == [82]
    assert len(stopping_plot(curves, (2, 1)).axes[0].lines) == 2
    with pytest.raises(ShapeError, match="stopping_plot: a has costs of shape"):
        stopping_plot({"a": (np.zeros(3), np.zeros(2))}, (1, 1))


def test_the_book_s_curve_has_the_book_s_marks():
    """The marks were noted by themselves; the curve is a part of the published one."""
    curve = {epoch: (cost, accuracy) for epoch, cost, accuracy in stopping.BOOK_CURVE}
    assert [(epoch, curve[epoch][0]) for epoch, _ in stopping.BOOK_COST] == list(stopping.BOOK_COST)
    assert min(cost for cost, _ in curve.values()) == stopping.BOOK_COST[0][1]
    assert max(accuracy for _, accuracy in curve.values()) <= stopping.BOOK_ACCURACY[1][1]
    assert list(curve) == sorted(curve) and max(curve) == stopping.BOOK_EPOCHS


def test_the_book_s_curve_is_drawn():
    pytest.importorskip("matplotlib")
    ours = (np.array([2.0, 1.5]), np.array([60.0, 70.0]))
    figure = stopping_plot({"a": ours}, (2, 2), book_curve=[(1, 2.5, 50.0), (2, 1.75, 65.0)])
    above, below = figure.axes
    drawn = [
        line.get_ydata().tolist()
        for axes in (above, below)
        for line in axes.lines
        if line.get_label() == "the book"
    ]
    assert drawn == [[2.5, 1.75], [50.0, 65.0]]
