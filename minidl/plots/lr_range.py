"""The curve of a learning-rate range test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ConfigError
from minidl.plots.style import (
    BLUE,
    GRID,
    INK,
    LABEL_SIZE,
    MUTED,
    VERMILION,
    new_figure,
    plain_log_ticks,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def lr_range_curve(
    rates: Any,
    losses: Any,
    smoothed: Any,
    *,
    suggestion: float | None = None,
    lowest: float | None = None,
    divergence: float | None = None,
    title: str = "Learning-rate range test",
) -> Figure:
    """Draw the loss of each batch against the learning rate it was followed by.

    Parameters
    ----------
    rates, losses, smoothed : array, shape (n,)
        As in `minidl.training.LRRangeTest`. The axis of the rates is logarithmic.
    suggestion, lowest, divergence : float, optional
        Rates to mark: the steepest fall, the minimum, the end of the test.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ConfigError
        If the arrays differ in length or are empty.
    """
    rates, losses, smoothed = (np.asarray(values, np.float64) for values in (rates, losses, smoothed))
    if not 0 < len(rates) == len(losses) == len(smoothed):
        raise ConfigError(
            "lr_range_curve: rates, losses and smoothed must have the same length, at least 1, got "
            f"{len(rates)}, {len(losses)} and {len(smoothed)}"
        )
    figure = new_figure(7.0, 3.6)
    axes = figure.subplots()
    axes.plot(rates, losses, color=MUTED, linewidth=0.9, alpha=0.8, label="loss of each batch")
    axes.plot(rates, smoothed, color=BLUE, linewidth=2.0, label="smoothed")
    marks = (
        (suggestion, VERMILION, "--", "o", "suggestion: steepest fall"),
        (lowest, INK, ":", "s", "lowest"),
        (divergence, MUTED, "-.", None, "stopped: diverged"),
    )
    for rate, colour, dashes, marker, name in marks:
        if rate is None:
            continue
        axes.axvline(rate, color=colour, linestyle=dashes, linewidth=1.4, label=f"{name}, {rate:.2g}")
        if marker is not None:
            height = np.interp(np.log(rate), np.log(rates), smoothed)
            axes.plot([rate], [height], marker, color=colour, markersize=6, zorder=3)
    axes.set_xscale("log")
    if rates[-1] < 300 * rates[0]:  # few powers of ten
        plain_log_ticks(axes.xaxis, float(rates[0]), float(rates[-1]))
    # A last loss of a million would flatten all that is of interest.
    top = 1.5 * max(smoothed[0], losses[0], np.median(losses))
    bottom = min(losses.min(), smoothed.min())
    top = min(top, max(losses.max(), smoothed.max()))
    margin = 0.06 * (top - bottom) or 0.06
    axes.set_ylim(bottom - margin, top + margin)
    style_axes(axes, x="learning rate (log scale)", y="training loss", title=title)
    axes.grid(which="minor", axis="x", color=GRID, linewidth=0.3)
    axes.legend(fontsize=LABEL_SIZE - 1, frameon=True, framealpha=0.9, edgecolor="none", loc="best")
    return figure
