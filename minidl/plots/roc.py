"""ROC curves: the errors of both kinds as the threshold moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.style import INK, LABEL_SIZE, MUTED, head_figure, new_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Ten colours, four dashes: a class keeps its pair, so that black and white print works too.
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#222222",
    "#8C564B",
    "#999999",
    "#6A3D9A",
)
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))
NO_DETAIL = 0.5  # a corner larger than this shows nothing that the whole does not


def roc_plot(
    curves: Sequence[tuple[np.ndarray, np.ndarray]],
    names: Sequence[str],
    areas: Sequence[float],
    *,
    title: str = "",
) -> Figure:
    """Draw the ROC curve of every class, whole, and the corner where good classifiers differ.

    Parameters
    ----------
    curves : sequence of (T,) array pairs
        False and true positive rate of each class, rising from 0 to 1.
    names : sequence of str
        Of the classes.
    areas : sequence of float
        Under the curves, for the legend.
    title : str
        Heading.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If there is no curve, or the numbers of curves, names and areas differ.
    """
    if not len(curves) == len(names) == len(areas) or len(curves) == 0:
        raise ShapeError(
            f"roc_plot: {len(curves)} curves, {len(names)} names and {len(areas)} areas; expected as many of each, "
            "and at least one"
        )
    figure = new_figure(7.2, 3.7)
    whole, corner = figure.subplots(1, 2)
    for axes in (whole, corner):
        for index, ((x, y), name, area) in enumerate(zip(curves, names, areas, strict=True)):
            axes.plot(
                100 * np.asarray(x),
                100 * np.asarray(y),
                color=COLOURS[index % len(COLOURS)],
                linestyle=DASHES[index % len(DASHES)],
                linewidth=1.5,
                label=f"{name}  {area:.4f}",
            )
    whole.plot([0, 100], [0, 100], color=MUTED, linewidth=0.9, linestyle=":")
    whole.annotate(
        "chance", (60, 50), rotation=37, color=MUTED, fontsize=LABEL_SIZE - 1, ha="center", va="center"
    )
    # Grid lines, bare margins: a perfect curve must not hide behind the frame.
    whole.set_xlim(-3, 103)
    whole.set_ylim(-3, 103)
    _cut(corner, curves)
    style_axes(whole, x="false positive rate, %", y="true positive rate (recall), %")
    style_axes(corner, x="false positive rate, %")
    whole.set_title("whole", fontsize=LABEL_SIZE, color=INK, loc="left")
    corner.set_title("the upper left corner, enlarged", fontsize=LABEL_SIZE, color=INK, loc="left")
    figure.legend(
        *whole.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=min(5 if max(map(len, names)) <= 8 else 4, len(curves)),
        fontsize=LABEL_SIZE - 1.5,
        frameon=False,
        title="class, area under its curve",
        title_fontsize=LABEL_SIZE - 1,
        columnspacing=1.2,
        handlelength=2.2,
    )
    head_figure(figure, title)
    return figure


def _cut(axes: Axes, curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Limit the axes to a square at the corner that most of the bends lie in."""
    # A curve's distance from the corner, where false positives and misses are equal.
    sides = [float(np.min(np.maximum(np.asarray(x), 1 - np.asarray(y)))) for x, y in curves]
    side = min(NO_DETAIL, max(0.01, 3 * max(sides)))
    axes.set_xlim(-3 * side, 100 * side)
    axes.set_ylim(100 - 100 * side, 100 + 3 * side)
