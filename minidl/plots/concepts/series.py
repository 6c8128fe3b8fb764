"""How several curves in one picture are told apart, in colour and in print."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from minidl.plots.style import BLUE, INK, TITLE_SIZE, VERMILION, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GREEN, PINK, SKY, AMBER = "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
LETTERS_PER_INCH = 8  # of the heading's bold type, many of them wide
# Colour, line, marker; the order in which they are used.
SERIES: tuple[tuple[str, Any, str], ...] = (
    (BLUE, "-", "o"),
    (VERMILION, "--", "s"),
    (GREEN, "-.", "^"),
    (PINK, (0, (5, 1)), "D"),
    (INK, ":", "v"),
    (AMBER, (0, (3, 1, 1, 1)), "P"),
    (SKY, (0, (1, 1)), "X"),
)


def titled_figure(width: float, height: float, title: str) -> Figure:
    """Return an empty figure with a heading over all its panels, in several lines if it is long."""
    figure = new_figure(width, height)
    if title:
        lines = textwrap.fill(title, int(width * LETTERS_PER_INCH), break_on_hyphens=False)
        figure.suptitle(lines, fontsize=TITLE_SIZE + 0.5, color=INK, fontweight="bold", x=0.01, ha="left")
    return figure
