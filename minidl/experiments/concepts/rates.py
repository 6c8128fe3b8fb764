"""Learning rates, too high to too low: the lecture's cartoon with real runs (FAU, AAR).

A small network is trained by plain gradient descent at every rate of a grid, three times from other initial
weights. The four curves of the cartoon are then picked by what came out, not by hand: the good rate is the one
with the lowest training loss in the end, the low one a thirtieth of it; the high rate is the largest that still
learns, and the one above it is too high. To learn is to end below nine tenths of the loss of guessing, ln K for
K classes.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader
from minidl.experiments.concepts.results import columns, number, write_results
from minidl.experiments.concepts.short_run import dense_network, first_images, seeds_of, short_run
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD
from minidl.parallel import threads

LEARNS = 0.9  # of the loss of guessing
LOW = 30.0  # the low rate is so many times smaller than the good one


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    rates : tuple of float
        The grid, increasing.
    images, epochs, batch_size, hidden : int
    repeats : int
        Trainings at each rate.
    """

    rates: tuple[float, ...] = tuple(
        float(f"{rate:.2g}") for rate in np.geomspace(0.001, 10, 17)
    )  # four to a power of ten
    images: int = 10_000
    epochs: int = 5
    batch_size: int = 50
    hidden: int = 30
    repeats: int = 3


def measure(data: DataSet, plan: Plan, *, seed: int = 0) -> np.ndarray:
    """Train at every rate.

    Returns
    -------
    (rates, repeats, steps) float64 array
        Losses of the batches; infinite after a divergence. Repeat r has the same initial weights and the same
        batches at every rate.
    """
    images = first_images(data, plan.images, plan.batch_size, "rates")
    steps = plan.epochs * math.ceil(len(images) / plan.batch_size)
    losses = np.empty((len(plan.rates), plan.repeats, steps))
    for repeat in range(plan.repeats):
        seeds = seeds_of("rates", seed).child(str(repeat))
        loader = Loader(images.images, images.labels, plan.batch_size, seeds=seeds.child("loader"))
        for row, rate in enumerate(plan.rates):
            model = dense_network([plan.hidden], len(data.classes))
            model.build(images.images.shape[1:], seeds.child("model"))
            losses[row, repeat] = short_run(model, SoftmaxCrossEntropy(), SGD(rate), loader, steps)
    return losses


def by_epoch(losses: np.ndarray, epochs: int) -> np.ndarray:
    """Return the mean loss over repeats and over each epoch: (rates, epochs)."""
    return losses.reshape(len(losses), losses.shape[1], epochs, -1).mean(axis=(1, 3))


def roles(rates: tuple[float, ...], final: np.ndarray, guessing: float) -> dict[str, int]:
    """Say which rates stand for the curves of the cartoon.

    Parameters
    ----------
    rates : tuple of float
        Increasing.
    final : (R,) array
        Loss in the end.
    guessing : float
        Loss of a network that knows nothing.

    Returns
    -------
    dict of str to int
        Of "low", "good", "high" and "too high" those there are, in this order, with their place in `rates`.
    """
    good = int(np.argmin(final))
    found = {"good": good}
    below = [i for i, rate in enumerate(rates) if rate <= rates[good] / LOW * 1.1]  # the grid is rounded
    if below:
        found = {"low": below[-1], **found}
    learning = np.flatnonzero(final < LEARNS * guessing)
    if len(learning) and (last := int(learning[-1])) >= good:
        if last > good:
            found["high"] = last
        if last + 1 < len(rates):
            found["too high"] = last + 1
    return found


def run(data: DataSet, out: Path, *, seed: int = 0, plan: Plan | None = None) -> str:
    """Do the experiment, write ``rates.png`` and ``rates.json`` to `out`, return what to print."""
    from minidl.plots.concepts.rates import rates_plot

    plan = plan or Plan()
    with threads(1):  # networks so small spend more time handing out work than doing it
        losses = measure(data, plan, seed=seed)
    guessing = math.log(len(data.classes))
    epochs = by_epoch(losses, plan.epochs)
    chosen = roles(plan.rates, epochs[:, -1], guessing)
    facts: dict[str, Any] = {
        "data": data.title,
        "seed": seed,
        "plan": asdict(plan),
        "loss_of_guessing": guessing,
        "loss_by_epoch": epochs,
        "roles": {name: plan.rates[row] for name, row in chosen.items()},
    }
    figure = rates_plot(
        {f"{name}: {number(plan.rates[row], 2)}": losses[row, 0] for name, row in chosen.items()},
        losses.shape[2] // plan.epochs,
        (np.array(plan.rates), losses[:, :, -losses.shape[2] // plan.epochs :].mean(axis=2)),
        guessing,
        title=f"Learning rates: a network of {plan.hidden} hidden units, {data.title}",
    )
    write_results(out, {"rates": figure}, "rates", facts)
    return "\n".join([table(plan, epochs, chosen), "", conclusion(plan, epochs, chosen, guessing)])


def table(plan: Plan, epochs: np.ndarray, chosen: dict[str, int]) -> str:
    """Return the training loss at every rate as text."""
    names = {row: name for name, row in chosen.items()}
    head = ["rate", *(f"epoch {epoch + 1}" for epoch in range(plan.epochs)), ""]
    body = [
        [number(rate, 2), *(number(value) for value in epochs[row]), names.get(row, "")]
        for row, rate in enumerate(plan.rates)
    ]
    return f"training loss, mean of {plan.repeats} trainings:\n" + columns([head, *body])


def conclusion(plan: Plan, epochs: np.ndarray, chosen: dict[str, int], guessing: float) -> str:
    """Return two sentences on what the numbers show."""
    rate = {name: plan.rates[row] for name, row in chosen.items()}
    last = {name: epochs[row, -1] for name, row in chosen.items()}
    others = {
        "low": "at {} (low) {}",
        "high": "at {} (high) {}",
        "too high": "at {} (too high) {}",
    }
    said = [
        form.format(number(rate[name], 2), number(last[name]))
        for name, form in others.items()
        if name in chosen
    ]
    first = (
        f"After {plan.epochs} epochs the training loss is lowest, {number(last['good'])}, at a rate of "
        f"{number(rate['good'], 2)} (good)" + "".join(f"; {each}" for each in said)
    )
    if "too high" not in chosen:
        return f"{first}. The grid has no rate at which the network learns nothing: guessing costs {number(guessing)}."
    room = rate["too high"] / rate["good"]
    second = (
        f"A rate {number(room, 2)} times the good one is already lost, its loss about that of guessing "
        f"({number(guessing)}) or above"
    )
    if "low" in chosen and plan.epochs > 1:
        row = epochs[chosen["low"]]
        second += (
            f", while one {number(rate['good'] / rate['low'], 2)} times smaller is only slow: "
            f"it gained {number(row[-2] - row[-1], 2)} in its last epoch"
        )
    return f"{first}. {second}."
