"""Errors on training data and on new data over capacity and over the number of examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from minidl.errors import ShapeError
from minidl.plots.concepts.series import SERIES, titled_figure
from minidl.plots.style import INK, MUTED, TICK_SIZE, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = tuple[np.ndarray, np.ndarray, str]


def size_plot(
    example: tuple[np.ndarray, np.ndarray, Mapping[int, np.ndarray]],
    polynomials: np.ndarray,
    by_width: Curve,
    by_size: Curve,
    *,
    title: str = "",
) -> Figure:
    """Draw polynomials through points, their errors over the degree, and errors of networks.

    Parameters
    ----------
    example : (x, y, fits)
        Points (n,) in [0, 1], and Legendre coefficients on that interval by degree.
    polynomials : (2, degrees) array
        Errors at the fitted points and at new ones, from degree 0 on.
    by_width, by_size : (numbers, errors, note)
        Hidden units or training images (K,), errors in per cent (2, K, repeats), and what was held fixed.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ShapeError
        If the numbers do not fit together.
    """
    for numbers, both, _ in (by_width, by_size):
        if np.ndim(both) != 3 or np.shape(both)[:2] != (2, len(numbers)):
            raise ShapeError(
                f"size_plot: errors of shape {np.shape(both)}, expected (2, {len(numbers)}, repeats)"
            )
    figure = titled_figure(7.2, 6.4, title)
    (first, second), (third, fourth) = figure.subplots(2, 2)
    _draw_fits(first, *example)
    for values, name, (colour, line, marker) in zip(
        polynomials, ("fitted points", "new points"), SERIES, strict=False
    ):
        second.plot(values, color=colour, linestyle=line, marker=marker, markersize=4.5, label=name)
    # The error of high degrees is out of all proportion.
    second.set_ylim(0, min(1.1 * float(np.max(polynomials)), 3 * float(polynomials[1][0])))
    style_axes(second, x="degree", y="root of mean squared error", title="Polynomials: capacity")
    second.legend(fontsize=TICK_SIZE, frameon=False)
    _draw_errors(third, by_width, "hidden units (log scale)", "Networks: capacity")
    _draw_errors(fourth, by_size, "training images (log scale)", "Networks: examples")
    return figure


def _draw_fits(axes: Axes, x: np.ndarray, y: np.ndarray, fits: Mapping[int, np.ndarray]) -> None:
    fine = np.linspace(0, 1, 300)
    axes.plot(fine, np.sin(2 * np.pi * fine), color=MUTED, linewidth=3, alpha=0.35, label="truth")
    axes.plot(x, y, "o", color=INK, markersize=4)
    for (degree, weights), (colour, line, _) in zip(fits.items(), SERIES, strict=False):
        values = np.polynomial.legendre.legval(2 * fine - 1, weights)
        axes.plot(fine, values, color=colour, linestyle=line, linewidth=1.4, label=f"degree {degree}")
    axes.set_ylim(-2.4, 2)
    style_axes(axes, x="x", y="y", title=f"Polynomials through {len(x)} points", grid=None)
    axes.legend(fontsize=TICK_SIZE, frameon=False, loc="lower left", ncols=2)


def _draw_errors(axes: Axes, curve: Curve, x: str, title: str) -> None:
    numbers, both, note = curve
    axes.set_xscale("log")
    for values, name, (colour, line, marker) in zip(both, ("training", "validation"), SERIES, strict=False):
        axes.plot(numbers, values.mean(axis=1), color=colour, linestyle=line, label=name)
        axes.plot(
            np.repeat(numbers, values.shape[1]),
            values.ravel(),
            marker,
            color=colour,
            markersize=3.5,
            linestyle="",
        )
    axes.set_ylim(bottom=-2)
    axes.set_xticks(list(numbers), [f"{value:,}" for value in numbers])
    axes.minorticks_off()
    style_axes(axes, x=f"{x}", y="error, %", title=title)
    axes.legend(fontsize=TICK_SIZE, frameon=False, title=note, title_fontsize=TICK_SIZE, loc="upper right")
