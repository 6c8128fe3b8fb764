"""What the first layer looks at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.style import DIVERGING, LABEL_SIZE, TICK_SIZE, bare_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def filter_grid(
    weights: np.ndarray, *, image_shape: tuple[int, int] = (28, 28), limit: int = 100, title: str = ""
) -> Figure:
    """Draw first-layer weights as a grid of small images.

    All filters share one colour scale, symmetric around zero (white): red raises the unit's
    activation, blue lowers it. Smooth filters speak for a trained net, noisy ones for one trained
    too briefly or regularised too little (FAU, TUE, AAR).

    Parameters
    ----------
    weights : array
        Of a convolution, (out, in, kh, kw); the channels of a filter stand side by side. Or of a
        Dense layer, (in, out), where in = height * width of `image_shape`.
    image_shape : (int, int)
        Shape of the images a Dense layer saw.
    limit : int
        Draw at most this many filters, the first ones.
    title : str
        Heading; when filters are left out, it is followed by how many are shown.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If `weights` has another shape.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim == 2 and weights.shape[0] == math.prod(image_shape):
        tiles = weights.T.reshape(-1, *image_shape)
    elif weights.ndim == 4:
        tiles = np.concatenate(list(np.moveaxis(_with_gap(weights), 1, 0)), axis=2)
        tiles = tiles[:, :, : tiles.shape[2] - (1 if weights.shape[1] > 1 else 0)]
    else:
        raise ShapeError(
            f"filter_grid: weights have shape {weights.shape}, expected (out, in, kh, kw) of a convolution "
            f"or ({math.prod(image_shape)}, units) of a Dense layer on images of shape {image_shape}"
        )
    total, tiles = len(tiles), tiles[:limit]
    if len(tiles) < total:
        title = f"{title} (first {len(tiles)} of {total})".strip()
    height, width = tiles.shape[1:]
    columns = _columns(len(tiles), width / height)
    rows = math.ceil(len(tiles) / columns)
    inches = min(0.62, 7.0 * height / (columns * width * 1.12))
    figure = new_figure(columns * inches * 1.12 * width / height + 0.9, rows * inches * 1.12 + 0.5)
    axes = figure.subplots()
    largest = float(np.nanmax(np.abs(tiles))) or 1.0
    for index, tile in enumerate(tiles):
        x, y = (index % columns) * 1.12 * width / height, -(index // columns) * 1.12
        image = axes.imshow(
            tile,
            cmap=DIVERGING,
            vmin=-largest,
            vmax=largest,
            interpolation="nearest",
            extent=(x, x + width / height, y - 1, y),
        )
    axes.set_xlim(-0.04, columns * 1.12 * width / height)
    axes.set_ylim(-rows * 1.12, 0.04)
    bare_axes(axes, title=title)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02, aspect=25)
    bar.set_label("weight", fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=TICK_SIZE)
    bar.outline.set_visible(False)
    return figure


def _with_gap(weights: np.ndarray) -> np.ndarray:
    """Append an empty column to every channel so that the channels of one filter stand apart."""
    if weights.shape[1] == 1:
        return weights
    return np.pad(weights, ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=np.nan)


def _columns(count: int, aspect: float) -> int:
    """Columns that make the grid about twice as wide as high, without a nearly empty last row."""
    ideal = max(1, round(math.sqrt(2 * count / aspect)))
    even = [c for c in range(max(1, ideal - 2), ideal + 3) if count % c == 0]
    return min(count, min(even, key=lambda c: abs(c - ideal)) if even else ideal)
