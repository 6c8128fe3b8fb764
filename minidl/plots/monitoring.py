"""Curves of what monitors measure: batch loss, learning rate, updates, idle units, gradients by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ConfigError
from minidl.plots.style import (
    BLUE,
    INK,
    LABEL_SIZE,
    MUTED,
    TICK_SIZE,
    VERMILION,
    new_figure,
    plain_log_ticks,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, without yellow, which is lost on white; each with dashes of its own.
COLOURS = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")
LINES = 14  # more cannot be told apart


def batch_loss_plot(
    steps: Any,
    loss: Any,
    *,
    highest: Any = None,
    jumps: Sequence[tuple[float, float]] = (),
    batches: int | None = None,
    log: bool = True,
    title: str = "Loss of the batches",
) -> Figure:
    """Draw the loss of blocks of batches, the highest loss in each, and the jumps.

    Parameters
    ----------
    steps : array, shape (n,)
        Last step of every block.
    loss : array, shape (n,)
        Mean loss of the block.
    highest : array, shape (n,), optional
        Highest loss in it.
    jumps : sequence of (step, loss), optional
    batches : int, optional
        Steps per epoch: the axis then counts epochs.
    log : bool
        Logarithmic axis for the loss.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    x, label = _time(steps, batches)
    figure = new_figure(7.2, 2.9)
    axes = figure.subplots()
    loss = _drawable(loss, log)
    axes.plot(x, loss, color=BLUE, linewidth=1.3, label="mean of a block of batches")
    if highest is not None:
        high = _drawable(highest, log)
        axes.fill_between(x, loss, high, color=BLUE, alpha=0.18, linewidth=0, label="highest in the block")
    if len(jumps):
        at, values = np.array(jumps, dtype=np.float64).T
        axes.plot(
            _time(at, batches)[0],
            _drawable(values, log),
            linestyle="none",
            marker="v",
            markersize=7,
            color=VERMILION,
            markeredgecolor=INK,
            markeredgewidth=0.6,
            label="jump",
        )
    style_axes(axes, x=label, y="loss (log scale)" if log else "loss", title=title)
    _fit_x(axes, x)
    if log:
        _log_axis(axes, [loss] if highest is None else [loss, high])
    axes.legend(fontsize=LABEL_SIZE - 1, frameon=False)
    return figure


def learning_rate_plot(
    steps: Any, lr: Any, *, batches: int | None = None, log: bool = False, title: str = "Learning rate"
) -> Figure:
    """Draw the learning rate of the steps.

    Parameters
    ----------
    steps, lr : array, shape (n,)
    batches : int, optional
        Steps per epoch: the axis then counts epochs.
    log : bool
        Logarithmic axis for the rate.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    x, label = _time(steps, batches)
    figure = new_figure(7.2, 2.2)
    axes = figure.subplots()
    rates = _drawable(lr, log)
    axes.plot(x, rates, color=BLUE, linewidth=1.5)
    style_axes(axes, x=label, y="learning rate" + (" (log scale)" if log else ""), title=title)
    _fit_x(axes, x)
    if log:
        _log_axis(axes, [rates])
    elif np.isfinite(rates).any():
        axes.set_ylim(0, 1.08 * float(np.nanmax(rates)) or 1.0)
    return figure


def update_ratio_plot(
    steps: Any,
    ratios: Mapping[str, Any],
    *,
    batches: int | None = None,
    title: str = "How far a step moves the weights",
) -> Figure:
    """Draw the ratio of update to weight for every parameter, with a band around 1e-3.

    Parameters
    ----------
    steps : array, shape (S,)
    ratios : mapping of str to array of shape (S,)
        ``||w_after - w_before|| / ||w_before||`` by the parameter's name. Zeros and NaN are left out.
    batches : int, optional
        Steps per epoch: the axis then counts epochs.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    x, label = _time(steps, batches)
    figure = new_figure(7.2, 3.3)
    axes = figure.subplots()
    axes.axhspan(1e-3 / 3, 3e-3, color="#009E73", alpha=0.13, linewidth=0)
    axes.axhline(1e-3, color="#009E73", linewidth=0.8)
    shown = [_drawable(values, log=True) for values in ratios.values()]
    _lines(axes, x, dict(zip(ratios, shown, strict=True)))
    style_axes(axes, x=label, y="|change of w| / |w|", title=title)
    axes.set_yscale("log")
    finite = np.concatenate([values[np.isfinite(values)] for values in shown] or [np.zeros(0)])
    low, high = (finite.min(), finite.max()) if finite.size else (1e-3, 1e-3)
    axes.set_ylim(min(low / 2, 2e-4), max(high * 2, 5e-3))
    _fit_x(axes, x)
    axes.annotate(
        "healthy: about 0.001",
        (1, 3e-3),
        xycoords=("axes fraction", "data"),
        xytext=(-4, -3),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=TICK_SIZE,
        color="#00664b",
    )
    _legend_below(figure, axes)
    return figure


def share_plot(
    steps: Any,
    shares: Mapping[str, Any],
    *,
    y: str,
    batches: int | None = None,
    limit: float | None = None,
    title: str = "",
) -> Figure:
    """Draw shares, such as that of dead units, for several layers.

    Parameters
    ----------
    steps : array, shape (S,)
    shares : mapping of str to array of shape (S,)
        From 0 to 1, by the layer's name.
    y : str
        What they are shares of, for the axis.
    batches : int, optional
        Steps per epoch: the axis then counts epochs.
    limit : float, optional
        Share from which there is a warning; drawn as a line.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    x, label = _time(steps, batches)
    figure = new_figure(7.2, 2.7)
    axes = figure.subplots()
    if limit is not None:
        axes.axhline(100 * limit, color=MUTED, linewidth=1, linestyle=":", label="warning")
    _lines(axes, x, {name: 100 * np.asarray(values, dtype=np.float64) for name, values in shares.items()})
    style_axes(axes, x=label, y=y, title=title)
    axes.set_ylim(-3, 103)
    _fit_x(axes, x)
    _legend_below(figure, axes)
    return figure


def gradient_depth_plot(
    layers: Sequence[str],
    norms: Any,
    steps: Sequence[int],
    *,
    limit: int = 5,
    title: str = "Gradient by depth",
) -> Figure:
    """Draw the norm of the gradient at every layer, early and late in the training.

    A line that falls to the left by powers of ten shows a gradient that vanishes on its way to the
    first layers, one that rises to the left a gradient that explodes.

    Parameters
    ----------
    layers : sequence of str, length L
        Names, from the first layer to the last.
    norms : array, shape (S, L)
        Norm of the gradient of the loss with respect to each layer's output.
    steps : sequence of int, length S
    limit : int
        Draw at most so many looks, evenly spread.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib import colormaps

    norms = _drawable(norms, log=True)
    if norms.shape != (len(steps), len(layers)):
        raise ConfigError(
            f"gradient_depth_plot: norms have shape {norms.shape}, expected one row for each of the {len(steps)} looks "
            f"and one column for each of the {len(layers)} layers"
        )
    figure = new_figure(7.2, 3.1)
    axes = figure.subplots()
    chosen = np.unique(np.linspace(0, len(steps) - 1, min(limit, len(steps))).round().astype(int))
    for rank, index in enumerate(chosen):
        colour = colormaps["viridis_r"](0.15 + 0.85 * rank / max(len(chosen) - 1, 1))
        axes.plot(
            range(len(layers)),
            norms[index],
            color=colour,
            marker="o",
            markersize=3.5,
            linewidth=1.4,
            label=f"step {steps[index]:,}",
        )
    style_axes(axes, x="layer, from the input to the output", y="gradient norm (log scale)", title=title)
    axes.set_yscale("log")
    crowded = len(layers) > 8
    axes.set_xticks(
        range(len(layers)), layers, rotation=40 if crowded else 0, ha="right" if crowded else "center"
    )
    _legend_below(figure, axes)
    return figure


def _time(steps: Any, batches: int | None) -> tuple[np.ndarray, str]:
    x = np.asarray(steps, dtype=np.float64)
    return (x, "step") if batches is None else (x / batches, "epoch")


def _drawable(values: Any, log: bool) -> np.ndarray:
    """Replace what has no place on the axis by NaN, which leaves a gap."""
    values = np.array(values, dtype=np.float64)
    values[~np.isfinite(values) | ((values <= 0) if log else False)] = np.nan
    return values


def _lines(axes: Axes, x: np.ndarray, curves: Mapping[str, np.ndarray]) -> None:
    for index, (name, values) in enumerate(curves.items()):
        more = len(curves) - LINES
        axes.plot(
            x,
            values,
            color=COLOURS[index % len(COLOURS)] if index < LINES else MUTED,
            linestyle=DASHES[(index + index // len(COLOURS)) % len(DASHES)],
            linewidth=1.4 if index < LINES else 0.7,
            marker="o" if len(x) <= 25 else None,
            markersize=3,
            label=name if index < LINES else (f"{more} more" if index == LINES else None),
        )


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = 5 if max(map(len, labels)) <= 14 else 4
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=min(columns, len(labels)),
            fontsize=LABEL_SIZE - 1,
            frameon=False,
            handlelength=2.6,
        )


def _fit_x(axes: Axes, x: np.ndarray) -> None:
    last = float(x.max(initial=1.0))
    axes.set_xlim(-0.01 * last, 1.02 * last)


def _log_axis(axes: Axes, curves: list[np.ndarray]) -> None:
    values = np.concatenate([curve[np.isfinite(curve)] for curve in curves])
    axes.set_yscale("log")
    if values.size:
        plain_log_ticks(axes.yaxis, float(values.min()), float(values.max()))
