"""A sheet of images from a data set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.style import INK, bare_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL = 0.62  # inches


def sample_sheet(
    images: np.ndarray, labels: Sequence[Any] | np.ndarray, columns: int = 10, title: str = ""
) -> Figure:
    """Draw images in rows, each with its label above it.

    Parameters
    ----------
    images : (N, 1, H, W) or (N, H, W) array
        Bright ink on dark ground, as MNIST is stored; drawn as dark ink on white. All images share
        one scale of grey.
    labels : sequence of length N
        What is written above each image: numbers or names.
    columns : int
        Images in a row.
    title : str
        Heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the arrays do not belong together or are empty.
    """
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.ndim != 3 or len(images) == 0 or len(images) != len(labels) or columns < 1:
        raise ShapeError(
            f"sample_sheet: expected images (N, 1, H, W) with N labels and at least one column, got "
            f"{images.shape}, {len(labels)} labels and {columns} columns"
        )
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    height, width = images.shape[1:]
    line = 0.3 * height  # room for the label, above each image
    # Wide enough for the heading as well, at 0.1 inches a letter.
    figure = new_figure(
        max(columns * CELL, 0.1 * len(title)) + 0.2, rows * CELL * (height + line) / height + 0.4
    )
    axes = figure.subplots()
    axes.set_anchor("NW")
    largest = images.max()
    for place, (image, label) in enumerate(zip(images, labels, strict=True)):
        left = place % columns * width * 1.08
        top = place // columns * (height + line)
        axes.imshow(
            image, extent=(left, left + width, top + height, top), cmap="Greys", vmin=0, vmax=largest
        )
        name = str(label)
        size = 7.0 if len(name) <= 6 else 7.0 * 6 / len(name) + 0.8
        centre, above = left + width / 2, top + 0.04 * height
        axes.text(centre, above, name, fontsize=size, color=INK, ha="center", va="bottom")
    axes.set_xlim(-0.05 * width, columns * width * 1.08)
    axes.set_ylim(rows * (height + line) - line + 1, -line)
    bare_axes(axes, title=title)
    return figure
