"""How several curves in one picture are told apart, in colour and in print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minidl.plots.style import BLUE, INK, VERMILION, head_figure, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GREEN, PINK, SKY, AMBER = "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
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
    head_figure(figure, title)
    return figure
