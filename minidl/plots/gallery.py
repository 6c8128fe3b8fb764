"""The images a network got wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.style import BLUE, GRID, MUTED, VERMILION, bare_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def error_gallery(
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    *,
    classes: Sequence[str] | None = None,
    limit: int = 100,
    columns: int = 9,
    title: str = "",
) -> Figure:
    """Show the misclassified images, the true class upper right and the predicted one lower right.

    The arrangement is that of the UU slide with the 33 digits the lecture's ensemble misses. The
    small number at the lower left is the image's position in the set.

    Parameters
    ----------
    images : (N, 1, H, W) or (N, H, W) array
        Bright ink on dark ground, as MNIST is stored; drawn as dark ink on white.
    labels, predictions : (N,) integer array
        True and predicted class of every image, the right ones included.
    classes : sequence of str, optional
        Names of the classes; by default their numbers.
    limit : int
        Show at most this many, the first ones.
    columns : int
        Images in a row.
    title : str
        Heading; by default how many of how many are wrong.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the arrays do not belong together.
    """
    images, labels, predictions = np.asarray(images), np.asarray(labels), np.asarray(predictions)
    n = len(images)
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.ndim != 3 or labels.shape != (n,) or predictions.shape != (n,):
        raise ShapeError(
            f"error_gallery: images have shape {images.shape}, labels {labels.shape}, predictions "
            f"{predictions.shape}; expected (N, 1, H, W), (N,) and (N,)"
        )
    wrong = np.flatnonzero(labels != predictions)
    shown = wrong[:limit]
    if not title:
        title = f"{len(wrong):,} of {n:,} misclassified"
        title += f" (first {len(shown)} shown)" if len(shown) < len(wrong) else ""
    columns = max(1, min(columns, len(shown)))
    rows = max(1, math.ceil(len(shown) / columns))
    # A cell is 1.36 x 1.18 image sides: the image, and a margin at its right for the two classes.
    figure = new_figure(max(3.6, columns * 0.95), rows * 0.83 + 0.35)
    axes = figure.subplots()
    for place, index in enumerate(shown):
        x, y = (place % columns) * 1.36, -(place // columns) * 1.18
        _draw(
            axes,
            x,
            y,
            images[index],
            index,
            _name(labels[index], classes),
            _name(predictions[index], classes),
        )
    axes.set_xlim(-0.04, columns * 1.36)
    axes.set_ylim(-rows * 1.18, 0.04)
    axes.set_aspect("equal")
    bare_axes(axes, title=title)
    if not len(shown):
        axes.text(0.5, 0.5, "No image was misclassified.", transform=axes.transAxes, ha="center", color=MUTED)
    return figure


def _draw(axes: Axes, x: float, y: float, image: np.ndarray, index: int, true: str, predicted: str) -> None:
    from matplotlib.patches import Rectangle

    axes.imshow(image, cmap="gray_r", interpolation="nearest", extent=(x, x + 1, y - 1, y))
    axes.add_patch(Rectangle((x, y - 1), 1, 1, fill=False, edgecolor=GRID, linewidth=0.6))
    size = 10 if max(len(true), len(predicted)) <= 2 else 6
    for dx, dy, text, va, fontsize, colour in (
        (1.05, -0.03, true, "top", size, BLUE),
        (1.05, -0.97, predicted, "bottom", size, VERMILION),
        (0.02, -1.01, str(index), "top", 5, MUTED),
    ):
        weight = "bold" if text is true else "normal"
        # The cell has room for the text: measuring hundreds of them for the layout would take seconds.
        axes.text(
            x + dx, y + dy, text, va=va, fontsize=fontsize, color=colour, fontweight=weight, in_layout=False
        )


def _name(label: int, classes: Sequence[str] | None) -> str:
    return str(int(label)) if classes is None else str(classes[int(label)])
