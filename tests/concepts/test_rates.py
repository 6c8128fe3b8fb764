"""Learning rates from too low to too high."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.experiments.concepts import rates
from minidl.experiments.concepts.rates import Plan, by_epoch, conclusion, measure, roles
from minidl.plots.concepts.rates import rates_plot

SMALL = Plan(rates=(0.003, 0.1, 0.3, 30.0), images=400, epochs=4, batch_size=20, repeats=2)


def test_the_roles_come_from_the_losses():
    """Guessing costs 2.3, nine tenths of it are 2.07."""
    grid = (0.001, 0.01, 0.03, 0.3, 1.0, 3.0, 10.0)
    final = np.array([2.2, 1.5, 1.0, 0.2, 0.5, 2.2, math.inf])
    # 0.3 / 30 is 0.01: the largest rate up to that.
    assert roles(grid, final, 2.3) == {"low": 1, "good": 3, "high": 4, "too high": 5}
    assert roles(grid[:5], final[:5], 2.3) == {"low": 1, "good": 3, "high": 4}
    assert roles(grid[2:], np.delete(final, 4)[:1].repeat(5), 2.3) == {"good": 0}  # nobody learns
    assert roles((0.3, 1.0), np.array([0.2, 2.5]), 2.3) == {"good": 0, "too high": 1}


def test_losses_by_epoch():
    losses = np.arange(12.0).reshape(1, 2, 6)  # two repeats, three epochs of two batches
    assert by_epoch(losses, 3).tolist() == [[(0 + 1 + 6 + 7) / 4, (2 + 3 + 8 + 9) / 4, (4 + 5 + 10 + 11) / 4]]


def test_rates_differ_in_nothing_else(digits):
    losses = measure(digits, SMALL)
    assert losses.shape == (4, 2, 80)
    assert np.all(losses[:, :, 0] == losses[0, :, 0]) and losses[0, 0, 0] != losses[0, 1, 0]
    assert not np.array_equal(measure(digits, SMALL, seed=1)[0, 0], losses[0, 0])
    final = by_epoch(losses, 4)[:, -1]
    assert final[1] < final[0] < 2.3 and final[1] < 0.6 and final[3] > 2.2


def test_two_sentences_and_a_picture(shown):
    text, found = shown(rates, "rates", SMALL)
    low, good = found["loss_by_epoch"][0], found["loss_by_epoch"][1]
    assert found["roles"]["low"] == 0.003 and found["roles"]["too high"] == 30
    assert f"{good[-1]:.3f}"[:4] in text and f"at 0.0030 (low) {low[-1]:.2f}" in text
    assert "A rate 300 times the good one is already lost" in text


def test_the_sentences_follow_the_numbers():
    plan = Plan(rates=(0.01, 0.5, 1.0), epochs=2)
    epochs = np.array([[2.0, 1.75], [1.0, 0.25], [1.5, 0.5]])
    told = conclusion(plan, epochs, {"low": 0, "good": 1, "high": 2}, 2.3)
    assert "lowest, 0.250, at a rate of 0.50 (good); at 0.010 (low) 1.75; at 1.0 (high) 0.500." in told
    assert "no rate at which the network learns nothing" in told
    told = conclusion(plan, epochs, {"low": 0, "good": 1, "too high": 2}, 2.3)
    assert "A rate 2.0 times the good one" in told and "50 times smaller is only slow: it gained 0.25" in told


def test_the_picture_draws_what_it_is_given():
    pytest.importorskip("matplotlib")
    curves = {"good: 0.1": np.linspace(2, 0, 120), "too high: 9": np.full(120, np.inf)}
    sweep = (np.array([0.1, 9.0]), np.array([[0.2, 0.4], [np.inf, np.inf]]))
    figure = rates_plot(curves, 60, sweep, 2.3, title="T")
    _, right, below = figure.axes
    x, y = right.lines[0].get_data()
    assert x[-1] == 2 and y[0] == pytest.approx(curves["good: 0.1"][:2].mean())
    assert np.isnan(right.lines[1].get_ydata()).all()
    assert below.lines[0].get_ydata()[0] == pytest.approx(0.3) and figure.get_suptitle() == "T"
    with pytest.raises(ShapeError, match="rates_plot: 2 curves, 1 rates"):
        rates_plot(curves, 60, (np.array([0.1]), np.zeros((2, 2))), 2.3)
