"""Pictures of schedules and of the range test: what is in them, their labels and units."""

import numpy as np
import pytest

from minidl.errors import ConfigError
from minidl.plots import lr_range_curve, schedule_curves
from minidl.schedules import Constant, Cosine, Linear, OneCycle, sample

RATES = np.geomspace(1e-4, 1, 21)
LOSSES = np.r_[np.linspace(2.3, 0.5, 17), 0.7, 2.0, 9.0, 50.0]
SMOOTHED = np.r_[np.linspace(2.3, 0.6, 17), 0.6, 0.9, 2.0, 6.0]


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


# schedules


def test_one_schedule_is_one_panel():
    figure = schedule_curves({"Cosine(0.1)": sample(Cosine(0.1))})
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("fraction of the training", "learning rate")
    assert axes.get_title(loc="left") == "Learning-rate schedule"
    assert legend_texts(figure) == ["Cosine(0.1)"]
    line = lines(axes)["Cosine(0.1)"]
    np.testing.assert_allclose(line.get_ydata(), 0.05 * (1 + np.cos(np.pi * line.get_xdata())), atol=1e-12)


def test_momentum_gets_a_second_panel_and_the_epochs_one_axis():
    figure = schedule_curves({"a": sample(OneCycle(0.1)), "b": sample(Cosine(0.1))}, epochs=30)
    top, bottom = figure.axes
    assert (bottom.get_xlabel(), bottom.get_ylabel(), top.get_xlim()) == ("epoch", "momentum", (0, 30))
    assert set(lines(top)) == {"a", "b"} and set(lines(bottom)) == {"a"}
    assert lines(top)["a"].get_color() == lines(bottom)["a"].get_color()
    assert lines(bottom)["a"].get_ydata().min() == pytest.approx(0.85)


def test_schedules_differ_in_dashes_too():
    (axes,) = schedule_curves({str(k): sample(Constant(k)) for k in range(1, 8)}).axes
    styles = {(line.get_color(), str(line._dash_pattern)) for line in axes.lines}
    assert len({colour for colour, _ in styles}) == len({dashes for _, dashes in styles}) == 7


def test_single_steps_are_levels_to_the_end_of_the_last():
    (axes,) = schedule_curves({"x": sample(Linear(0.8), steps=4)}, epochs=2, steps=True).axes
    line = lines(axes)["x"]
    assert line.get_drawstyle() == "steps-post"
    assert line.get_xdata().tolist() == [0, 0.5, 1, 1.5, 2]
    np.testing.assert_allclose(line.get_ydata(), [0.8, 0.6, 0.4, 0.2, 0.2])


def test_zero_leaves_a_gap_on_a_logarithmic_axis():
    (axes,) = schedule_curves({"x": sample(Linear(0.8), points=5)}, log=True).axes
    assert (axes.get_yscale(), axes.get_ylabel()) == ("log", "learning rate (log scale)")
    np.testing.assert_allclose(lines(axes)["x"].get_ydata(), [0.8, 0.6, 0.4, 0.2, np.nan])
    schedule_curves({"nothing": sample(Constant(0))}, log=True).draw_without_rendering()


def test_a_long_name_is_shortened():
    assert legend_texts(schedule_curves({"x" * 200: sample(Constant(1))})) == ["x" * 87 + "..."]


def test_no_schedules_or_too_many():
    with pytest.raises(ConfigError, match="at least one schedule"):
        schedule_curves({})
    with pytest.raises(ConfigError, match="at most 7 schedules can be told apart, got 8"):
        schedule_curves({str(k): sample(Constant(k)) for k in range(8)})


# range test


def test_the_curve_and_its_marks():
    figure = lr_range_curve(RATES, LOSSES, SMOOTHED, suggestion=0.01, lowest=0.16, divergence=1.0)
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "learning rate (log scale)")
    assert (axes.get_ylabel(), axes.get_title(loc="left")) == ("training loss", "Learning-rate range test")
    drawn = lines(axes)
    np.testing.assert_array_equal(drawn["loss of each batch"].get_ydata(), LOSSES)
    np.testing.assert_array_equal(drawn["smoothed"].get_ydata(), SMOOTHED)
    for name, rate in (
        ("suggestion: steepest fall, 0.01", 0.01),
        ("lowest, 0.16", 0.16),
        ("stopped: diverged, 1", 1.0),
    ):
        assert list(drawn[name].get_xdata()) == [rate, rate]
    # Index 10 of 20 is the rate 0.01; the mark sits on the smoothed curve.
    dot = next(line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_allclose(dot.get_ydata(), [SMOOTHED[10]])


def test_the_blow_up_does_not_flatten_the_curve():
    (axes,) = lr_range_curve(RATES, LOSSES, SMOOTHED).axes
    low, high = axes.get_ylim()
    assert low < 0.5 and 2.3 < high < 5


@pytest.mark.parametrize("n", [1, 2])
def test_a_test_that_ended_at_once_can_be_drawn(n):
    figure = lr_range_curve(RATES[:n], LOSSES[:n], SMOOTHED[:n], divergence=RATES[n])
    figure.draw_without_rendering()
    assert len(figure.axes) == 1


def test_arrays_that_do_not_fit():
    with pytest.raises(ConfigError, match="the same length, at least 1, got 21, 20 and 21"):
        lr_range_curve(RATES, LOSSES[1:], SMOOTHED)
    with pytest.raises(ConfigError, match="got 0, 0 and 0"):
        lr_range_curve([], [], [])
