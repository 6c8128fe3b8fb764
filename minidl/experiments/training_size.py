"""A network and a support vector machine over the size of the training set (UU, from the book's chapter 3).

The book's figure, from its program ``more_data.py``: a network of 30 sigmoid units with cross-entropy
outputs, batches of ten at a rate of 0.5, lambda = size / 10,000, and the same 1.5 million examples shown
whatever the size; and scikit-learn's `SVC` as it came at the time, with gamma = 1/784. That gamma is far from
a good one: the third curve is the SVM with the default of today, ``gamma="scale"``, 1 / (784 var X).

Measured on validation images, as the book does; the vault stays closed. The first draw of the training images
are the first of the file, as in the book: with these, and all 10,000 validation images, the SVM of the time
comes to 25.28, 83.90, 88.53, 91.49 and 92.47 % at 100, 1,000, 2,000, 5,000 and 10,000 images (the book:
25.07, 83.87, 88.49, 91.46, 92.45).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Split
from minidl.errors import ConfigError
from minidl.files import atomic_write, write_json
from minidl.parallel import threads
from minidl.random import Seeds

# Chapter 3 of the book: validation accuracy in per cent by training-set size, one run each.
BOOK_SIZES = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
BOOK_NETWORK = (69.09, 76.37, 85.29, 88.85, 91.27, 93.24, 94.89, 95.85, 95.97)
BOOK_SVM = (25.07, 48.93, 75.13, 83.87, 88.49, 91.46, 92.45, 93.47, 94.48)
# sigmoid outputs, as in network2.py, whose biases start from N(0, 1)
NETWORK = ("Dense(30, bias_init=Normal(1.0))", "Sigmoid()", "Dense({classes}, bias_init=Normal(1.0))")


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    sizes : tuple of int
        Training images, increasing.
    repeats : int
        Draws of the training images, each with its own initial weights.
    shown : int
        Examples a network sees in all, repetitions included.
    validation : int
        Validation images scored, or fewer if there are not so many.
    """

    sizes: tuple[int, ...] = (100, 200, 500, 1000, 2000, 5000)
    repeats: int = 3
    shown: int = 100_000
    validation: int = 2000


QUICK = Plan()
FULL = Plan(BOOK_SIZES, 5, 1_500_000, 10_000)


@dataclass(frozen=True)
class Method:
    """A way to learn.

    Attributes
    ----------
    name : str
    make : callable
        From training-set size, classes, examples shown and seed to an estimator.
    random : bool
        Whether the same images can give another result.
    book : tuple of float
        The book's accuracies at `BOOK_SIZES`; empty if it has none.
    """

    name: str
    make: Callable[[int, int, int, int], Any]
    random: bool = False
    book: tuple[float, ...] = ()


def network(size: int, classes: int, shown: int, seed: int) -> Any:
    """Return the book's network, not yet trained."""
    from minidl.sklearn import NeuralNetClassifier

    return NeuralNetClassifier(
        model=[text.format(classes=classes) for text in NETWORK],
        loss="SigmoidCrossEntropy(scale='examples')",
        optimizer="SGD(lr=0.5)",
        l2=1e-4,  # lambda / size, with lambda = size * 1e-4
        batch_size=10,
        epochs=max(1, round(shown / size)),
        random_state=seed,
    )


def svm(gamma: str) -> Callable[[int, int, int, int], Any]:
    """Return a function that makes scikit-learn's SVM with a radial kernel; "auto" is 1 / features."""

    def make(size: int, classes: int, shown: int, seed: int) -> Any:
        from sklearn.svm import SVC

        return SVC(gamma=gamma)

    return make


METHODS = (
    Method("network, 30 hidden units", network, True, BOOK_NETWORK),
    Method("SVM, gamma = 1/784 as then", svm("auto"), book=BOOK_SVM),
    Method("SVM, gamma = 'scale' as today", svm("scale")),
)


def measure(
    data: DataSet,
    plan: Plan = QUICK,
    *,
    seed: int = 0,
    methods: tuple[Method, ...] = METHODS,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Train every method on every size, several times.

    Parameters
    ----------
    data : DataSet
        Its vault stays closed. Sizes beyond its training images are left out.
    plan : Plan
    seed : int
        Decides the initial weights, and which images are drawn after the first draw, which are the first of
        the file. The smaller sets are parts of the larger ones, and all methods get the same.
    methods : tuple of Method
    say : callable
        Is given a line after each training.

    Returns
    -------
    sizes : (S,) array of int
    accuracy : (M, S, R) array
        Per cent.
    facts : dict
        What was done, for a JSON file, with the seconds of everything.
    """
    sizes = np.array([size for size in plan.sizes if size <= len(data.train)])
    if not len(sizes):
        raise ConfigError(
            f"the comparison needs at least {min(plan.sizes):,} training images, got {len(data.train):,} of "
            f"{data.title}; take more"
        )
    seeds = Seeds(seed).child("training-size")
    inputs, labels = _table(data.train)
    validation = data.validation.subset(min(plan.validation, len(data.validation)))
    held, truth = _table(validation)
    accuracy = np.empty((len(methods), len(sizes), plan.repeats))
    seconds = np.zeros_like(accuracy)
    for repeat in range(plan.repeats):
        order = np.arange(len(labels))
        if repeat:
            order = seeds.generator("subset", str(repeat)).permutation(order)
        for column, size in enumerate(sizes.tolist()):
            rows = order[:size]
            for row, method in enumerate(methods):
                if size == len(labels) and repeat and not method.random:
                    accuracy[row, column, repeat] = accuracy[row, column, 0]  # the same images again
                    continue
                start = time.perf_counter()
                estimator = method.make(size, len(data.classes), plan.shown, seed + repeat)
                estimator.fit(inputs[rows], labels[rows])
                accuracy[row, column, repeat] = 100 * estimator.score(held, truth)
                seconds[row, column, repeat] = time.perf_counter() - start
                say(
                    f"{size:,} images, draw {repeat + 1}: {method.name} {accuracy[row, column, repeat]:.2f} % "
                    f"({seconds[row, column, repeat]:.1f} s)"
                )
    facts = {
        "data": data.title,
        "plan": {**asdict(plan), "sizes": sizes.tolist(), "validation": len(validation)},
        "seed": seed,
        "methods": [method.name for method in methods],
        "accuracy": accuracy.tolist(),
        "seconds": seconds.tolist(),
    }
    return sizes, accuracy, facts


def run(data: DataSet, out: Path, *, seed: int = 0, full: bool = False, plan: Plan | None = None) -> str:
    """Make the comparison, write ``svm.png`` and ``svm.json`` to `out`, return what to print.

    `full` is the book's plan, to all 50,000 images and with five draws, instead of the quick one.
    """
    from minidl.plots.training_size import training_size_plot

    chosen = plan or (FULL if full else QUICK)
    with threads(1):  # the networks are too small for more
        sizes, accuracy, facts = measure(
            data, chosen, seed=seed, say=lambda line: print(line, file=sys.stderr)
        )
    book = {
        method.name: (np.array(BOOK_SIZES), np.array(method.book))
        for method in METHODS
        if method.book and data.is_mnist
    }
    count = facts["plan"]["validation"]
    figure = training_size_plot(
        sizes,
        accuracy,
        [method.name for method in METHODS],
        book=book,
        title=f"Network and SVM over training-set size: {data.title}",
        note=f"{count:,} validation images",
    )
    write_json(out / "svm.json", facts)
    with atomic_write(out / "svm.png", "wb") as stream:
        figure.savefig(stream, format="png")
    return "\n".join(
        [
            f"{data.title}, accuracy in per cent on {count:,} validation images, mean ± sd of {chosen.repeats} draws "
            "of the training images" + (", in brackets the book's single run:" if book else ":"),
            table(sizes, accuracy, book),
            "",
            conclusion(sizes, accuracy),
        ]
    )


def table(sizes: np.ndarray, accuracy: np.ndarray, book: dict[str, Any]) -> str:
    """Return a line for each size: mean, standard deviation and, where there is one, the book's number."""
    rows = [["images", *(method.name for method in METHODS)]]
    for column, size in enumerate(sizes.tolist()):
        cells = [f"{size:,}"]
        for method, values in zip(METHODS, accuracy[:, column], strict=True):
            cell = f"{values.mean():.2f}" + (f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else "")
            if method.name in book and size in BOOK_SIZES:
                cell += f" [{method.book[BOOK_SIZES.index(size)]:.2f}]"
            cells.append(cell)
        rows.append(cells)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)


def conclusion(sizes: np.ndarray, accuracy: np.ndarray) -> str:
    """Return two sentences on what the numbers show."""
    ours, then, today = accuracy.mean(axis=2)
    gaps = [f"{method[i] - ours[i]:+.1f}" for method in (then, today) for i in (0, -1)]
    return (
        f"With the gamma of the time the SVM is {gaps[0]} points from the network at {sizes[0]:,} images and "
        f"{gaps[1]} at {sizes[-1]:,}, with the gamma of today {gaps[2]} and {gaps[3]}. The curves say as much about "
        "the settings as about the methods."
    )


def _table(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Return images as rows of numbers from 0 to 1, and their labels."""
    return split.images.reshape(len(split), -1).astype(np.float32) / 255, split.labels
