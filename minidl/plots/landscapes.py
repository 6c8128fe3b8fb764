"""Paths of optimizers over contour lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.style import BLUE, INK, LABEL_SIZE, MUTED, VERMILION, new_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colour, line: they differ in print, too.
_STYLES: tuple[tuple[str, Any], ...] = (
    (INK, ":"),
    (BLUE, "-"),
    ("#56B4E9", "--"),
    ("#009E73", "-."),
    ("#CC79A7", (0, (5, 1))),
    (VERMILION, (0, (3, 1, 1, 1))),
)
_MARKERS = ("s", "o", "^", "D", "v", "P")

Panel = tuple[str, np.ndarray, np.ndarray, np.ndarray, Sequence[np.ndarray]]


def race_plot(panels: Sequence[Panel], names: Sequence[str], *, shown: int = 60) -> Figure:
    """Draw the paths of several methods over the contour lines of several surfaces, and their heights.

    Parameters
    ----------
    panels : sequence of (name, x, y, heights, paths)
        x (X,) and y (Y,) of the grid, heights (Y, X), and a path (S, 2) for each method.
    names : sequence of str
        M methods, at most six.
    shown : int
        Steps drawn.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the shapes do not fit together.
    """
    figure = new_figure(7.0, 3.3 * len(panels) + 0.5)
    rows = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axes, (name, x, y, heights, paths) in zip(rows, panels, strict=True):
        if np.shape(heights) != (len(y), len(x)) or len(paths) != len(names) or len(names) > len(_STYLES):
            raise ShapeError(
                f"race_plot: heights of shape {np.shape(heights)} and {len(paths)} paths do not fit a grid of "
                f"{len(y)} rows and {len(x)} columns and {len(names)} names (at most {len(_STYLES)})"
            )
        lowest = float(np.min(heights))
        span = float(np.max(heights)) - lowest
        levels = lowest + span * np.linspace(0.01, 1, 14) ** 2
        axes.contour(x, y, heights, levels=levels, colors=MUTED, linewidths=0.5, alpha=0.7)
        for path, (colour, line), marker, label in zip(paths, _STYLES, _MARKERS, names, strict=False):
            part = np.asarray(path)[: shown + 1]
            axes.plot(
                *part.T,
                color=colour,
                linestyle=line,
                linewidth=1.3,
                marker=marker,
                markersize=3,
                markevery=max(1, len(part) // 12),
                label=label,
            )
        axes.plot(*np.asarray(paths[0])[0], marker="*", color=INK, markersize=11, linestyle="")
        style_axes(axes, x="x", y="y", title=f"The {name}: first {shown} steps from the star", grid=None)
        axes.set_xlim(x[0], x[-1])
        axes.set_ylim(y[0], y[-1])
    figure.legend(
        *rows[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        fontsize=LABEL_SIZE - 0.5,
        frameon=False,
    )
    return figure


def nesterov_plot(heights: Mapping[str, np.ndarray]) -> Figure:
    """Draw the heights of Nesterov's forms over the steps, up to a thousand times the first.

    Parameters
    ----------
    heights : mapping of str to (S,) array
        Positive; at most six forms.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(7.0, 3.6)
    axes = figure.subplots()
    axes.set_yscale("log")
    styles = zip(_STYLES[1:] + _STYLES[:1], _MARKERS, strict=True)
    for (form, values), ((colour, line), marker) in zip(heights.items(), styles, strict=False):
        values = np.asarray(values, dtype=np.float64)
        axes.plot(
            np.arange(1, len(values) + 1),
            np.where(np.isfinite(values), values, np.nan),
            color=colour,
            linestyle=line,
            marker=marker,
            markersize=3.5,
            markevery=5,
            linewidth=1.4,
            label=form,
        )
    first = max(float(np.asarray(values)[0]) for values in heights.values())
    axes.set_ylim(top=1000 * first, bottom=first / 1e5)
    style_axes(
        axes,
        x="step",
        y="height where the gradient is taken (log scale)",
        title="Nesterov's three forms in the ravine",
    )
    axes.legend(fontsize=LABEL_SIZE - 0.5, frameon=False)
    return figure
