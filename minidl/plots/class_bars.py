"""The two kinds of errors of every class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.style import BLUE, INK, LABEL_SIZE, MUTED, TICK_SIZE, VERMILION, new_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def class_error_bars(
    names: Sequence[str],
    missed: np.ndarray,
    wrong: np.ndarray,
    missed_interval: np.ndarray,
    wrong_interval: np.ndarray,
    *,
    title: str = "",
) -> Figure:
    """Draw how much of every class is missed, and how much of what is called so is wrong.

    Bars of precision and recall near 100 % all look alike; of the errors, which are one minus them, the
    bars begin at zero and can be compared.

    Parameters
    ----------
    names : sequence of str
        K classes.
    missed, wrong : (K,) array
        One minus recall and one minus precision, shares; NaN where undefined.
    missed_interval, wrong_interval : (K, 2) array
        Lower and upper end of their intervals, drawn as whiskers; NaN where undefined.
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
    k = len(names)
    arrays = [np.asarray(each, np.float64) for each in (missed, wrong, missed_interval, wrong_interval)]
    shapes = [each.shape for each in arrays]
    if shapes != [(k,), (k,), (k, 2), (k, 2)]:
        raise ShapeError(
            f"class_error_bars: {k} names, arrays of shapes {shapes}; expected (K,) and (K, 2), twice each"
        )
    turned = max((len(name) for name in names), default=0) > 4
    figure = new_figure(7.2, 3.6 if turned else 3.2)
    axes = figure.subplots()
    places, width = np.arange(k), 0.38
    rows = (
        (arrays[0], arrays[2], -width / 2, BLUE, "", "missed (1 − recall)"),
        (arrays[1], arrays[3], width / 2, VERMILION, "////", "wrongly called so (1 − precision)"),
    )
    for value, interval, shift, colour, hatch, label in rows:
        there = np.isfinite(value)
        axes.bar(
            places[there] + shift,
            100 * value[there],
            width,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.5,
            label=label,
        )
        whiskers = 100 * np.maximum(0, [value - interval[:, 0], interval[:, 1] - value])[:, there]
        axes.errorbar(
            places[there] + shift,
            100 * value[there],
            yerr=whiskers,
            fmt="none",
            ecolor=INK,
            elinewidth=0.9,
            capsize=2,
        )
        for place in places[~there]:
            axes.annotate(
                "none",
                (place + shift, 0),
                (0, 3),
                textcoords="offset points",
                rotation=90,
                ha="center",
                va="bottom",
                color=MUTED,
                fontsize=TICK_SIZE,
            )
    axes.set_ylim(bottom=0)
    axes.set_xticks(places, names, rotation=30 if turned else 0, ha="right" if turned else "center")
    style_axes(axes, x="class", y="share, %", title=title, grid="y")
    axes.tick_params(axis="x", length=0)
    axes.plot([], [], color=INK, linewidth=0.9, label="95 % interval (Wilson)")
    figure.legend(loc="outside lower center", ncols=3, fontsize=LABEL_SIZE - 1, frameon=False)
    return figure
