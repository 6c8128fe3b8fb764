"""What augmentations do: originals beside their variants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.style import GRID, INK, MUTED, bare_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL = 0.5  # inches from one image to the next
COLUMNS = 13  # images side by side that fit a page
TEXT_SIZE = 7.5
LETTERS = 8.4  # of the headings, in the width of a cell
LINE = 0.27  # height of a line of a heading, in cells
GAP = 0.35  # between blocks, in cells


def augmentation_sheet(
    originals: np.ndarray, variants: Mapping[str, np.ndarray], *, title: str = ""
) -> Figure:
    """Draw a row for every image: the original, then its variants, a block of columns per augmentation.

    Blocks that do not fit the width of a page go below, beside the originals once more.

    Parameters
    ----------
    originals : (D, 1, H, W) array
        Bright ink on dark ground, as MNIST is stored; drawn as dark ink on white. Bytes are drawn from
        0 to 255 and floats from 0 to 1, so that changes of contrast show.
    variants : mapping of str to (D, V, 1, H, W) array
        V variants of each original by the heading of their block. V is the same for all.
    title : str
        Heading of the sheet.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the arrays do not belong together or are empty.
    """
    originals = np.asarray(originals)
    arrays = {name: np.asarray(block) for name, block in variants.items()}
    count = next(iter(arrays.values())).shape[1] if arrays else 0
    shapes = {block.shape for block in arrays.values()}
    fits = originals.ndim == 4 and originals.shape[1] == 1 and len(originals) > 0 and count > 0
    if not fits or shapes != {(len(originals), count, *originals.shape[1:])}:
        raise ShapeError(
            "augmentation_sheet: expected originals (D, 1, H, W) and variants (D, V, 1, H, W) for every heading, "
            f"got {originals.shape} and {sorted(shapes)}"
        )
    span = max(count, 3)  # a heading needs the width of three images
    per_band = max(1, (COLUMNS - 1) // span)
    names = list(arrays)
    bands = [names[start : start + per_band] for start in range(0, len(names), per_band)]
    headings = {name: _wrapped(name, int(span * LETTERS)) for name in names}
    tops, bottom = [], 0.0
    for band in bands:
        tops.append(bottom + LINE * max(len(headings[name]) for name in band) + 0.15)
        bottom = tops[-1] + len(originals) + 0.3
    width = 1 + min(per_band, len(names)) * (span + GAP)
    figure = new_figure(max(width * CELL, 0.09 * len(title)) + 0.2, bottom * CELL + (0.4 if title else 0.1))
    axes = figure.subplots()
    axes.set_anchor("NW")
    black = 255 if originals.dtype.kind in "iu" else 1
    for band, top in zip(bands, tops, strict=True):
        _heading(axes, 0, top, ["original"], MUTED)
        _column(axes, originals, 0, top, black)
        for place, name in enumerate(band):
            left = 1 + GAP + place * (span + GAP)
            _heading(axes, left, top, headings[name], INK)
            for variant in range(count):
                _column(axes, arrays[name][:, variant], left + variant, top, black)
    axes.set_xlim(-0.04, width + 0.04)
    axes.set_ylim(bottom - 0.25, 0)
    axes.set_aspect("equal")
    bare_axes(axes, title=title)
    return figure


def _wrapped(call: str, letters: int) -> list[str]:
    """Break a call into lines of at most `letters`, after its brackets and commas where that is enough."""
    lines = [""]
    for piece in re.findall(r"[^(\[,]*[(\[,]+ ?|[^(\[,]+$", call):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > letters:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1].rstrip()) > letters:
            lines[-1:] = [lines[-1][:letters], lines[-1][letters:]]
    return [line.strip() for line in lines]


def _column(axes: Axes, images: np.ndarray, left: float, top: float, black: float) -> None:
    from matplotlib.patches import Rectangle

    side = 0.94  # of a cell
    for row, image in enumerate(images[:, 0]):
        extent = (left, left + side, top + row + side, top + row)
        axes.imshow(image, extent=extent, cmap="Greys", vmin=0, vmax=black, interpolation="nearest")
        # The frame shows what has been moved against it.
        frame = Rectangle((left, top + row), side, side, fill=False, edgecolor=GRID, linewidth=0.6)
        axes.add_patch(frame)


def _heading(axes: Axes, left: float, top: float, lines: list[str], colour: str) -> None:
    # The sheet has room for the text; measuring it for the layout would take longer than drawing it.
    for up, line in enumerate(reversed(lines)):
        y = top - 0.08 - LINE * up
        axes.text(left, y, line, fontsize=TEXT_SIZE, color=colour, va="bottom", in_layout=False)
