"""Gradient steps that are too small, right, too large, and far too large (UU: "jump across").

On a parabola of curvature c a step of rate r multiplies the distance from the minimum by ``1 - r c``: it creeps for
small r, arrives at once for ``r = 1 / c``, jumps across for more, and runs away above ``2 / c``. With two directions
of different curvature there is one rate for both: what the steep one allows is far too little for the flat one.
The steps are those of `minidl.optimizers.SGD`; nothing is random.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from minidl.experiments.concepts.results import columns, listed, number, write_results
from minidl.layers.base import Parameter
from minidl.optimizers import SGD

RATES = {"too small": 0.1, "right": 1.0, "jumps across": 1.8, "runs away": 2.1}  # for a curvature of 1
START, STEPS, ARRIVED = -1.0, 12, 1e-3
CURVATURES = (1.0, 20.0)  # of the valley: along it and across it
SHARE = 0.95  # of the largest rate that the steep direction allows
VALLEY_START, VALLEY_STEPS = (-1.0, 0.3), 40


def descend(curvatures: tuple[float, ...], start: tuple[float, ...], rate: float, steps: int) -> np.ndarray:
    """Return the points that gradient descent visits on ``sum c w^2 / 2``: (steps + 1, D), the start first."""
    weights = Parameter(np.array(start, dtype=np.float64))
    optimizer, path = SGD(rate), [np.array(start)]
    for _ in range(steps):
        weights.grad = np.array(curvatures) * weights.value
        optimizer.step([("w", weights)])
        path.append(weights.value.copy())
    return np.array(path)


def steps_needed(rate: float, curvature: float) -> int | None:
    """Return how many steps bring the distance from the minimum to a thousandth; None if they never do."""
    factor = abs(1 - rate * curvature)
    if factor >= 1:
        return None
    return 1 if factor == 0 else math.ceil(round(math.log(ARRIVED) / math.log(factor), 9))


def run(data: None, out: Path) -> str:
    """Do the experiment, write ``gradient-steps.png`` and ``gradient-steps.json``, return what to print."""
    from minidl.plots.concepts.gradient_steps import gradient_steps_plot

    paths = {name: descend((1.0,), (START,), rate, STEPS)[:, 0] for name, rate in RATES.items()}
    shared = SHARE * 2 / max(CURVATURES)
    valley = descend(CURVATURES, VALLEY_START, shared, VALLEY_STEPS)
    facts: dict[str, Any] = {
        "rates": RATES,
        "paths": paths,
        "curvatures": CURVATURES,
        "rate_in_the_valley": shared,
        "valley": valley,
    }
    named = {f"{name}: {number(RATES[name], 2)}": path for name, path in paths.items()}
    figure = gradient_steps_plot(
        named, valley, CURVATURES, title="Gradient steps, from too small to far too large", rate=shared
    )
    write_results(out, {"gradient-steps": figure}, "gradient-steps", facts)
    return "\n".join([table(paths), "", conclusion(shared)])


def table(paths: dict[str, np.ndarray]) -> str:
    """Return the distance from the minimum after some steps as text."""
    shown = (0, 1, 2, 4, 8, STEPS)
    rows = [["on a parabola of curvature 1", "rate", *(f"step {k}" for k in shown), "steps to a thousandth"]]
    for name, path in paths.items():
        needed = steps_needed(RATES[name], 1.0)
        cells = [number(float(path[k]), 3) for k in shown]
        rows.append([name, number(RATES[name], 2), *cells, "never" if needed is None else str(needed)])
    return columns(rows)


def conclusion(shared: float) -> str:
    """Return two sentences on what the numbers show."""
    told = []
    for name, rate in RATES.items():
        factor, needed = 1 - rate, steps_needed(rate, 1.0)
        reach = (
            "never arrives"
            if needed is None
            else f"takes {needed} step{'s' if needed > 1 else ''} to a thousandth"
        )
        told.append(f"at a rate of {number(rate, 2)} by {number(factor, 2)} ({name}: {reach})")
    flat, steep = CURVATURES
    along, across, alone = (
        steps_needed(*pair) for pair in ((shared, flat), (shared, steep), (1 / flat, flat))
    )
    return (
        f"On a parabola of curvature 1 each step multiplies the distance from the minimum, {listed(told)}. In a valley "
        f"{number(steep / flat, 2)} times as steep across as along, the rate must stay below 2/{number(steep, 2)}; at "
        f"{number(shared, 2)} the steep direction jumps across and takes {across} steps, and the flat one, which could "
        f"do it in {alone} at a rate of {number(1 / flat, 2)}, takes {along}."
    )
