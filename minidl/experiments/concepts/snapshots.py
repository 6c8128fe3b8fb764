"""Snapshots: an ensemble for the price of one training (AAR; Huang et al. 2017).

The rate falls along a cosine and is set back six times. At the end of each cycle the network is in a valley of
the loss; its probabilities there are kept, and the snapshots are averaged. Beside it one network trained
as long along a single cosine, to which the same time went.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader, Split
from minidl.evaluation.ensemble import error_correlation, independent_members, soft_vote
from minidl.experiments.concepts.results import columns, mean_correlation, write_results
from minidl.experiments.concepts.short_run import (
    dense_network,
    first_images,
    seeds_of,
    short_run,
    validation_images,
)
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import Momentum
from minidl.parallel import threads
from minidl.schedules import Cosine, CosineRestarts
from minidl.softmax import softmax
from minidl.training import predict


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    cycles, steps_per_cycle : int
    rate : float
        The highest, of momentum 0.9.
    images, hidden, batch_size : int
    repeats : int
        Trainings of each kind.
    validation : int
        Validation images scored.
    """

    cycles: int = 6
    steps_per_cycle: int = 400
    rate: float = 0.1
    images: int = 20_000
    hidden: int = 50
    batch_size: int = 50
    repeats: int = 3
    validation: int = 5000


@dataclass(frozen=True)
class Outcome:
    """What came out; errors in per cent.

    Attributes
    ----------
    losses : (2, steps) array
        Of the batches in the first repeat, with cycles and with a single cosine.
    rates : (2, steps) array
    snapshots : (repeats, cycles) array
        Error of each snapshot.
    together : (repeats, cycles) array
        Error of the mean of the last 1, 2, … snapshots.
    single : (repeats,) array
        Error of the network trained along a single cosine.
    correlation : float
        Of the errors of two snapshots, mean over pairs and repeats.
    """

    losses: np.ndarray
    rates: np.ndarray
    snapshots: np.ndarray
    together: np.ndarray
    single: np.ndarray
    correlation: float


def measure(data: DataSet, plan: Plan, *, seed: int = 0) -> Outcome:
    """Train with cycles and with a single cosine, from the same initial weights with the same batches."""
    images = first_images(data, plan.images, plan.batch_size, "snapshots")
    validation = validation_images(data, plan.validation)
    steps = plan.cycles * plan.steps_per_cycle
    progress = np.arange(steps) / steps
    cyclic, whole = CosineRestarts(plan.rate, cycles=plan.cycles, steps=steps), Cosine(plan.rate)
    rates = np.array([[schedule(t) for t in progress.tolist()] for schedule in (cyclic, whole)])
    losses, each, together, single, pairs = [], [], [], [], []
    for repeat in range(plan.repeats):
        runs = [_train(data, plan, images, validation, row, seed, repeat) for row in rates]
        losses.append([curve for curve, _ in runs])
        shares, labels = runs[0][1], validation.labels
        each.append([_error(share[None], labels) for share in shares])
        together.append([_error(shares[-count:], labels) for count in range(1, plan.cycles + 1)])
        single.append(_error(runs[1][1][-1:], labels))
        pairs.append(mean_correlation(error_correlation(shares.argmax(axis=2), labels)))
    return Outcome(
        np.array(losses[0]),
        rates,
        np.array(each),
        np.array(together),
        np.array(single),
        float(np.mean(pairs)),
    )


def _train(
    data: DataSet, plan: Plan, images: Split, validation: Split, rates: np.ndarray, seed: int, repeat: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the losses (steps,) and the probabilities at the ends of the cycles (cycles, N, K)."""
    seeds = seeds_of("snapshots", seed).child(str(repeat))
    model = dense_network([plan.hidden], len(data.classes))
    model.build(images.images.shape[1:], seeds.child("model"))
    loader = Loader(images.images, images.labels, plan.batch_size, seeds=seeds.child("loader"))
    optimizer, shares = Momentum(plan.rate, 0.9), []

    def look(done: int) -> None:
        if done < len(rates):
            optimizer.lr = float(rates[done])
        if done and done % plan.steps_per_cycle == 0:
            shares.append(softmax(predict(model, validation.images).astype(np.float64)))

    losses = short_run(model, SoftmaxCrossEntropy(), optimizer, loader, len(rates), look=look)
    return losses, np.array(shares)


def _error(shares: np.ndarray, labels: np.ndarray) -> float:
    return 100 * float((soft_vote(shares) != labels).mean())


def run(data: DataSet, out: Path, *, seed: int = 0, plan: Plan | None = None) -> str:
    """Do the experiment, write ``snapshots.png`` and ``snapshots.json`` to `out`, return what to print."""
    from minidl.plots.concepts.snapshots import snapshots_plot

    plan = plan or Plan()
    with threads(1):
        outcome = measure(data, plan, seed=seed)
    facts: dict[str, Any] = {
        "data": data.title,
        "seed": seed,
        "plan": asdict(plan),
        "snapshot_error": outcome.snapshots,
        "error_of_the_last_together": outcome.together,
        "single_cosine_error": outcome.single,
        "correlation": outcome.correlation,
    }
    figure = snapshots_plot(
        outcome.losses,
        outcome.rates,
        plan.cycles,
        (outcome.snapshots, outcome.together, outcome.single),
        title=f"Snapshots of {plan.cycles} cycles: {plan.hidden} hidden units, {data.title}",
    )
    write_results(out, {"snapshots": figure}, "snapshots", facts)
    return "\n".join([table(plan, outcome), "", conclusion(plan, outcome)])


def table(plan: Plan, outcome: Outcome) -> str:
    """Return the errors as text."""
    counts = range(1, plan.cycles + 1)
    rows = [[f"error, %, mean of {plan.repeats}", *map(str, counts)]]
    rows.append(["snapshot after cycle", *(f"{value:.2f}" for value in outcome.snapshots.mean(axis=0))])
    rows.append(["mean of the last", *(f"{value:.2f}" for value in outcome.together.mean(axis=0))])
    return columns(rows) + f"\na single cosine as long: {outcome.single.mean():.2f} %"


def conclusion(plan: Plan, outcome: Outcome) -> str:
    """Return two sentences on what the numbers show."""
    together, single = outcome.together.mean(axis=0), outcome.single.mean()
    best = int(together.argmin())
    return (
        f"The first of {plan.cycles} snapshots errs on {outcome.snapshots[:, 0].mean():.2f} % of the images, the last "
        f"on {together[0]:.2f} %, all {plan.cycles} averaged on {together[-1]:.2f} % and the last {best + 1}, the best "
        f"number, on {together[best]:.2f} %; a network trained as long along one cosine errs on {single:.2f} %. "
        + _scatter(plan.cycles, outcome.correlation)
    )


def _scatter(cycles: int, correlation: float) -> str:
    if not math.isfinite(correlation):
        return "Of a snapshot without errors there is no correlation to tell."
    return (
        f"The errors of two snapshots have a correlation of {correlation:.2f}, with which {cycles} of them "
        f"scatter like {independent_members(cycles, correlation):.1f} independent networks."
    )
