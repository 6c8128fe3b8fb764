"""Grid against random search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ConfigError
from minidl.plots.style import (
    BLUE,
    GRID,
    INK,
    LABEL_SIZE,
    TICK_SIZE,
    VERMILION,
    head_figure,
    new_figure,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = "viridis"


def grid_against_random(
    grid: Any,
    random: Any,
    outcomes: tuple[Any, Any],
    *,
    x: str,
    y: str,
    label: str,
    title: str = "",
) -> Figure:
    """Draw the picture of Bergstra and Bengio (2012): as many trials on a grid as at random.

    Above each square are the values that the important parameter was tried at, and what came of them: a
    few on a grid, every time another at random.

    Parameters
    ----------
    grid, random : (n, 2) arrays
        Values of the important parameter and of the other one. Both axes are logarithmic.
    outcomes : two (n,) arrays
        Larger is better, NaN without a value.
    x, y : str
        Names of the parameters.
    label : str
        Of the outcome, with its unit.
    title : str
    """
    points = [np.asarray(each, np.float64) for each in (grid, random)]
    found = [np.asarray(each, np.float64) for each in outcomes]
    for each, values in zip(points, found, strict=True):
        if each.shape != (len(values), 2):
            raise ConfigError(
                f"grid_against_random: expected points of shape ({len(values)}, 2), got {each.shape}"
            )
    values = np.concatenate(found)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    figure = new_figure(7.2, 4.6)
    panels = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=[1, 1.9])
    limits = [np.concatenate([each[:, k] for each in points]) for k in (0, 1)]
    drawn: Any = None
    for column, name in enumerate(("grid", "random")):
        above, square = panels[0, column], panels[1, column]
        where, got = points[column], found[column]
        distinct = len(np.unique(where[:, 0]))
        above.vlines(where[:, 0], low - 0.05 * (high - low), got, color=GRID, linewidth=1.2)
        above.plot(where[:, 0], got, "o", color=BLUE, markersize=4.5)
        above.plot(where[np.nanargmax(got), 0], np.nanmax(got), "D", color=VERMILION, markersize=6)
        heading = f"{name.capitalize()}: {len(got)} trials, {distinct} values"
        style_axes(above, y=label if not column else "", title=heading, grid="y")
        drawn = square.scatter(where[:, 0], where[:, 1], c=got, cmap=COLOURS, vmin=low, vmax=high,
                               s=58, edgecolors=INK, linewidths=0.6, zorder=3)  # fmt: skip
        best = where[np.nanargmax(got)]
        square.plot(*best, "D", color=VERMILION, markersize=12, fillstyle="none", markeredgewidth=1.8)
        square.set_xscale("log")
        square.set_yscale("log")
        for value in np.unique(where[:, 0]):
            square.axvline(value, color=GRID, linewidth=0.8, zorder=0)
        style_axes(square, x=f"{x} (log scale)", y=f"{y} (log scale)" if not column else "", grid=None)
        square.set_xlim(limits[0].min() / 2, limits[0].max() * 2)
        square.set_ylim(limits[1].min() / 2, limits[1].max() * 2)
    bar = figure.colorbar(drawn, ax=panels[1, :], pad=0.02)
    bar.set_label(label, fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=TICK_SIZE)
    head_figure(figure, title)
    return figure
