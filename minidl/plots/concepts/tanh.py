"""Accuracy over epochs of networks that differ in their activation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.concepts.series import SERIES, titled_figure
from minidl.plots.style import TICK_SIZE, plain_log_ticks, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST = 0.05  # per cent: an error of zero has no place on a logarithmic axis


def tanh_plot(accuracy: Mapping[str, np.ndarray], *, title: str = "") -> Figure:
    """Draw accuracy over epochs, and the error on a logarithmic axis, where the end can be seen.

    Parameters
    ----------
    accuracy : mapping of str to (repeats, epochs) array
        Per cent. Thin lines are the repeats, thick ones their mean.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If there is nothing to draw, or an array is not two-dimensional.
    """
    if not accuracy or any(np.ndim(values) != 2 for values in accuracy.values()):
        raise ShapeError("tanh_plot: expected for each network its accuracies, (repeats, epochs)")
    figure = titled_figure(7.2, 3.4, title)
    left, right = figure.subplots(1, 2)
    errors = [np.maximum(100 - np.asarray(values), LEAST) for values in accuracy.values()]
    for (name, values), error, (colour, line, _) in zip(accuracy.items(), errors, SERIES, strict=False):
        epochs = np.arange(1, np.shape(values)[1] + 1)
        for axes, drawn in ((left, np.asarray(values)), (right, error)):
            for row in drawn:
                axes.plot(epochs, row, color=colour, linewidth=0.7, alpha=0.5)
            axes.plot(epochs, drawn.mean(axis=0), color=colour, linestyle=line, linewidth=2, label=name)
    left.set_ylim(0, 101)
    left.legend(fontsize=TICK_SIZE, frameon=False, loc="lower right")
    right.set_yscale("log")
    low, high = min(e.min() for e in errors) / 1.2, max(e.max() for e in errors) * 1.2
    right.set_ylim(low, high)
    plain_log_ticks(right.yaxis, float(low), float(high))
    for axes in (left, right):
        axes.set_xlim(left=1)
        axes.xaxis.get_major_locator().set_params(integer=True)
    style_axes(left, x="epoch", y="validation accuracy, %", title="Accuracy")
    style_axes(right, x="epoch", y="validation error, % (log scale)", title="Error")
    return figure
