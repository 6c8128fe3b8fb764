"""Gradient steps on a parabola at several rates, and in a valley."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.concepts.series import SERIES, titled_figure
from minidl.plots.style import GRID, INK, MUTED, TICK_SIZE, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRAME = 1.6  # of the parabola, to both sides
DRAWN = 6  # steps of each rate, after which they lie on top of each other


def gradient_steps_plot(
    paths: Mapping[str, np.ndarray],
    valley: np.ndarray,
    curvatures: tuple[float, float],
    *,
    rate: float,
    title: str = "",
) -> Figure:
    """Draw the steps of up to four rates on ``w^2 / 2``, each in a panel, and a path in a valley.

    Parameters
    ----------
    paths : mapping of str to (S,) array
        Places that descent visits, the start first.
    valley : (S, 2) array
        Places in the valley ``(c_1 u^2 + c_2 v^2) / 2``.
    curvatures : (float, float)
        c_1 and c_2.
    rate : float
        Of the valley's path, for its heading.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If there are no paths or more than four, or an array has another shape.
    """
    valley = np.asarray(valley)
    if not 1 <= len(paths) <= 4 or any(np.ndim(p) != 1 for p in paths.values()) or valley.shape[1:] != (2,):
        raise ShapeError(
            f"gradient_steps_plot: {len(paths)} paths and a valley of shape {valley.shape}; expected one to four paths "
            "of shape (S,) and a valley of shape (S, 2)"
        )
    figure = titled_figure(7.2, 4.8, title)
    grid = figure.add_gridspec(2, len(paths), height_ratios=(1.1, 1))
    w = np.linspace(-FRAME, FRAME, 201)
    for column, ((name, path), (colour, _, marker)) in enumerate(zip(paths.items(), SERIES, strict=False)):
        axes = figure.add_subplot(grid[0, column])
        axes.plot(w, w**2 / 2, color=MUTED, linewidth=1)
        shown = np.asarray(path)[: DRAWN + 1]
        axes.plot(shown, shown**2 / 2, color=colour, marker=marker, markersize=4, linewidth=1)
        axes.set_xlim(-FRAME, FRAME)
        axes.set_ylim(-0.05, FRAME**2 / 2)
        style_axes(axes, x="weight", y="loss" if column == 0 else "", title="")
        axes.set_title(name, fontsize=TICK_SIZE + 0.5, color=INK, loc="left", fontweight="bold")
    below = figure.add_subplot(grid[1, :])
    reach = 1.15 * np.abs(valley).max(axis=0)
    u, v = np.meshgrid(np.linspace(-reach[0], reach[0], 121), np.linspace(-reach[1], reach[1], 121))
    heights = (curvatures[0] * u**2 + curvatures[1] * v**2) / 2
    levels = float(heights[0, 0]) * np.array([0.004, 0.02, 0.07, 0.18, 0.36, 0.62])
    below.contour(u, v, heights, levels=levels, colors=GRID, linewidths=0.9)
    colour, _, marker = SERIES[1]
    below.plot(valley[:, 0], valley[:, 1], color=colour, marker=marker, markersize=3, linewidth=1)
    below.plot(0, 0, "+", color=INK, markersize=9)
    style_axes(
        below, x="flat direction", y="steep direction", grid=None,
        title=f"A valley {curvatures[1] / curvatures[0]:g} times as steep across as along, rate {rate:.2g}",
    )  # fmt: skip
    return figure
