"""Pictures of a class's grades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.plots.style import BLUE, INK, LABEL_SIZE, MUTED, TICK_SIZE, VERMILION, new_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAME = 46  # characters of a task's name


def plot_scores(points: Sequence[float], most: float, *, bins: int = 20) -> Figure:
    """Return the distribution of the points of a class.

    Parameters
    ----------
    points : sequence of float
        One for each submission.
    most : float
        What could be had.
    bins : int
        Number of bars, of equal width, at most.

    Returns
    -------
    matplotlib.figure.Figure
        A histogram with the mean and the median.
    """
    from matplotlib.ticker import MaxNLocator

    values = np.asarray(points, dtype=float)
    if most <= 0 or values.ndim != 1 or len(values) == 0:
        raise ValueError(
            f"plot_scores: points must be a sequence and most above 0, got {values.shape}, {most}"
        )
    figure = new_figure(7.0, 3.1)
    axes = figure.subplots()
    # Full points have the last bar, not a bar beyond it: every bar but the last excludes its right edge.
    axes.hist(
        values, bins=np.linspace(0, most, bins + 1).tolist(), color=BLUE, edgecolor="white", linewidth=0.8
    )
    mean, median = float(values.mean()), float(np.median(values))
    axes.axvline(mean, color=VERMILION, linewidth=1.6, label=f"mean {mean:.1f}")
    axes.axvline(median, color=INK, linewidth=1.6, linestyle="--", label=f"median {median:.1f}")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0, most)
    style_axes(axes, x=f"points (of {most:g})", y="submissions", title=f"{len(values)} submissions", grid="y")
    figure.legend(loc="outside upper right", fontsize=TICK_SIZE, frameon=False, ncols=2)
    return figure


def plot_tasks(names: Sequence[str], shares: Sequence[float]) -> Figure:
    """Return the mean share of the points that each task gave.

    Parameters
    ----------
    names : sequence of str
    shares : sequence of float
        From 0 to 1, in the order of the names.
    """
    if len(names) != len(shares) or not names:
        raise ValueError(
            f"plot_tasks: {len(names)} names and {len(shares)} shares; give as many, at least one"
        )
    short = [name if len(name) <= _NAME else f"{name[: _NAME - 1]}\N{HORIZONTAL ELLIPSIS}" for name in names]
    short = [name.replace("$", r"\$") for name in short]
    percent = 100 * np.asarray(shares, dtype=float)
    places = np.arange(len(names))
    figure = new_figure(7.0, 1.1 + 0.3 * len(names))
    axes = figure.subplots()
    axes.barh(places, percent, height=0.65, color=BLUE)
    for place, value in zip(places, percent, strict=True):
        axes.annotate(
            f"{value:.0f} %", (value, place), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=TICK_SIZE, color=INK,
        )  # fmt: skip
    axes.set_yticks(places, short)
    axes.invert_yaxis()
    axes.set_xlim(0, 110)
    axes.set_xticks(range(0, 101, 20))
    style_axes(axes, x="mean share of the points, %", title="Points by task", grid="x")
    axes.tick_params(axis="y", length=0, labelsize=LABEL_SIZE - 0.5)
    axes.spines["left"].set_color(MUTED)
    return figure
