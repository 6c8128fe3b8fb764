"""The pictures of a search show what they were given."""

import numpy as np
import pytest

from minidl.errors import ConfigError
from minidl.experiments import grid_random
from minidl.experiments.config_file import config_from
from minidl.experiments.training_run import load_whole
from minidl.files import read_json
from minidl.plots.grid_random import grid_against_random
from minidl.plots.search import (
    Axis,
    importance_bars,
    parallel_curves,
    search_history,
    search_slices,
)

RATES = [1e-3, 1e-2, 1e-1, 1.0]
AXES = [Axis("rate", RATES, log=True), Axis("kind", [0, 1, 1, 0], choices=("ReLU()", "Tanh()"))]
OUTCOME = [50.0, 90.0, 70.0, np.nan]


def test_slices():
    figure = search_slices(AXES, OUTCOME, label="accuracy, %", best=1, title="title")
    rate, kind = figure.axes
    assert rate.get_xscale() == "log" and rate.get_xlabel() == "rate (log scale)"
    good, lost, best = rate.lines
    np.testing.assert_array_equal(good.get_xydata(), [[1e-3, 50], [1e-2, 90], [1e-1, 70]])
    np.testing.assert_array_equal(lost.get_xdata(), [1.0])  # without a value, yet not left out
    np.testing.assert_array_equal(best.get_xydata(), [[1e-2, 90]])
    assert [text.get_text() for text in kind.get_xticklabels()] == ["ReLU()", "Tanh()"]
    figure.draw_without_rendering()


def test_history():
    accuracy, best = search_history(OUTCOME, label="accuracy, %").axes[0].lines
    np.testing.assert_array_equal(accuracy.get_ydata(), OUTCOME)
    np.testing.assert_array_equal(best.get_ydata(), [50, 90, 90, 90])
    loss = search_history([np.nan, 0.5, 0.2, 0.3], label="loss", maximize=False).axes[0].lines[1]
    np.testing.assert_array_equal(loss.get_ydata(), [np.nan, 0.5, 0.2, 0.2])


def test_parallel_curves():
    figure = parallel_curves(AXES, OUTCOME, label="accuracy, %", title="title")
    panel = figure.axes[0]
    curves = [line for line in panel.lines if len(set(line.get_xdata())) > 1]
    # A third of the logarithmic axis for each power of ten; the best trial is drawn last, on top.
    np.testing.assert_allclose(
        [line.get_ydata() for line in curves], [[0, 0], [2 / 3, 1], [1 / 3, 1]], atol=1e-12
    )
    figure.draw_without_rendering()


def test_importance():
    axes = importance_bars(["rate", "drop"], [0.9, 0.1], title="title").axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["drop", "rate"]  # the largest on top
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([10, 90])


def test_grid_against_random():
    grid = [(x, y) for x in (1e-3, 1e-1) for y in (1e-5, 1e-3)]
    random = [(2e-3, 1e-4), (3e-2, 2e-5), (9e-2, 5e-4), (1e-3, 3e-5)]
    figure = grid_against_random(
        grid, random, ([1, 2, 3, np.nan], [4, 5, 6, 7]), x="rate", y="decay", label="accuracy, %"
    )
    titles = [axes.get_title(loc="left") for axes in figure.axes[:2]]
    assert titles == ["Grid: 4 trials, 2 values", "Random: 4 trials, 4 values"]
    figure.draw_without_rendering()


def test_nothing_to_draw_is_refused():
    with pytest.raises(ConfigError, match="no trial has a value"):
        search_slices(AXES, [np.nan] * 4, label="", best=0)
    with pytest.raises(ConfigError, match="axes of 3 values each, got 4, 4"):
        parallel_curves(AXES, [1, 2, 3], label="")
    with pytest.raises(ConfigError, match="no trial has a value"):
        search_history([np.nan], label="")
    with pytest.raises(ConfigError, match="a share for each name"):
        importance_bars(["a"], [0.5, 0.5])
    with pytest.raises(ConfigError, match="points of shape"):
        grid_against_random([(1, 1)], [(1, 1)], ([1, 2], [1]), x="", y="", label="")


def test_the_demonstration_compares_as_many_trials(tmp_path, monkeypatch):
    monkeypatch.setattr(grid_random, "SIDE", 2)
    data = load_whole(config_from({"data": {"name": "digits", "subset": 200}}))
    text = grid_random.run(data, tmp_path, seed=1)
    found = read_json(tmp_path / "results.json")
    assert found["distinct_rates"] == {"grid": 2, "random": 4}
    assert (
        f"{found['best']['random']:.2f} %" in text and (tmp_path / "grid-random.png").stat().st_size > 10_000
    )
    assert data.vault.openings == []
