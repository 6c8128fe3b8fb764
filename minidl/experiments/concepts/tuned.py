"""Descent, momentum and Adam, each at a rate of its own (FAU: momentum first, then Adam).

At one rate for all, a comparison of optimizers says more about the rate than about them. Here each is trained at every
rate of its own grid and gets the one with the lowest error on one half of the validation images; then it is trained
anew, from other initial weights, and judged on the other half, which had no part in the choice. Batches are of 64,
a power of two (AAR).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader, Split
from minidl.errors import ConfigError
from minidl.experiments.concepts.results import columns, listed, number, write_results
from minidl.experiments.concepts.short_run import (
    dense_network,
    first_images,
    seeds_of,
    short_run,
    validation_images,
)
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD, Adam, Momentum, Optimizer
from minidl.parallel import threads
from minidl.training import evaluate

METHODS: dict[str, Callable[[float], Optimizer]] = {
    "descent": SGD,
    "momentum": lambda rate: Momentum(rate, 0.9),
    "Adam": Adam,
}
CLOSE = 0.5  # points from the lowest error: as good, for practical purposes


def _grid(low: float, high: float, count: int) -> tuple[float, ...]:
    return tuple(float(f"{rate:.2g}") for rate in np.geomspace(low, high, count))


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    rates : dict of str to tuple of float
        The grid of each method, increasing: as many rates for each.
    images, epochs, batch_size, hidden : int
    tries : int
        Trainings at each rate, for the choice.
    repeats : int
        Trainings at the chosen rate, for the comparison.
    validation : int
        Validation images; one half chooses, the other judges.
    """

    rates: dict[str, tuple[float, ...]]
    images: int = 10_000
    epochs: int = 6
    batch_size: int = 64
    hidden: int = 50
    tries: int = 2
    repeats: int = 5
    validation: int = 10_000


# Three to a power of ten. Momentum 0.9 takes steps ten times as long as its rate says.
DEFAULT = Plan({"descent": _grid(0.03, 3, 7), "momentum": _grid(0.003, 0.3, 7), "Adam": _grid(3e-4, 3e-2, 7)})


@dataclass(frozen=True)
class Outcome:
    """What came out; errors in per cent.

    Attributes
    ----------
    tuning : dict of str to (rates, tries) array
        Error in the end on the images that choose.
    chosen : dict of str to int
        Place of each method's rate in its grid.
    errors : dict of str to (repeats, epochs) array
        Error on the images that judge, after each epoch at the chosen rate.
    """

    tuning: dict[str, np.ndarray]
    chosen: dict[str, int]
    errors: dict[str, np.ndarray]


def measure(data: DataSet, plan: Plan, *, seed: int = 0) -> Outcome:
    """Tune every method, then compare them."""
    images = first_images(data, plan.images, plan.batch_size, "tuned")
    validation = validation_images(data, plan.validation)
    half = len(validation) // 2
    if half < 1:
        raise ConfigError("the demonstration 'tuned' needs at least 2 validation images")
    choosing, judging = (
        validation.subset(np.arange(half)),
        validation.subset(np.arange(half, len(validation))),
    )
    tuning, chosen, errors = {}, {}, {}
    for name, rates in plan.rates.items():
        tried = [
            [
                _train(data, plan, name, rate, images, choosing, seed, f"try {k}")[-1]
                for k in range(plan.tries)
            ]
            for rate in rates
        ]
        tuning[name] = np.array(tried)
        chosen[name] = int(tuning[name].mean(axis=1).argmin())
        rate = rates[chosen[name]]
        rows = [
            _train(data, plan, name, rate, images, judging, seed, f"repeat {k}") for k in range(plan.repeats)
        ]
        errors[name] = np.array(rows)
    return Outcome(tuning, chosen, errors)


def _train(
    data: DataSet, plan: Plan, method: str, rate: float, images: Split, scored: Split, seed: int, which: str
) -> list[float]:
    """Return the error on `scored` after each epoch; the same weights and batches for every method and rate."""
    seeds = seeds_of("tuned", seed).child(which)
    model = dense_network([plan.hidden], len(data.classes))
    model.build(images.images.shape[1:], seeds.child("model"))
    loader = Loader(images.images, images.labels, plan.batch_size, seeds=seeds.child("loader"))
    loss, found = SoftmaxCrossEntropy(), []

    def look(done: int) -> None:
        if done:
            found.append(100 * (1 - float(evaluate(model, loss, scored).accuracy or 0.0)))

    steps = plan.epochs * len(loader)
    short_run(model, loss, METHODS[method](rate), loader, steps, look=look, every=len(loader))
    # After a divergence there is nothing to score: everything is wrong.
    return found + [100.0] * (plan.epochs - len(found))


def run(data: DataSet, out: Path, *, seed: int = 0, plan: Plan | None = None) -> str:
    """Do the experiment, write ``tuned.png`` and ``tuned.json`` to `out`, return what to print."""
    from minidl.plots.concepts.tuned import tuned_plot

    plan = plan or DEFAULT
    with threads(1):
        outcome = measure(data, plan, seed=seed)
    facts: dict[str, Any] = {
        "data": data.title,
        "seed": seed,
        "plan": asdict(plan),
        "tuning_error": outcome.tuning,
        "rate": {name: plan.rates[name][row] for name, row in outcome.chosen.items()},
        "error": outcome.errors,
    }
    figure = tuned_plot(
        {name: (np.array(rates), outcome.tuning[name]) for name, rates in plan.rates.items()},
        outcome.chosen,
        outcome.errors,
        title=f"Optimizers, each at its best rate: {plan.hidden} hidden units, {data.title}",
    )
    write_results(out, {"tuned": figure}, "tuned", facts)
    return "\n".join([table(plan, outcome), "", conclusion(plan, outcome)])


def table(plan: Plan, outcome: Outcome) -> str:
    """Return the errors of the methods as text."""
    rows = [["", "rate", "tuning error, %", "error after epoch 1, %", f"after epoch {plan.epochs}, %", "sd"]]
    for name, row in outcome.chosen.items():
        first, last = outcome.errors[name][:, 0], outcome.errors[name][:, -1]
        sd = f"{last.std(ddof=1):.2f}" if len(last) > 1 else "-"
        tuned = f"{outcome.tuning[name].mean(axis=1)[row]:.2f}"
        cells = [number(plan.rates[name][row], 2), tuned, f"{first.mean():.2f}", f"{last.mean():.2f}", sd]
        rows.append([name, *cells])
    return columns(rows)


def conclusion(plan: Plan, outcome: Outcome) -> str:
    """Return two sentences on what the numbers show."""
    ends = {name: errors[:, -1].mean() for name, errors in outcome.errors.items()}
    starts = {name: errors[:, 0].mean() for name, errors in outcome.errors.items()}
    told = [
        f"{name} at {number(plan.rates[name][row], 2)} errs on {starts[name]:.2f} % after one epoch and on "
        f"{ends[name]:.2f} % after {plan.epochs}"
        for name, row in outcome.chosen.items()
    ]
    spread = max(errors[:, -1].std(ddof=1) if len(errors) > 1 else 0.0 for errors in outcome.errors.values())
    room = []
    for name, rates in plan.rates.items():
        good = np.flatnonzero(
            outcome.tuning[name].mean(axis=1) <= outcome.tuning[name].mean(axis=1).min() + CLOSE
        )
        room.append(f"{number(rates[int(good[-1])] / rates[int(good[0])], 2)} for {name}")
    edge = [name for name, row in outcome.chosen.items() if row in (0, len(plan.rates[name]) - 1)]
    warning = ""
    if edge:
        warning = f"; the rate of {listed(edge)} lies at the edge of its grid, so a better one may lie beyond"
    first = (
        f"Each at the best of {len(next(iter(plan.rates.values())))} rates, {listed(told)}, where one training differs "
        f"from the next by {spread:.2f} points (sd)"
    )
    return f"{first}. The rates within {CLOSE:g} points of the best span a factor of {listed(room)}{warning}."
