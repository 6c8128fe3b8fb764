"""Optimizers over their learning rates, and over the epochs at the best of them."""

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


def tuned_plot(
    tuning: Mapping[str, tuple[np.ndarray, np.ndarray]],
    chosen: Mapping[str, int],
    errors: Mapping[str, np.ndarray],
    *,
    title: str = "",
) -> Figure:
    """Draw the error over the rate, the chosen rates marked, and the error over the epochs.

    Parameters
    ----------
    tuning : mapping of str to (rates, errors)
        (R,) rates and (R, tries) errors in per cent.
    chosen : mapping of str to int
        Place of each method's rate.
    errors : mapping of str to (repeats, epochs) array
        Per cent, on images that had no part in the choice.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the methods differ, or an array does not fit.
    """
    fits = all(np.ndim(e) == 2 and len(e) == len(r) and chosen.get(name, -1) in range(len(r))
               for name, (r, e) in tuning.items())  # fmt: skip
    if not tuning or set(tuning) != set(errors) or not fits or any(np.ndim(e) != 2 for e in errors.values()):
        raise ShapeError(
            "tuned_plot: expected for the same methods errors of shape (rates, tries), a chosen rate among them, and "
            "errors of shape (repeats, epochs)"
        )
    figure = titled_figure(7.2, 3.6, title)
    left, right = figure.subplots(1, 2)
    for name, (colour, line, marker) in zip(tuning, SERIES, strict=False):
        rates, tried = np.asarray(tuning[name][0]), np.maximum(np.asarray(tuning[name][1]), LEAST)
        means, row = tried.mean(axis=1), chosen[name]
        left.plot(rates, means, color=colour, linestyle=line, marker=marker, markersize=4, label=name)
        left.plot(rates[row], means[row], marker, color=colour, markersize=10, markerfacecolor="none")
        drawn = np.maximum(np.asarray(errors[name]), LEAST)
        epochs = np.arange(1, drawn.shape[1] + 1)
        right.plot(
            epochs, drawn.mean(axis=0), color=colour, linestyle=line, marker=marker, markersize=4, label=name
        )
        right.fill_between(
            epochs, drawn.min(axis=0), drawn.max(axis=0), color=colour, alpha=0.15, linewidth=0
        )
    left.set_xscale("log")
    every = np.concatenate([np.asarray(rates) for rates, _ in tuning.values()])
    plain_log_ticks(left.xaxis, float(every.min()), float(every.max()))
    for axes in (left, right):
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        plain_log_ticks(axes.yaxis, low, high)
    right.xaxis.get_major_locator().set_params(integer=True)
    style_axes(
        left, x="learning rate (log scale)", y="error, % (log scale)", title="Tuning: one half of the images"
    )
    style_axes(right, x="epoch", y="error, % (log scale)", title="At these rates: the other half")
    left.legend(fontsize=TICK_SIZE, frameon=False, loc="upper center")
    return figure
