"""Bias and variance: the targets, the decomposition, the trade-off of networks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from minidl.errors import ConfigError, ShapeError
from minidl.experiments.concepts import bias_variance
from minidl.experiments.concepts.bias_variance import (
    BOARDS,
    MOMENT,
    NOISE,
    Plan,
    conclusion,
    curve,
    measured,
    shoot,
    split_error,
    targets,
    trade_off,
)
from minidl.plots.concepts.bias_variance import bias_variance_plot

SMALL = Plan(shots=80, widths=(1, 32), images=100, draws=4, steps=200)


def test_the_error_splits_by_hand():
    """Two trainings say 0 and 4 of one example whose truth is 1: mean 2, bias 1, variance 4, error (1 + 9) / 2."""
    assert split_error(np.array([[[0.0]], [[4.0]]]), np.array([[1.0]])) == (5, 1, 4)
    generator = np.random.default_rng(0)
    error, bias2, variance = split_error(generator.random((5, 20, 3)), generator.random((20, 3)))
    assert error == pytest.approx(bias2 + variance, rel=1e-12)


def test_hits_of_a_constant_fit():
    """Degree 0 says the mean of the points: of a closed curve its centre, with noise of 0.6 / sqrt(n)."""
    hits = shoot(0, 100, 4000, np.random.default_rng(0))
    assert hits.std(axis=0) == pytest.approx([NOISE / 10] * 2, rel=0.05)
    # Both ends of [0, 1] are the point (0, 1), which counts twice: its mean is (0, 1) / 100.
    assert hits.mean(axis=0) == pytest.approx([0, 0.01], abs=0.003)
    off, spread = measured(np.array([[3.0, 5], [3, 3]]))
    assert (off, spread) == (5.0, 1.0)


def test_the_targets_are_what_they_are_called():
    found = dict(zip((name for name, *_ in BOARDS), map(measured, targets(Plan())), strict=True))
    for name, (off, spread) in found.items():
        assert (off < 0.1) == name.startswith("low bias"), name
        assert (spread < 0.2) == name.endswith("low variance"), name
    assert curve(np.array(MOMENT)) == pytest.approx([-1.5, 0])


def test_networks_split_exactly(digits):
    error, bias2, variance, wrong = trade_off(digits, SMALL)
    np.testing.assert_allclose(error, bias2 + variance, rtol=1e-12)
    assert bias2[1] < bias2[0] / 2 and (variance > 0).all() and wrong[1] < wrong[0] - 0.3
    few = replace(digits, train=digits.train.subset(110))
    with pytest.raises(ConfigError, match="draws 100 images again and again and needs more"):
        trade_off(few, SMALL)


def test_every_draw_is_another_part_of_the_images_and_every_width_gets_it(digits, monkeypatch):
    given = []
    monkeypatch.setattr(bias_variance, "short_run", lambda *args: given.append(args[3].images.copy()))
    trade_off(digits, replace(SMALL, draws=2))
    assert [len(images) for images in given] == [100] * 4
    first, second, first_again, second_again = given
    assert np.array_equal(first, first_again) and np.array_equal(second, second_again)
    seen = [{image.tobytes() for image in images} for images in (first, second)]
    assert len(seen[0]) == 100 and len(seen[0] & seen[1]) < 30  # of 1,197; chance has 8


def test_two_sentences_and_a_picture(shown):
    text, found = shown(bias_variance, "bias-variance", SMALL)
    wide = found["targets"][1]
    assert (wide["degree"], wide["points"]) == (5, 12)
    assert f"({wide['spread']:.2f} against {found['targets'][0]['spread']:.2f})" in text
    assert f"from {found['bias2'][0]:.2f} to {found['bias2'][1]:.2f}" in text
    assert math.isclose(found["error"][0], found["bias2"][0] + found["variance"][0])


def test_the_sentences_follow_the_numbers():
    spread = np.array([[1.0, 0], [-1, 0]])
    boards = [0.1 * spread, 0.4 * spread, 0.1 * spread + [0.8, 0], spread]
    found = np.array([[0.9, 0.5, 0.6], [0.8, 0.2, 0.25], [0.1, 0.3, 0.35], [0.9, 0.2, 0.3]])
    told = conclusion(Plan(widths=(1, 8, 64)), boards, found)
    assert "scatters 4.0 times as far (0.40 against 0.10)" in told and "misses by 0.80 on average" in told
    assert "bias of the networks goes from 0.80 to 0.25 and the variance from 0.10 to 0.35" in told
    assert "maximum of 0.35 at 64; their sum is lowest, 0.50, at 8." in told


def test_the_picture_draws_what_it_is_given():
    pytest.importorskip("matplotlib")
    hits = np.array([[1.0, 0], [0, 1], [-1, 0]])
    boards = [(f"board {i}", "note", hits) for i in range(4)]
    parts = np.array([[0.9, 0.5], [0.8, 0.2], [0.1, 0.3]])
    *small, below = bias_variance_plot(boards, np.array([1, 8]), parts, title="T").axes
    assert np.array_equal(small[3].lines[4].get_xydata(), hits)
    assert small[0].lines[6].get_xydata() == pytest.approx(hits.mean(axis=0)[None])
    assert [line.get_ydata().tolist() for line in below.lines] == parts[[1, 2, 0]].tolist()
    with pytest.raises(ShapeError, match="bias_variance_plot: 3 targets"):
        bias_variance_plot(boards[:3], np.array([1, 8]), parts)
