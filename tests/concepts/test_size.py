"""Capacity and training-set size: polynomials and networks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.experiments.concepts import size
from minidl.experiments.concepts.polynomials import NOISE, design, errors, fit, truth
from minidl.experiments.concepts.size import Outcome, Plan, conclusion
from minidl.plots.concepts.size import size_plot

SMALL = Plan(
    points=8, draws=50, widths=(1, 32), images=300, sizes=(50, 400, 5000), width=32, steps=250, repeats=2
)


def test_a_fit_is_the_least_squares_polynomial():
    generator = np.random.default_rng(0)
    x, y = generator.random(20), generator.normal(size=20)
    for degree in (0, 2, 5):
        values = np.polynomial.Polynomial.fit(x, y, degree)(x)
        np.testing.assert_allclose(design(x, degree) @ fit(x, y, degree), values, atol=1e-9)


def test_errors_of_the_polynomials():
    """A constant is the mean of the y, about 0: new points miss it by sqrt(1/2 + 0.09), the sine's power and noise."""
    seen, new = errors(12, range(12), 4000, np.random.default_rng(0))
    assert new[0] == pytest.approx(math.sqrt(0.5 + NOISE**2 + NOISE**2 / 12), rel=0.01)
    # Equally spaced from 0 to 1 the squares of the sine add up to 11/2.
    assert seen[0] == pytest.approx(math.sqrt(5.5 / 12 + NOISE**2 * 11 / 12), rel=0.01)
    assert seen[11] < 1e-9 and np.all(np.diff(seen) < 0)
    assert new.argmin() in (3, 4, 5) and new[11] > 3 * new.min()
    # What the fit can represent costs noise alone: of 12 points p + 1 are spent on the coefficients.
    assert seen[7] == pytest.approx(NOISE * math.sqrt(4 / 12), rel=0.02)
    assert truth(np.array([0.25])) == pytest.approx([1])


def test_two_sentences_and_a_picture(shown):
    text, found = shown(size, "size", SMALL)
    widths, sizes = np.array(found["error_by_width"]), np.array(found["error_by_size"])
    assert widths.shape == (2, 2, 2) and found["sizes"] == [50, 400] and sizes.shape == (2, 2, 2)
    seen, new = widths.mean(axis=2)
    assert seen[0] > 30 > 5 > seen[1] and new[1] < new[0] - 20 and (new > seen).all()
    assert sizes[1, 1].mean() < sizes[1, 0].mean() - 5
    assert (
        f"training and validation error with 1 hidden unit to {seen[1]:.1f} and {new[1]:.1f} % with 32"
        in text
    )
    best = int(np.argmin(found["polynomial_error"][1]))
    assert f"lowest at degree {best}" in text


def test_the_sentences_follow_the_numbers():
    polynomials = np.array([[0.7, 0.3, 0.0], [0.8, 0.4, 1.5]])
    by_width, by_size = (np.array([[[50.0], [1], [0]], [[60], [10], [12]]]) for _ in range(2))
    plan = Plan(points=3, widths=(2, 4, 8))
    told = conclusion(plan, Outcome(polynomials, np.array([10, 100, 1000]), by_width, by_size), 500)
    assert "from 0.70 at degree 0 to 0.00 at degree 2" in told
    assert "lowest at degree 1 (0.40) and 1.50 at the highest" in told
    assert "with 2 hidden units to 0.0 and 12.0 % with 8 (lowest: 10.0 % with 4)" in told
    assert (
        "images bring the two no closer, from 50.0 and 60.0 % with 10 to 0.0 and 12.0 % with 1,000." in told
    )


def test_the_picture_draws_what_it_is_given():
    pytest.importorskip("matplotlib")
    x = np.linspace(0, 1, 3)
    curve = (np.array([1, 10]), np.array([[[5.0, 7], [0, 0]], [[9, 11], [4, 6]]]), "note")
    figure = size_plot((x, x, {1: np.array([0.5, 0.5])}), np.ones((2, 3)), curve, curve, title="T")
    fits, _, third, _ = figure.axes
    line = fits.lines[2]
    np.testing.assert_allclose(line.get_ydata(), line.get_xdata())  # 1/2 + (2 x - 1) / 2
    assert third.lines[0].get_ydata().tolist() == [6, 0] and third.lines[2].get_ydata().tolist() == [10, 5]
    with pytest.raises(ShapeError, match="size_plot: errors of shape"):
        size_plot((x, x, {}), np.ones((2, 3)), curve, (np.array([1]), curve[1], ""))
