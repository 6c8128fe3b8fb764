"""Pictures of comparisons and ensembles: what is drawn, and what is refused."""

import io

import numpy as np
import pytest

from minidl.errors import ConfigError, ShapeError
from minidl.plots.comparison import comparison_plot
from minidl.plots.ensemble import ensemble_plot


def saved(figure):
    figure.savefig(io.BytesIO(), format="png", dpi=50)  # lays everything out
    return figure


def test_every_run_is_a_point_and_equal_ones_do_not_hide_each_other():
    figure = saved(
        comparison_plot(
            ["A", "a name that is much too long for a single line of the picture"],
            [[97.1, 97.1, 97.3], [98.0]],
            [(97.0, 97.4), None],
            [("B - A", 0.8, 0.5, 1.1, True), ("C - A", 0.1, None, None, False)],
        )
    )
    top, bottom = figure.axes
    runs, interval, mean, *second = [line.get_xydata() for line in top.lines]
    np.testing.assert_allclose(runs[:, 0], [97.1, 97.1, 97.3])
    assert runs[0, 1] != runs[1, 1] and runs[0, 1] == runs[2, 1]
    np.testing.assert_allclose(interval[:, 0], [97.0, 97.4])
    assert mean[0, 0] == pytest.approx(97.1667, abs=1e-4)
    assert len(second) == 2  # no interval of a single run
    assert [text.get_text().count("\n") for text in top.get_yticklabels()] == [0, 1]
    filled = [line.get_markerfacecolor() for line in bottom.lines if len(line.get_xdata()) == 1]
    assert filled[0] != "white" and filled[1] == "white"


def test_a_comparison_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="0 names"):
        comparison_plot([], [], [])
    with pytest.raises(ConfigError, match="2 names, 1 groups"):
        comparison_plot(["A", "B"], [[1.0]], [None])


@pytest.mark.parametrize("members", [2, 5, 12])
def test_ensemble(members):
    correlation = np.full((members, members), 0.4)
    correlation[0] = correlation[:, 0] = np.nan  # a perfect network
    counts, independent = np.arange(members + 1)[::-1], np.geomspace(100, 1e-9, members + 1)
    sizes = range(1, members + 1, 2)
    curve = (sizes, [0.01] * len(sizes), [0.01 * 0.1**k for k in range(len(sizes))])
    figure = saved(
        ensemble_plot([f"run {k}" for k in range(members)], correlation, counts, independent, curve)
    )
    vote, together, matrix, _ = figure.axes
    measured, promised = vote.lines
    np.testing.assert_allclose(measured.get_ydata(), 1.0)
    np.testing.assert_allclose(promised.get_ydata(), [0.1**k for k in range(len(sizes))])
    assert [bar.get_height() for bar in together.patches[:members]] == counts[1:].tolist()
    pairs = (members - 1) * (members - 2)
    assert len(matrix.texts) == (pairs if members <= 8 else 0)


def test_perfect_votes_leave_gaps():
    nothing = np.full((2, 2), np.nan)
    saved(ensemble_plot(["a", "b"], nothing, np.array([5, 0, 0]), np.array([5.0, 0, 0]), ([1], [0.0], [0.0])))
    with pytest.raises(ShapeError, match="2 names, but a matrix"):
        ensemble_plot(["a", "b"], np.zeros((3, 3)), np.zeros(3), np.zeros(3), ([1], [0.1], [0.1]))
