"""Accuracy over the size of the training set, with published numbers beside the measured ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.style import BLUE, INK, LABEL_SIZE, MUTED, VERMILION, new_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colour, line, marker: they differ in print, too.
_STYLES = ((BLUE, "-", "o"), (VERMILION, "--", "s"), ("#009E73", "-.", "^"), (INK, ":", "D"))


def training_size_plot(
    sizes: np.ndarray,
    accuracy: np.ndarray,
    methods: Sequence[str],
    *,
    book: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw mean and standard deviation of the accuracy over the number of training examples.

    Parameters
    ----------
    sizes : (S,) array of int
        Training examples, increasing, above zero.
    accuracy : (M, S, R) array
        Per cent; R repeats.
    methods : sequence of str
        M names, at most four.
    book : mapping of str to pair of arrays, optional
        Published sizes and accuracies by method; drawn as open markers.
    title, note : str
        Heading, and what the accuracy was measured on.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the shapes do not fit together.
    """
    counts, values = np.asarray(sizes), np.asarray(accuracy, dtype=np.float64)
    if values.ndim != 3 or values.shape[:2] != (len(methods), len(counts)) or len(methods) > len(_STYLES):
        raise ShapeError(
            f"training_size_plot: accuracy has shape {values.shape}, expected ({len(methods)} methods, "
            f"{len(counts)} sizes, repeats), with at most {len(_STYLES)} methods"
        )
    repeats, book = values.shape[2], book or {}
    figure = new_figure(7.0, 4.4)
    axes = figure.subplots()
    axes.set_xscale("log")
    for name, rows, (colour, line, marker) in zip(methods, values, _STYLES, strict=False):
        axes.errorbar(
            counts,
            rows.mean(axis=1),
            yerr=rows.std(axis=1, ddof=1) if repeats > 1 else None,
            color=colour, linestyle=line, marker=marker, markersize=5, linewidth=1.5, elinewidth=1.0,
            capsize=2.5, label=name, zorder=2,
        )  # fmt: skip
        if name in book:
            axes.plot(
                *book[name], linestyle="none", marker=marker, markersize=9, markerfacecolor="none",
                markeredgecolor=colour, markeredgewidth=1.0, zorder=3,
            )  # fmt: skip
    if book:
        axes.plot(
            [], [], linestyle="none", marker="o", markersize=9, markerfacecolor="none",
            markeredgecolor=MUTED, label="the book's number, one run",
        )  # fmt: skip
    on = f" on {note}" if note else ""
    style_axes(axes, x="training images (log scale)", y=f"accuracy{on}, %", title=title)
    ticks = sorted({*counts.tolist(), *(int(size) for pair in book.values() for size in pair[0])})
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(top=101)
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda index: labels[index] not in methods)  # the book's last
    axes.legend(
        [handles[index] for index in order],
        [labels[index] for index in order],
        loc="lower right",
        fontsize=LABEL_SIZE - 0.5,
        frameon=False,
        title=f"mean ± sd of {repeats} draws" if repeats > 1 else None,
        title_fontsize=LABEL_SIZE - 0.5,
    )
    return figure
