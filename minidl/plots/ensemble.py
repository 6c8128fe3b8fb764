"""How far networks err together, and what a vote of independent ones would have reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
    plain_log_ticks,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NUMBERS = 8  # networks up to which each cell of the matrix holds its number


def ensemble_plot(
    names: Sequence[str],
    correlation: np.ndarray,
    counts: np.ndarray,
    independent_counts: np.ndarray,
    curve: tuple[Any, Any, Any],
    *,
    title: str = "",
) -> Figure:
    """Draw the error of votes of more and more networks, how many err together, and the correlation of errors.

    Parameters
    ----------
    names : sequence of str
        Of the M networks.
    correlation : (M, M) array
        Of their errors; NaN where undefined.
    counts, independent_counts : (M + 1,) array
        Images that exactly k networks get wrong, measured and if they erred independently.
    curve : (sizes, measured, independent)
        Error (a share) of votes of so many networks. Zeros are left out: the axis is logarithmic.
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
    members = len(names)
    correlation, counts = np.asarray(correlation, np.float64), np.asarray(counts)
    if correlation.shape != (members, members) or counts.shape != (members + 1,):
        raise ShapeError(
            f"ensemble_plot: {members} names, but a matrix of shape {correlation.shape} and counts of shape "
            f"{counts.shape}"
        )
    figure = new_figure(7.2, 6.9)
    head_figure(figure, title)
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 1.25))
    _draw_curve(figure.add_subplot(grid[0, 0]), *curve)
    _draw_counts(figure.add_subplot(grid[0, 1]), counts, np.asarray(independent_counts, np.float64))
    _draw_matrix(figure, figure.add_subplot(grid[1, :]), names, correlation)
    return figure


def _draw_curve(axes: Axes, sizes: Any, measured: Any, independent: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    for values, colour, style, name in (
        (measured, BLUE, "o-", "measured, hard vote"),
        (independent, VERMILION, "s--", "if independent (binomial)"),
    ):
        shares = 100 * np.asarray(values, np.float64)
        axes.plot(
            sizes, np.where(shares > 0, shares, np.nan), style, color=colour, markersize=4.5, label=name
        )
    shares = 100 * np.concatenate([np.asarray(measured, np.float64), np.asarray(independent, np.float64)])
    shares = shares[shares > 0]
    low, high = (shares.min() / 2, shares.max() * 2) if len(shares) else (0.01, 1.0)
    axes.set_ylim(low, high)  # first: without a number above zero there is no logarithmic scale to choose
    axes.set_yscale("log")
    plain_log_ticks(axes.yaxis, low, high)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    style_axes(axes, x="networks that vote", y="error, % (log scale)", title="Error of the vote")
    axes.legend(fontsize=TICK_SIZE, frameon=False, loc="best")


def _draw_counts(axes: Axes, counts: np.ndarray, independent: np.ndarray) -> None:
    from matplotlib.ticker import MaxNLocator

    k = np.arange(1, len(counts))
    axes.bar(k - 0.2, counts[1:], 0.4, color=BLUE, label="measured")
    axes.bar(k + 0.2, independent[1:], 0.4, color=VERMILION, label="if independent")
    top = 8 * max(1.0, float(counts[1:].max()), float(independent[1:].max()))  # room for the legend
    axes.set_ylim(0.05, top)  # first, as above; less than a twentieth of an image is left out
    axes.set_yscale("log")
    plain_log_ticks(axes.yaxis, 0.05, top)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    style_axes(
        axes,
        x="networks that are wrong on an image",
        y="images (log scale)",
        title="Wrong together",
        grid="y",
    )
    axes.legend(fontsize=TICK_SIZE, frameon=False, loc="upper right")


def _draw_matrix(figure: Figure, axes: Axes, names: Sequence[str], correlation: np.ndarray) -> None:
    members = len(names)
    shown = np.where(np.eye(members, dtype=bool), np.nan, correlation)
    image = axes.imshow(shown, cmap="Blues", vmin=0, vmax=1)
    if members <= MOST_NUMBERS:
        for row, column in np.argwhere(np.isfinite(shown)):
            value = shown[row, column]
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=TICK_SIZE,
                      color="white" if value > 0.6 else INK)  # fmt: skip
    style_axes(axes, title="Correlation of the errors", grid=None)
    axes.set_yticks(range(members), [_numbered(index, name) for index, name in enumerate(names)])
    axes.set_xticks(range(members), [str(index + 1) for index in range(members)])
    axes.tick_params(length=0, labelsize=TICK_SIZE if members <= 12 else 6)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("0: independent, 1: the same errors", fontsize=LABEL_SIZE, color=MUTED)
    bar.ax.tick_params(labelsize=TICK_SIZE, color=MUTED, labelcolor=INK)
    bar.outline.set_visible(False)


def _numbered(index: int, name: str) -> str:
    return f"{name if len(name) <= 30 else '…' + name[-29:]}  {index + 1}"
