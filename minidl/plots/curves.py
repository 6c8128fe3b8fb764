"""Loss and accuracy against epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ConfigError
from minidl.plots.style import (
    BLUE,
    LABEL_SIZE,
    MUTED,
    VERMILION,
    head_figure,
    new_figure,
    plain_log_ticks,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

History = Mapping[str, Any]


def training_curves(
    history: History | Sequence[History],
    *,
    log: bool = False,
    title: str = "",
    best_epoch: int | None = None,
) -> Figure:
    """Draw the loss and the accuracy of one run, or of several runs of one network, side by side.

    Parameters
    ----------
    history : mapping, or sequence of mappings
        Arrays of equal length under the names of ``history.csv``: "epoch", and any of "train_loss",
        "val_loss" (mean over the examples), "train_accuracy", "val_accuracy" (shares, 0 to 1). NaN
        where nothing was measured. Several runs are drawn over each other in the same colours.
    log : bool
        Draw the loss on a logarithmic axis, and instead of the accuracy the error rate on another:
        near 100 % an ordinary axis shows nothing.
    title : str
        Heading of the picture.
    best_epoch : int, optional
        Epoch to mark with a dotted line.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels: loss on the left, accuracy or error rate (in %) on the right.

    Raises
    ------
    ConfigError
        If there is no run or a run has no "epoch".
    """
    runs = [history] if isinstance(history, Mapping) else list(history)
    if not runs or any("epoch" not in run for run in runs):
        raise ConfigError('training_curves: expected at least one history, each with an array "epoch"')
    figure = new_figure(7.2, 2.9)
    left, right = figure.subplots(1, 2)
    _panel(left, runs, "loss", log, lambda share: share)
    style_axes(left, x="epoch", y="loss (log scale)" if log else "loss")
    if log:
        _panel(right, runs, "accuracy", log, lambda share: 100 * (1 - share))
        style_axes(right, x="epoch", y="error rate, % (log scale)")
    else:
        _panel(right, runs, "accuracy", log, lambda share: 100 * share)
        style_axes(right, x="epoch", y="accuracy, %")
    for axes in (left, right):
        if best_epoch is not None:
            axes.axvline(best_epoch, color=MUTED, linewidth=1, linestyle=":", label="best validation")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=LABEL_SIZE - 1, frameon=False)
    head_figure(figure, title)
    return figure


def _panel(axes: Axes, runs: Sequence[History], quantity: str, log: bool, convert: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    drawn = []
    for prefix, name, colour, dashes in (
        ("train", "training", BLUE, "--"),
        ("val", "validation", VERMILION, "-"),
    ):
        label: str | None = name
        for run in runs:
            if f"{prefix}_{quantity}" not in run:
                continue
            epochs = np.asarray(run["epoch"], dtype=np.float64)
            values = convert(np.asarray(run[f"{prefix}_{quantity}"], dtype=np.float64))
            # Zero (every example right) has no place on a logarithmic axis: leave a gap.
            keep = np.isfinite(values) & ((values > 0) | (not log))
            if not keep.any():
                continue
            axes.plot(
                epochs,
                np.where(keep, values, np.nan),
                color=colour,
                linestyle=dashes,
                linewidth=1.6 if len(runs) == 1 else 1.1,
                marker="o" if len(epochs) <= 12 else None,
                markersize=3.5,
                label=label,
            )
            label = None  # one entry in the legend however many runs
            drawn.append(values[keep])
    last = max(float(np.max(run["epoch"], initial=1)) for run in runs)
    axes.set_xlim(0.5 if last <= 12 else 0, last + (0.5 if last <= 12 else 0))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if not drawn:
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=MUTED)
    elif log:
        values = np.concatenate(drawn)
        axes.set_yscale("log")
        plain_log_ticks(axes.yaxis, float(values.min()), float(values.max()))
