"""Batch size and the noise of the loss curve (FAU, AAR: a noisy curve asks for bigger batches).

The same network is trained with batches of several sizes on the same number of examples. With the rate in
proportion to the size (UU, eq. 6) all of them go about the same way, and what differs is the scatter of the
loss from batch to batch: the mean over m independent examples scatters by sd / sqrt(m), where sd is the
scatter over single examples, measured on the trained networks. Then the same once more at one rate for all,
where larger batches take fewer steps of the same length.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader, Split
from minidl.experiments.concepts.results import columns, number, write_results
from minidl.experiments.concepts.short_run import dense_network, first_images, seeds_of, short_run
from minidl.layers import Layer
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD
from minidl.parallel import threads
from minidl.softmax import log_softmax
from minidl.training import predict

LATE = 4  # the noise is that of the last quarter of the training
SAMPLE = 2000  # images of which the losses of single examples are taken


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    sizes : tuple of int
        Batch sizes, increasing.
    shown : int
        Examples each network sees, repetitions included.
    rate : float
        For the smallest batch, or for all.
    images, hidden : int
    """

    sizes: tuple[int, ...] = (4, 16, 64, 256)
    shown: int = 60_000
    rate: float = 0.005
    images: int = 20_000
    hidden: int = 30


@dataclass(frozen=True)
class Outcome:
    """What came out, for each batch size.

    Attributes
    ----------
    scaled, fixed : list of (steps,) array
        Losses of the batches with the rate in proportion to the size, and with one rate for all.
    noise : (S,) array
        Scatter of the batch loss, with the rate in proportion.
    single : (S,) array
        Scatter of the loss over single examples, after the same trainings.
    """

    scaled: list[np.ndarray]
    fixed: list[np.ndarray]
    noise: np.ndarray
    single: np.ndarray


def measure(data: DataSet, plan: Plan, *, seed: int = 0) -> Outcome:
    """Train with every batch size, at a rate in proportion and at one rate for all."""
    images = first_images(data, plan.images, plan.sizes[-1], "batches")
    seeds = seeds_of("batches", seed)
    curves: dict[bool, list[np.ndarray]] = {True: [], False: []}
    single = []
    for in_proportion in (True, False):
        for size in plan.sizes:
            rate = plan.rate * (size / plan.sizes[0] if in_proportion else 1)
            model = dense_network([plan.hidden], len(data.classes))
            model.build(images.images.shape[1:], seeds.child("model"))
            loader = Loader(images.images, images.labels, size, seeds=seeds.child("loader"), drop_last=True)
            steps = plan.shown // size
            curves[in_proportion].append(short_run(model, SoftmaxCrossEntropy(), SGD(rate), loader, steps))
            if in_proportion:
                single.append(example_losses(model, images.subset(min(SAMPLE, len(images)))).std())
    noise = np.array([batch_noise(losses) for losses in curves[True]])
    return Outcome(curves[True], curves[False], noise, np.array(single))


def batch_noise(losses: np.ndarray) -> float:
    """Return the scatter of a loss curve around its trend, in the last quarter.

    Neighbouring batches have nearly the same mean loss, so of the trend little is left in their difference,
    whose variance is twice that of a single value: ``sqrt(mean((l_t+1 - l_t)^2) / 2)``.
    """
    late = losses[-max(len(losses) // LATE, 2) :]
    return math.sqrt(float(np.mean(np.diff(late) ** 2)) / 2)


def example_losses(model: Layer, split: Split) -> np.ndarray:
    """Return the cross-entropy of every image: (N,)."""
    outputs = predict(model, split.images).astype(np.float64)
    return -log_softmax(outputs)[np.arange(len(split)), split.labels]


def final_losses(curves: list[np.ndarray]) -> np.ndarray:
    """Return the mean loss over the last quarter of every training."""
    return np.array([losses[-max(len(losses) // LATE, 1) :].mean() for losses in curves])


def run(data: DataSet, out: Path, *, seed: int = 0, plan: Plan | None = None) -> str:
    """Do the experiment, write ``batches.png`` and ``batches.json`` to `out`, return what to print."""
    from minidl.plots.concepts.batches import batches_plot

    plan = plan or Plan()
    with threads(1):
        outcome = measure(data, plan, seed=seed)
    scaled, fixed = final_losses(outcome.scaled), final_losses(outcome.fixed)
    predicted = outcome.single / np.sqrt(plan.sizes)
    facts: dict[str, Any] = {
        "data": data.title,
        "seed": seed,
        "plan": asdict(plan),
        "noise": outcome.noise,
        "noise_predicted": predicted,
        "loss_rate_in_proportion": scaled,
        "loss_one_rate": fixed,
    }
    figure = batches_plot(
        plan.sizes,
        outcome.scaled,
        (outcome.noise, predicted),
        (scaled, fixed),
        title=f"Batch sizes: {plan.shown:,} examples each, {data.title}",
    )
    write_results(out, {"batches": figure}, "batches", facts)
    return "\n".join([table(plan, outcome), "", conclusion(plan, outcome)])


def table(plan: Plan, outcome: Outcome) -> str:
    """Return a line for each batch size."""
    scaled, fixed = final_losses(outcome.scaled), final_losses(outcome.fixed)
    rows = [["batch", "steps", "noise", "sd / sqrt(m)", "loss, rate ~ m", f"loss, rate {plan.rate:g}"]]
    for i, size in enumerate(plan.sizes):
        cells = (outcome.noise[i], outcome.single[i] / math.sqrt(size), scaled[i], fixed[i])
        rows.append([f"{size}", f"{plan.shown // size:,}", *(number(value) for value in cells)])
    return columns(rows)


def conclusion(plan: Plan, outcome: Outcome) -> str:
    """Return two sentences on what the numbers show."""
    small, large = plan.sizes[0], plan.sizes[-1]
    factor = outcome.noise[0] / outcome.noise[-1]
    scaled, fixed = final_losses(outcome.scaled), final_losses(outcome.fixed)
    return (
        f"From batches of {small} to batches of {large} the scatter of the loss falls from "
        f"{number(outcome.noise[0], 2)} to {number(outcome.noise[-1], 2)}, {number(factor, 2)} times, where the root "
        f"of the ratio of the sizes is {number(math.sqrt(large / small), 2)}. After the same "
        f"{plan.shown:,} examples their losses are {number(scaled[0], 2)} and {number(scaled[-1], 2)} with the rate "
        f"in proportion to the size, but {number(fixed[0], 2)} and {number(fixed[-1], 2)} at one rate of "
        f"{plan.rate:g}: the larger batch takes {large // small} times fewer steps."
    )
