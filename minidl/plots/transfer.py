"""Accuracy over the number of labelled examples, for several ways to learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.style import BLUE, INK, LABEL_SIZE, VERMILION, new_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colour, line, marker: they differ in print, too.
_STYLES = (
    (INK, ":", "s"),
    ("#56B4E9", "--", "^"),
    (BLUE, "-", "o"),
    (VERMILION, "-.", "D"),
    ("#009E73", (0, (5, 1)), "v"),
    ("#CC79A7", (0, (1, 1)), "P"),
)


def transfer_plot(
    examples: np.ndarray, accuracy: np.ndarray, methods: Sequence[str], *, title: str = ""
) -> Figure:
    """Draw mean and standard deviation of the accuracy over the number of labelled examples.

    Parameters
    ----------
    examples : (E,) array of int
        Labelled examples of each class, increasing, above zero.
    accuracy : (M, E, R) array
        Per cent; R repeats.
    methods : sequence of str
        M names, at most six.
    title : str
        Heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the shapes do not fit together.
    """
    counts, values = np.asarray(examples), np.asarray(accuracy, dtype=np.float64)
    if values.ndim != 3 or values.shape[:2] != (len(methods), len(counts)) or len(methods) > len(_STYLES):
        raise ShapeError(
            f"transfer_plot: accuracy has shape {values.shape}, expected ({len(methods)} methods, "
            f"{len(counts)} numbers of examples, repeats), with at most {len(_STYLES)} methods"
        )
    repeats = values.shape[2]
    figure = new_figure(7.0, 4.3)
    axes = figure.subplots()
    axes.set_xscale("log")
    # Side by side, so that no bar hides another.
    shifts = 1.045 ** (np.arange(len(methods)) - (len(methods) - 1) / 2)
    for name, rows, shift, (colour, line, marker) in zip(methods, values, shifts, _STYLES, strict=False):
        axes.errorbar(
            counts * shift,
            rows.mean(axis=1),
            yerr=rows.std(axis=1, ddof=1) if repeats > 1 else None,
            color=colour,
            linestyle=line,
            marker=marker,
            markersize=5,
            linewidth=1.5,
            elinewidth=1.0,
            capsize=2.5,
            label=name,
        )
    style_axes(
        axes,
        x="labelled examples of each class (log scale)",
        y="accuracy on validation images, %",
        title=title,
    )
    axes.set_xticks(counts, [f"{count:g}" for count in counts])
    axes.minorticks_off()
    axes.legend(
        loc="lower right",
        fontsize=LABEL_SIZE - 0.5,
        frameon=False,
        title=f"mean ± sd of {repeats} repeats" if repeats > 1 else None,
        title_fontsize=LABEL_SIZE - 0.5,
    )
    return figure
