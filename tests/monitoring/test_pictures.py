"""The pictures of the monitors draw the numbers they are given."""

import numpy as np
import pytest

from minidl.errors import ConfigError, ShapeError
from minidl.plots import (
    batch_loss_plot,
    filter_strip,
    gradient_depth_plot,
    histogram_heatmaps,
    learning_rate_plot,
    share_plot,
    update_ratio_plot,
)
from minidl.plots.histograms import HistogramPanel, rebin

STEPS = np.array([1, 3, 9, 27, 81])


def lines(axes):
    return {line.get_label(): line.get_ydata() for line in axes.get_lines()}


def test_batch_losses_with_jumps():
    figure = batch_loss_plot(
        STEPS, [2.0, 1.0, 0.5, np.nan, 0.2], highest=[3, 2, 1, 1, 1], jumps=[(9, 4.0)], batches=9
    )
    (axes,) = figure.axes
    drawn = lines(axes)
    assert drawn["jump"].tolist() == [4.0]
    np.testing.assert_array_equal(drawn["mean of a block of batches"], [2.0, 1.0, 0.5, np.nan, 0.2])
    assert axes.get_yscale() == "log" and axes.get_xlabel() == "epoch" and "loss" in axes.get_ylabel()
    assert axes.get_lines()[1].get_xdata().tolist() == [1.0]  # step 9 of 9 an epoch
    assert batch_loss_plot(STEPS, np.ones(5), log=False).axes[0].get_xlabel() == "step"


def test_update_ratios_leave_out_what_a_logarithm_cannot_show():
    (axes,) = update_ratio_plot(STEPS, {"0.weight": [np.nan, 0.0, 1e-3, 1e-2, 1e-4]}).axes
    np.testing.assert_array_equal(lines(axes)["0.weight"], [np.nan, np.nan, 1e-3, 1e-2, 1e-4])
    low, high = axes.get_ylim()
    assert axes.get_yscale() == "log" and low < 3e-4 and high > 1e-2
    update_ratio_plot(STEPS, {})  # nothing to draw is no error


def test_many_lines_share_one_entry_of_the_legend():
    (axes,) = update_ratio_plot(STEPS, {f"{i}.weight": np.full(5, 1e-3) for i in range(40)}).axes
    labels = axes.get_legend_handles_labels()[1]
    assert len(labels) == 15 and labels[-1] == "26 more"


def test_shares_are_drawn_in_per_cent():
    (axes,) = share_plot(STEPS, {"1 ReLU": [0, 0.1, 0.2, 0.5, 1]}, y="dead units, %", limit=0.5).axes
    assert lines(axes)["1 ReLU"].tolist() == [0, 10, 20, 50, 100] and lines(axes)["warning"][0] == 50


def test_gradients_by_depth():
    norms = np.array([[1e-4, 1e-2], [1e-3, 1e-1], [0.0, 1.0]])
    (axes,) = gradient_depth_plot(["0 Dense", "2 Dense"], norms, [1, 1000, 2000]).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0 Dense", "2 Dense"]
    np.testing.assert_array_equal(lines(axes)["step 2,000"], [np.nan, 1.0])
    with pytest.raises(ConfigError, match="norms have shape"):
        gradient_depth_plot(["a"], norms, [1, 2, 3])


def test_learning_rates():
    (axes,) = learning_rate_plot(STEPS, [0.1, 0.2, 0.3, 0.2, 0.1], batches=27).axes
    assert lines(axes)["_child0"].tolist() == [0.1, 0.2, 0.3, 0.2, 0.1]
    assert axes.get_lines()[0].get_xdata()[-1] == 3.0 and axes.get_ylim()[0] == 0
    learning_rate_plot([1.0], [np.nan])


def test_rebin_by_hand():
    # Two bins of 3 and 1 over [0, 2]; in [0, 0.5], [0.5, 1.5], [1.5, 4]: 1.5/4, (1.5 + 0.5)/4, 0.5/4.
    shares = rebin([[3, 1]], [0.0], [2.0], np.array([0.0, 0.5, 1.5, 4.0]))
    np.testing.assert_allclose(shares, [[0.375, 0.5, 0.125]])
    # All numbers equal to 1: everything is in the bin that holds 1.
    np.testing.assert_allclose(rebin([[9, 0]], 1.0, 1.0, np.array([0.0, 0.5, 1.5, 2.0])), [[0, 1, 0]])
    assert rebin([[0, 0]], 0.0, 1.0, np.array([0.0, 1.0])).tolist() == [[0.0]]


def test_histograms_over_time():
    counts = np.zeros((5, 4))
    counts[:, 1] = 7
    figure = histogram_heatmaps([HistogramPanel("1 Tanh", counts, -1.0, 1.0)] * 4, list(STEPS))
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert len(panels) == 4
    (mesh,) = panels[0].collections
    shades = mesh.get_array()  # 60 rows from -1 to 1, a column for each look
    assert shades.shape == (60, 5)
    np.testing.assert_allclose(shades[:, 2] > 0.5, (np.arange(60) >= 15) & (np.arange(60) < 30))
    assert [label.get_text() for label in panels[0].get_xticklabels()] == ["1", "3", "27", "81"]
    with pytest.raises(ConfigError, match="at least one"):
        histogram_heatmaps([], [1])


def test_filters_over_time():
    filters = np.random.default_rng(0).normal(size=(12, 6, 2, 5, 5))
    figure = filter_strip(filters, list(range(0, 120, 10)), limit=4)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["start", "step 40", "step 70", "step 110"]
    canvas = np.asarray(axes.images[0].get_array().filled(np.nan))
    np.testing.assert_allclose(canvas[-5:, -5:], filters[11, 5].mean(axis=0))
    low, high = axes.images[0].get_clim()
    assert low == -high
    with pytest.raises(ShapeError, match="filters have shape"):
        filter_strip(filters[0], [1])
