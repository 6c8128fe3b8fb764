"""Networks learn random labels by heart (Zhang et al. 2016; FAU: overfitting is easy).

A network with more weights than there are images is trained on true labels, on labels drawn at random, and on
everything between; and on true labels with the pixels shuffled (in the same way in every image) or replaced by
noise. If it reaches every training label in all cases, then what it can represent does not explain why it
generalises: the same network with the same training generalises where there is something to find, and does
not where there is nothing.

Labels are randomised as in the paper: with the probability given, a label is replaced by one drawn
from all classes, which may be the right one. Validation labels are the true ones.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader, Split
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

CASES = ("true labels", "random labels", "shuffled pixels", "noise for pixels")


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    images, hidden, batch_size, epochs : int
    rate : float
        Of Adam.
    shares : tuple of float
        Of labels drawn at random, from 0 to 1.
    validation : int
        Validation images scored.
    """

    images: int = 2000
    hidden: int = 300
    batch_size: int = 50
    epochs: int = 50
    rate: float = 0.0015
    shares: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    validation: int = 2000


@dataclass(frozen=True)
class Outcome:
    """Accuracies in per cent.

    Attributes
    ----------
    learning : (cases, epochs) array
        On the training labels after each epoch, in the order of `CASES`.
    validation : (cases,) array
        On validation images, at the end; their pixels are shuffled like those of the training images, or noise.
    by_share : (2, shares) array
        At the end, on the training labels and on validation images, over the share of random labels.
    weights : int
        Of the network.
    """

    learning: np.ndarray
    validation: np.ndarray
    by_share: np.ndarray
    weights: int


def measure(data: DataSet, plan: Plan, *, seed: int = 0) -> Outcome:
    """Train on every kind of labels and images, from the same initial weights."""
    seeds = seeds_of("random-labels", seed)
    train = first_images(data, plan.images, plan.batch_size, "random-labels")
    validation = validation_images(data, plan.validation)
    ends = {}
    for share in sorted({0.0, 1.0, *plan.shares}):
        changed = Split(train.images, random_labels(train.labels, share, len(data.classes), seeds))
        ends[share] = _fit(data, plan, changed, validation, seeds)
    others = []
    for name in CASES[2:]:
        changed = _changed(train, name, seeds)
        others.append(_fit(data, plan, changed, _changed(validation, name, seeds), seeds))
    cases = [ends[0.0], ends[1.0], *others]
    by_share = np.array([[ends[share][0][-1], ends[share][1]] for share in plan.shares]).T
    return Outcome(
        np.array([learning for learning, _, _ in cases]),
        np.array([end for _, end, _ in cases]),
        by_share,
        cases[0][2],
    )


def random_labels(labels: np.ndarray, share: float, classes: int, seeds: Seeds) -> np.ndarray:
    """Return labels of which each is, with probability `share`, drawn anew from all classes.

    What is random at a smaller share is random, and the same, at a larger one.
    """
    generator = seeds.generator("labels")
    chosen = generator.random(len(labels)) < share
    return np.where(chosen, generator.integers(classes, size=len(labels)), labels)


def _changed(split: Split, name: str, seeds: Seeds) -> Split:
    if name == "shuffled pixels":
        order = seeds.generator("pixels").permutation(split.images[0].size)
        flat = split.images.reshape(len(split), -1)[:, order]
        return Split(flat.reshape(split.images.shape), split.labels)
    generator = seeds.generator("noise", str(len(split)))
    # Mean and standard deviation of the images, as in the paper.
    noise = generator.normal(split.images.mean(), split.images.std(), split.images.shape)
    return Split(np.clip(noise, 0, 255).astype(np.uint8), split.labels)


def _fit(
    data: DataSet, plan: Plan, train: Split, validation: Split, seeds: Seeds
) -> tuple[list[float], float, int]:
    model = dense_network([plan.hidden], len(data.classes))
    model.build(train.images.shape[1:], seeds.child("model"))
    loader = Loader(train.images, train.labels, plan.batch_size, seeds=seeds.child("loader"))
    loss, learning = SoftmaxCrossEntropy(), []

    def accuracy(split: Split) -> float:
        return 100 * float(evaluate(model, loss, split).accuracy or 0.0)

    def look(done: int) -> None:
        if done:
            learning.append(accuracy(train))

    steps = plan.epochs * len(loader)
    short_run(model, loss, Adam(lr=plan.rate), loader, steps, look=look, every=len(loader))
    return learning, accuracy(validation), model.parameter_count()


def run(data: DataSet, out: Path, *, seed: int = 0, plan: Plan | None = None) -> str:
    """Do the experiment, write ``random-labels.png`` and ``random-labels.json``, return what to print."""
    from minidl.plots.concepts.random_labels import random_labels_plot

    plan = plan or Plan()
    with threads(1):
        outcome = measure(data, plan, seed=seed)
    images = min(plan.images, len(data.train))
    facts: dict[str, Any] = {
        "data": data.title,
        "seed": seed,
        "plan": asdict(plan),
        "images": images,
        "weights": outcome.weights,
        "cases": list(CASES),
        "training_accuracy": outcome.learning,
        "validation_accuracy": outcome.validation,
        "accuracy_by_share": outcome.by_share,
    }
    figure = random_labels_plot(
        list(CASES),
        outcome.learning,
        outcome.validation,
        (100 * np.array(plan.shares), outcome.by_share),
        chance=100 / len(data.classes),
        title=f"Random labels: {outcome.weights:,} weights, {images:,} images: {data.title}",
    )
    write_results(out, {"random-labels": figure}, "random-labels", facts)
    return "\n".join([table(outcome), "", conclusion(outcome, images, len(data.classes))])


def epochs_to_all(learning: np.ndarray) -> int | None:
    """Return the first epoch, counted from 1, after which every training label is right; None without one."""
    there = np.flatnonzero(learning >= 100)
    return int(there[0]) + 1 if len(there) else None


def table(outcome: Outcome) -> str:
    """Return a line for each case."""
    rows = [["", "training", "all right after", "validation"]]
    for name, learning, end in zip(CASES, outcome.learning, outcome.validation, strict=True):
        epochs = epochs_to_all(learning)
        rows.append(
            [name, f"{learning[-1]:.1f} %", "never" if epochs is None else f"{epochs} epochs", f"{end:.1f} %"]
        )
    return columns(rows)


def conclusion(outcome: Outcome, images: int, classes: int) -> str:
    """Return two sentences on what the numbers show."""
    soon = [
        "" if (n := epochs_to_all(each)) is None else f" (all after {n} epochs)" for each in outcome.learning
    ]
    return (
        f"The network of {outcome.weights:,} weights learns {outcome.learning[0, -1]:.1f} % of its {images:,} training "
        f"labels where they are true{soon[0]} and {outcome.learning[1, -1]:.1f} % where they are random{soon[1]}, "
        f"yet on validation images it is right on "
        f"{outcome.validation[0]:.1f} % and on {outcome.validation[1]:.1f} % (guessing: {100 / classes:.0f} %). "
        f"With shuffled pixels, in which no eye sees a digit, it still reaches {outcome.validation[2]:.1f} %, and "
        f"with noise for pixels, of which it learned {outcome.learning[3, -1]:.1f} % by heart, "
        f"{outcome.validation[3]:.1f} %."
    )
