"""Confidence against accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.style import BLUE, GRID, INK, LABEL_SIZE, MUTED, VERMILION, new_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def calibration_plot(
    edges: np.ndarray,
    examples: np.ndarray,
    confidence: np.ndarray,
    accuracy: np.ndarray,
    interval: np.ndarray | None = None,
    *,
    title: str = "",
) -> Figure:
    """Draw the accuracy of every bin over its mean confidence, and below how many examples it has.

    Parameters
    ----------
    edges : (B + 1,) array
        Of the bins of confidence, shares.
    examples : (B,) array
        In each bin.
    confidence, accuracy : (B,) array
        Mean confidence and share of right predictions, NaN in an empty bin.
    interval : (B, 2) array, optional
        Lower and upper end of the accuracy's interval, drawn as whiskers.
    title : str
        Heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    """
    from matplotlib.ticker import FuncFormatter

    edges, examples, confidence, accuracy = map(np.asarray, (edges, examples, confidence, accuracy))
    bins = len(examples)
    if edges.shape != (bins + 1,) or confidence.shape != (bins,) or accuracy.shape != (bins,):
        raise ShapeError(
            f"calibration_plot: {bins} bins, but edges {edges.shape}, confidence {confidence.shape} and accuracy "
            f"{accuracy.shape}; expected ({bins + 1},), ({bins},) and ({bins},)"
        )
    figure = new_figure(5.2, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    upper.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=":", label="confidence = accuracy")
    there = examples > 0
    x, y = 100 * confidence[there], 100 * accuracy[there]
    upper.vlines(x, np.minimum(x, y), np.maximum(x, y), color=VERMILION, linewidth=5, alpha=0.35, label="gap")
    if interval is not None:
        ends = 100 * np.asarray(interval, dtype=np.float64)[there]
        whiskers = np.maximum(0, [y - ends[:, 0], ends[:, 1] - y])
        upper.errorbar(
            x,
            y,
            yerr=whiskers,
            fmt="none",
            ecolor=INK,
            elinewidth=1,
            capsize=2.5,
            label="95 % interval (Wilson)",
        )
    upper.plot(x, y, color=BLUE, marker="o", markersize=5, linewidth=1.3, label="the network")
    style_axes(upper, y="accuracy, %", title=title)
    upper.set_xlim(0, 101.5)
    upper.set_ylim(0, 103)
    widths = 100 * np.diff(edges)
    lower.bar(100 * edges[:-1], examples, widths, align="edge", color=BLUE, edgecolor=GRID, linewidth=0.6)
    style_axes(lower, x="confidence: probability of the chosen class, %", y="examples (log)", grid="y")
    if examples.any():
        lower.set_yscale("log")
        lower.set_ylim(0.7, 3 * int(examples.max()))
    lower.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    figure.align_ylabels()
    figure.legend(
        *upper.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        fontsize=LABEL_SIZE - 1,
        frameon=False,
    )
    return figure
