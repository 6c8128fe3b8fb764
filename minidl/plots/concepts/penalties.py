"""Weights under L1 and L2: the ellipses of two of them, histograms of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.concepts.series import SERIES, titled_figure
from minidl.plots.style import BLUE, INK, MUTED, TICK_SIZE, VERMILION, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 61


def ellipse_plot(
    surface: tuple[np.ndarray, np.ndarray, np.ndarray],
    lowest: np.ndarray,
    points: Mapping[str, tuple[np.ndarray, float]],
    paths: Mapping[str, np.ndarray],
    *,
    title: str = "",
) -> Figure:
    """Draw the loss of two weights with the circle of L2 and the diamond of L1 through the minimum of the sum.

    Parameters
    ----------
    surface : (x, y, heights)
        The loss on a grid, (X,), (Y,) and (Y, X).
    lowest : (2,) array
        Where it is lowest.
    points : mapping of "L2" and "L1" to ((2,) array, float)
        Where the minimum lies with the penalty, and the loss alone there.
    paths : mapping of "L2" and "L1" to (K, 2) array
        Where it lies as the strength grows from zero.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = titled_figure(7.2, 3.9, title)
    x, y, heights = surface
    for axes, name in zip(figure.subplots(1, 2, sharey=True), ("L2", "L1"), strict=True):
        point, height = points[name]
        axes.contour(
            x,
            y,
            heights,
            levels=height * np.array([0.1, 0.4, 1, 2, 4, 7]),
            colors=MUTED,
            linewidths=0.7,
            alpha=0.8,
        )
        axes.axhline(0, color=INK, linewidth=0.6)
        axes.axvline(0, color=INK, linewidth=0.6)
        turn = np.linspace(0, 2 * np.pi, 200)
        radius = np.linalg.norm(point) if name == "L2" else np.abs(point).sum()
        edge = np.stack([np.cos(turn), np.sin(turn)])
        if name == "L1":
            edge = edge / np.abs(edge).sum(axis=0)
        axes.plot(*(radius * edge), color=BLUE, linewidth=1.5, label=f"all w of the same {name} penalty")
        axes.plot(*np.asarray(paths[name]).T, color=VERMILION, linestyle="--", linewidth=1.3,
                  label="minimum as the strength grows")  # fmt: skip
        axes.plot(*lowest, "*", color=INK, markersize=11, linestyle="", label="minimum of the loss alone")
        axes.plot(*point, "o", color=VERMILION, markersize=7, linestyle="", label="minimum with the penalty")
        axes.set_aspect("equal")
        style_axes(axes, x="$w_1$", y="$w_2$" if name == "L2" else "", title=name, grid=None)
        axes.set_xlim(x[0], x[-1])
        axes.set_ylim(y[0], y[-1])
    handles, labels = figure.axes[0].get_legend_handles_labels()
    labels[0] = "all w of the same penalty"
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=TICK_SIZE, frameon=False)
    return figure


def weights_plot(
    names: Sequence[str],
    weights: Sequence[np.ndarray],
    kept: tuple[np.ndarray, np.ndarray],
    *,
    title: str = "",
) -> Figure:
    """Draw histograms of the weights, and the accuracy with only the largest of them.

    Parameters
    ----------
    names : sequence of str
        N networks.
    weights : sequence of (W,) array
    kept : (shares, accuracy)
        Shares of the weights kept (K,), and accuracies in per cent (N, K).
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If there is not a row for each network.
    """
    shares, accuracy = np.asarray(kept[0]), np.asarray(kept[1])
    if not len(names) == len(weights) <= len(SERIES) or accuracy.shape != (len(names), len(shares)):
        raise ShapeError(
            f"weights_plot: {len(names)} networks, {len(weights)} arrays of weights and accuracies of shape "
            f"{accuracy.shape}; expected one array each and ({len(names)}, {len(shares)})"
        )
    figure = titled_figure(7.2, 5.4, title)
    grid = figure.add_gridspec(2, len(names))
    # The few largest weights would squeeze all others into a bin.
    limit = max(float(np.percentile(np.abs(values), 99.8)) for values in weights)
    edges = np.linspace(-limit, limit, BINS + 1).tolist()
    first = None
    for i, (name, values, (colour, _, _)) in enumerate(zip(names, weights, SERIES, strict=False)):
        axes = figure.add_subplot(grid[0, i], sharey=first)
        first = first or axes
        axes.hist(np.clip(values, -limit, limit), bins=edges, color=colour)
        axes.set_yscale("log")
        style_axes(
            axes, x="weight (ends: beyond)", y="weights (log scale)" if i == 0 else "", title=name, grid="y"
        )
    below = figure.add_subplot(grid[1, :])
    for name, values, (colour, line, marker) in zip(names, accuracy, SERIES, strict=False):
        below.plot(
            100 * shares, values, color=colour, linestyle=line, marker=marker, markersize=4.5, label=name
        )
    below.set_xscale("log")
    below.invert_xaxis()
    ticks = [100, 50, 20, 10, 5, 2, 1, 0.5]
    below.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    below.minorticks_off()
    style_axes(below, x="weights kept, the largest, % (log scale)", y="validation accuracy, %",
               title="With all other weights set to zero")  # fmt: skip
    below.legend(fontsize=TICK_SIZE, frameon=False, loc="lower left")
    return figure
