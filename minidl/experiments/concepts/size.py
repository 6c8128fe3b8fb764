"""Capacity and training-set size: what is learned, and what of it holds for new data (TUE, UU, FAU).

Three experiments of the same kind. Polynomials of growing degree through twelve noisy points; networks of
growing width on a thousand images; one network on more and more images. Each time the error on the training
data and the error on data not trained on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader, Split
from minidl.experiments.concepts.polynomials import NOISE, errors, fit
from minidl.experiments.concepts.results import columns, write_results
from minidl.experiments.concepts.short_run import (
    dense_network,
    first_images,
    seeds_of,
    short_run,
    validation_images,
)
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import Adam
from minidl.parallel import threads
from minidl.random import Seeds
from minidl.training import evaluate


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    points, draws : int
        Of the polynomials: points fitted to, and draws of their noise.
    widths : tuple of int
        Hidden units of the networks that learn `images` images.
    images : int
    sizes : tuple of int
        Training images of the network of `width` units; those beyond the data are left out.
    width, batch_size, steps : int
    repeats : int
        Trainings of each network.
    validation : int
        Validation images scored.
    """

    points: int = 12
    draws: int = 500
    widths: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
    images: int = 1000
    sizes: tuple[int, ...] = (100, 300, 1000, 3000, 10_000)
    width: int = 64
    batch_size: int = 25
    steps: int = 1500
    repeats: int = 3
    validation: int = 5000


@dataclass(frozen=True)
class Outcome:
    """What came out. The first row is of the training data, the second of new data.

    Attributes
    ----------
    polynomials : (2, degrees) array
        Root of the mean squared error.
    sizes : (S,) array of int
        Training images.
    by_width, by_size : (2, W or S, repeats) array
        Error in per cent.
    """

    polynomials: np.ndarray
    sizes: np.ndarray
    by_width: np.ndarray
    by_size: np.ndarray


def measure(data: DataSet, plan: Plan, *, seed: int = 0) -> Outcome:
    """Make all three experiments."""
    seeds = seeds_of("size", seed)
    images = first_images(data, plan.images, plan.sizes[0], "size")
    validation = validation_images(data, plan.validation)
    polynomials = errors(plan.points, range(plan.points), plan.draws, seeds.generator("noise"))
    sizes = [size for size in plan.sizes if size <= len(data.train)]
    by_width, by_size = np.empty((2, len(plan.widths), plan.repeats)), np.empty((2, len(sizes), plan.repeats))
    for repeat in range(plan.repeats):
        branch = seeds.child(str(repeat))
        for i, width in enumerate(plan.widths):
            by_width[:, i, repeat] = _errors(data, plan, images, validation, width, branch)
        for i, size in enumerate(sizes):
            by_size[:, i, repeat] = _errors(
                data, plan, data.train.subset(size), validation, plan.width, branch
            )
    return Outcome(polynomials, np.array(sizes), by_width, by_size)


def _errors(
    data: DataSet, plan: Plan, train: Split, validation: Split, width: int, seeds: Seeds
) -> tuple[float, float]:
    model = dense_network([width], len(data.classes))
    model.build(train.images.shape[1:], seeds.child("model"))
    loader = Loader(train.images, train.labels, plan.batch_size, seeds=seeds.child("loader"))
    loss = SoftmaxCrossEntropy()
    short_run(model, loss, Adam(lr=0.002), loader, plan.steps)
    seen, new = (evaluate(model, loss, split).accuracy or 0.0 for split in (train, validation))
    return 100 * (1 - seen), 100 * (1 - new)


def run(data: DataSet, out: Path, *, seed: int = 0, plan: Plan | None = None) -> str:
    """Make the experiments, write ``size.png`` and ``size.json`` to `out`, return what to print."""
    from minidl.plots.concepts.size import size_plot

    plan = plan or Plan()
    with threads(1):
        outcome = measure(data, plan, seed=seed)
    trained = min(plan.images, len(data.train))
    facts: dict[str, Any] = {
        "data": data.title,
        "seed": seed,
        "plan": asdict(plan),
        "images": trained,
        "polynomial_error": outcome.polynomials,
        "error_by_width": outcome.by_width,
        "sizes": outcome.sizes,
        "error_by_size": outcome.by_size,
    }
    x = np.linspace(0, 1, plan.points)
    y = np.sin(2 * np.pi * x) + NOISE * seeds_of("size", seed).generator("example").normal(size=plan.points)
    best = int(outcome.polynomials[1].argmin())
    figure = size_plot(
        (x, y, {degree: fit(x, y, degree) for degree in sorted({1, best, plan.points - 1})}),
        outcome.polynomials,
        (np.array(plan.widths), outcome.by_width, f"{trained:,} images"),
        (outcome.sizes, outcome.by_size, f"{plan.width} hidden units"),
        title=f"Capacity and training-set size: {data.title}",
    )
    write_results(out, {"size": figure}, "size", facts)
    return "\n".join([table(plan, outcome, trained), "", conclusion(plan, outcome, trained)])


def table(plan: Plan, outcome: Outcome, trained: int) -> str:
    """Return the errors as text."""
    seen, new = outcome.polynomials
    parts = [
        [["degree", "fitted points", "new points"]]
        + [[str(i), f"{a:.3f}", f"{b:.3f}"] for i, (a, b) in enumerate(zip(seen, new, strict=True))]
    ]
    for names, both, head in (
        (plan.widths, outcome.by_width, f"hidden units ({trained:,} images)"),
        (outcome.sizes.tolist(), outcome.by_size, f"images ({plan.width} hidden units)"),
    ):
        rows = [[head, "training error", "validation error"]]
        rows += [
            [f"{name:,}", f"{a:.1f} %", f"{b:.1f} %"]
            for name, a, b in zip(names, *both.mean(axis=2), strict=True)
        ]
        parts.append(rows)
    return "\n\n".join(columns(rows) for rows in parts)


def conclusion(plan: Plan, outcome: Outcome, trained: int) -> str:
    """Return two sentences on what the numbers show."""
    seen, new = outcome.polynomials
    best = int(new.argmin())
    (wide_seen, wide), (size_seen, size) = outcome.by_width.mean(axis=2), outcome.by_size.mean(axis=2)
    widest = int(wide.argmin())
    together = "together" if size[-1] - size_seen[-1] < size[0] - size_seen[0] else "no closer"
    return (
        f"The error of the polynomials on the {plan.points} points they are fitted to falls from {seen[0]:.2f} at "
        f"degree 0 to {seen[-1]:.2f} at degree {plan.points - 1}, but that on new "
        f"points is lowest at degree {best} ({new[best]:.2f}) and {new[-1]:.2f} at the highest. "
        f"Networks on {trained:,} images go from {wide_seen[0]:.1f} and {wide[0]:.1f} % training and validation error "
        f"with {plan.widths[0]} hidden unit{'s' if plan.widths[0] > 1 else ''} to {wide_seen[-1]:.1f} and "
        f"{wide[-1]:.1f} % with {plan.widths[-1]} (lowest: {wide[widest]:.1f} % with {plan.widths[widest]}), and more "
        f"images bring the two {together}, from {size_seen[0]:.1f} and {size[0]:.1f} % with {outcome.sizes[0]:,} to "
        f"{size_seen[-1]:.1f} and {size[-1]:.1f} % with {outcome.sizes[-1]:,}."
    )
