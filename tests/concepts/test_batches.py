"""Batch size and the noise of the loss curve."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.experiments.concepts import batches
from minidl.experiments.concepts.batches import (
    Outcome,
    Plan,
    batch_noise,
    conclusion,
    example_losses,
    final_losses,
    measure,
)
from minidl.experiments.concepts.short_run import dense_network
from minidl.initializers import Constant
from minidl.plots.concepts.batches import batches_plot

SMALL = Plan(sizes=(4, 32), shown=4000, images=800, rate=0.01)


def test_noise_is_the_scatter_and_not_the_trend():
    generator = np.random.default_rng(0)
    trend = np.linspace(5, 1, 4000)
    assert batch_noise(trend + 0.3 * generator.normal(size=4000)) == pytest.approx(0.3, rel=0.06)
    assert batch_noise(trend) < 1e-3
    # Of eight the last two: sqrt((3 - 1)^2 / 2).
    assert batch_noise(np.array([9, 0, 9, 0, 9, 0, 1, 3.0])) == pytest.approx(math.sqrt(2))
    assert final_losses([np.array([9, 9, 9, 9, 9, 9, 1, 3.0])]).tolist() == [2]


def test_losses_of_single_examples(digits):
    model = dense_network([], 10, init=Constant(0.0))
    model.build((1, 28, 28), 0)
    assert example_losses(model, digits.train.subset(3)) == pytest.approx([math.log(10)] * 3)


def test_noise_falls_with_the_root_of_the_size(digits):
    outcome = measure(digits, SMALL)
    assert [len(losses) for losses in outcome.scaled + outcome.fixed] == [1000, 125] * 2
    np.testing.assert_allclose(
        outcome.noise, outcome.single / np.sqrt(SMALL.sizes), rtol=0.4
    )  # few examples, and the loss still falls
    assert outcome.noise[0] > 2 * outcome.noise[1]
    scaled, fixed = final_losses(outcome.scaled), final_losses(outcome.fixed)
    assert scaled[0] == fixed[0] and fixed[1] > 2 * scaled[1]


def test_two_sentences_and_a_picture(shown):
    text, found = shown(batches, "batches", SMALL)
    assert f"from {found['noise'][0]:.2f} to {found['noise'][1]:.2f}"[:12] in text
    assert "root of the ratio of the sizes is 2.8" in text and "8 times fewer steps" in text


def test_the_sentences_follow_the_numbers():
    curves = [np.full(8, 0.5), np.full(2, 0.25)]
    outcome = Outcome(curves, [np.full(8, 0.5), np.full(2, 2.0)], np.array([0.6, 0.2]), np.ones(2))
    told = conclusion(Plan(sizes=(1, 4), shown=8, rate=0.1), outcome)
    assert "falls from 0.60 to 0.20, 3.0 times, where the root of the ratio of the sizes is 2.0." in told
    assert "losses are 0.50 and 0.25 with" in told and "0.50 and 2.0 at one rate of 0.1" in told


def test_the_picture_draws_what_it_is_given():
    pytest.importorskip("matplotlib")
    curves = [np.linspace(2, 1, 60), np.linspace(2, 1, 30)]
    pairs = (np.array([0.4, 0.2]), np.array([0.5, 0.25])), (np.array([1.0, 1.1]), np.array([1.0, 1.5]))
    figure = batches_plot((2, 4), curves, *pairs, title="T")
    first, second, noise, final = figure.axes
    assert np.array_equal(second.lines[0].get_ydata(), curves[1])
    assert second.lines[0].get_xdata()[-1] == pytest.approx(0.12)  # 30 batches of 4, in thousands
    assert first.get_ylim() == second.get_ylim()
    assert [line.get_ydata().tolist() for line in noise.lines + final.lines] == [
        [0.4, 0.2], [0.5, 0.25], [1.0, 1.1], [1.0, 1.5],
    ]  # fmt: skip
    with pytest.raises(ShapeError, match="batches_plot: 2 sizes"):
        batches_plot((2, 4), curves[:1], *pairs)
