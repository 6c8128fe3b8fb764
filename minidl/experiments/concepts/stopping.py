"""When to stop: by the cost or by the accuracy (UU; the book's chapter 3, "Overfitting").

The book's experiment: a thousand training images, 30 sigmoid units started from N(0, 1), cross-entropy outputs,
batches of ten at a rate of 0.5, 400 epochs. The cost on images not trained on soon rises again, while the accuracy on
them goes on growing for hundreds of epochs; a rule that watches the cost stops long before one that watches the
accuracy. The same with the book's lambda = 0.1.

The book's numbers are of the 10,000 test images; ours of validation images, the test set stays in its vault.
Epochs are counted from 1 here and from 0 in the book.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader
from minidl.experiments.concepts.results import columns, write_results
from minidl.experiments.concepts.short_run import (
    dense_network,
    first_images,
    seeds_of,
    short_run,
    validation_images,
)
from minidl.initializers import Normal
from minidl.layers import Sigmoid
from minidl.losses import SigmoidCrossEntropy
from minidl.optimizers import SGD
from minidl.parallel import threads
from minidl.regularizers import L2
from minidl.training import EarlyStopping, evaluate

BOOK_IMAGES, BOOK_EPOCHS = 1000, 400
BOOK_COST = ((15, 1.203), (400, 1.773))  # epoch, cost: the minimum and the end
BOOK_ACCURACY = ((281, 82.21), (375, 82.27))  # epoch, per cent: the second is the best
# Epoch, cost and accuracy (per cent) of the book's training without a penalty, some of its 400 epochs rounded:
# fig/overfitting.json of its repository (M. Nielsen, MIT licence).
BOOK_CURVE = (
    (1, 2.076, 58.87), (2, 1.823, 65.05), (3, 1.664, 69.7), (4, 1.491, 72.71), (5, 1.463, 74.33),
    (7, 1.327, 77.1), (10, 1.235, 78.99), (15, 1.203, 80.46), (20, 1.228, 81.07), (25, 1.259, 81.16),
    (30, 1.258, 81.26), (40, 1.3, 81.65), (50, 1.349, 81.45), (70, 1.424, 81.52), (100, 1.505, 81.73),
    (130, 1.556, 81.95), (160, 1.597, 81.9), (190, 1.628, 81.92), (220, 1.656, 81.91),
    (250, 1.68, 82.09), (280, 1.703, 82.23), (310, 1.723, 82.17), (340, 1.741, 82.2),
    (370, 1.758, 82.23), (400, 1.773, 82.23),
)  # fmt: skip
BOOK_BEST_WITH_PENALTY = 87.10  # per cent; the epoch is not known
SETTLED = 0.1  # points below the best accuracy


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    images, epochs, hidden : int
    penalty : float
        The book's lambda of the second training.
    patience : tuple of int
        Epochs without improvement that the rules wait for.
    validation : int
        Validation images scored.
    """

    images: int = BOOK_IMAGES
    epochs: int = BOOK_EPOCHS
    hidden: int = 30
    penalty: float = 0.1
    patience: tuple[int, ...] = (10, 20, 50)
    validation: int = 10_000


@dataclass(frozen=True)
class Curves:
    """What came out of one training, after each epoch.

    Attributes
    ----------
    cost : (epochs,) array
        On validation images, without the penalty.
    accuracy : (epochs,) array
        On validation images, per cent.
    training : float
        Accuracy on the training images in the end, per cent.
    """

    cost: np.ndarray
    accuracy: np.ndarray
    training: float

    @property
    def lowest(self) -> int:
        """The epoch of the lowest cost, counted from 1."""
        return int(self.cost.argmin()) + 1

    @property
    def settled(self) -> int:
        """The first epoch whose accuracy is within a tenth of a point of the best, counted from 1."""
        return int(np.flatnonzero(self.accuracy >= self.accuracy.max() - SETTLED)[0]) + 1


def measure(data: DataSet, plan: Plan, *, seed: int = 0) -> tuple[Curves, Curves]:
    """Train without and with the penalty."""
    return _train(data, plan, 0.0, seed), _train(data, plan, plan.penalty, seed)


def _train(data: DataSet, plan: Plan, penalty: float, seed: int) -> Curves:
    images = first_images(data, plan.images, 10, "stopping")
    validation = validation_images(data, plan.validation)
    seeds = seeds_of("stopping", seed)
    start = Normal(1.0)
    model = dense_network([plan.hidden], len(data.classes), activation=Sigmoid, init=start, bias=start)
    model.build(images.images.shape[1:], seeds.child("model"))
    loader = Loader(images.images, images.labels, 10, seeds=seeds.child("loader"))
    loss = SigmoidCrossEntropy(scale="examples")
    found: list[tuple[float, float]] = []

    def look(done: int) -> None:
        if done:
            score = evaluate(model, loss, validation)
            found.append((score.loss, 100 * float(score.accuracy or 0.0)))

    short_run(
        model,
        loss,
        SGD(0.5),
        loader,
        plan.epochs * len(loader),
        regularizers=[L2.book(penalty, len(images))] if penalty else [],
        look=look,
        every=len(loader),
    )
    cost, accuracy = np.array(found).T
    return Curves(cost, accuracy, 100 * float(evaluate(model, loss, images).accuracy or 0.0))


def stopped(values: np.ndarray, metric: str, patience: int) -> tuple[int, int]:
    """Return after which epoch `EarlyStopping` ends a training, and which epoch's weights it keeps.

    Parameters
    ----------
    values : (epochs,) array
        Accuracies or costs.
    metric : {"accuracy", "loss"}
    patience : int

    Returns
    -------
    end, best : int
        Counted from 1; the end is the last epoch if the rule never stops.
    """
    rule = EarlyStopping(metric, patience)
    end = next((epoch for epoch, value in enumerate(values.tolist(), 1) if rule.update(value)), len(values))
    seen = values[:end] if metric == "accuracy" else -values[:end]
    return end, int(seen.argmax()) + 1


def rules(curves: Curves, patience: tuple[int, ...]) -> list[tuple[str, int, int, float]]:
    """Return name, last epoch, epoch kept and accuracy kept of rules that watch the cost and the accuracy."""
    found = []
    for metric, values in (("loss", curves.cost), ("accuracy", curves.accuracy)):
        for wait in patience:
            end, best = stopped(values, metric, wait)
            name = f"no lower cost in {wait}" if metric == "loss" else f"no better accuracy in {wait}"
            found.append((name, end, best, float(curves.accuracy[best - 1])))
    return found


def run(data: DataSet, out: Path, *, seed: int = 0, plan: Plan | None = None) -> str:
    """Do the experiment, write ``stopping.png`` and ``stopping.json`` to `out`, return what to print."""
    from minidl.plots.concepts.stopping import stopping_plot

    plan = plan or Plan()
    with threads(1):
        plain, penalised = measure(data, plan, seed=seed)
    trained = min(plan.images, len(data.train))
    compared = data.is_mnist and trained == BOOK_IMAGES and plan.epochs == BOOK_EPOCHS
    facts: dict[str, Any] = {
        "data": data.title,
        "seed": seed,
        "plan": asdict(plan),
        "images": trained,
        "without_penalty": {**asdict(plain), "lowest_cost_at": plain.lowest, "settled_at": plain.settled},
        "with_penalty": {
            **asdict(penalised),
            "lowest_cost_at": penalised.lowest,
            "settled_at": penalised.settled,
        },
        "book": {
            "cost": BOOK_COST,
            "accuracy": BOOK_ACCURACY,
            "best_with_penalty": BOOK_BEST_WITH_PENALTY,
            "curve": BOOK_CURVE,
        },
    }
    names = ("no penalty", f"L2, λ = {plan.penalty:g}")
    figure = stopping_plot(
        {names[0]: (plain.cost, plain.accuracy), names[1]: (penalised.cost, penalised.accuracy)},
        (plain.lowest, plain.settled),
        book=(BOOK_COST, BOOK_ACCURACY, BOOK_BEST_WITH_PENALTY) if compared else None,
        book_curve=BOOK_CURVE if compared else None,
        title=f"Cost and accuracy: {trained:,} training images, {data.title}",
    )
    write_results(out, {"stopping": figure}, "stopping", facts)
    return "\n".join(
        [table(plan, plain, penalised), "", conclusion(plan, plain, penalised, compared=compared)]
    )


def table(plan: Plan, plain: Curves, penalised: Curves) -> str:
    """Return a line for each rule, of the training without the penalty, and the ends of both."""
    rows = [["without penalty", "stops after epoch", "keeps epoch", "its accuracy"]]
    rows += [
        [name, str(end), str(best), f"{value:.2f} %"]
        for name, end, best, value in rules(plain, plan.patience)
    ]
    body = [
        [
            "",
            "lowest cost",
            "at epoch",
            "cost in the end",
            "best accuracy",
            "in the end",
            "on training images",
        ]
    ]
    for name, curves in (("no penalty", plain), (f"lambda = {plan.penalty:g}", penalised)):
        body.append(
            [
                name,
                f"{curves.cost.min():.3f}",
                str(curves.lowest),
                f"{curves.cost[-1]:.3f}",
                f"{curves.accuracy.max():.2f} %",
                f"{curves.accuracy[-1]:.2f} %",
                f"{curves.training:.1f} %",
            ]
        )
    return columns(body) + "\n\n" + columns(rows)


def conclusion(plan: Plan, plain: Curves, penalised: Curves, *, compared: bool) -> str:
    """Return two sentences on what the numbers show; `compared` says whether the book's numbers belong there."""
    at = plain.accuracy[plain.lowest - 1]
    wait = plan.patience[0]
    end, best = stopped(plain.accuracy, "accuracy", wait)
    (low, cost), (_, last) = BOOK_COST
    book = (
        f" (the book, on test images: {cost:.3f} after {low}, {last:.3f} in the end)" if compared else "",
        f" (the book: {BOOK_ACCURACY[0][1]:.2f} % after {BOOK_ACCURACY[0][0]}, at best {BOOK_ACCURACY[1][1]:.2f} %)"
        if compared
        else "",
        f" (the book: {BOOK_BEST_WITH_PENALTY:.2f} %)" if compared else "",
    )
    return (
        f"The cost is lowest, {plain.cost.min():.3f}, after {plain.lowest} epochs and {plain.cost[-1]:.3f} in the "
        f"end{book[0]}, but the accuracy, {at:.2f} % at that moment, comes within {SETTLED} points of its best, "
        f"{plain.accuracy.max():.2f} %, after {plain.settled} epochs{book[1]}. "
        f"Waiting for {wait} epochs without a better accuracy ends the training after {end} of {plan.epochs} epochs at "
        f"{plain.accuracy[best - 1]:.2f} %; the best with a penalty of lambda = {plan.penalty:g} is "
        f"{penalised.accuracy.max():.2f} %{book[2]}."
    )
