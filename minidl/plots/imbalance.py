"""What accuracy hides when one class is rare."""

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
    head_figure,
    new_figure,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREEN = "#009E73"
MEASURES = (
    ("accuracy", "s", MUTED),
    ("recall", "o", BLUE),
    ("precision", "^", VERMILION),
    ("F1", "d", GREEN),
)
COUNTS = ("found", "missed", "false\nalarms", "passed")


def imbalance_plot(
    names: Sequence[str], shares: np.ndarray, counts: np.ndarray, *, title: str = ""
) -> Figure:
    """Draw accuracy beside recall, precision and F1 of the rare class, one row for each method.

    Parameters
    ----------
    names : sequence of str
        The methods, first on top.
    shares : (M, 4) array
        Accuracy, recall, precision and F1, each from 0 to 1; NaN is left out.
    counts : (M, 4) integer array
        Rare examples found and missed, common examples called rare and passed; printed at the right.
    title : str
        Heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the shapes do not fit the names.
    """
    shares, counts = np.asarray(shares, np.float64), np.asarray(counts)
    for name, array in (("shares", shares), ("counts", counts)):
        if array.shape != (len(names), 4):
            raise ShapeError(
                f"imbalance_plot: {name} has shape {array.shape}, expected {(len(names), 4)}, a row for each method"
            )
    figure = new_figure(7.2, 0.36 * len(names) + 1.5)
    axes, columns = figure.subplots(1, 2, sharey=True, width_ratios=(1, 0.62))
    rows = np.arange(len(names))
    axes.hlines(rows, 0, 100, color="#eeeeee", linewidth=0.8, zorder=0)
    for column, (name, marker, colour) in enumerate(MEASURES):
        axes.scatter(
            100 * shares[:, column],
            rows,
            marker=marker,
            s=64 if name == "recall" else 40,  # at zero, recall shows around F1
            facecolor="white" if name == "accuracy" else colour,
            edgecolor=colour,
            linewidth=1.4,
            label=name if name == "accuracy" else f"{name} of the rare class",
            zorder=3,
            clip_on=False,
        )
    style_axes(axes, x="share, %", grid="x")
    axes.set_xlim(-2, 102)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(rows, list(names))
    axes.tick_params(axis="y", length=0, labelsize=TICK_SIZE + 0.5)
    axes.spines["left"].set_visible(False)
    _print_counts(columns, counts)
    head_figure(figure, title)
    figure.legend(loc="outside lower center", ncols=4, fontsize=LABEL_SIZE - 1, frameon=False)
    return figure


def _print_counts(axes: Axes, counts: np.ndarray) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    places = (0.19, 0.46, 0.73, 1.0)
    for place, head in zip(places, COUNTS, strict=True):
        axes.text(
            place, -0.62, head, ha="right", va="bottom", color=INK, fontsize=TICK_SIZE, fontweight="bold"
        )
    for row, values in enumerate(counts):
        for place, value in zip(places, values, strict=True):
            axes.text(place, row, f"{int(value):,}", ha="right", va="center", color=INK, fontsize=TICK_SIZE)
