"""Learning-rate schedules: the rate, and the momentum where one is set, against progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.errors import ConfigError
from minidl.plots.style import LABEL_SIZE, new_figure, plain_log_ticks, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito without yellow, which is too pale for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)), (0, (9, 3)), (0, (3, 1)))


def schedule_curves(
    curves: Mapping[str, Mapping[str, Any]],
    *,
    epochs: int | None = None,
    steps: bool = False,
    log: bool = False,
    title: str = "",
) -> Figure:
    """Draw schedules over each other.

    Parameters
    ----------
    curves : mapping of str to mapping
        For each name in the legend, arrays of equal length: "progress" (0 to 1), "lr", and where the
        schedule sets it "momentum", as `minidl.schedules.sample` returns them.
    epochs : int, optional
        Label the axis with epochs, 0 to `epochs`, instead of the fraction of the training.
    steps : bool
        Draw each value as a level that holds until the next: the values are those of single steps.
    log : bool
        Draw the learning rate on a logarithmic axis; zeros leave a gap.
    title : str
        "Learning-rate schedule" if left out.

    Returns
    -------
    matplotlib.figure.Figure
        One panel; two, the momentum below, if any curve has one.

    Raises
    ------
    ConfigError
        If there are no curves, or more than can be told apart.
    """
    if not curves:
        raise ConfigError("schedule_curves: expected at least one schedule")
    most = len(DASHES)
    if len(curves) > most:
        raise ConfigError(f"schedule_curves: at most {most} schedules can be told apart, got {len(curves)}")
    with_momentum = any("momentum" in curve for curve in curves.values())
    # The legend is below the panels, one line per schedule: names are calls, and long.
    figure = new_figure(7.0, 3.0 + 0.19 * len(curves) + (1.3 if with_momentum else 0.0))
    panels: list[Axes] = list(
        figure.subplots(2, 1, sharex=True, height_ratios=(2.1, 1))
        if with_momentum
        else [figure.subplots(1, 1)]
    )
    _draw(panels[0], curves, "lr", epochs, steps, log)
    heading = title or ("Learning-rate schedule" if len(curves) == 1 else "Learning-rate schedules")
    style_axes(panels[0], y="learning rate (log scale)" if log else "learning rate", title=heading)
    if with_momentum:
        _draw(panels[1], curves, "momentum", epochs, steps, False)
        style_axes(panels[1], y="momentum")
    panels[-1].set_xlabel("epoch" if epochs else "fraction of the training", fontsize=LABEL_SIZE)
    panels[0].set_xlim(0, epochs or 1)
    handles, labels = panels[0].get_legend_handles_labels()
    size = LABEL_SIZE - 0.5
    figure.legend(handles, labels, loc="outside lower left", frameon=False, fontsize=size, handlelength=3.4)
    return figure


def _draw(
    axes: Axes, curves: Mapping[str, Mapping[str, Any]], name: str, epochs: int | None, steps: bool, log: bool
) -> None:
    shown = []
    for index, (label, curve) in enumerate(curves.items()):
        if name not in curve:
            continue
        x = np.asarray(curve["progress"], np.float64) * (epochs or 1)
        y = np.asarray(curve[name], np.float64)
        if steps:  # the last step lasts as long as the others
            x = np.append(x, epochs or 1)
            y = np.append(y, y[-1])
        y = np.where(y > 0, y, np.nan) if log else y
        shown.append(y[np.isfinite(y)])
        axes.plot(
            x,
            y,
            color=COLOURS[index],
            linestyle=DASHES[index],
            linewidth=1.8,
            drawstyle="steps-post" if steps else "default",
            label=_shortened(label),
        )
    values = np.concatenate(shown) if shown else np.zeros(0)
    if log and values.size:
        axes.set_yscale("log")
        plain_log_ticks(axes.yaxis, float(values.min()), float(values.max()))
    elif name == "lr":
        axes.set_ylim(bottom=0)


def _shortened(label: str) -> str:
    return label if len(label) <= 90 else label[:87] + "..."
