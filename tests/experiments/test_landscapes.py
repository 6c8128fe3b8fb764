"""Optimizers on a ravine and a saddle: the surfaces, the paths, the counting, the pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from minidl.cli.main import main
from minidl.errors import ShapeError
from minidl.experiments.landscapes import (
    AXES,
    METHODS,
    RAVINE,
    SADDLE,
    conclusion,
    descend,
    nesterov_forms,
    race,
    steps_needed,
    table,
)
from minidl.optimizers import SGD
from minidl.plots.landscapes import nesterov_plot, race_plot


@pytest.mark.parametrize("surface", [RAVINE, SADDLE], ids=lambda surface: surface.name)
def test_gradients_against_central_differences(surface):
    for point in np.random.default_rng(0).normal(size=(5, 2)):
        h = 1e-6
        numeric = [
            (surface.value(point + h * unit) - surface.value(point - h * unit)) / (2 * h)
            for unit in np.eye(2)
        ]
        assert surface.gradient(point) == pytest.approx(numeric, rel=1e-6, abs=1e-7)


def test_the_saddle_is_one_and_its_minima_lie_where_they_should():
    assert SADDLE.gradient(np.zeros(2)) == pytest.approx([0, 0])
    along, across = AXES
    assert SADDLE.value(0.1 * along) < SADDLE.value(np.zeros(2)) < SADDLE.value(0.1 * across)
    for minimum in (along, -along):  # u = 1 and u = -1
        assert SADDLE.gradient(minimum) == pytest.approx([0, 0], abs=1e-12)
        assert SADDLE.value(minimum) == pytest.approx(SADDLE.lowest)


def test_descent_follows_the_closed_form():
    """On a quadratic every coordinate shrinks by (1 - rate * curvature): u by 0.99, v by 0.5 at rate 0.01."""
    path = descend(RAVINE, SGD(0.01), 20)
    u, v = AXES @ path[-1]
    assert (u, v) == pytest.approx((-4 * 0.99**20, 0.6 * 0.5**20))
    assert path[0] == pytest.approx(RAVINE.start)


def test_a_path_that_diverges_ends_where_it_left():
    path = descend(RAVINE, SGD(3.0), 50)
    assert np.all(path[-1] == path[-2]) and np.abs(path[-1]).max() > 1e6
    assert steps_needed(RAVINE, path) is None


def test_steps_are_counted_to_the_last_time_above():
    """Heights 8, 8e-3 (down), 18 (up again), then 0: down for good after three steps."""
    along = AXES[0]
    path = np.array([-4 * along, 0.1 * along, 6 * along, 0 * along])
    assert steps_needed(RAVINE, path) == 3
    assert steps_needed(RAVINE, path[:3]) is None
    assert steps_needed(RAVINE, path[-1:]) == 0


def test_momentum_beats_plain_descent():
    """At SGD's best rate, 2 / 51, the error shrinks by 49 / 51 a step, so it takes ln(1e-3) / (2 ln(49 / 51)) = 86
    steps; the rates of the grid are a little off."""
    results = {each["name"]: each for each in race(RAVINE, 120)}
    assert list(results) == list(METHODS)
    needed = {name: each["steps"] for name, each in results.items()}
    assert 70 <= needed["SGD"] <= 110 and results["SGD"]["lr"] < 2 / 50
    assert needed["Nesterov 0.9"] < needed["Momentum 0.9"] < needed["SGD"]
    saddle = {each["name"]: each["steps"] for each in race(SADDLE, 120)}
    assert saddle["SGD"] is None and max(saddle["Momentum 0.9"], saddle["Adam"]) < 100


def test_nesterovs_forms_differ_as_the_erratum_says():
    forms = nesterov_forms()
    np.testing.assert_allclose(forms["lookahead"], forms["reformulated"], rtol=1e-9)
    assert forms["lookahead"][-1] < 0.01 < 1e6 < forms["slide"][-1]


def test_nothing_that_never_arrives_is_called_a_number():
    races = {"ravine": race(RAVINE, 5), "saddle": race(SADDLE, 5)}
    assert "never" in table(races) and "never" in conclusion(races, nesterov_forms())


def test_pictures_and_numbers_from_the_command_line(tmp_path, capsys):
    assert main(["demo", "landscapes", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "landscapes.json").read_text())
    steps = {each["name"]: each["steps"] for each in found["races"]["ravine"]}
    assert f"plain descent needs {steps['SGD']} steps" in told
    for name in ("landscapes.png", "nesterov.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")


def test_the_plots_draw_what_they_are_given_and_refuse_what_does_not_fit():
    x, y = np.linspace(-1, 1, 5), np.linspace(-1, 1, 4)
    path = np.linspace([-1, -1], [1, 1], 9)
    figure = race_plot([("hill", x, y, np.outer(y, x), [path])], ["SGD"], shown=4)
    (axes,) = figure.axes
    assert np.array_equal(axes.lines[0].get_xydata(), path[:5]) and "hill" in axes.get_title(loc="left")
    with pytest.raises(ShapeError, match="race_plot: heights of shape"):
        race_plot([("hill", x, y, np.zeros((5, 4)), [path])], ["SGD"])
    (axes,) = nesterov_plot({"slide": np.array([1.0, np.inf])}).axes
    assert np.isnan(axes.lines[0].get_ydata()[1])
