"""A student's classes and ours side by side in a small run of the progression."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader
from minidl.errors import ConfigError
from minidl.experiments import vocabulary
from minidl.experiments.ladder import CLASSES, INPUT_SHAPE, build_model, find_rung
from minidl.expressions import build
from minidl.grading.spec import Exercise, ExerciseError
from minidl.grading.student.adapters import StudentLayer, StudentLoss, StudentOptimizer, student_classes
from minidl.grading.student.folder import Work
from minidl.grading.train_plan import TrainPlan
from minidl.layers import Dropout, Sequential
from minidl.losses import SoftmaxCrossEntropy
from minidl.training import Trainer
from minidl.training.callbacks import Callback

# Of a network with convolutions that is not the exercise's own; a student's take their time.
CONVOLVED_IMAGES, CONVOLVED_EPOCHS = 2000, 3
VALIDATION = 2000  # images; the difference that matters is that to our own layers on the same images


@dataclass
class Curve:
    """What a training left behind.

    Attributes
    ----------
    losses : list of float
        Of every batch.
    accuracies : list of float
        Shares of the validation images, after every epoch.
    seconds : float
    """

    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """Two trainings of one network from the same weights on the same batches.

    Attributes
    ----------
    yours, ours : Curve
    classes : tuple of str
        The student's classes that took part.
    model : str
    images, epochs, batch_size : int
    random : bool
        Whether both draw random numbers while training, so that the curves need not agree.
    """

    yours: Curve
    ours: Curve
    classes: tuple[str, ...]
    model: str
    images: int
    epochs: int
    batch_size: int
    random: bool

    def parting(self) -> int | None:
        """Return the first batch (from 1) whose losses differ, or None if all are the same up to rounding."""
        yours, ours = np.array(self.yours.losses), np.array(self.ours.losses)
        # Rounding errors grow from step to step, and a mistake shows at once in the digits before them.
        apart = np.flatnonzero(~(np.abs(yours - ours) <= 1e-6 + 1e-4 * np.abs(ours)))
        return int(apart[0]) + 1 if len(apart) else None

    def verdict(self) -> str:
        """Return what the two curves say about the student's classes, in one or two sentences."""
        batch = self.parting()
        if batch is None:
            return "The losses of all batches are the same: your classes compute what ours do."
        if self.random:
            return "The two draw different random numbers, so the curves should be close, not equal."
        yours, ours = self.yours.losses[batch - 1], self.ours.losses[batch - 1]
        if batch == 1:
            return (
                f"The losses differ from the first batch on (yours {yours:.4g}, ours {ours:.4g}): a forward pass or "
                "the loss is not what ours is."
            )
        return (
            f"The losses are the same before batch {batch} and differ from there on (yours {yours:.4g}, ours "
            f"{ours:.4g}): the forward passes agree, a gradient or an update does not."
        )


def plan_of(work: Work) -> TrainPlan:
    """Return how the exercise trains.

    Raises
    ------
    ExerciseError
        If it does not.
    """
    if work.exercise.train is None:
        raise ExerciseError(
            f"exercise {work.exercise.number} has nothing to train; `minidl exercise check {work.exercise.number}` "
            "runs its tests"
        )
    return work.exercise.train


def another_network(plan: TrainPlan, exercise: Exercise, rung: str | None, model: str | None) -> TrainPlan:
    """Return the plan with another network: a rung of the progression, or a model as text.

    Raises
    ------
    ConfigError
        If both are given, there is no such rung, or the exercise does not train rungs.
    """
    if rung is not None and model is not None:
        raise ConfigError("--rung and --model both name a network; give one of them")
    if rung is not None:
        if not plan.rung:
            raise ConfigError(
                f"--rung: exercise {exercise.number} trains a network of its own; choose another with --model"
            )
        chosen = find_rung(rung)
        plan = dataclasses.replace(plan, rung=rung, update=f"SGD(lr={chosen.eta:g})")
        return _fewer_images(plan) if chosen.convolutions else plan
    if model is None:
        return plan
    plan = dataclasses.replace(plan, rung="", model=model)
    return _fewer_images(plan) if "Conv2D" in model else plan


def _fewer_images(plan: TrainPlan) -> TrainPlan:
    """Return a plan that ends within minutes although a student's convolutions are in the network."""
    images, epochs = min(plan.images, CONVOLVED_IMAGES), min(plan.epochs, CONVOLVED_EPOCHS)
    return dataclasses.replace(plan, images=images, epochs=epochs)


def compare(
    work: Work,
    data: DataSet,
    *,
    images: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
    rung: str | None = None,
    model: str | None = None,
) -> Comparison:
    """Train the student's classes and ours, in double precision.

    Parameters
    ----------
    work : Work
    data : DataSet
    images, epochs : int, optional
        Those of the exercise by default.
    seed : int
    rung, model : str, optional
        Another network than the exercise's: a rung of the progression, trained with the learning rate of the rung,
        or a model as text, as in ``minidl train --model``.

    Raises
    ------
    ExerciseError
        If the exercise has no training, or the student's code cannot be used: file and line are named.
    DivergenceError
        If a loss becomes NaN or infinite.
    """
    plan = another_network(plan_of(work), work.exercise, rung, model)
    work.sources()
    images = min(images or plan.images, len(data.train))
    epochs = epochs or plan.epochs
    yours = _Run(plan, data, images, seed)
    names = plan.classes_for(type(layer).__name__ for layer in yours.model.layers)
    if not names:
        raise ConfigError(f"--model {plan.model}: none of its layers is one that you write in this exercise")
    with student_classes(work.folder, work.exercise.handed_in, names) as classes:
        yours.put_in(work.folder, classes)
        yours_curve = yours.train(epochs)
    ours = _Run(plan, data, images, seed)
    random = any(isinstance(layer, Dropout) for layer in ours.model.layers)
    text = plan.model or f"rung {plan.rung}"
    return Comparison(yours_curve, ours.train(epochs), names, text, images, epochs, plan.batch_size, random)


class _Run:
    """One of the two trainings: ours, until `put_in` exchanges some of its parts."""

    def __init__(self, plan: TrainPlan, data: DataSet, images: int, seed: int) -> None:
        self.plan, self.seed = plan, seed
        self.model = _model(plan)
        self.loss: Any = SoftmaxCrossEntropy()
        self.optimizer: Any = build(plan.update, vocabulary.optimizers(), "[train] update")
        train = data.train.subset(images)
        self.loader = Loader(train.images, train.labels, plan.batch_size, seeds=seed, dtype=np.float64)
        self.validation = data.validation.subset(min(VALIDATION, len(data.validation)))

    def put_in(self, folder: Path, classes: dict[str, type]) -> None:
        """Exchange what the plan names for the student's classes."""
        plan = self.plan
        layers = []
        for layer in self.model.layers:
            chosen = plan.layers.get(type(layer).__name__)
            layers.append(
                layer if chosen is None else StudentLayer(layer, chosen, classes[chosen.name], folder)
            )
        self.model = Sequential(layers)
        if plan.loss is not None:
            self.loss = StudentLoss(plan.loss, classes[plan.loss.name], folder, CLASSES)
        if plan.optimizer is not None:
            self.optimizer = StudentOptimizer(
                self.optimizer, plan.optimizer, classes[plan.optimizer.name], folder
            )

    def train(self, epochs: int) -> Curve:
        """Train and return the curve."""
        self.model.build(INPUT_SHAPE, self.seed, np.float64)
        curve = Curve()
        trainer = Trainer(
            self.model, self.loss, self.optimizer, callbacks=[_Losses(curve)], keep_best=None, seed=self.seed
        )
        clock = time.perf_counter()
        history = trainer.fit(self.loader, epochs, self.validation)
        curve.seconds = time.perf_counter() - clock
        curve.accuracies = history["val_accuracy"]
        return curve


class _Losses(Callback):
    """Keeps the loss of every batch."""

    def __init__(self, curve: Curve) -> None:
        self.curve = curve

    def on_batch_end(self, trainer: Any) -> None:
        self.curve.losses.append(float(trainer.batch_loss))


def _model(plan: TrainPlan) -> Sequential:
    if plan.rung:
        return build_model(plan.rung)
    text = plan.model if plan.model.startswith("Sequential") else f"Sequential([{plan.model}])"
    model = build(text, {"Sequential": Sequential, **vocabulary.layers()}, "[train] model")
    if not isinstance(model, Sequential):
        raise ExerciseError(f"[train] model must be layers one after the other, got {plan.model!r}")
    return model
