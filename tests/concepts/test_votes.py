"""Votes against the binomial, and dropout as an ensemble."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from minidl.errors import ConfigError, ShapeError
from minidl.evaluation.ensemble import majority_error
from minidl.experiments.concepts import votes
from minidl.experiments.concepts.votes import (
    KINDS,
    Outcome,
    Plan,
    conclusion,
    error_and_correlation,
    measure,
)
from minidl.plots.concepts.votes import votes_plot

SMALL = Plan(
    members=5,
    images=230,
    hidden=20,
    steps=120,
    dropout_hidden=60,
    dropout_steps=200,
    thinned=(1, 4, 16),
    repeats=3,
)


def test_the_lectures_anchor():
    """FAU: five networks of 99.6 % would together be wrong on 6.4e-7 of the images."""
    assert majority_error(5, 0.004) == pytest.approx(6.4e-7, rel=0.01)


def test_error_and_correlation_by_hand():
    """Wrong on (a, b), (a), (c) of four images: errors 2, 1 and 1 of 4.

    Of the first two phi = (1 * 4 - 2 * 1) / sqrt(2 * 2 * 1 * 3) = 1 / sqrt(3), of the first and the third
    -1 / sqrt(3), of the other two (0 - 1) / 3.
    """
    labels = np.zeros(4, int)
    found = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]])
    p, together = error_and_correlation(found, labels)
    assert p == pytest.approx(4 / 12) and together == pytest.approx(-1 / 9)
    assert np.isnan(error_and_correlation(np.zeros((2, 4), int), labels)[1])  # nobody errs


def test_networks_that_do_err_independently_keep_the_promise():
    generator = np.random.default_rng(0)
    labels = np.zeros(40_000, int)
    found = (generator.random((5, 40_000)) < 0.2).astype(int)
    p, together = error_and_correlation(found, labels)
    assert together == pytest.approx(0, abs=0.01) and p == pytest.approx(0.2, abs=0.005)
    wrong = (found.sum(axis=0) > 2.5).mean()
    assert wrong == pytest.approx(majority_error(5, p), abs=0.003)


def test_members_differ_in_what_their_kind_says(digits, monkeypatch):
    given = []

    def note(model, loss, optimizer, loader, steps, **options):
        given.append((model.state_dict()["1.weight"].copy(), loader.images.copy(), loader.order(0)))

    monkeypatch.setattr(votes, "short_run", note)
    validation = digits.validation.subset(5)
    same = {}
    for kind in KINDS:
        given.clear()
        for index in (0, 1):
            votes._member(digits, SMALL, kind, index, 100, validation, 0)
        same[kind] = [np.array_equal(*pair) for pair in zip(*given, strict=True)]
    assert same == {
        "other order": [True, True, False],
        "other initial weights": [False, True, False],
        "other images": [False, False, False],
    }


def test_real_networks_err_together(digits):
    outcome = measure(digits, SMALL)
    assert outcome.sizes.tolist() == [1, 3, 5] and outcome.measured.shape == (3, 3)
    np.testing.assert_allclose(outcome.measured[:, 0], outcome.single)
    np.testing.assert_allclose(outcome.independent[:, 0], outcome.single)
    assert outcome.correlation[0] > outcome.correlation[2] > 0.1
    assert (outcome.measured[:, -1] > outcome.independent[:, -1]).all()
    assert outcome.thinned[0] > outcome.thinned[-1] == pytest.approx(outcome.scaled, abs=0.04)
    few = replace(digits, train=digits.train.subset(100))
    with pytest.raises(ConfigError, match="needs 25 training images for each of its 5 networks, got 100"):
        measure(few, SMALL)


def test_two_sentences_and_a_picture(shown):
    text, found = shown(votes, "votes", replace(SMALL, members=3))
    assert f"{100 * found['measured'][0][-1]:.1f} % with other order" in text
    assert f"asked once, on {100 * found['scaled']:.1f} %." in text
    assert np.shape(found["independent"]) == (3, 2)


def test_the_sentences_follow_the_numbers():
    errors = np.array([[0.1, 0.09], [0.11, 0.08], [0.12, 0.06]])
    binomial = np.array([[0.1, 0.0001], [0.11, 0.0002], [0.12, 0.0003]])
    outcome = Outcome(np.array([1, 11]), errors[:, 0], np.array([0.8, 0.7, 0.5]), errors, binomial,
                      np.array([0.2, 0.15]), 0.125)  # fmt: skip
    told = conclusion(Plan(thinned=(1, 64)), outcome)
    assert (
        "11 networks, each wrong on 10.0 to 12.0 % of the images, would be outvoted on 0.030 % at most"
        in told
    )
    assert "9.0 % with other order (correlation of the errors 0.80), 8.0 % with other initial" in told
    unknown = replace(outcome, correlation=np.array([0.8, np.nan, 0.5]))
    assert "initial weights (correlation of the errors undefined)" in conclusion(
        Plan(thinned=(1, 64)), unknown
    )
    assert "errs on 20.0 %, the mean of 64 on 15.0 %" in told and "on 12.5 %." in told


def test_the_picture_draws_what_it_is_given():
    pytest.importorskip("matplotlib")
    errors = np.array([[10.0, 9], [10, 8]]), np.array([[10.0, 0.1], [10, 0]])
    dropout = (np.array([1, 8]), np.array([11.0, 8]), 8.1)
    sizes = np.array([1, 3])
    figure = votes_plot(["a", "b"], sizes, errors, np.array([0.8, np.nan]), dropout, title="T")
    above, left, right = figure.axes
    assert above.lines[1].get_ydata().tolist() == [10, 8] and above.lines[2].get_ydata().tolist() == [10, 0.1]
    assert [bar.get_width() for bar in left.patches] == [0.8, 0]
    assert [text.get_text() for text in left.texts] == ["0.80", "undefined"]
    assert right.lines[0].get_ydata().tolist() == [11, 8]
    with pytest.raises(ShapeError, match="votes_plot: errors of shapes"):
        votes_plot(["a"], sizes, errors, np.array([0.8]), dropout)
