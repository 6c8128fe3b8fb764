"""The targets of bias and variance, and their sum over the capacity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.concepts.series import SERIES, titled_figure
from minidl.plots.style import BLUE, GRID, INK, LABEL_SIZE, MUTED, TICK_SIZE, VERMILION, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def bias_variance_plot(
    boards: Sequence[tuple[str, str, np.ndarray]], widths: np.ndarray, parts: np.ndarray, *, title: str = ""
) -> Figure:
    """Draw four targets, and error, bias and variance over the width of a network.

    Parameters
    ----------
    boards : sequence of (name, note, hits)
        Four; hits (S, 2) with the bull's eye at the origin.
    widths : (W,) array
    parts : (3, W) array
        Squared error, squared bias, variance.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the numbers do not fit together.
    """
    if len(boards) != 4 or np.shape(parts) != (3, len(widths)):
        raise ShapeError(
            f"bias_variance_plot: {len(boards)} targets, {len(widths)} widths and parts of shape {np.shape(parts)}; "
            f"expected 4 targets and parts of shape (3, {len(widths)})"
        )
    figure = titled_figure(7.2, 5.9, title)
    grid = figure.add_gridspec(2, 4, height_ratios=(1, 1.35))
    # The farthest few hits may lie outside: the rest is to be seen.
    reach = 1.1 * max(float(np.percentile(np.linalg.norm(hits, axis=1), 97)) for _, _, hits in boards)
    for i, (name, note, hits) in enumerate(boards):
        axes = figure.add_subplot(grid[0, i])
        _draw_board(axes, np.asarray(hits), reach)
        axes.set_title(name.replace(", ", ",\n"), fontsize=LABEL_SIZE, color=INK, fontweight="bold")
        axes.set_xlabel(note, fontsize=TICK_SIZE, color=MUTED)
    below = figure.add_subplot(grid[1, :])
    below.set_xscale("log")
    order = (1, 2, 0)
    for row, name, (colour, line, marker) in zip(
        order, ("bias²", "variance", "error = bias² + variance"), SERIES, strict=False
    ):
        below.plot(widths, parts[row], color=colour, linestyle=line, marker=marker, markersize=5, label=name)
    below.set_ylim(bottom=0)
    below.set_xticks(list(widths), [f"{width:,}" for width in widths])
    below.minorticks_off()
    style_axes(
        below,
        x="hidden units (log scale)",
        y="squared error of the probabilities",
        title="The trade-off in networks",
    )
    below.legend(fontsize=TICK_SIZE, frameon=False)
    return figure


def _draw_board(axes: Axes, hits: np.ndarray, reach: float) -> None:
    turn = np.linspace(0, 2 * np.pi, 100)
    for ring in (0.25, 0.5, 0.75, 1.0):
        axes.plot(ring * reach * np.cos(turn), ring * reach * np.sin(turn), color=GRID, linewidth=1.0)
    axes.plot(*hits.T, "o", color=BLUE, markersize=2.2, alpha=0.55, markeredgewidth=0)
    axes.plot(0, 0, "+", color=INK, markersize=11, markeredgewidth=1.3)
    axes.plot(*hits.mean(axis=0), "D", color=VERMILION, markersize=4.5)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
