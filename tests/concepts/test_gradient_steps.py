"""Gradient steps that are too small, right and too large."""

from __future__ import annotations

import json

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.experiments.concepts import gradient_steps
from minidl.experiments.concepts.gradient_steps import CURVATURES, RATES, conclusion, descend, steps_needed
from minidl.plots.concepts.gradient_steps import gradient_steps_plot


@pytest.mark.parametrize("rate", [*RATES.values(), 0.5])
def test_every_step_multiplies_the_distance(rate):
    """w - r c w = (1 - r c) w."""
    path = descend((1.0, 4.0), (-1.0, 0.5), rate, 6)
    expected = np.array([[-1.0, 0.5]]) * (1 - rate * np.array([1.0, 4.0])) ** np.arange(7)[:, None]
    assert path == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rate", "curvature"), [(0.1, 1.0), (1.8, 1.0), (0.095, 20.0), (0.5, 2.0), (0.9, 1.0)]
)
def test_the_steps_needed_are_those_counted(rate, curvature):
    path = np.abs(descend((curvature,), (-1.0,), rate, 200)[:, 0])
    assert steps_needed(rate, curvature) == int(np.flatnonzero(path <= 1e-3 * (1 + 1e-9))[0])


def test_what_never_arrives():
    assert (
        steps_needed(2.1, 1.0) is None and steps_needed(2.0, 1.0) is None and steps_needed(0.0, 1.0) is None
    )


def test_two_sentences_and_a_picture(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("minidl.plots.style.PIXELS_PER_INCH", 40)
    text = gradient_steps.run(None, tmp_path / "out")
    assert (tmp_path / "out" / "gradient-steps.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((tmp_path / "out" / "gradient-steps.json").read_text())
    assert found["paths"]["jumps across"][1] == pytest.approx(0.8)
    assert "at a rate of 1.8 by -0.80 (jumps across: takes 31 steps to a thousandth)" in text
    # 0.095 is 0.95 of 2/20: factors -0.9 across and 0.905 along, ln 1000 / -ln 0.905 = 69.2
    assert "takes 66 steps, and the flat one, which could do it in 1 at a rate of 1.0, takes 70." in text
    assert found["rate_in_the_valley"] == pytest.approx(0.095) and max(CURVATURES) * 0.095 < 2
    assert conclusion(0.095) in text


def test_the_picture_draws_what_it_is_given():
    pytest.importorskip("matplotlib")
    path = np.array([-1.0, 0.5, 0.0])
    figure = gradient_steps_plot(
        {"a": path}, np.array([[1.0, 0.3], [0.0, 0.0]]), (1.0, 20.0), rate=0.1, title="T"
    )
    above, below = figure.axes
    assert above.lines[1].get_ydata().tolist() == [0.5, 0.125, 0.0]
    assert below.lines[0].get_xdata().tolist() == [1.0, 0.0] and "20 times" in below.get_title(loc="left")
    for paths, valley in (
        ({}, np.zeros((2, 2))),
        ({"a": np.zeros((2, 2))}, np.zeros((2, 2))),
        ({"a": path}, path),
    ):
        with pytest.raises(ShapeError, match="gradient_steps_plot"):
            gradient_steps_plot(paths, valley, (1.0, 2.0), rate=0.1)
