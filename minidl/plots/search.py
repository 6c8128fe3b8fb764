"""Pictures of a hyper-parameter search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ConfigError
from minidl.plots.style import (
    BLUE,
    GRID,
    INK,
    LABEL_SIZE,
    MUTED,
    TICK_SIZE,
    VERMILION,
    head_figure,
    new_figure,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = "viridis"
MOST_SLICES = 12


@dataclass(frozen=True)
class Axis:
    """The values of one parameter in all trials.

    Attributes
    ----------
    name : str
    values : sequence
        Numbers, or for `choices` anything.
    log : bool
        Draw them on a logarithmic scale.
    choices : tuple of str
        The texts of a list of values, in the order to draw them; `values` are then places in it.
    """

    name: str
    values: Sequence[Any]
    log: bool = False
    choices: tuple[str, ...] = ()


def search_slices(axes: Sequence[Axis], outcome: Any, *, label: str, title: str = "", best: int) -> Figure:
    """Draw the outcome of every trial against each parameter.

    Parameters
    ----------
    axes : sequence of Axis
    outcome : (n,) array of float
        NaN for a trial without a value; it is marked at the bottom.
    label : str
        Of the outcome, with its unit.
    title : str
    best : int
        The place of the best trial, which is marked.
    """
    outcome = _checked(axes, outcome, "search_slices")
    shown = axes[:MOST_SLICES]
    columns = 2 if len(shown) == 4 else min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure = new_figure(max(7.2, 2.6 * columns + 0.4) if columns > 1 else 4.6, 2.5 * rows + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    good = np.isfinite(outcome)
    floor = float(outcome[good].min())
    for panel, axis in zip(panels.flat, shown, strict=False):
        x = np.asarray(axis.values, np.float64)
        panel.plot(x[good], outcome[good], "o", color=BLUE, markersize=4, alpha=0.65, label="trial")
        if not good.all():
            lost = np.full((~good).sum(), floor)
            panel.plot(x[~good], lost, "x", color=MUTED, markersize=5, label="diverged or failed")
        panel.plot(x[best], outcome[best], "D", color=VERMILION, markersize=6, label="best")
        _scale(panel, axis)
        first = panel.get_subplotspec().is_first_col()
        style_axes(panel, x=axis.name + (" (log scale)" if axis.log else ""), y=label if first else "")
    for panel in panels.flat[len(shown) :]:
        panel.set_axis_off()
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=3, fontsize=LABEL_SIZE - 1, frameon=False)
    head_figure(figure, title)
    return figure


def importance_bars(names: Sequence[str], shares: Any, *, title: str = "") -> Figure:
    """Draw the share of every parameter in the outcome, the largest on top.

    Parameters
    ----------
    names : sequence of str
    shares : (n,) array
        From 0 to 1.
    title : str
    """
    shares = np.asarray(shares, np.float64)
    if len(names) != len(shares) or not len(shares):
        raise ConfigError(
            f"importance_bars: expected a share for each name, got {len(shares)} for {len(names)}"
        )
    order = np.argsort(shares, kind="stable")
    figure = new_figure(6.0, 0.9 + 0.34 * len(names))
    axes = figure.subplots()
    bars = axes.barh([names[k] for k in order], 100 * shares[order], color=BLUE, height=0.62)
    axes.bar_label(bars, fmt=" %.0f %%", fontsize=TICK_SIZE, color=INK)
    axes.set_xlim(0, max(110 * float(shares.max()), 10.0))
    style_axes(axes, x="share of the importance, %", title=title, grid="x")
    return figure


def search_history(outcome: Any, *, label: str, maximize: bool = True, title: str = "") -> Figure:
    """Draw the outcome of the trials in their order, and the best so far.

    Parameters
    ----------
    outcome : (n,) array of float
        NaN for a trial without a value.
    label : str
    maximize : bool
    title : str
    """
    from matplotlib.ticker import MaxNLocator

    outcome = np.asarray(outcome, np.float64)
    if not np.isfinite(outcome).any():
        raise ConfigError("search_history: no trial has a value")
    figure = new_figure(7.0, 3.0)
    axes = figure.subplots()
    number = np.arange(len(outcome))
    worst = -np.inf if maximize else np.inf
    filled = np.where(np.isfinite(outcome), outcome, worst)
    best = np.maximum.accumulate(filled) if maximize else np.minimum.accumulate(filled)
    axes.plot(number, outcome, "o", color=BLUE, markersize=4.5, alpha=0.75, label="trial")
    best = np.where(np.isfinite(best), best, np.nan)
    axes.step(number, best, where="post", color=VERMILION, linewidth=1.8, label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    style_axes(axes, x="trial", y=label, title=title)
    axes.legend(fontsize=LABEL_SIZE - 1, frameon=False, loc="best")
    return figure


def parallel_curves(axes: Sequence[Axis], outcome: Any, *, label: str, title: str = "") -> Figure:
    """Draw every trial as a line through one vertical axis per parameter, coloured by its outcome.

    Parameters
    ----------
    axes : sequence of Axis
    outcome : (n,) array of float
        Trials without a value are left out.
    label : str
    title : str
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    outcome = _checked(axes, outcome, "parallel_curves")
    keep = np.flatnonzero(np.isfinite(outcome))
    figure = new_figure(max(5.2, 1.5 * (len(axes) + 1) + 0.6), 3.7)
    panel = figure.subplots()
    low, high = float(outcome[keep].min()), float(outcome[keep].max())
    norm = Normalize(low, high if high > low else low + 1)
    colours = ScalarMappable(norm, COLOURS)
    scaled = np.stack([_unit(axis) for axis in axes], axis=1)
    places = np.arange(len(axes))
    for k in keep[np.argsort(outcome[keep])]:  # the best on top
        panel.plot(places, scaled[k], color=colours.to_rgba(outcome[k]), linewidth=1.3, alpha=0.8)
    for place, axis in enumerate(axes):
        panel.axvline(place, color=GRID if place else MUTED, linewidth=1, zorder=0)
        for height, text in _ends(axis):
            panel.annotate(text, (place, height), xytext=(4, 0), textcoords="offset points",
                           fontsize=TICK_SIZE, color=INK, va="center",
                           bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8})  # fmt: skip
    names = [f"{axis.name}\n(log scale)" if axis.log else axis.name for axis in axes]
    style_axes(panel, title=title, grid=None)
    panel.set_xticks(places, names, fontsize=LABEL_SIZE)
    panel.set_xlim(-0.15, len(axes) - 1 + 0.55)
    panel.set_yticks([])
    for side in ("left", "bottom"):
        panel.spines[side].set_visible(False)
    bar = figure.colorbar(colours, ax=panel, pad=0.02)
    bar.set_label(label, fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=TICK_SIZE)
    return figure


def _checked(axes: Sequence[Axis], outcome: Any, who: str) -> np.ndarray:
    outcome = np.asarray(outcome, np.float64)
    if not axes or any(len(axis.values) != len(outcome) for axis in axes):
        lengths = ", ".join(str(len(axis.values)) for axis in axes) or "none"
        raise ConfigError(f"{who}: expected axes of {len(outcome)} values each, got {lengths}")
    if not np.isfinite(outcome).any():
        raise ConfigError(f"{who}: no trial has a value")
    return outcome


def _scale(panel: Axes, axis: Axis) -> None:
    if axis.choices:
        panel.set_xticks(range(len(axis.choices)), [_short(text) for text in axis.choices])
        panel.set_xlim(-0.5, len(axis.choices) - 0.5)
        if sum(map(len, axis.choices)) > 22:
            panel.tick_params(axis="x", labelrotation=20)
    elif axis.log:
        from minidl.plots.style import plain_log_ticks

        panel.set_xscale("log")
        values = np.asarray(axis.values, np.float64)
        if values.max() < 30 * values.min():
            plain_log_ticks(panel.xaxis, float(values.min()), float(values.max()))


def _unit(axis: Axis) -> np.ndarray:
    """Return the values between 0 and 1."""
    values = np.asarray(axis.values, np.float64)
    if axis.choices:
        return values / max(1, len(axis.choices) - 1)
    values = np.log(values) if axis.log else values
    spread = float(np.ptp(values))
    return (values - values.min()) / spread if spread else np.full(len(values), 0.5)


def _ends(axis: Axis) -> list[tuple[float, str]]:
    """Return heights and texts along one vertical axis."""
    if axis.choices:
        last = max(1, len(axis.choices) - 1)
        return [(place / last, _short(text)) for place, text in enumerate(axis.choices)]
    values = np.asarray(axis.values, np.float64)
    low, high = float(values.min()), float(values.max())
    if low == high:
        return [(0.5, f"{low:.3g}")]
    middle = (low * high) ** 0.5 if axis.log else (low + high) / 2
    return [(0.0, f"{low:.3g}"), (0.5, f"{middle:.3g}"), (1.0, f"{high:.3g}")]


def _short(text: str) -> str:
    return text if len(text) <= 16 else text[:14] + "…"
