"""Histograms over time as heat maps, and filters over time as strips of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minidl.errors import ConfigError, ShapeError
from minidl.plots.style import (
    DIVERGING,
    INK,
    LABEL_SIZE,
    SEQUENTIAL,
    TICK_SIZE,
    bare_axes,
    head_figure,
    new_figure,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS = 60  # of a heat map
COLUMNS = 3  # panels side by side


class HistogramPanel(NamedTuple):
    """The histograms of one layer.

    Attributes
    ----------
    name : str
    counts : array, shape (S, B)
        One histogram of B equal bins per look.
    low, high : array of shape (S,), or float
        Where the first bin begins and the last one ends.
    """

    name: str
    counts: Any
    low: Any
    high: Any


def histogram_heatmaps(
    panels: Sequence[HistogramPanel],
    steps: Sequence[int],
    *,
    y: str = "activation",
    powers: bool = False,
    title: str = "",
) -> Figure:
    """Draw how histograms change during a training, one panel for each layer.

    Every column is the histogram of one look, the darker the more numbers there are; columns follow
    each other at equal distances, however many steps lie between.

    Parameters
    ----------
    panels : sequence of HistogramPanel
    steps : sequence of int, length S
    y : str
        What is counted.
    powers : bool
        The bins are exponents of ten; the axis is labelled so and cut to where there is anything.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ConfigError
        If there is no panel or no look.
    """
    if not panels or not len(steps):
        raise ConfigError("histogram_heatmaps: expected at least one panel and one look")
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = new_figure(7.2, 1.85 * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False)
    for index, axes in enumerate(grid.flat):
        if index >= len(panels):
            axes.set_axis_off()
            continue
        _heatmap(axes, panels[index], powers)
        style_axes(axes, x="", y=y if index % columns == 0 else "", grid=None)
        axes.set_title(panels[index].name, fontsize=LABEL_SIZE, color=INK, loc="left")
        ticks = np.unique(np.linspace(0, len(steps) - 1, min(4, len(steps))).round().astype(int))
        axes.set_xticks(ticks, [f"{steps[tick]:,}" for tick in ticks])
        if index + columns >= len(panels):
            axes.set_xlabel("step", fontsize=LABEL_SIZE, color=INK)
    head_figure(figure, title)
    return figure


def rebin(counts: Any, low: Any, high: Any, edges: np.ndarray) -> np.ndarray:
    """Return histograms over common bins: the shares that fall into each, if numbers are even within a bin.

    Parameters
    ----------
    counts : array, shape (S, B)
        Equal bins from `low` to `high` of each row. If these are equal, all numbers are the same.
    low, high : array of shape (S,), or float
    edges : array, shape (E + 1,)
        Increasing.

    Returns
    -------
    numpy.ndarray, shape (S, E)
        Each row sums to 1 if `edges` enclose it and it is not empty.
    """
    counts = np.asarray(counts, dtype=np.float64)
    low, high = (np.broadcast_to(np.asarray(x, np.float64), len(counts)) for x in (low, high))
    shares = np.empty((len(counts), len(edges) - 1))
    tiny = (edges[-1] - edges[0]) * 1e-9
    for row, (histogram, start, end) in enumerate(zip(counts, low, high, strict=True)):
        if end - start < tiny:
            start, end = start - tiny, start + tiny
        below = np.concatenate([[0.0], np.cumsum(histogram)]) / max(histogram.sum(), 1.0)
        shares[row] = np.diff(np.interp(edges, np.linspace(start, end, len(below)), below))
    return shares


def _heatmap(axes: Axes, panel: HistogramPanel, powers: bool) -> None:
    counts = np.asarray(panel.counts, dtype=np.float64)
    bottom, top = float(np.min(panel.low)), float(np.max(panel.high))
    if powers:
        used = np.flatnonzero(counts.sum(axis=0))
        width = (top - bottom) / counts.shape[1]
        if len(used):
            bottom, top = bottom + width * (used[0] - 1), bottom + width * (used[-1] + 2)
    elif top <= bottom:
        bottom, top = bottom - 0.5, top + 0.5
    edges = np.linspace(bottom, top, ROWS + 1)
    shares = rebin(counts, panel.low, panel.high, edges)
    # The root shows the thin tails beside a high peak; each look has its own scale.
    shades = np.sqrt(shares / np.maximum(shares.max(axis=1, keepdims=True), 1e-12))
    axes.pcolormesh(
        np.arange(len(counts) + 1) - 0.5, edges, shades.T, cmap=SEQUENTIAL, vmin=0, vmax=1, rasterized=True
    )
    if powers:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"$10^{{{value:.0f}}}$"))


def filter_strip(
    filters: Any, steps: Sequence[int], *, limit: int = 10, title: str = "First-layer filters over time"
) -> Figure:
    """Draw the first layer's filters at successive steps: a row for each look, a column for each filter.

    All share one colour scale, symmetric around zero (white): red weights raise the unit's activation,
    blue ones lower it. Noise that turns into smooth shapes is a sign of training (FAU, TUE, AAR).

    Parameters
    ----------
    filters : array, shape (S, F, C, H, W)
        Of several channels the mean is shown.
    steps : sequence of int, length S
    limit : int
        Show at most so many looks: the first, the last, and others evenly between.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If `filters` has another shape.
    """
    filters = np.asarray(filters, dtype=np.float64)
    if filters.ndim != 5 or len(filters) != len(steps) or not len(steps):
        raise ShapeError(
            f"filter_strip: filters have shape {filters.shape}, expected (S, F, C, H, W) with S = {len(steps)} looks"
        )
    chosen = np.unique(np.linspace(0, len(steps) - 1, min(limit, len(steps))).round().astype(int))
    tiles = filters[chosen].mean(axis=2)
    rows, columns, height, width = tiles.shape
    size = min(0.55, 5.2 / columns)  # inches
    figure = new_figure(7.2, rows * size * height / width * 1.08 + 0.5)
    axes = figure.subplots()
    largest = float(np.nanmax(np.abs(tiles))) or 1.0
    gap = 0.08
    canvas = np.full(
        (rows * height + (rows - 1) * (pad := max(1, round(gap * height))), columns * (width + pad) - pad),
        np.nan,
    )
    for row in range(rows):
        for column in range(columns):
            y, x = row * (height + pad), column * (width + pad)
            canvas[y : y + height, x : x + width] = tiles[row, column]
    image = axes.imshow(canvas, cmap=DIVERGING, vmin=-largest, vmax=largest, interpolation="nearest")
    bare_axes(axes, title=title)
    for row, index in enumerate(chosen):
        label = "start" if steps[index] == 0 else f"step {steps[index]:,}"
        axes.text(
            -0.01 * canvas.shape[1],
            row * (height + pad) + height / 2,
            label,
            ha="right",
            va="center",
            fontsize=TICK_SIZE,
            color=INK,
        )
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02, aspect=25)
    bar.set_label("weight", fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=TICK_SIZE)
    bar.outline.set_visible(False)
    return figure
