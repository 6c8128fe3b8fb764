"""Which classes a network takes for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.style import GRID, INK, LABEL_SIZE, MUTED, SEQUENTIAL, TICK_SIZE, new_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def confusion_heatmap(matrix: np.ndarray, classes: Sequence[str] | None = None, *, title: str = "") -> Figure:
    """Draw a confusion matrix whose mistakes can be read.

    The diagonal is orders of magnitude larger than everything else, so it takes no part in the
    colours: it stands on grey, the mistakes are coloured on their own scale, and cells without any
    stay empty. The share of every true class that was recognised stands at the right.

    Parameters
    ----------
    matrix : (K, K) integer array
        Rows true, columns predicted, as `minidl.evaluation.confusion_matrix` returns it.
    classes : sequence of str, optional
        Names of the classes; by default their numbers.
    title : str
        Heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the matrix is not square or the number of names is not K.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ShapeError(f"confusion_heatmap: matrix has shape {matrix.shape}, expected (classes, classes)")
    k = len(matrix)
    names = [str(c) for c in (range(k) if classes is None else classes)]
    if len(names) != k:
        raise ShapeError(f"confusion_heatmap: {len(names)} class names for a matrix of {k} classes")

    from matplotlib.colors import ListedColormap

    figure = new_figure(5.8, 5.2)
    axes = figure.subplots()
    mistakes = np.where(np.eye(k, dtype=bool) | (matrix == 0), np.nan, matrix.astype(np.float64))
    # At least 3, so that where no mistake occurs more than once none looks alarming.
    largest = max(3.0, float(np.nan_to_num(mistakes).max(initial=0.0)))
    axes.imshow(np.where(np.eye(k, dtype=bool), 1.0, np.nan), cmap=ListedColormap(["#e6e6e6"]))
    # Starting the scale below zero keeps a single mistake visibly coloured.
    axes.imshow(mistakes, cmap=SEQUENTIAL, vmin=-0.1 * largest, vmax=1.25 * largest)
    size = TICK_SIZE if k <= 12 else 6
    for true, predicted in zip(*np.nonzero(matrix), strict=True):
        count = int(matrix[true, predicted])
        dark = true != predicted and count > 0.7 * largest
        axes.text(
            float(predicted),
            float(true),
            str(count),
            ha="center",
            va="center",
            fontsize=size,
            color="white" if dark else INK,
            fontweight="normal" if true == predicted else "bold",
        )
    style_axes(axes, x="predicted class", y="true class", title=title, grid=None)
    turned = any(len(name) > 3 for name in names)
    axes.set_xticks(range(k), names, rotation=45 if turned else 0, ha="right" if turned else "center")
    axes.set_yticks(range(k), names)
    axes.set_xticks(np.arange(k + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(k + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=GRID, linewidth=0.8)
    axes.tick_params(which="both", length=0)
    _recall_axis(axes, matrix)
    return figure


def _recall_axis(axes: Axes, matrix: np.ndarray) -> None:
    totals = matrix.sum(axis=1)
    shares = [f"{100 * matrix[i, i] / n:.1f} %" if n else "no example" for i, n in enumerate(totals)]
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(matrix)), shares)
    right.tick_params(length=0, labelsize=TICK_SIZE, labelcolor=MUTED)
    right.set_ylabel("recognised (recall)", fontsize=LABEL_SIZE, color=MUTED)
    right.spines["right"].set_visible(False)
