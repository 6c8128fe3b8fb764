"""The pictures of an evaluation: ROC curves, calibration, errors of every class."""

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.plots import calibration_plot, class_error_bars, roc_plot

NAN = np.nan


def inside(figure):
    """Whether every legend and title lies within the picture, once it has been laid out."""
    figure.draw_without_rendering()
    box = figure.bbox
    shown = [*figure.legends, *(axes.title for axes in figure.axes)]
    shown += [figure._suptitle] if figure._suptitle else []
    extents = [each.get_window_extent() for each in shown]
    return all(e.x0 >= box.x0 - 1 and e.x1 <= box.x1 + 1 and e.y0 >= box.y0 - 1 for e in extents)


def test_roc_shows_the_whole_and_the_corner():
    curves = [(np.array([0, 0.02, 1]), np.array([0, 0.96, 1])), (np.array([0, 0, 1]), np.array([0, 1, 1]))]
    figure = roc_plot(curves, ["four", "nine"], [0.97, 1.0], title="ROC")
    whole, corner = figure.axes
    np.testing.assert_allclose(whole.lines[0].get_ydata(), [0, 96, 100])
    np.testing.assert_allclose(corner.lines[0].get_xdata(), [0, 2, 100])
    assert (whole.get_xlabel(), whole.get_ylabel()) == (
        "false positive rate, %",
        "true positive rate (recall), %",
    )
    assert corner.get_xlim()[1] == pytest.approx(12)  # three times the 4 points of the worse bend
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["four  0.9700", "nine  1.0000"]
    assert inside(figure)
    chance = roc_plot([(np.array([0, 1]), np.array([0, 1]))], ["x"], [0.5])
    assert chance.axes[1].get_xlim()[1] == 50


def test_ten_long_names_fit():
    names = ["Ankle boot"] * 10
    curve = (np.array([0, 0.1, 1]), np.array([0, 0.8, 1]))
    assert inside(roc_plot([curve] * 10, names, [0.9] * 10, title="ROC curves, every class against the rest"))
    share, ends = np.full(10, 0.1), np.full((10, 2), 0.1)
    assert inside(class_error_bars(names, share, share, ends, ends, title="Errors of every class"))


def test_calibration_leaves_empty_bins_out():
    figure = calibration_plot(
        np.array([0, 0.5, 1]),
        np.array([0, 7]),
        np.array([NAN, 0.9]),
        np.array([NAN, 0.8]),
        np.array([[NAN, NAN], [0.5, 0.95]]),
        title="Confidence and accuracy",
    )
    upper, lower = figure.axes
    line = next(line for line in upper.lines if line.get_label() == "the network")
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([90.0], [80.0])
    assert upper.get_ylabel() == "accuracy, %" and "confidence" in lower.get_xlabel()
    assert [bar.get_height() for bar in lower.patches] == [0, 7]
    assert inside(figure)
    assert calibration_plot(np.array([0, 1]), np.array([0]), np.array([NAN]), np.array([NAN]))


def test_class_errors_start_at_zero_and_say_where_there_is_nothing():
    ends = np.array([[0.01, 0.05], [NAN, NAN]])
    figure = class_error_bars(
        ["a", "b"], np.array([0.02, 0.3]), np.array([0.04, NAN]), ends, ends, title="Errors"
    )
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([2, 30, 4])
    assert axes.get_ylim()[0] == 0 and axes.get_ylabel() == "share, %"
    assert [text.get_text() for text in axes.texts] == ["none"]
    assert inside(figure)


@pytest.mark.parametrize(
    "call",
    [
        lambda: roc_plot([], [], []),
        lambda: roc_plot([(np.zeros(2), np.zeros(2))], ["a", "b"], [0.5]),
        lambda: calibration_plot(np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)),
        lambda: class_error_bars(["a"], np.zeros(1), np.zeros(2), np.zeros((1, 2)), np.zeros((1, 2))),
    ],
)
def test_shapes_are_checked(call):
    with pytest.raises(ShapeError, match="expected"):
        call()
