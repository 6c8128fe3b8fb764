"""A student's layers beside ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ConfigError
from minidl.plots.style import BLUE, LABEL_SIZE, VERMILION, head_figure, new_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMOOTHED = 0.95  # memory of the running mean over the batches' losses


def side_by_side(
    yours: tuple[Any, Any],
    ours: tuple[Any, Any],
    *,
    title: str = "",
) -> Figure:
    """Draw two trainings of one network.

    Parameters
    ----------
    yours, ours : tuple of two arrays
        The loss of every batch, and the validation accuracy (a share, 0 to 1) after every epoch.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        Two panels: training loss on the left, validation accuracy in % on the right.

    Raises
    ------
    ConfigError
        If there is no batch or no epoch.
    """
    if not all(len(values) for values in (*yours, *ours)):
        raise ConfigError("side_by_side: each training needs at least one batch and one epoch")
    figure = new_figure(7.2, 3.1)
    left, right = figure.subplots(1, 2)
    # Ours wide and below, yours thin, dashed and above: both can be seen where they are the same.
    looks = (
        ("ours", ours, {"color": BLUE, "linewidth": 3.6, "alpha": 0.55}),
        ("yours", yours, {"color": VERMILION, "linewidth": 1.5, "linestyle": (0, (4, 2))}),
    )
    for name, (losses, accuracies), look in looks:
        losses = _running_mean(losses)
        left.plot(np.arange(1, len(losses) + 1), losses, label=name, **look)
        epochs = np.arange(1, len(accuracies) + 1)
        percent = 100 * np.asarray(accuracies, np.float64)
        marker = "o" if len(epochs) < 15 else None
        right.plot(epochs, percent, label=f"{name}, {percent[-1]:.2f} %", marker=marker, markersize=5, **look)
    style_axes(left, x="batch", y="training loss (running mean)")
    style_axes(right, x="epoch", y="validation accuracy, %")
    left.set_ylim(bottom=0)
    right.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    right.set_xlim(0.8, max(len(curve[1]) for curve in (yours, ours)) + 0.2)
    for axes in (left, right):
        axes.legend(fontsize=LABEL_SIZE - 1, frameon=False)
    head_figure(figure, title)
    return figure


def _running_mean(losses: Any) -> np.ndarray:
    """Return an exponential running mean that starts at the first value without a bias towards zero."""
    values = np.asarray(losses, np.float64)
    means, sum_, weight = np.empty(len(values)), 0.0, 0.0
    for i, value in enumerate(values):
        sum_ = SMOOTHED * sum_ + (1 - SMOOTHED) * value
        weight = SMOOTHED * weight + (1 - SMOOTHED)
        means[i] = sum_ / weight
    return means
