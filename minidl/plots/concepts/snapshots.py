"""The loss curve of a training with cycles, and what its snapshots are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.concepts.series import GREEN, titled_figure
from minidl.plots.style import BLUE, INK, TICK_SIZE, VERMILION, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WINDOWS = 20  # of each cycle, over which losses are averaged


def snapshots_plot(
    losses: np.ndarray,
    rates: np.ndarray,
    cycles: int,
    errors: tuple[np.ndarray, np.ndarray, np.ndarray],
    *,
    title: str = "",
) -> Figure:
    """Draw learning rate and training loss with cycles and with a single cosine, and the errors.

    Parameters
    ----------
    losses, rates : (2, steps) array
        With cycles, and with a single cosine.
    cycles : int
        C; snapshots are taken at their ends.
    errors : (snapshots, together, single)
        Per cent: of each snapshot (R, C), of the last 1 to C of them (R, C), of the single cosine (R,).
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the numbers do not fit together.
    """
    each, together, single = (np.asarray(values) for values in errors)
    if np.shape(losses) != np.shape(rates) or each.shape != together.shape or each.shape[1] != cycles:
        raise ShapeError(
            f"snapshots_plot: losses of shape {np.shape(losses)}, rates of shape {np.shape(rates)}, errors of shapes "
            f"{each.shape} and {together.shape}; expected equal shapes and {cycles} columns of errors"
        )
    figure = titled_figure(7.2, 6.2, title)
    grid = figure.add_gridspec(3, 1, height_ratios=(0.7, 1.2, 1.2))
    top, below = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[2, 0])
    middle = figure.add_subplot(grid[1, 0], sharex=top)
    steps = np.shape(losses)[1]
    ends = steps / cycles * np.arange(1, cycles + 1)
    for values, curve, colour, line, name in zip(
        rates, losses, (BLUE, VERMILION), ("-", "--"), ("cycles", "a single cosine"), strict=True
    ):
        top.plot(values, color=colour, linestyle=line, linewidth=1.4)
        parts = [part for part in np.array_split(np.arange(steps), cycles * WINDOWS) if len(part)]
        means = np.array([curve[part].mean() for part in parts])
        places = [part.mean() for part in parts]
        middle.plot(places, np.where(means > 0, means, np.nan), color=colour, linestyle=line, label=name)
    for end in ends:
        middle.axvline(end, color=INK, linewidth=0.8, linestyle=":")
    middle.set_yscale("log")
    style_axes(top, y="learning rate", title="Learning rate")
    style_axes(middle, x="step (dotted: a snapshot is taken)", y="loss (log scale)", title="Training loss")
    top.tick_params(labelbottom=False)
    middle.legend(fontsize=TICK_SIZE, frameon=False, loc="upper right", ncols=2)
    counts = np.arange(1, cycles + 1)
    for values, colour, style, name in (
        (each, BLUE, "o-", "snapshot after cycle …"),
        (together, GREEN, "^-.", "mean of the last …"),
    ):
        below.plot(counts, values.mean(axis=0), style, color=colour, markersize=6, label=name)
    below.axhline(float(single.mean()), color=VERMILION, linestyle="--", label="a single cosine, as long")
    below.set_xticks(counts)
    style_axes(below, x="snapshots", y="validation error, %", title="Validation error")
    below.legend(fontsize=TICK_SIZE, frameon=False)
    return figure
