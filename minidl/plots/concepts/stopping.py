"""Validation cost and accuracy over a long training, with published numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.concepts.series import SERIES, titled_figure
from minidl.plots.style import INK, MUTED, TICK_SIZE, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Published = tuple[Sequence[tuple[int, float]], Sequence[tuple[int, float]], float]


def stopping_plot(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    moments: tuple[int, int],
    *,
    book: Published | None = None,
    book_curve: Sequence[tuple[int, float, float]] | None = None,
    title: str = "",
) -> Figure:
    """Draw cost and accuracy over the epochs.

    Parameters
    ----------
    curves : mapping of str to (cost, accuracy)
        (epochs,) arrays; the accuracy in per cent. The moments are those of the first.
    moments : (int, int)
        Epochs of the lowest cost and of the settled accuracy, counted from 1; drawn as lines.
    book : (costs, accuracies, best), optional
        Published pairs of epoch and value, and an accuracy whose epoch is not known.
    book_curve : sequence of (epoch, cost, accuracy), optional
        Published curves, drawn thin behind ours.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If costs and accuracies are not as many.
    """
    for name, (cost, accuracy) in curves.items():
        if np.ndim(cost) != 1 or np.shape(cost) != np.shape(accuracy):
            raise ShapeError(
                f"stopping_plot: {name} has costs of shape {np.shape(cost)} and accuracies of shape "
                f"{np.shape(accuracy)}; expected one of each for every epoch"
            )
    figure = titled_figure(7.2, 5.8, title)
    above, below = figure.subplots(2, 1, sharex=True)
    for (name, pair), (colour, line, _) in zip(curves.items(), SERIES, strict=False):
        for axes, values in zip((above, below), pair, strict=True):
            axes.plot(
                np.arange(1, len(values) + 1), values, color=colour, linestyle=line, linewidth=1.3, label=name
            )
    style_axes(above, y="validation cost", title="Cost")
    style_axes(below, x="epoch", y="validation accuracy, %", title="Accuracy")
    last = max(len(pair[0]) for pair in curves.values())
    # Where the curves are not: high where a cost has fallen, low where an accuracy has risen.
    for axes, moment, text, place in (
        (above, moments[0], "lowest", 0.5),
        (below, moments[1], "near its best", 0.06),
    ):
        axes.axvline(moment, color=MUTED, linewidth=1.0, linestyle=":")
        left = moment > 0.85 * last
        axes.annotate(f"{text}: epoch {moment}", (moment, place), xycoords=("data", "axes fraction"),
                      xytext=(-4 if left else 4, 0), textcoords="offset points", fontsize=TICK_SIZE, color=INK,
                      ha="right" if left else "left")  # fmt: skip
    # The first epochs would squeeze everything after them.
    known = [pair[1] for pair in curves.values()]
    best = max(float(values.max()) for values in known)
    reach = max(10.0, 1.3 * (best - float(known[0][moments[0] - 1])))
    below.set_ylim(best - reach, best + 0.2 * reach)
    if book_curve is not None:
        for axes, column in ((above, 1), (below, 2)):
            points = [point[column] for point in book_curve]
            epochs = [point[0] for point in book_curve]
            axes.plot(epochs, points, ":", color=INK, linewidth=0.9, zorder=1, label="the book")
    if book is not None:
        _draw_book(above, below, book)
    above.legend(
        fontsize=TICK_SIZE, frameon=False, loc="upper left", bbox_to_anchor=(0.12, 1.0), ncols=4,
        columnspacing=1.2, handlelength=1.8,
    )  # fmt: skip
    return figure


def _draw_book(above: Axes, below: Axes, book: Published) -> None:
    costs, accuracies, best = book
    style: dict[str, Any] = {
        "linestyle": "none",
        "marker": "D",
        "markersize": 7,
        "markerfacecolor": "none",
        "markeredgecolor": INK,
    }
    above.plot(*zip(*costs, strict=True), label="its marks (test images)", **style)
    below.plot(*zip(*accuracies, strict=True), **style)
    below.axhline(best, color=MUTED, linewidth=0.9)
    below.annotate(f"the book's best with λ = 0.1: {best:.2f} %", (0.01, best), xycoords=("axes fraction", "data"),
                   xytext=(0, 4), textcoords="offset points", fontsize=TICK_SIZE, color=INK)  # fmt: skip
