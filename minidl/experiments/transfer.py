"""Transfer learning on digits: a network that knows 0 to 4 learns 5 to 9 from a handful of examples.

The lecture's way (AAR): a fresh head on the trained body; train the head alone; look for a learning rate;
let everything learn, the layers near the input more slowly. It is compared with learning the new digits
from scratch, with the new head alone, and with a classifier of another kind on the features of the body
(TUE). Every network takes the same number of steps. Accuracies are of validation images of 5 to 9, none of
which is used to fit or to stop a training; the test set stays in its vault.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minidl.data import DataSet, Loader, Split
from minidl.errors import ConfigError, DataError
from minidl.files import atomic_write, write_json
from minidl.freezing import discriminative, freeze, unfreeze
from minidl.initializers import He
from minidl.layers import Conv2D, Dense, Flatten, Layer, MaxPool2D, ReLU, Sequential
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import Adam
from minidl.parallel import threads
from minidl.random import Seeds
from minidl.schedules import OneCycle
from minidl.training import Trainer, evaluate, lr_range_test
from minidl.transfer import extract, replace_head

CLASSES = 5  # of each task
BODY = "6"  # the last layer of the body: the flattened features of the second convolution
BATCH = 10
PRETRAINING_RATE = 3e-3
RATE = 1e-3  # Adam's default: the highest of each cycle on the new digits, from scratch or not
LOWEST = 0.1  # the first layer's share of it in fine-tuning, as in the lecture's slice(3e-5, 3e-4)
METHODS = ("from scratch", "frozen body, new head", "fine-tuned", "logistic regression on features")


@dataclass(frozen=True)
class Settings:
    """How large the experiment is.

    Parameters
    ----------
    examples : tuple of int
        Labelled examples of each new class.
    repeats : int
        Times everything is done again with another body, other examples and other initial weights.
    steps : int
        Of each of the two phases; learning from scratch takes as many as both together.
    pretraining : int
        Images of the old digits, at most.
    pretraining_epochs : int
    filters : (int, int)
        Of the two convolutions.
    """

    examples: tuple[int, ...] = (3, 10, 30, 100)
    repeats: int = 4
    steps: int = 200
    pretraining: int = 20_000
    pretraining_epochs: int = 2
    filters: tuple[int, int] = (12, 24)


@dataclass(frozen=True)
class Outcome:
    """What came out.

    Attributes
    ----------
    settings : Settings
    accuracy : numpy.ndarray, shape (methods, examples, repeats)
        Per cent of the validation images of the new digits.
    body : numpy.ndarray, shape (repeats,)
        Accuracy of each pre-trained network on the old digits.
    log : str
        The two phases of one run, epoch by epoch.
    """

    settings: Settings
    accuracy: np.ndarray
    body: np.ndarray
    log: str

    def table(self) -> str:
        """Return mean and standard deviation in a line for each method."""
        width = max(map(len, METHODS))
        head = "".join(f"{f'{n} each':>16}" for n in self.settings.examples)
        lines = [f"{'accuracy on 5 to 9, %':<{width}}{head}"]
        for name, rows in zip(METHODS, self.accuracy, strict=True):
            cells = "".join(f"{f'{row.mean():.1f} ± {_sd(row):.1f}':>16}" for row in rows)
            lines.append(f"{name:<{width}}{cells}")
        return "\n".join(lines)

    def sentences(self) -> str:
        """Say in two sentences what the numbers say."""
        few, many = self.settings.examples[0], self.settings.examples[-1]
        scratch, _, tuned, _ = self.accuracy
        gain = tuned - scratch  # paired: the same examples
        repeats = self.settings.repeats
        error = np.array([_sd(row) / math.sqrt(repeats) if repeats > 1 else math.inf for row in gain])
        first = (
            f"With {few} examples of each new class the fine-tuned network is right on {tuned[0].mean():.1f} % and "
            f"the one trained from scratch on {scratch[0].mean():.1f} %; with {many} it is {tuned[-1].mean():.1f} % "
            f"against {scratch[-1].mean():.1f} %."
        )
        verdicts = []
        for word, better in (
            ("ahead", gain.mean(axis=1) > 2 * error),
            ("behind", gain.mean(axis=1) < -2 * error),
        ):
            if better.any():
                verdicts.append(
                    f"{word} with {_list([n for n, b in zip(self.settings.examples, better, strict=True) if b])}"
                )
        told = " and ".join(verdicts) or "neither ahead nor behind with any number"
        second = (
            f"Counting what exceeds twice the standard error of {repeats} repeats, the network that "
            f"knew 0 to 4 is {told} of them."
        )
        return f"{first} {second}"


def run(data: DataSet, out: Path, *, seed: int = 0, settings: Settings | None = None) -> str:
    """Do the experiment and write its picture, numbers and log.

    Parameters
    ----------
    data : DataSet
        Of ten classes.
    out : Path
        Folder for ``transfer.png``, ``transfer.json`` and ``transfer.txt``; made if it is not there.
    seed : int
    settings : Settings, optional

    Returns
    -------
    str
        What ``minidl demo transfer`` prints.

    Raises
    ------
    ConfigError
        If `out` is a file.
    DataError
        If there are too few classes or images.
    """
    from minidl.plots.transfer import transfer_plot

    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: this is a file; give a folder for the results")
    with threads(1):  # networks so small spend more time handing out work than doing it
        outcome = transfer_experiment(data, settings or Settings(), seed=seed)
    text = f"{outcome.log}\n\n{outcome.table()}\n\n{outcome.sentences()}"
    figure = transfer_plot(
        np.array(outcome.settings.examples),
        outcome.accuracy,
        METHODS,
        title=f"{data.title}: learning 5 to 9 after 0 to 4",
    )
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / "transfer.png", "wb") as stream:
        figure.savefig(stream, format="png")
    with atomic_write(out / "transfer.txt") as stream:
        stream.write(text + "\n")
    write_json(
        out / "transfer.json",
        {
            "data": data.name,
            "seed": seed,
            "settings": vars(outcome.settings),
            "methods": list(METHODS),
            "accuracy": outcome.accuracy.tolist(),
            "body": outcome.body.tolist(),
        },
    )
    return text


def transfer_experiment(data: DataSet, settings: Settings, *, seed: int = 0) -> Outcome:
    """Train all networks; return their accuracies."""
    old, new = _task(data.train, 0), _task(data.train, CLASSES)
    old_validation, new_validation = _task(data.validation, 0), _task(data.validation, CLASSES)
    most = max(settings.examples)
    fewest = np.bincount(new.labels, minlength=CLASSES).min()
    if fewest < most or min(len(old), len(old_validation), len(new_validation)) == 0:
        raise DataError(
            f"{data.title}: the experiment needs ten classes and {most} training images of each of the last five, "
            f"but one of them has {fewest}"
        )
    accuracy = np.zeros((len(METHODS), len(settings.examples), settings.repeats))
    body_accuracy = np.zeros(settings.repeats)
    log: list[str] = []
    for repeat in range(settings.repeats):
        seeds = Seeds(seed).child(str(repeat))
        body = _pretrained(old.subset(min(len(old), settings.pretraining)), settings, seeds)
        body_accuracy[repeat] = _percent(body, old_validation)
        picked = _picked(new, most, seeds)
        for column, count in enumerate(settings.examples):
            few = new.subset(picked[:, :count].ravel())
            logged = log if repeat == 0 and count == most else None
            accuracy[:, column, repeat] = _compare(body, few, new_validation, settings, seeds, logged)
    return Outcome(settings, accuracy, body_accuracy, "\n".join(log))


def network(filters: tuple[int, int], seeds: Seeds) -> Sequential:
    """Return a network for one of the two tasks, built."""
    model = Sequential(
        [
            *(Conv2D(filters[0], 5, weight_init=He()), MaxPool2D(2), ReLU()),
            *(Conv2D(filters[1], 5, weight_init=He()), MaxPool2D(2), ReLU()),
            *(Flatten(), *_head()),
        ]
    )
    model.build((1, 28, 28), rng=seeds)
    return model


def _head() -> list[Layer]:
    return [Dense(64, weight_init=He()), ReLU(), Dense(CLASSES)]


def _task(split: Split, first: int) -> Split:
    """Return the examples of five classes, labelled 0 to 4."""
    part = split.subset(np.flatnonzero((split.labels >= first) & (split.labels < first + CLASSES)))
    return Split(part.images, part.labels - first)


def _picked(split: Split, count: int, seeds: Seeds) -> np.ndarray:
    """Return indices of `count` examples of each class, (classes, count): a smaller set is part of a larger one."""
    draw = seeds.generator("examples")
    return np.stack([draw.permutation(np.flatnonzero(split.labels == k))[:count] for k in range(CLASSES)])


def _pretrained(old: Split, settings: Settings, seeds: Seeds) -> Sequential:
    model = network(settings.filters, seeds.child("body"))
    loader = Loader(old.images, old.labels, 50, seeds=seeds.child("body"))
    _trainer(model, PRETRAINING_RATE).fit(loader, settings.pretraining_epochs)
    return model


def _compare(
    body: Sequential, few: Split, validation: Split, settings: Settings, seeds: Seeds, log: list[str] | None
) -> list[float]:
    """Return the accuracies of `METHODS` for one set of examples; append the two phases to `log`."""
    loader = Loader(few.images, few.labels, BATCH, seeds=seeds.child(f"few-{len(few)}"))
    epochs = max(1, round(settings.steps / len(loader)))
    scratch = network(settings.filters, seeds.child("scratch"))
    _trainer(scratch, RATE).fit(loader, 2 * epochs)

    model = replace_head(body, _head(), after=BODY, rng=seeds.child("head"))
    body_layers = [str(index) for index in range(int(BODY) + 1)]
    freeze(model, *body_layers)
    title = f"frozen body, new head ({len(few)} images, {len(few) // CLASSES} of each class)"
    _phase(title, model, loader, epochs, validation, log)
    head_alone = _percent(model, validation)

    unfreeze(model, *body_layers)
    discriminative(model, lowest=LOWEST)
    if log is not None:
        # In one batch: where a trained head leaves little to gain, batches of ten are too noisy.
        whole = Loader(few.images, few.labels, len(few), shuffle="never")
        found = lr_range_test(model, SoftmaxCrossEntropy(), Adam(), whole, high=1.0, steps=60, smoothing=0.0)
        log.append(f"learning-rate range test: {found.verdict} (every network here takes {RATE:.0e})")
    title = f"everything, rates {LOWEST * RATE:.0e} (first layer) to {RATE:.0e} (last)"
    _phase(title, model, loader, epochs, validation, log)
    return [
        _percent(scratch, validation),
        head_alone,
        _percent(model, validation),
        _by_features(body, few, validation),
    ]


def _by_features(body: Sequential, few: Split, validation: Split) -> float:
    """Return the accuracy of a logistic regression on the body's features."""
    from sklearn.linear_model import LogisticRegression

    classifier = LogisticRegression(max_iter=2000).fit(extract(body, few.images, upto=BODY), few.labels)
    return 100 * classifier.score(extract(body, validation.images, upto=BODY), validation.labels)


def _trainer(model: Sequential, rate: float) -> Trainer:
    return Trainer(
        model, SoftmaxCrossEntropy(), Adam(rate), schedule=OneCycle(rate), keep_best=None, progress=False
    )


def _percent(model: Sequential, split: Split) -> float:
    return 100 * (evaluate(model, SoftmaxCrossEntropy(), split).accuracy or 0.0)


def _phase(
    title: str, model: Sequential, loader: Loader, epochs: int, validation: Split, log: list[str] | None
) -> None:
    """Train; if there is a `log`, write down the epochs as the lecture does."""
    trainer = _trainer(model, RATE)
    if log is None:
        trainer.fit(loader, epochs)
        return
    history = trainer.fit(loader, epochs, validation)
    log += [title, f"{'epoch':>5} {'train_loss':>11} {'valid_loss':>11} {'error_rate':>11} {'time':>7}"]
    log += [
        f"{row['epoch'] - 1:>5} {row['train_loss']:>11.4f} {row['val_loss']:>11.4f} "
        f"{100 * (1 - row['val_accuracy']):>9.2f} % {time['train_seconds'] + time['validation_seconds']:>5.1f} s"
        for row, time in zip(history, trainer.timings, strict=True)
    ]


def _sd(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def _list(counts: Sequence[int]) -> str:
    words = [str(count) for count in counts]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
