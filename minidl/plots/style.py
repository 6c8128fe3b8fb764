"""The look all pictures share.

The colours are those of Okabe and Ito, which readers with any common colour-vision deficiency can
tell apart; lines that must be told apart also differ in their dashes or markers, so that a black and
white print works too.
"""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

BLUE, VERMILION = "#0072B2", "#D55E00"
INK, MUTED, GRID, PAPER = "#222222", "#6b6b6b", "#dddddd", "#ffffff"
DIVERGING, SEQUENTIAL = "RdBu_r", "YlOrBr"
TITLE_SIZE, LABEL_SIZE, TICK_SIZE = 11, 9.5, 8.5
LETTERS_PER_INCH = 10  # of a heading's bold type, many of them wide
PIXELS_PER_INCH = 192  # twice the 96 of a CSS inch: sharp on dense screens and in print


def new_figure(width: float, height: float) -> Figure:
    """Return an empty white figure, its size in inches, that lays itself out."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=PIXELS_PER_INCH, layout="constrained", facecolor=PAPER)


def head_figure(figure: Figure, title: str) -> None:
    """Write a heading over all panels of a figure, in several lines if it is long, or none if it is empty."""
    if title:
        lines = textwrap.fill(title, int(figure.get_figwidth() * LETTERS_PER_INCH), break_on_hyphens=False)
        figure.suptitle(lines, fontsize=TITLE_SIZE, color=INK, fontweight="bold", x=0.01, ha="left")


def style_axes(
    axes: Axes, *, x: str = "", y: str = "", title: str = "", grid: Literal["x", "y", "both"] | None = "both"
) -> None:
    """Label the axes, thin the frame, and draw the grid lines of the given direction."""
    if title:
        axes.set_title(title, fontsize=TITLE_SIZE, color=INK, loc="left", fontweight="bold")
    axes.set_xlabel(x, fontsize=LABEL_SIZE, color=INK)
    axes.set_ylabel(y, fontsize=LABEL_SIZE, color=INK)
    axes.tick_params(which="both", labelsize=TICK_SIZE, color=MUTED, labelcolor=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.set_axisbelow(True)
    if grid is not None:
        axes.grid(axis=grid, color=GRID, linewidth=0.7)


def bare_axes(axes: Axes, *, title: str = "") -> None:
    """Remove frame and ticks: the axes only carry images."""
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=TITLE_SIZE, color=INK, loc="left", fontweight="bold")


def plain_log_ticks(axis: Axis, low: float, high: float) -> None:
    """Give a logarithmic axis from `low` to `high` plain numbers (0.5, 1, 2) for tick labels."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    decades = math.log10(high / low) if 0 < low < high else 0.0
    if decades > 2.5:
        steps = [1.0]
    elif decades > 0.8:
        steps = [1.0, 2.0, 5.0]
    else:
        steps = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0]
    axis.set_major_locator(LogLocator(base=10, subs=steps, numticks=15))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
