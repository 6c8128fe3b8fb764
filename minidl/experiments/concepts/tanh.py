"""Does tanh train faster than the sigmoid, and does it end higher? (UU; the book's chapter 6.)

The lecture's rung 2 and its exercise beside it, rung 2b: two convolutions, one with sigmoids and one with tanh,
with the settings of the book (batches of ten, rate 0.1, its initial weights, no shuffling) on a tenth of its images
and for fewer epochs. The book says that tanh trains a little faster and ends nearly the same.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader
from minidl.experiments.concepts.results import columns, write_results
from minidl.experiments.concepts.short_run import first_images, seeds_of, short_run, validation_images
from minidl.experiments.ladder import build_model, find_rung
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD
from minidl.parallel import threads
from minidl.training import evaluate

RUNGS = {"sigmoid": "2", "tanh": "2b"}
BATCH, BOOK_STEPS = 10, 5000


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    images, epochs : int
        As many images as the training set has, if these are fewer.
    repeats : int
        Trainings of each network, from other initial weights.
    validation : int
        Validation images scored.
    levels : tuple of float
        Accuracies in per cent to be reached; the table says after how many epochs.
    """

    images: int = 5000
    epochs: int = 16
    repeats: int = 2
    validation: int = 1000
    levels: tuple[float, ...] = (80.0, 90.0, 95.0)


def measure(data: DataSet, plan: Plan, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Train both networks.

    Returns
    -------
    dict of str to (repeats, epochs) float64 array
        Accuracy on validation images after each epoch, per cent. Repeat r has the same images in the same order
        for both.
    """
    images = first_images(data, plan.images, BATCH, "tanh")
    validation = validation_images(data, plan.validation)
    found: dict[str, np.ndarray] = {}
    for name, rung in RUNGS.items():
        rows = []
        for repeat in range(plan.repeats):
            seeds = seeds_of("tanh", seed).child(str(repeat))
            model = build_model(rung, "lecture")
            model.build(images.images.shape[1:], seeds.child("model"))
            loader = Loader(images.images, images.labels, BATCH, shuffle="never", seeds=seeds.child("loader"))
            loss, row = SoftmaxCrossEntropy(), list[float]()

            def look(done: int, model: Any = model, loss: Any = loss, row: list[float] = row) -> None:
                if done:
                    row.append(100 * float(evaluate(model, loss, validation).accuracy or 0.0))

            steps = plan.epochs * len(loader)
            short_run(model, loss, SGD(find_rung(rung).eta), loader, steps, look=look, every=len(loader))
            rows.append(row)
        found[name] = np.array(rows)
    return found


def reached(accuracy: np.ndarray, level: float) -> int | None:
    """Return the first epoch, counted from 1, whose accuracy is at least `level`; None if there is none."""
    there = np.flatnonzero(accuracy >= level)
    return int(there[0]) + 1 if len(there) else None


def run(data: DataSet, out: Path, *, seed: int = 0, plan: Plan | None = None) -> str:
    """Do the experiment, write ``tanh.png`` and ``tanh.json`` to `out`, return what to print."""
    from minidl.plots.concepts.tanh import tanh_plot

    plan = plan or Plan()
    plan = replace(plan, images=min(plan.images, len(data.train)))
    with threads(1):
        accuracy = measure(data, plan, seed=seed)
    facts: dict[str, Any] = {"data": data.title, "seed": seed, "plan": asdict(plan), "accuracy": accuracy}
    figure = tanh_plot(
        accuracy, title=f"Sigmoid and tanh: rungs 2 and 2b, {plan.images:,} images of {data.title}"
    )
    write_results(out, {"tanh": figure}, "tanh", facts)
    return "\n".join([table(plan, accuracy), "", conclusion(plan, accuracy)])


def table(plan: Plan, accuracy: dict[str, np.ndarray]) -> str:
    """Return the accuracies after chosen epochs as text."""
    shown = sorted({1, 2, 4, plan.epochs // 2, plan.epochs} & set(range(1, plan.epochs + 1)))
    head = [
        "accuracy, %",
        *(f"epoch {epoch}" for epoch in shown),
        *(f"{level:g} % at" for level in plan.levels),
    ]
    rows = [head]
    for name, values in accuracy.items():
        means = values.mean(axis=0)
        at = [reached(means, level) for level in plan.levels]
        cells = [f"{means[epoch - 1]:.2f}" for epoch in shown]
        rows.append([name, *cells, *("-" if epoch is None else f"epoch {epoch}" for epoch in at)])
    return columns(rows)


def conclusion(plan: Plan, accuracy: dict[str, np.ndarray]) -> str:
    """Return two sentences on what the numbers show."""
    means = {name: values.mean(axis=0) for name, values in accuracy.items()}
    both = [(level, reached(means["tanh"], level), reached(means["sigmoid"], level)) for level in plan.levels]
    told = [_level(*each) for each in both if each[1] is not None or each[2] is not None]
    start = (
        f"After the first epoch tanh is at {means['tanh'][0]:.2f} % and the sigmoid at {means['sigmoid'][0]:.2f} %"
        + ("; " + ", ".join(told) if told else "")
    )
    end = {name: values[:, -1] for name, values in accuracy.items()}
    difference = float(end["tanh"].mean() - end["sigmoid"].mean())
    spread = max(float(np.ptp(values)) for values in end.values())
    which = (
        "no more than the trainings of one kind differ among themselves"
        if abs(difference) <= spread
        else "more than the trainings of one kind differ among themselves"
    )
    return (
        f"{start}. After {plan.epochs} epochs tanh ends {difference:+.2f} points from the sigmoid's "
        f"{end['sigmoid'].mean():.2f} %, {which} ({spread:.2f}; the book, with {BOOK_STEPS:,} steps to an epoch "
        f"instead of {math.ceil(plan.images / BATCH):,} and 60 epochs: tanh trains a little faster, and ends "
        "nearly the same)."
    )


def _level(level: float, tanh: int | None, sigmoid: int | None) -> str:
    if tanh is None or sigmoid is None:
        name, epoch = ("tanh", tanh) if sigmoid is None else ("the sigmoid", sigmoid)
        return f"{level:g} % is reached by {name} alone, in epoch {epoch}"
    return f"{level:g} % is reached in epoch {tanh} by tanh and in epoch {sigmoid} by the sigmoid"
