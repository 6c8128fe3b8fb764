"""Groups of runs side by side: every run, the means with their intervals, and the differences."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ConfigError
from minidl.plots.style import BLUE, INK, LABEL_SIZE, MUTED, TICK_SIZE, VERMILION, new_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST = 26  # characters in a line of a name, beside the axes


def comparison_plot(
    names: Sequence[str],
    values: Sequence[Any],
    intervals: Sequence[tuple[float, float] | None],
    differences: Sequence[tuple[str, float, float | None, float | None, bool]] = (),
    *,
    level: str = "95 %",
    x: str = "accuracy, %",
    title: str = "",
    point: str = "a run",
) -> Figure:
    """Draw every run as a point, the mean of each group as a line with its interval, and the differences.

    Parameters
    ----------
    names : sequence of str
        Of the groups, first on top.
    values : sequence of array-like
        Accuracies of the runs of each group, in per cent.
    intervals : sequence of (low, high) or None
        Of the means; None where a single run has none.
    differences : sequence of (name, difference, low, high, is significant)
        A second panel; the limits may be None.
    level : str
        Of the intervals.
    x, title : str
        Label of the axis and heading.
    point : str
        What a point is, for the legend.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ConfigError
        If there are no groups, or the lengths differ.
    """
    if not 0 < len(names) == len(values) == len(intervals):
        raise ConfigError(
            f"comparison_plot: {len(names)} names, {len(values)} groups and {len(intervals)} intervals; expected as "
            "many of each, at least one"
        )
    rows = [len(names), *([len(differences)] if differences else [])]
    figure = new_figure(7.0, 0.7 + sum(0.8 + 0.42 * n for n in rows))
    panels = figure.subplots(len(rows), 1, squeeze=False, height_ratios=[n + 1.2 for n in rows])[:, 0]
    _draw_groups(panels[0], names, values, intervals)
    style_axes(panels[0], x=x, title=title, grid="x")
    figure.legend(
        handles=_legend_handles(level, point),
        loc="outside lower center",
        ncols=3,
        fontsize=LABEL_SIZE - 1,
        frameon=False,
    )
    if differences:
        _draw_differences(panels[1], differences, level)
    return figure


def _draw_groups(axes: Axes, names: Sequence[str], values: Sequence[Any], intervals: Sequence[Any]) -> None:
    for row, (sample, interval) in enumerate(zip(values, intervals, strict=True)):
        numbers = np.sort(np.asarray(sample, dtype=np.float64))
        # Runs of equal accuracy stand above each other instead of hiding each other.
        equal = np.concatenate([[False], np.diff(numbers) < 1e-9])
        heights = np.zeros(len(numbers))
        for index in range(1, len(numbers)):
            heights[index] = heights[index - 1] + 0.13 if equal[index] else 0.0
        axes.plot(numbers, row - 0.16 - np.minimum(heights, 0.3), "o", color=BLUE, markersize=4.5, alpha=0.75,
                  clip_on=False, zorder=3)  # fmt: skip
        mean = float(numbers.mean())
        if interval is not None:
            axes.plot(interval, [row + 0.16] * 2, "-", color=INK, linewidth=2.2, solid_capstyle="butt",
                      zorder=2)  # fmt: skip
        axes.plot([mean], [row + 0.16], "D", color=VERMILION, markersize=6, zorder=4)
        text = f"n = {len(numbers)}"
        axes.text(
            1.01,
            row,
            text,
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=TICK_SIZE,
            color=MUTED,
        )
    _name_rows(axes, names)


def _legend_handles(level: str, point: str) -> list[Any]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], marker="o", color=BLUE, linestyle="", markersize=4.5, label=point),
        Line2D([], [], marker="D", color=VERMILION, linestyle="", markersize=6, label="mean"),
        Line2D([], [], color=INK, linewidth=2.2, label=f"{level} interval of the mean"),
    ]


def _draw_differences(axes: Axes, differences: Sequence[Any], level: str) -> None:
    axes.axvline(0, color=MUTED, linewidth=1.0, zorder=1)
    for row, (_, difference, low, high, significant) in enumerate(differences):
        colour = VERMILION if significant else MUTED
        if low is not None and high is not None:
            axes.plot([low, high], [row, row], "-", color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot([difference], [row], "D" if significant else "o", color=colour, markersize=6,
                  markerfacecolor=colour if significant else "white", zorder=3)  # fmt: skip
    _name_rows(axes, [name for name, *_ in differences])
    style_axes(axes, x=f"difference in points, with its {level} interval (filled: significant)", grid="x")


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    short = ["\n".join(wrap(name, LONGEST, max_lines=2, placeholder=" …")) for name in names]
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), short)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
