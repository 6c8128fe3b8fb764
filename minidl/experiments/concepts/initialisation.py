"""How the initial weights decide whether a network learns: too large, right, too small, zero (UU, TUE, AAR).

Two experiments. A deep network of ReLUs starts from weights of several sizes: how far its activations spread
from layer to layer before any training, and how its training loss then falls. With n inputs a weighted sum has
the variance n Var(w) E[x^2], and a ReLU keeps half of it, so the spread is kept from layer to layer where
Var(w) = 2 / n (He); 1 / n halves the variance in each layer, and zeros let nothing through.

And the book's experiment of chapter 3: 30 sigmoid units, batches of ten at a rate of 0.1, lambda = 5, weights
from N(0, 1) against N(0, 1 / n_in). The book: below 87 % against almost 93 % after the first epoch, both just
over 96 % in the end (30 epochs).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader, Split
from minidl.experiments.concepts.results import columns, number, write_results
from minidl.experiments.concepts.short_run import (
    dense_network,
    first_images,
    seeds_of,
    short_run,
    validation_images,
)
from minidl.initializers import Constant, FanIn, He, Initializer, Normal
from minidl.layers import ReLU, Sequential, Sigmoid
from minidl.losses import SigmoidCrossEntropy, SoftmaxCrossEntropy
from minidl.optimizers import SGD
from minidl.parallel import threads
from minidl.regularizers import L2
from minidl.training import evaluate

STARTS: dict[str, Initializer] = {
    "N(0, 1)": Normal(1.0),
    "He, √(2/n)": He(),
    "fan-in, √(1/n)": FanIn(),
    "N(0, 0.01²)": Normal(0.01),
    "zeros": Constant(0.0),
}
BOOK_STARTS: dict[str, Initializer] = {"N(0, 1)": Normal(1.0), "N(0, 1/n)": FanIn()}
BOOK_IMAGES = 50_000
BOOK_FIRST = {"N(0, 1)": "below 87", "N(0, 1/n)": "almost 93"}  # per cent after the first epoch
PROBES = 500  # images whose activations are measured


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    depth, width : int
        Of the deep network.
    images, epochs, batch_size : int
        Of its training.
    rate : float
    book_images, book_epochs : int
        Of the book's experiment.
    validation : int
        Validation images scored.
    """

    depth: int = 6
    width: int = 100
    images: int = 10_000
    epochs: int = 4
    batch_size: int = 50
    rate: float = 0.1
    book_images: int = BOOK_IMAGES
    book_epochs: int = 5
    validation: int = 10_000


@dataclass(frozen=True)
class Outcome:
    """What came out.

    Attributes
    ----------
    spread : (starts, layers) array
        Standard deviation over units and images of the pixels and of the outputs of each hidden layer.
    losses : (starts, steps) array
        Training loss of each batch.
    accuracy : (2, epochs) array
        Of the book's network on validation images after each epoch, in per cent, in the order of
        `BOOK_STARTS`.
    """

    spread: np.ndarray
    losses: np.ndarray
    accuracy: np.ndarray


def measure(data: DataSet, plan: Plan, *, seed: int = 0) -> Outcome:
    """Make both experiments."""
    seeds = seeds_of("init", seed)
    images = first_images(data, plan.images, plan.batch_size, "init")
    steps = plan.epochs * math.ceil(len(images) / plan.batch_size)
    spread, losses = [], []
    for init in STARTS.values():
        model = dense_network([plan.width] * plan.depth, len(data.classes), init=init)
        model.build(images.images.shape[1:], seeds.child("deep"))
        spread.append(spreads(model, images.subset(min(PROBES, len(images)))))
        loader = Loader(images.images, images.labels, plan.batch_size, seeds=seeds.child("loader"))
        losses.append(short_run(model, SoftmaxCrossEntropy(), SGD(plan.rate), loader, steps))
    accuracy = [_book(data, plan, init, seed) for init in BOOK_STARTS.values()]
    return Outcome(np.array(spread), np.array(losses), np.array(accuracy))


def spreads(model: Sequential, split: Split) -> np.ndarray:
    """Return the standard deviation of the inputs and of the outputs of every ReLU: (1 + hidden layers,)."""
    x = split.images.astype(np.float64) / 255
    found = [x.std()]
    for layer in model.layers:
        x = layer.forward(x.astype(np.float32))
        if isinstance(layer, ReLU):
            found.append(x.std(dtype=np.float64))
    return np.array(found)


def _book(data: DataSet, plan: Plan, init: Initializer, seed: int) -> list[float]:
    images = first_images(data, plan.book_images, 10, "init")
    validation = validation_images(data, plan.validation)
    seeds = seeds_of("init", seed).child("book")
    model = dense_network([30], len(data.classes), activation=Sigmoid, init=init, bias=Normal(1.0))
    model.build(images.images.shape[1:], seeds.child("model"))
    loader = Loader(images.images, images.labels, 10, seeds=seeds.child("loader"))
    loss = SigmoidCrossEntropy(scale="examples")
    found: list[float] = []

    def look(done: int) -> None:
        if done:
            found.append(100 * float(evaluate(model, SoftmaxCrossEntropy(), validation).accuracy or 0))

    short_run(
        model,
        loss,
        SGD(0.1),
        loader,
        plan.book_epochs * len(loader),
        regularizers=[L2.book(5.0, BOOK_IMAGES)],  # the weight decay of the book, whatever the images
        look=look,
        every=len(loader),
    )
    return found


def run(data: DataSet, out: Path, *, seed: int = 0, plan: Plan | None = None) -> str:
    """Make both experiments, write ``init.png`` and ``init.json`` to `out`, return what to print."""
    from minidl.plots.concepts.initialisation import initialisation_plot

    plan = plan or Plan()
    with threads(1):
        outcome = measure(data, plan, seed=seed)
    compared = data.is_mnist and min(plan.book_images, len(data.train)) == BOOK_IMAGES
    facts: dict[str, Any] = {
        "data": data.title,
        "seed": seed,
        "plan": asdict(plan),
        "starts": list(STARTS),
        "spread": outcome.spread,
        "loss_in_the_end": last_losses(outcome, plan),
        "book_starts": list(BOOK_STARTS),
        "book_accuracy": outcome.accuracy,
    }
    figure = initialisation_plot(
        list(STARTS),
        outcome.spread,
        outcome.losses,
        plan.epochs,
        (list(BOOK_STARTS), outcome.accuracy),
        math.log(len(data.classes)),
        title=f"Initial weights: {data.title}",
    )
    write_results(out, {"init": figure}, "init", facts)
    return "\n".join([table(plan, outcome), "", conclusion(plan, outcome, compared)])


def last_losses(outcome: Outcome, plan: Plan) -> np.ndarray:
    """Return the mean training loss of the last epoch, for each start."""
    return outcome.losses[:, -(outcome.losses.shape[1] // plan.epochs) :].mean(axis=1)


def table(plan: Plan, outcome: Outcome) -> str:
    """Return spread and loss for each start, and the accuracies of the book's network."""
    rows = [["start", "spread: pixels", "layer 1", f"layer {plan.depth}", "loss in the end"]]
    for name, spread, loss in zip(STARTS, outcome.spread, last_losses(outcome, plan), strict=True):
        rows.append([name, *(number(value) for value in (spread[0], spread[1], spread[-1], loss))])
    book = [["30 sigmoid units", *(f"epoch {epoch + 1}" for epoch in range(plan.book_epochs))]]
    for name, accuracy in zip(BOOK_STARTS, outcome.accuracy, strict=True):
        book.append([name, *(f"{value:.2f} %" for value in accuracy)])
    return f"{plan.depth} layers of {plan.width} ReLUs:\n{columns(rows)}\n\n{columns(book)}"


def conclusion(plan: Plan, outcome: Outcome, compared: bool) -> str:
    """Return two sentences on what the numbers show; `compared` says whether the book's numbers belong there."""
    said, dead = [], []
    for name, spread, loss in zip(STARTS, outcome.spread, last_losses(outcome, plan), strict=True):
        ending = "the training is lost" if not math.isfinite(loss) else f"the loss ends at {number(loss, 2)}"
        if spread[1] > 0:
            said.append(f"{number(spread[-1] / spread[1], 2)} with {name} ({ending})")
        else:
            dead.append(f"; {name} let nothing through ({ending})")
    first = (
        f"From the first layer to layer {plan.depth} the spread of the activations changes by a factor of "
        + ", ".join(said)
        + "".join(dead)
    )
    words = [
        f"{accuracy[0]:.1f} % from {name}" + (f" (the book: {BOOK_FIRST[name]})" if compared else "")
        for name, accuracy in zip(BOOK_STARTS, outcome.accuracy, strict=True)
    ]
    large, small = outcome.accuracy
    return (
        f"{first}. The book's network is at {' and at '.join(words)} after its first epoch; after {plan.book_epochs} "
        f"the two are {abs(small[-1] - large[-1]):.1f} points apart."
    )
