"""The lecture's progression in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.style import (
    BLUE,
    INK,
    LABEL_SIZE,
    MUTED,
    TICK_SIZE,
    VERMILION,
    new_figure,
    plain_log_ticks,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def ladder_plot(
    names: Sequence[str],
    accuracy: np.ndarray,
    lecture: np.ndarray | None = None,
    *,
    interval: np.ndarray | None = None,
    sd: np.ndarray | None = None,
    split: str = "test",
    title: str = "",
) -> Figure:
    """Draw the error rate of every rung on a logarithmic axis, ours beside the lecture's.

    On a logarithmic axis equal steps are equal factors: going from 2 % to 1 % of errors is as long
    a step as from 0.5 % to 0.25 %.

    Parameters
    ----------
    names : sequence of str
        The rungs, first to last.
    accuracy : (R,) array
        Our test accuracy in %; NaN for a rung that was not run.
    lecture : (R,) array, optional
        The lecture's accuracy in %; NaN where it has none.
    interval : (R, 2) array, optional
        Wilson's 95 % interval of our accuracy in %, drawn as a thin line.
    sd : (R,) array, optional
        Standard deviation over the seeds in percentage points, drawn as a thick bar; NaN for none.
    split : {"test", "validation"}
        What the accuracies are of.
    title : str
        Heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the lengths differ.
    """
    r = len(names)
    ours = 100 - _column(accuracy, (r,), "accuracy")
    theirs = 100 - _column(lecture, (r,), "lecture")
    low_high = 100 - _column(interval, (r, 2), "interval")[:, ::-1]
    spread = _column(sd, (r,), "sd")
    everything = np.concatenate([ours, theirs, low_high.ravel()])
    positive = everything[np.isfinite(everything) & (everything > 0)]
    smallest, largest = (float(positive.min()), float(positive.max())) if len(positive) else (0.1, 10.0)
    left, right = smallest / 1.35, largest * 1.25  # no errors at all is drawn at the left edge

    figure = new_figure(8.4, 0.34 * r + 1.25)
    axes, columns = figure.subplots(1, 2, sharey=True, width_ratios=(1, 0.26))
    axes.set_xscale("log")
    places = np.arange(r)
    bars = np.stack([ours - spread, ours + spread], axis=1)
    for name, ends, width, alpha in (
        ("95 % interval (Wilson)", low_high, 1.6, 1.0),
        ("± sd over seeds", bars, 7, 0.3),
    ):
        rows = np.isfinite(ends).all(axis=1)
        if rows.any():
            start, stop = np.maximum(ends[rows], left).T
            axes.hlines(places[rows], start, stop, color=BLUE, linewidth=width, alpha=alpha, label=name)
    for name, rate, marker, colour, fill, size in (
        ("the lecture", theirs, "D", VERMILION, "white", 75),
        ("ours", ours, "o", BLUE, BLUE, 22),
    ):
        rows = np.isfinite(rate)
        if rows.any():
            axes.scatter(
                np.maximum(rate[rows], left),
                places[rows],
                marker=marker,
                s=size,
                facecolor=fill,
                edgecolor=colour,
                linewidth=1.5,
                label=name,
                zorder=3,
                clip_on=False,
            )
    _print_numbers(columns, ours, theirs, lecture is not None)
    style_axes(axes, x=f"{split} error rate, % (log scale)", title=title, grid="x")
    axes.set_xlim(left, right)
    axes.set_ylim(r - 0.4, -0.6)
    axes.set_yticks(places, list(names))
    axes.tick_params(axis="y", length=0, labelsize=TICK_SIZE + 0.5)
    axes.spines["left"].set_visible(False)
    plain_log_ticks(axes.xaxis, left, right)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=4, fontsize=LABEL_SIZE - 0.5, frameon=False)
    return figure


def _column(values: np.ndarray | None, shape: tuple[int, ...], name: str) -> np.ndarray:
    if values is None:
        return np.full(shape, np.nan)
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise ShapeError(
            f"ladder_plot: {name} has shape {array.shape}, expected {shape}, one row for each rung"
        )
    return array


def _print_numbers(axes: Axes, ours: np.ndarray, theirs: np.ndarray, with_lecture: bool) -> None:
    """Print the accuracies at the right, so that the picture can be read without the table."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)

    def put(x: float, y: float, text: str, colour: str, weight: str = "normal") -> None:
        axes.text(x, y, text, ha="right", va="center", color=colour, fontsize=TICK_SIZE, fontweight=weight)

    put(0.45, -0.8, "ours, %", BLUE, "bold")
    if with_lecture:
        put(1.0, -0.8, "lecture, %", VERMILION, "bold")
    for place, (mine, reference) in enumerate(zip(ours, theirs, strict=True)):
        finite = np.isfinite(mine)
        put(0.45, place, f"{100 - mine:.2f}" if finite else "not run", INK if finite else MUTED)
        if with_lecture and np.isfinite(reference):
            put(1.0, place, f"{100 - reference:.2f}", MUTED)
