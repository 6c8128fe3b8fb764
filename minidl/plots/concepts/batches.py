"""Loss curves of several batch sizes, and their noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.concepts.series import SERIES, titled_figure
from minidl.plots.style import BLUE, INK, TICK_SIZE, VERMILION, plain_log_ticks, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WINDOWS = 30  # over which a curve is averaged


def batches_plot(
    sizes: Sequence[int],
    curves: Sequence[np.ndarray],
    noise: tuple[np.ndarray, np.ndarray],
    final: tuple[np.ndarray, np.ndarray],
    *,
    title: str = "",
) -> Figure:
    """Draw the loss of every batch for up to four batch sizes, the noise, and the loss in the end.

    Parameters
    ----------
    sizes : sequence of int
        S batch sizes, increasing.
    curves : sequence of (steps,) array
        One for each size.
    noise : (measured, predicted)
        Scatter of the batch loss, (S,) each.
    final : (rate in proportion, one rate)
        Loss in the end, (S,) each.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the numbers do not fit together.
    """
    lengths = {len(curves), *(len(values) for pair in (noise, final) for values in pair)}
    if lengths != {len(sizes)} or len(sizes) > 4:
        raise ShapeError(
            f"batches_plot: {len(sizes)} sizes, but {sorted(lengths)} curves and numbers; expected one for each of at "
            "most 4 sizes"
        )
    figure = titled_figure(7.2, 7.2, title)
    grid = figure.add_gridspec(3, 2, height_ratios=(1, 1, 1.3))
    top = 1.15 * max(float(np.percentile(losses, 99)) for losses in curves)
    for i, (size, losses) in enumerate(zip(sizes, curves, strict=True)):
        axes = figure.add_subplot(grid[i // 2, i % 2])
        _draw_curve(axes, size, np.asarray(losses), "mean of windows" if i == len(sizes) - 1 else "")
        axes.set_ylim(0, top)
        style_axes(
            axes,
            x="examples seen, thousands" if i >= len(sizes) - 2 else "",
            y="loss of the batch" if i % 2 == 0 else "",
            title=f"Batches of {size}",
        )
    left, right = figure.add_subplot(grid[2, 0]), figure.add_subplot(grid[2, 1])
    _draw_pairs(left, sizes, noise, ("measured", "sd of single examples / √m"))
    style_axes(left, x="batch size (log scale)", y="scatter of the loss (log scale)", title="Noise")
    _draw_pairs(right, sizes, final, ("rate in proportion to m", "one rate for all"))
    style_axes(right, x="batch size (log scale)", y="loss in the end (log scale)", title="Same examples")
    return figure


def _draw_curve(axes: Axes, size: int, losses: np.ndarray, note: str) -> None:
    examples = size * np.arange(1, len(losses) + 1) / 1000
    axes.plot(examples, losses, color=BLUE, linewidth=0.4, alpha=0.6)
    parts = [part for part in np.array_split(np.arange(len(losses)), WINDOWS) if len(part)]
    axes.plot(
        [examples[part].mean() for part in parts],
        [losses[part].mean() for part in parts],
        color=VERMILION,
        linewidth=1.6,
    )
    axes.annotate(note, (0.98, 0.93), xycoords="axes fraction", ha="right", va="top",
                  color=VERMILION, fontsize=TICK_SIZE)  # fmt: skip


def _draw_pairs(
    axes: Axes, sizes: Sequence[int], pair: tuple[np.ndarray, np.ndarray], names: tuple[str, str]
) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for values, name, (colour, line, marker) in zip(pair, names, SERIES, strict=False):
        axes.plot(sizes, values, color=colour, linestyle=line, marker=marker, markersize=5, label=name)
    low, high = float(np.min(pair)) / 1.4, float(np.max(pair)) * 1.8
    axes.set_ylim(low, high)
    plain_log_ticks(axes.yaxis, low, high)
    axes.set_xticks(list(sizes), [f"{size}" for size in sizes])
    axes.minorticks_off()
    axes.legend(fontsize=TICK_SIZE, frameon=False, loc="best", labelcolor=INK)
