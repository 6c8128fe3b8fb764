"""Snapshots of one training in cycles."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.experiments.concepts import snapshots
from minidl.experiments.concepts.snapshots import Outcome, Plan, conclusion, measure
from minidl.plots.concepts.snapshots import snapshots_plot

SMALL = Plan(cycles=3, steps_per_cycle=50, images=400, hidden=20, batch_size=20, repeats=2, rate=0.05)


@pytest.fixture(scope="module")
def outcome(digits):
    return measure(digits, SMALL)


def test_cycles_and_the_cosine_differ_in_the_rate_alone(outcome):
    cyclic, whole = outcome.rates
    # alpha_0 / 2 (1 + cos(pi t / T)), and the same of a third of T, three times.
    t = np.arange(150)
    np.testing.assert_allclose(whole, 0.025 * (1 + np.cos(math.pi * t / 150)))
    np.testing.assert_allclose(cyclic, 0.025 * (1 + np.cos(math.pi * (t % 50) / 50)))
    assert outcome.losses[0, 0] == outcome.losses[1, 0]  # same weights, same batch, same first step
    assert outcome.losses[0, 1] == outcome.losses[1, 1] and outcome.losses[0, 2] != outcome.losses[1, 2]


def test_the_last_snapshot_alone_is_the_mean_of_one(outcome):
    assert outcome.snapshots.shape == outcome.together.shape == (2, 3) and outcome.single.shape == (2,)
    assert outcome.together[:, 0].tolist() == outcome.snapshots[:, -1].tolist()
    assert outcome.snapshots[:, -1].mean() < outcome.snapshots[:, 0].mean() < 40
    assert 0.2 < outcome.correlation < 1


def test_two_sentences_and_a_picture(shown, outcome):
    text, found = shown(snapshots, "snapshots", SMALL)
    assert found["snapshot_error"] == outcome.snapshots.tolist()
    assert f"The first of 3 snapshots errs on {outcome.snapshots[:, 0].mean():.2f} %" in text
    assert f"along one cosine errs on {outcome.single.mean():.2f} %." in text


def test_the_sentences_follow_the_numbers():
    each, together = np.array([[9.0, 7, 6], [7, 7, 6]]), np.array([[6.0, 5, 5.5], [6, 5, 5.5]])
    outcome = Outcome(np.ones((2, 6)), np.ones((2, 6)), each, together, np.array([6.0, 5]), 0.5)
    told = conclusion(Plan(cycles=3), outcome)
    assert (
        "first of 3 snapshots errs on 8.00 % of the images, the last on 6.00 %, all 3 averaged on 5.50 %"
        in told
    )
    assert (
        "the last 2, the best number, on 5.00 %; a network trained as long along one cosine errs on 5.50 %"
        in told
    )
    assert (
        "correlation of 0.50, with which 3 of them scatter like 1.5 independent" in told
    )  # 3 / (1 + 2 * 0.5)
    unknown = conclusion(Plan(cycles=3), replace(outcome, correlation=math.nan))
    assert unknown.endswith("Of a snapshot without errors there is no correlation to tell.")


def test_the_picture_draws_what_it_is_given():
    pytest.importorskip("matplotlib")
    losses, rates = np.linspace(2, 1, 80).reshape(2, 40), np.arange(80.0).reshape(2, 40)
    errors = np.array([[8.0, 6], [6, 6]]), np.array([[6.0, 5], [6, 5]]), np.array([5.0, 6])
    figure = snapshots_plot(losses, rates, 2, errors, title="T")
    drawn = {axes.get_title(loc="left"): axes.lines for axes in figure.axes}
    assert np.array_equal(drawn["Learning rate"][1].get_ydata(), rates[1])
    np.testing.assert_allclose(drawn["Training loss"][0].get_ydata(), losses[0])  # 40 steps, 40 windows
    assert [line.get_xdata()[0] for line in drawn["Training loss"][2:]] == [20, 40]
    assert [list(line.get_ydata()) for line in drawn["Validation error"]] == [[7, 6], [6, 5], [5.5, 5.5]]
    with pytest.raises(ShapeError, match="snapshots_plot: losses of shape"):
        snapshots_plot(losses, rates, 3, errors)
