"""Activations and learning curves from several initial weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.concepts.series import SERIES, titled_figure
from minidl.plots.style import MUTED, TICK_SIZE, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 60  # of a loss curve, each the mean of a stretch of batches


def initialisation_plot(
    names: Sequence[str],
    spread: np.ndarray,
    losses: np.ndarray,
    epochs: int,
    book: tuple[Sequence[str], np.ndarray],
    guessing: float,
    *,
    title: str = "",
) -> Figure:
    """Draw the spread of the activations by layer, loss curves, and the accuracy of the book's network.

    Parameters
    ----------
    names : sequence of str
        S starts, at most seven.
    spread : (S, 1 + L) array
        Of the pixels and of L layers. Zeros are left out: the axis is logarithmic.
    losses : (S, steps) array
        Infinite after a divergence.
    epochs : int
        That the steps make.
    book : (names, accuracy)
        B names and a (B, epochs) array, per cent.
    guessing : float
        Loss of a network that knows nothing.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If there is not a row for each start.
    """
    if not len(names) == len(spread) == len(losses) <= len(SERIES) or len(book[0]) != len(book[1]):
        raise ShapeError(
            f"initialisation_plot: {len(names)} starts, spreads of shape {np.shape(spread)}, losses of shape "
            f"{np.shape(losses)}; expected a row for each of at most {len(SERIES)} starts"
        )
    figure = titled_figure(7.2, 6.4, title)
    grid = figure.add_gridspec(2, 2)
    above, left, right = (figure.add_subplot(place) for place in (grid[0, :], grid[1, 0], grid[1, 1]))
    above.set_yscale("log")
    left.axhline(guessing, color=MUTED, linewidth=0.8)
    for name, widths, curve, (colour, line, marker) in zip(names, spread, losses, SERIES, strict=False):
        style = {"color": colour, "linestyle": line, "label": name}
        above.plot(np.where(widths > 0, widths, np.nan), marker=marker, markersize=5, **style)
        parts = [part for part in np.array_split(np.asarray(curve), POINTS) if len(part)]
        ends = np.cumsum([len(part) for part in parts]) * epochs / len(curve)
        means = np.array([part.mean() for part in parts])
        left.plot(ends, np.where(np.isfinite(means), means, np.nan), **style)
    style_axes(above, x="layer (0: the pixels)", y="sd of activations (log scale)",
               title="Before training: the spread from layer to layer")  # fmt: skip
    above.set_xticks(range(np.shape(spread)[1]))
    above.legend(fontsize=TICK_SIZE, frameon=False, loc="lower left", ncols=2)
    left.set_ylim(0, 1.4 * guessing)
    left.set_xlim(left=0)
    lost = [name for name, curve in zip(names, losses, strict=True) if not np.isfinite(curve).all()]
    if lost:
        left.annotate("diverged: " + ", ".join(lost), (0.97, 0.95), xycoords="axes fraction", ha="right",
                      va="top", fontsize=TICK_SIZE)  # fmt: skip
    style_axes(left, x="epoch", y="training loss", title="Training the deep network")
    for name, values, (colour, line, marker) in zip(*book, SERIES, strict=False):
        right.plot(
            np.arange(1, len(values) + 1),
            values,
            color=colour,
            linestyle=line,
            marker=marker,
            markersize=5,
            label=name,
        )
    style_axes(right, x="epoch", y="validation accuracy, %", title="The book's network")
    right.set_xticks(range(1, np.shape(book[1])[1] + 1))
    right.legend(fontsize=TICK_SIZE, frameon=False, loc="lower right")
    return figure
