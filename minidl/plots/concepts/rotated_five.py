"""An image, its turned self and its neighbours; accuracy over the angle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.concepts.series import SERIES, titled_figure
from minidl.plots.style import INK, LABEL_SIZE, TICK_SIZE, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rotated_five_plot(
    images: np.ndarray,
    captions: Sequence[str],
    distances: Mapping[str, np.ndarray],
    turned: tuple[np.ndarray, np.ndarray, Sequence[str]],
    *,
    title: str = "",
) -> Figure:
    """Draw images with captions, histograms of distances, and accuracy over the angle.

    Parameters
    ----------
    images : (I, H, W) array
    captions : sequence of str
        I lines or pairs of lines.
    distances : mapping of str to (F,) array
    turned : (angles, accuracy, names)
        Degrees (A,), per cent (N, A), and N names.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the numbers do not fit together.
    """
    angles, accuracy, names = turned
    if len(images) != len(captions) or np.shape(accuracy) != (len(names), len(angles)):
        raise ShapeError(
            f"rotated_five_plot: {len(images)} images with {len(captions)} captions, accuracies of shape "
            f"{np.shape(accuracy)}; expected a caption for each image and ({len(names)}, {len(angles)})"
        )
    figure = titled_figure(7.2, 5.4, title)
    grid = figure.add_gridspec(2, 2 * len(images), height_ratios=(1, 1.3))
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        axes = figure.add_subplot(grid[0, 2 * i : 2 * i + 2])
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=255)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel(caption, fontsize=LABEL_SIZE, color=INK)
    left, right = figure.add_subplot(grid[1, : len(images)]), figure.add_subplot(grid[1, len(images) :])
    low, top = (float(f([f(values) for values in distances.values()])) for f in (np.min, np.max))
    for (name, values), (colour, line, _) in zip(distances.items(), SERIES, strict=False):
        left.hist(
            values,
            bins=np.linspace(low, top, 26).tolist(),
            histtype="step",
            color=colour,
            linestyle=line,
            linewidth=1.5,
            label=name,
        )
    style_axes(left, x="distance of the pixels", y="fives", title="From a 5 to …")
    # Room for the legend over the highest bar.
    left.set_ylim(top=1.5 * left.get_ylim()[1])
    left.legend(fontsize=TICK_SIZE, frameon=False, loc="upper left")
    for name, values, (colour, line, marker) in zip(names, accuracy, SERIES, strict=False):
        right.plot(angles, values, color=colour, linestyle=line, marker=marker, markersize=3.5, label=name)
    right.set_xticks([angle for angle in angles if angle % 15 == 0])
    right.set_ylim(0, 118)
    right.set_yticks(range(0, 101, 20))
    style_axes(right, x="turned by, degrees", y="validation accuracy, %", title="Networks on turned digits")
    right.legend(fontsize=TICK_SIZE, frameon=False, loc="upper center")
    return figure
