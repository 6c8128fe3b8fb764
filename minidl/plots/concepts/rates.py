"""Loss curves at several learning rates, beside the lecture's cartoon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.concepts.series import SERIES, titled_figure
from minidl.plots.style import BLUE, INK, MUTED, TICK_SIZE, plain_log_ticks, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 60  # of a curve, each the mean of a stretch of batches
TOP = 1.8  # of the loss axis, in losses of guessing


def rates_plot(
    curves: Mapping[str, np.ndarray],
    steps_per_epoch: int,
    sweep: tuple[np.ndarray, np.ndarray],
    guessing: float,
    *,
    title: str = "",
) -> Figure:
    """Draw the cartoon, real loss curves, and the loss in the end over the rate.

    Parameters
    ----------
    curves : mapping of str to (S,) array
        Losses of the batches at up to four rates, from low to too high; names such as "good: 0.3".
    steps_per_epoch : int
    sweep : (rates, losses)
        (R,) rates and (R, repeats) losses in the end, infinite where the training diverged.
    guessing : float
        Loss of a network that knows nothing, drawn as a line.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If there are too many curves, or the sweep has not a row for each rate.
    """
    rates, final = np.asarray(sweep[0]), np.asarray(sweep[1])
    if len(curves) > 4 or final.ndim != 2 or len(final) != len(rates):
        raise ShapeError(
            f"rates_plot: {len(curves)} curves, {len(rates)} rates and losses of shape {final.shape}; expected "
            "at most 4 curves and losses of shape (rates, repeats)"
        )
    figure = titled_figure(7.2, 6.2, title)
    grid = figure.add_gridspec(2, 2, height_ratios=(1.15, 1))
    left, right, below = (figure.add_subplot(place) for place in (grid[0, 0], grid[0, 1], grid[1, :]))
    _draw_cartoon(left)
    for (name, losses), (colour, line, _marker) in zip(curves.items(), SERIES, strict=False):
        parts = [part for part in np.array_split(np.asarray(losses), POINTS) if len(part)]
        ends = np.cumsum([len(part) for part in parts]) / steps_per_epoch
        means = np.array([part.mean() for part in parts])
        right.plot(
            ends, np.where(np.isfinite(means), means, np.nan), color=colour, linestyle=line, label=name
        )
    right.axhline(guessing, color=MUTED, linewidth=0.8)
    right.set_ylim(0, TOP * guessing)
    right.set_xlim(left=0)
    style_axes(right, x="epoch", y="training loss", title="Real runs")
    right.legend(fontsize=TICK_SIZE, frameon=False, loc="upper right")
    _draw_sweep(below, rates, final, guessing)
    return figure


def _draw_cartoon(axes: Axes) -> None:
    """Draw the curves as the lecture sketches them: no numbers, since nothing was measured."""
    t = np.linspace(0, 1, 200)
    sketches = {
        "low": 0.95 - 0.45 * t,
        "good": 0.95 * np.exp(-5 * t) + 0.03,
        "high": 0.6 * np.exp(-16 * t) + 0.35,
        "too high": 0.95 - 1.2 * t + 10 * t**2,
    }
    for (name, values), (colour, line, _) in zip(sketches.items(), SERIES, strict=False):
        axes.plot(t, values, color=colour, linestyle=line, label=name)
    axes.set_ylim(0, TOP)
    axes.set_xlim(0, 1)
    style_axes(axes, x="epoch", y="loss", title="The lecture's cartoon", grid=None)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(fontsize=TICK_SIZE, frameon=False, loc="upper right")


def _draw_sweep(axes: Axes, rates: np.ndarray, final: np.ndarray, guessing: float) -> None:
    with np.errstate(invalid="ignore"):
        means = final.mean(axis=1)
    top = 3 * guessing
    axes.set_xscale("log")
    axes.plot(rates, np.minimum(means, top), "-", color=BLUE, linewidth=1.2)
    axes.plot(
        np.repeat(rates, final.shape[1]), np.minimum(final, top).ravel(), "o", color=BLUE, markersize=3.5
    )
    axes.axhline(guessing, color=MUTED, linewidth=0.8)
    axes.annotate("guessing", (rates[0], guessing), xytext=(0, 3), textcoords="offset points",
                  fontsize=TICK_SIZE, color=INK)  # fmt: skip
    low = float(final.min()) / 1.3
    axes.set_ylim(low, top * 1.1)
    axes.set_yscale("log")
    plain_log_ticks(axes.yaxis, low, top * 1.1)
    plain_log_ticks(axes.xaxis, float(rates[0]), float(rates[-1]))
    style_axes(
        axes,
        x="learning rate (log scale)",
        y="loss of the last epoch (log scale)",
        title="One training a point, line: their mean",
    )
