"""Accuracies of networks trained on random labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.concepts.series import SERIES, titled_figure
from minidl.plots.style import BLUE, MUTED, TICK_SIZE, VERMILION, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def random_labels_plot(
    names: Sequence[str],
    learning: np.ndarray,
    validation: np.ndarray,
    by_share: tuple[np.ndarray, np.ndarray],
    *,
    chance: float,
    title: str = "",
) -> Figure:
    """Draw how fast training labels are learned, what it is worth, and both over the share of random labels.

    Parameters
    ----------
    names : sequence of str
        C cases, at most seven.
    learning : (C, epochs) array
        Accuracy on the training labels, per cent.
    validation : (C,) array
        On validation images, at the end.
    by_share : (shares, accuracies)
        Shares of random labels in per cent, (S,), and accuracies (2, S): training and validation.
    chance : float
        Accuracy of guessing, per cent.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the numbers do not fit together.
    """
    shares, both = np.asarray(by_share[0]), np.asarray(by_share[1])
    if not len(names) == len(learning) == len(validation) <= len(SERIES) or both.shape != (2, len(shares)):
        raise ShapeError(
            f"random_labels_plot: {len(names)} cases, learning of shape {np.shape(learning)}, {len(shares)} shares "
            f"with accuracies of shape {both.shape}; expected a row for each case and (2, shares)"
        )
    figure = titled_figure(7.2, 5.6, title)
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 1))
    above, left, right = (figure.add_subplot(place) for place in (grid[0, :], grid[1, 0], grid[1, 1]))
    for name, values, (colour, line, marker) in zip(names, learning, SERIES, strict=False):
        above.plot(
            np.arange(1, len(values) + 1),
            values,
            color=colour,
            linestyle=line,
            marker=marker,
            markersize=4,
            markevery=max(1, len(values) // 12),
            label=name,
        )
    style_axes(above, x="epoch", y="accuracy, %", title="On the training labels")
    above.set_ylim(0, 104)
    above.legend(fontsize=TICK_SIZE, frameon=False, loc="lower right")
    places = np.arange(len(names))[::-1]
    left.barh(places, validation, height=0.6, color=[style[0] for style in SERIES[: len(names)]])
    for place, value in zip(places, validation, strict=True):
        left.text(value + 1.5, place, f"{value:.1f}", va="center", fontsize=TICK_SIZE)
    left.set_yticks(places, list(names))
    left.set_xlim(0, 112)
    left.axvline(chance, color=MUTED, linewidth=0.9, linestyle="--")
    style_axes(left, x="accuracy, % (dashed: guessing)", title="On validation images", grid="x")
    right.plot(shares, both[0], "o-", color=BLUE, label="training labels", markersize=5)
    right.plot(shares, both[1], "s--", color=VERMILION, label="validation images", markersize=5)
    right.axhline(chance, color=MUTED, linewidth=0.9, linestyle="--")
    right.set_ylim(0, 104)
    style_axes(right, x="labels drawn at random, %", y="accuracy, %", title="In between")
    right.legend(fontsize=TICK_SIZE, frameon=False, loc="lower left", bbox_to_anchor=(0, 0.12))
    return figure
