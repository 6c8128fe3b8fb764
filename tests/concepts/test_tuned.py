"""Optimizers, each at its own best rate."""

from __future__ import annotations

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.experiments.concepts import tuned
from minidl.experiments.concepts.tuned import DEFAULT, METHODS, Outcome, Plan, conclusion, measure
from minidl.plots.concepts.tuned import tuned_plot

RATES = {"descent": (0.001, 0.2, 300.0), "momentum": (1e-4, 0.03, 30.0), "Adam": (1e-6, 5e-3, 10.0)}
SMALL = Plan(RATES, images=1000, epochs=4, batch_size=20, hidden=20, tries=2, repeats=2, validation=200)


@pytest.fixture(scope="module")
def outcome(digits):
    return measure(digits, SMALL)


def test_each_gets_the_rate_that_is_best_where_it_was_tuned(outcome):
    assert outcome.chosen == dict.fromkeys(RATES, 1)
    for name in RATES:
        assert outcome.tuning[name].shape == (3, 2) and outcome.errors[name].shape == (2, 4)
        assert outcome.tuning[name].mean(axis=1).argmin() == 1 and outcome.errors[name][:, -1].max() < 50
    assert all(list(rates) == sorted(rates) and len(rates) == 7 for rates in DEFAULT.rates.values())
    assert list(DEFAULT.rates) == list(METHODS)


def test_one_half_chooses_and_the_other_judges(digits, monkeypatch):
    seen = []

    def train(data, plan, method, rate, images, scored, seed, which):
        seen.append((which, scored.labels))
        return [50.0] * plan.epochs

    monkeypatch.setattr(tuned, "_train", train)
    measure(digits, SMALL)
    choosing = [labels for which, labels in seen if which.startswith("try")]
    judging = [labels for which, labels in seen if which.startswith("repeat")]
    assert len(choosing) == 18 and len(judging) == 6
    assert all(np.array_equal(labels, digits.validation.labels[:100]) for labels in choosing)
    assert all(np.array_equal(labels, digits.validation.labels[100:200]) for labels in judging)


def test_a_divergence_counts_as_all_wrong(digits):
    images = digits.train.subset(64)
    row = tuned._train(digits, SMALL, "descent", 1e9, images, digits.validation, 0, "try 0")
    assert len(row) == 4 and row[-1] == 100.0


def test_two_sentences_and_a_picture(shown, outcome, monkeypatch):
    monkeypatch.setattr(tuned, "measure", lambda *args, **options: outcome)
    text, found = shown(tuned, "tuned", SMALL)
    assert found["rate"] == {"descent": 0.2, "momentum": 0.03, "Adam": 0.005}
    assert f"momentum at 0.030 errs on {outcome.errors['momentum'][:, 0].mean():.2f} %" in text


def test_the_sentences_follow_the_numbers():
    plan = Plan({"descent": (0.1, 0.2, 0.4), "Adam": (0.001, 0.002, 0.004)}, epochs=2)
    tuning = {"descent": np.array([[9.0], [6.4], [6.0]]), "Adam": np.array([[8.0], [5.0], [7.0]])}
    errors = {"descent": np.array([[20.0, 6], [22, 8]]), "Adam": np.array([[10.0, 5], [12, 5]])}
    told = conclusion(plan, Outcome(tuning, {"descent": 2, "Adam": 1}, errors))
    assert "descent at 0.40 errs on 21.00 % after one epoch and on 7.00 % after 2" in told
    assert (
        "by 1.41 points (sd). The rates within 0.5 points of the best span a factor of 2.0 for descent"
        in told
    )
    assert "1.0 for Adam; the rate of descent lies at the edge of its grid" in told
    inside = conclusion(plan, Outcome(tuning, {"descent": 1, "Adam": 1}, errors))
    assert "edge" not in inside


def test_the_picture_draws_what_it_is_given():
    pytest.importorskip("matplotlib")
    tuning = {"a": (np.array([0.1, 1.0]), np.array([[4.0, 6.0], [2.0, 0.0]]))}
    figure = tuned_plot(tuning, {"a": 1}, {"a": np.array([[8.0, 4.0], [10.0, 6.0]])}, title="T")
    left, right = figure.axes
    assert left.lines[0].get_ydata().tolist() == [5, 1.025] and left.lines[1].get_xdata().tolist() == [1.0]
    assert right.lines[0].get_ydata().tolist() == [9, 5]
    for wrong in ({"a": 2}, {"a": -1}, {}):
        with pytest.raises(ShapeError, match="tuned_plot"):
            tuned_plot(tuning, wrong, {"a": np.zeros((1, 2))})
    with pytest.raises(ShapeError, match="tuned_plot"):
        tuned_plot(tuning, {"a": 0}, {"b": np.zeros((1, 2))})
