"""Optimizers on surfaces one can draw: a ravine, a saddle point, and Nesterov's three forms on a quadratic.

The lecture (AAR) shows such races as pictures without numbers. Here they are run: the optimizers are those
of `minidl.optimizers`, the "network" is two numbers, and each takes the rate of a common grid at which it is
quickest, since a race at one rate for all says more about the rate than about the methods.

The ravine is ``f = (u^2 + 50 v^2) / 2``, where u runs along it and v across: fifty times as steep, so a rate
that is safe across is far too small along, and plain descent goes to and fro between the walls. It lies at 30
degrees to the axes, since along an axis the methods that scale each weight on its own have too easy a task. At
the saddle point of ``f = 25 v^2 - u^2 / 2 + u^4 / 4`` the gradient is zero without there being a minimum; the
minima lie at ``u = -1`` and ``u = 1``. The race starts almost on the ridge that leads into it, and the steep
direction keeps the rates small, as it does in networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.experiments.concepts.results import write_results
from minidl.layers.base import Parameter
from minidl.optimizers import SGD, Adagrad, Adam, Momentum, Nesterov, Optimizer, RMSProp

RATES = tuple(float(rate) for rate in np.round(np.geomspace(0.003, 3, 31), 4))  # ten for each power of ten
STEPS = 300
ARRIVED = 1e-3  # of the first height above the minimum


@dataclass(frozen=True)
class Surface:
    """A function of two variables to descend.

    Parameters
    ----------
    name : str
    value : callable
        From points (..., 2) to heights (...).
    gradient : callable
        From a point (2,) to the gradient there (2,).
    start : (float, float)
    lowest : float
        Value at the minima.
    frame : ((float, float), (float, float))
        What to draw: the ranges of x and y.
    """

    name: str
    value: Callable[[np.ndarray], np.ndarray]
    gradient: Callable[[np.ndarray], np.ndarray]
    start: tuple[float, ...]
    lowest: float
    frame: tuple[tuple[float, float], tuple[float, float]]


TURN = math.radians(30)
AXES = np.array([[math.cos(TURN), math.sin(TURN)], [-math.sin(TURN), math.cos(TURN)]])  # rows: along, across
RAVINE = Surface(
    "ravine",
    lambda p: (p @ AXES.T) ** 2 @ np.array([0.5, 25.0]),
    lambda p: AXES.T @ (np.array([1.0, 50.0]) * (AXES @ p)),
    start=tuple(AXES.T @ [-4.0, 0.6]),
    lowest=0.0,
    frame=((-4.5, 1.5), (-2.9, 1.0)),
)
SADDLE = Surface(
    "saddle",
    lambda p: (p @ AXES.T) ** 2 @ np.array([-0.5, 25.0]) + (p @ AXES[0]) ** 4 / 4,
    lambda p: AXES.T @ (np.array([-1.0, 50.0]) * (AXES @ p) + [(AXES[0] @ p) ** 3, 0.0]),
    start=tuple(AXES.T @ [0.001, 0.5]),
    lowest=-0.25,
    frame=((-1.4, 1.4), (-1.0, 1.0)),
)
METHODS: dict[str, Callable[[float], Optimizer]] = {
    "SGD": SGD,
    "Momentum 0.9": lambda lr: Momentum(lr, 0.9),
    "Nesterov 0.9": lambda lr: Nesterov(lr, 0.9),
    "Adagrad": Adagrad,
    "RMSProp": RMSProp,
    "Adam": Adam,
}


def descend(surface: Surface, optimizer: Optimizer, steps: int) -> np.ndarray:
    """Return the points an optimizer visits, shape (steps + 1, 2), the start first.

    After a point that is not finite or farther than 1e6 from the origin all are that point.
    """
    weights = Parameter(np.array(surface.start, dtype=np.float64))
    path = np.empty((steps + 1, 2))
    path[0] = weights.value
    named = [("point", weights)]
    for step in range(1, steps + 1):
        optimizer.prepare(named)
        weights.grad = surface.gradient(weights.value)
        optimizer.step(named)
        path[step] = weights.value
        if not np.all(np.abs(weights.value) < 1e6):
            path[step:] = weights.value
            break
    return path


def steps_needed(surface: Surface, path: np.ndarray) -> int | None:
    """Return after how many steps a path is down for good; None if it is not.

    Down is where the height above the minimum is a thousandth of what it was at the start.
    """
    with np.errstate(all="ignore"):
        height = surface.value(path) - surface.lowest
    above = ~(height <= ARRIVED * height[0])
    if above[-1]:
        return None
    return int(np.flatnonzero(above)[-1]) + 1 if above.any() else 0


def race(surface: Surface, steps: int = STEPS) -> list[dict[str, Any]]:
    """Run each optimizer at the rate of the grid at which it needs the fewest steps.

    Returns
    -------
    list of dict
        ``name``, ``lr``, ``steps`` (None if it never arrives; then the rate is that of the lowest end),
        ``path`` (array of points), in the order of `METHODS`.
    """
    results = []
    for name, make in METHODS.items():
        tries = [(rate, descend(surface, make(rate), steps)) for rate in RATES]
        rate, path = min(tries, key=lambda tried: _rank(surface, tried[1]))
        results.append({"name": name, "lr": rate, "steps": steps_needed(surface, path), "path": path})
    return results


def _rank(surface: Surface, path: np.ndarray) -> tuple[float, float]:
    needed = steps_needed(surface, path)
    with np.errstate(all="ignore"):
        last = float(surface.value(path[-1]))
    return (math.inf if needed is None else needed, last if math.isfinite(last) else math.inf)


def nesterov_forms(lr: float = 0.015, momentum: float = 0.9, steps: int = 60) -> dict[str, np.ndarray]:
    """Return the heights of `Nesterov`'s three forms in the ravine, at the points where they ask for the gradient.

    Returns
    -------
    dict of str to (steps,) array
        "lookahead", "reformulated", "slide".
    """
    heights = {}
    for form in ("lookahead", "reformulated", "slide"):
        weights, optimizer = Parameter(np.array(RAVINE.start)), Nesterov(lr, momentum, form=form)
        seen = np.empty(steps)
        with np.errstate(all="ignore"):  # the slide's form diverges
            for step in range(steps):
                optimizer.prepare([("point", weights)])
                seen[step] = RAVINE.value(weights.value)
                weights.grad = RAVINE.gradient(weights.value)
                optimizer.step([("point", weights)])
        heights[form] = seen
    return heights


def run(data: None, out: Path, *, steps: int = STEPS) -> str:
    """Run both races and Nesterov's forms; write ``landscapes.png``, ``nesterov.png`` and ``landscapes.json``.

    Nothing here is random, and there is no data: `data` is the argument every demonstration is given.
    """
    from minidl.plots.landscapes import nesterov_plot, race_plot

    races = {surface.name: race(surface, steps) for surface in (RAVINE, SADDLE)}
    forms = nesterov_forms()
    panels = []
    for surface in (RAVINE, SADDLE):
        x, y = (np.linspace(low, high, 140) for low, high in surface.frame)
        grid = np.stack(np.meshgrid(x, y), axis=-1)
        panels.append(
            (surface.name, x, y, surface.value(grid), [each["path"] for each in races[surface.name]])
        )
    figures = {"landscapes": race_plot(panels, list(METHODS)), "nesterov": nesterov_plot(forms)}
    facts = {
        "rates": RATES,
        "most_steps": steps,
        "races": {
            name: [{key: each[key] for key in ("name", "lr", "steps")} for each in results]
            for name, results in races.items()
        },
        "nesterov_last_height": {form: heights[-1] for form, heights in forms.items()},
    }
    write_results(out, figures, "landscapes", facts)
    return "\n".join([table(races), "", conclusion(races, forms)])


def table(races: dict[str, list[dict[str, Any]]]) -> str:
    """Return rates and numbers of steps as text."""
    lines = [f"{'steps to the minimum':<22}" + "".join(f"{name:>12}{'rate':>8}" for name in races)]
    for results in zip(*races.values(), strict=True):
        cells = (f"{_told(each['steps']):>12}{each['lr']:>8.2g}" for each in results)
        lines.append(f"{results[0]['name']:<22}" + "".join(cells))
    return "\n".join(lines)


def conclusion(races: dict[str, list[dict[str, Any]]], forms: dict[str, np.ndarray]) -> str:
    """Return sentences on what the numbers show."""
    needed = {name: {each["name"]: each["steps"] for each in results} for name, results in races.items()}
    ravine, saddle = needed["ravine"], needed["saddle"]
    apart = float(np.max(np.abs(forms["lookahead"] - forms["reformulated"])))
    last = {form: heights[-1] for form, heights in forms.items()}
    return (
        f"Each at its best rate, plain descent needs {_told(ravine['SGD'])} steps through the ravine, with momentum "
        f"{_told(ravine['Momentum 0.9'])}, Nesterov's way {_told(ravine['Nesterov 0.9'])}; from the ridge of the "
        f"saddle {_told(saddle['SGD'])}, {_told(saddle['Momentum 0.9'])} and {_told(saddle['Nesterov 0.9'])}. Adam "
        f"needs {_told(ravine['Adam'])} and {_told(saddle['Adam'])}: its rate, which it gives to every weight in "
        "units of that weight's own gradient, hardly depends on the surface.\n"
        f"Nesterov's look-ahead and its reformulation see the same heights (at most {apart:.1g} apart); the form "
        f"printed on the slide looks back instead of ahead and is at {last['slide']:.2g} after "
        f"{len(forms['slide'])} steps, where the correct one is at {last['lookahead']:.2g}."
    )


def _told(steps: int | None) -> str:
    return "never" if steps is None else str(steps)
