"""A rare class, and what accuracy hides (FAU, part 3: fraud detection).

The lecture's numbers first: of 10,000 payments one is a fraud. Calling all of them genuine is right in
99.99 % of the cases and finds nothing; flagging one payment in a hundred finds the fraud and is right
in 99 %.

Then the same with digits: one digit is made rare, one for two hundred others, and a network is to tell it
from all others. It is trained plainly and with every remedy the lecture names, all from the same initial
weights and for the same number of steps, and measured on the validation split. There all examples of
the rare digit are used, as many as there are, and each counts for less, so that the two classes weigh
as in training: accuracy and precision are those of data with the rare class as rare as it was.

The remedies buy recall with false alarms, and time. On MNIST after 1,000 steps the plain network finds 0,
0 and 30 % of the rare digit (seeds 0 to 2), over-sampling 84 to 88 %; with one rare digit for a hundred
others and 3,000 steps plain training comes to an F1 of 80 to 82 %, over-sampling to 82 to 83 %.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import (
    BalancedSampling,
    DataSet,
    Loader,
    OverSampling,
    RandomAffine,
    Split,
    UnderSampling,
    augment_classes,
    inverse_frequency,
    smote,
)
from minidl.errors import ConfigError
from minidl.evaluation import confusion_matrix
from minidl.experiments.concepts.results import columns
from minidl.files import atomic_write, write_json
from minidl.layers import Dense, Flatten, ReLU, Sequential, Softmax
from minidl.losses import SoftDice, SoftmaxCrossEntropy
from minidl.optimizers import Adam
from minidl.parallel import threads
from minidl.random import Seeds
from minidl.training import predict

RATIO = 200  # common examples for a rare one
BATCH = 100
# Dice compares sums over the batch: with a rare example or none in it, or with a smoothing as large as their
# number, calling everything common costs nothing, and the network learns just that.
DICE_BATCH, DICE_SMOOTH = 500, 1e-4


@dataclass(frozen=True)
class Score:
    """How well the rare class is found.

    Attributes
    ----------
    name : str
    found, missed : int
        Rare examples called rare (TP) and common (FN).
    alarms, passed : int
        Common examples called rare (FP) and common (TN).
    ratio : float
        Common examples for a rare one among those that the shares below speak of.
    """

    name: str
    found: int
    missed: int
    alarms: int
    passed: int
    ratio: float

    @property
    def recall(self) -> float:
        """TP / (TP + FN): the share of the rare examples that is found."""
        return self.found / (self.found + self.missed)

    @property
    def false_alarm_rate(self) -> float:
        """FP / (FP + TN): the share of the common examples that is called rare."""
        return self.alarms / (self.alarms + self.passed)

    @property
    def accuracy(self) -> float:
        """The share of all examples that is called right, with `ratio` common ones for a rare one."""
        return (self.ratio * (1 - self.false_alarm_rate) + self.recall) / (self.ratio + 1)

    @property
    def precision(self) -> float:
        """TP / (TP + FP) with `ratio` common examples for a rare one; NaN if nothing is called rare."""
        called = self.recall + self.ratio * self.false_alarm_rate
        return self.recall / called if called else float("nan")

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall; 0 if nothing is found."""
        return 2 * self.recall / (self.recall + self.ratio * self.false_alarm_rate + 1)

    def as_dict(self) -> dict[str, Any]:
        """Return counts and shares for a JSON file, which has no NaN."""
        shares = {name: getattr(self, name) for name in ("accuracy", "recall", "precision", "f1")}
        return {**asdict(self), **{name: None if v != v else v for name, v in shares.items()}}


def fraud_example() -> list[Score]:
    """Return the lecture's two ways to look for one fraud among 10,000 payments."""
    return [
        Score("call every payment genuine", found=0, missed=1, alarms=0, passed=9999, ratio=9999),
        Score("flag 1 in 100, the fraud too", found=1, missed=0, alarms=99, passed=9900, ratio=9999),
    ]


@dataclass(frozen=True)
class Method:
    """One remedy.

    Parameters
    ----------
    name : str
    prepare : callable
        From the training split to the one trained on.
    sampler : callable, optional
        From the labels to a sampler for the loader.
    loss : callable
        From the labels to a loss.
    dice : bool
        Whether the loss takes probabilities.
    """

    name: str
    prepare: Callable[[Split, Seeds], Split] = lambda split, seeds: split
    sampler: Callable[[np.ndarray], Any] = lambda labels: None
    loss: Callable[[np.ndarray], Any] = lambda labels: SoftmaxCrossEntropy()
    dice: bool = False


def _smote(split: Split, seeds: Seeds) -> Split:
    return Split(*smote(split.images, split.labels, seeds=seeds))


def _augmented(split: Split, seeds: Seeds) -> Split:
    augment = RandomAffine(rotation=10, scale=0.1, shift=2)
    size = int((split.labels == 0).sum()) // 10  # the sampler repeats them the rest of the way
    return Split(*augment_classes(split.images, split.labels, augment, size, seeds=seeds))


METHODS = (
    Method("plain"),
    Method("under-sampling", sampler=UnderSampling),
    Method("over-sampling", sampler=OverSampling),
    Method("both", sampler=BalancedSampling),
    Method("SMOTE", prepare=_smote),
    Method("augmented minority", prepare=_augmented, sampler=OverSampling),
    Method("weighted loss", loss=lambda y: SoftmaxCrossEntropy(class_weights=inverse_frequency(y))),
    Method("Dice loss", loss=lambda y: SoftDice(smooth=DICE_SMOOTH), dice=True),
)


def rare_split(split: Split, rare: int, common: int, few: int, seeds: Seeds) -> Split:
    """Return `few` examples of class `rare`, labelled 1, and `common` of all other classes, labelled 0."""
    draw = seeds.generator("rare")
    others = draw.permutation(np.flatnonzero(split.labels != rare))[:common]
    ours = draw.permutation(np.flatnonzero(split.labels == rare))[:few]
    labels = np.repeat(np.array([0, 1], np.int64), [len(others), len(ours)])
    return Split(split.images[np.concatenate([others, ours])], labels)


def compare(
    data: DataSet,
    *,
    rare: int = 9,
    ratio: int = RATIO,
    common: int = 40_000,
    steps: int = 1000,
    seed: int = 0,
    methods: tuple[Method, ...] = METHODS,
) -> tuple[list[Score], dict[str, Any]]:
    """Train one network for each method and return its score, and what was done.

    Parameters
    ----------
    data : DataSet
        Its vault stays closed.
    rare : int
        The class made rare.
    ratio : int
        Common examples for each rare one.
    common : int
        Training examples of the other classes; fewer if there are not so many.
    steps : int
        Updates of every network.
    seed : int
    methods : tuple of Method

    Returns
    -------
    list of Score, dict
    """
    seeds = Seeds(seed).child("imbalance")
    common = min(common, int((data.train.labels != rare).sum()))
    few = min(common // ratio, int((data.train.labels == rare).sum()))
    if few < 2 or not (data.validation.labels == rare).any():
        raise ConfigError(
            f"the imbalance experiment needs at least {2 * ratio} training images without the digit {rare} and 2 "
            f"with it, got {common} of {data.title}; take more images"
        )
    train = rare_split(data.train, rare, few * ratio, few, seeds)
    truth = (data.validation.labels == rare).astype(np.int64)
    scores, seconds = [], []
    for method in methods:
        start = time.perf_counter()
        model = _trained(method, train, steps, seeds)
        calls = predict(model, data.validation.images).argmax(axis=1)
        (passed, alarms), (missed, found) = confusion_matrix(calls, truth, 2).tolist()
        scores.append(Score(method.name, found, missed, alarms, passed, ratio))
        seconds.append(time.perf_counter() - start)
    facts = {
        "data": data.title,
        "rare_class": data.classes[rare],
        "train_common": few * ratio,
        "train_rare": few,
        "validation_common": int((truth == 0).sum()),
        "validation_rare": int(truth.sum()),
        "steps": steps,
        "batch_size": BATCH,
        "seed": seed,
        "seconds": seconds,
    }
    return scores, facts


def _trained(method: Method, train: Split, steps: int, seeds: Seeds) -> Sequential:
    split = method.prepare(train, seeds)
    model = Sequential([Flatten(), Dense(100), ReLU(), Dense(2), *([Softmax()] if method.dice else [])])
    model.build(split.images.shape[1:], seeds.child("model"))
    loss, optimizer = method.loss(split.labels), Adam(lr=0.001)
    batch = DICE_BATCH if method.dice else BATCH
    loader = Loader(
        split.images, split.labels, batch, sampler=method.sampler(split.labels), seeds=seeds.child("loader")
    )
    parameters = list(model.named_parameters())
    done = epoch = 0
    while done < steps:
        for x, y in loader.epoch(epoch):
            loss.forward(model.forward(x, train=True), y)
            model.backward_parameters(loss.backward())
            optimizer.step(parameters)
            done += 1
            if done == steps:
                break
        epoch += 1
    return model


def run(data: DataSet, out: Path, *, seed: int = 0, **options: Any) -> str:
    """Make the comparison, write ``imbalance.png`` and ``imbalance.json`` to `out`, return what to print."""
    from minidl.plots.imbalance import imbalance_plot

    with threads(1):  # networks so small spend more time handing out work than doing it
        scores, facts = compare(data, seed=seed, **options)
    blind = Score(
        "call all common", 0, facts["validation_rare"], 0, facts["validation_common"], scores[0].ratio
    )
    everyone = [blind, *scores]
    title = f"{facts['data']}, one {facts['rare_class']} for {scores[0].ratio:g} others"
    figure = imbalance_plot(
        [score.name for score in everyone],
        np.array([[score.accuracy, score.recall, score.precision, score.f1] for score in everyone]),
        np.array([[score.found, score.missed, score.alarms, score.passed] for score in everyone]),
        title=f"What accuracy hides: {title}",
    )
    write_json(
        out / "imbalance.json",
        {
            **facts,
            "fraud": [score.as_dict() for score in fraud_example()],
            "scores": [score.as_dict() for score in everyone],
        },
    )
    with atomic_write(out / "imbalance.png", "wb") as stream:
        figure.savefig(stream, format="png")
    fraud = ["The lecture's example, one fraud in 10,000 payments:", table(fraud_example()), ""]
    told = [
        f"{title}; {facts['train_common']:,} + {facts['train_rare']:,} training images, {facts['steps']:,} steps,",
        "measured on the validation split at the same ratio:",
        table(everyone),
        "",
        conclusion(blind, scores),
    ]
    return "\n".join([*fraud, *told])


def table(scores: list[Score]) -> str:
    """Return the scores as text, a line each, with the confusion matrix at the right."""
    head = ("", "accuracy", "recall", "precision", "F1", "found", "missed", "alarms", "passed")
    rows = [
        (
            score.name,
            *(
                f"{100 * share:.2f} %" if share == share else "-"
                for share in (score.accuracy, score.recall, score.precision, score.f1)
            ),
            *(f"{count:,}" for count in (score.found, score.missed, score.alarms, score.passed)),
        )
        for score in scores
    ]
    return columns([head, *rows])


def conclusion(blind: Score, scores: list[Score]) -> str:
    """Return two sentences on what the numbers show."""
    plain, best = scores[0], max(scores, key=lambda score: score.f1)
    if not best.found:
        return (
            f"Without looking at a single image {100 * blind.accuracy:.2f} % are right. "
            "No network has found a single rare example: they need more steps or more examples."
        )
    most = max(scores, key=lambda score: score.recall)
    return (
        f"Without looking at a single image {100 * blind.accuracy:.2f} % are right, and the plain network's "
        f"{100 * plain.accuracy:.2f} % hide that it finds {100 * plain.recall:.0f} % of the rare class. "
        f"The highest F1, {100 * best.f1:.0f} %, comes from {best.name} (recall {100 * best.recall:.0f} %), the "
        f"highest recall, {100 * most.recall:.0f} %, from {most.name} at a precision of {100 * most.precision:.0f} %."
    )
