"""Votes of networks beside the binomial, and averages of thinned networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.concepts.series import SERIES, titled_figure
from minidl.plots.style import BLUE, INK, TICK_SIZE, VERMILION, plain_log_ticks, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOWEST = 1e-3  # per cent: the binomial soon leaves the picture


def votes_plot(
    kinds: Sequence[str],
    sizes: np.ndarray,
    errors: tuple[np.ndarray, np.ndarray],
    correlation: np.ndarray,
    dropout: tuple[np.ndarray, np.ndarray, float],
    *,
    title: str = "",
) -> Figure:
    """Draw the error of votes, measured and if independent, the correlations, and dropout as an ensemble.

    Parameters
    ----------
    kinds : sequence of str
        K ways in which the networks differ, at most seven.
    sizes : (S,) array
        Networks that vote.
    errors : (measured, independent)
        (K, S) arrays, per cent.
    correlation : (K,) array
        Mean correlation of the errors of two networks; NaN where it is undefined.
    dropout : (numbers, errors, scaled)
        Thinned networks averaged (T,), the error of their mean (T,), and that of the scaled network; per cent.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the numbers do not fit together.
    """
    measured, independent = (np.asarray(values) for values in errors)
    wanted = (len(kinds), len(sizes))
    if not measured.shape == independent.shape == wanted or not len(correlation) == len(kinds) <= len(SERIES):
        raise ShapeError(
            f"votes_plot: errors of shapes {measured.shape} and {independent.shape} and {len(correlation)} "
            f"correlations; expected {wanted} for {len(kinds)} kinds and {len(sizes)} sizes"
        )
    figure = titled_figure(7.2, 6.2, title)
    grid = figure.add_gridspec(2, 2, height_ratios=(1.25, 1))
    above, left, right = (figure.add_subplot(place) for place in (grid[0, :], grid[1, 0], grid[1, 1]))
    above.set_yscale("log")
    for name, values, (colour, line, marker) in zip(kinds, measured, SERIES, strict=False):
        above.plot(sizes, values, color=colour, linestyle=line, marker=marker, markersize=5, label=name)
    for row, values in enumerate(independent):
        above.plot(sizes, np.maximum(values, LOWEST / 10), color=INK, linestyle=":", linewidth=1.0,
                   label="if independent (binomial)" if row == 0 else None)  # fmt: skip
    above.set_ylim(LOWEST, 2 * float(max(measured.max(), independent.max())))
    plain_log_ticks(above.yaxis, *above.get_ylim())
    above.set_xticks(list(sizes))
    style_axes(
        above, x="networks that vote", y="error, % (log scale)", title="Error of the vote: networks with …"
    )
    above.legend(fontsize=TICK_SIZE, frameon=False, loc="lower left")
    _draw_bars(left, kinds, np.asarray(correlation))
    numbers, means, scaled = dropout
    right.set_xscale("log")
    right.plot(numbers, means, "o-", color=BLUE, markersize=5, label="mean of thinned networks")
    right.axhline(scaled, color=VERMILION, linestyle="--", label="all units, scaled weights")
    right.set_xticks(list(numbers), [str(number) for number in numbers])
    right.minorticks_off()
    style_axes(right, x="thinned networks (log scale)", y="error, %", title="Dropout as an ensemble")
    right.legend(fontsize=TICK_SIZE, frameon=False)
    return figure


def _draw_bars(axes: Axes, kinds: Sequence[str], correlation: np.ndarray) -> None:
    places = np.arange(len(kinds))[::-1]
    shown = np.where(np.isfinite(correlation), correlation, 0)
    axes.barh(places, shown, height=0.6, color=[style[0] for style in SERIES[: len(kinds)]])
    for place, value in zip(places, correlation, strict=True):
        text = f"{value:.2f}" if np.isfinite(value) else "undefined"
        axes.text(
            max(value, 0) + 0.02 if np.isfinite(value) else 0.02, place, text, va="center", fontsize=TICK_SIZE
        )
    axes.set_yticks(places, [kind.replace(" initial", "\ninitial") for kind in kinds])
    axes.set_xlim(min(0.0, float(shown.min())), 1.12)
    style_axes(axes, x="correlation (0: independent)", title="Errors of two networks", grid="x")
