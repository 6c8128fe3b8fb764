"""Several networks of one architecture, trained at once, each with the batches and masks it would have alone.

They run as one network (`minidl.layers.stacked`), so five take the launches of one. Each keeps its own `Trainer`,
with history, validation, checkpoints and callbacks of its own; only the steps of an epoch are taken together. The
weights come out as those of networks trained alone, up to rounding.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import Array, launcher, namespace, to_cpu
from minidl.errors import ConfigError
from minidl.kernels.gpu.batch import tally
from minidl.layers.stacked import StackedDropout, stack
from minidl.layers.stacked_loss import StackedCrossEntropy
from minidl.losses import SoftmaxCrossEntropy
from minidl.training.graph import block_of
from minidl.training.graph_limits import looks_into_steps, why_not
from minidl.training.step_graph import StepGraph


class SideBySide:
    """The epochs of several trainers, taken together.

    Parameters
    ----------
    trainers : sequence of Trainer
        Of networks of one architecture, with the same optimizer, schedule and regularizers.
    loaders : sequence of Loader or Resident
        The batches of each, of equal sizes. On a device: `minidl.data.resident.Resident`, of the same images.
    graph : {"auto", "off"}
        Whether to record the steps, on a device.

    Raises
    ------
    ConfigError
        If the trainers cannot be brought together.
    """

    def __init__(self, trainers: Sequence[Any], loaders: Sequence[Any], graph: str = "off") -> None:
        self.trainers, self.loaders = list(trainers), list(loaders)
        first = self.trainers[0]
        _require_alike(self.trainers, self.loaders)
        self.stack = stack([trainer.model for trainer in self.trainers])
        self.parameters = list(self.stack.named_parameters())
        self.loss = StackedCrossEntropy(len(self.trainers))
        self.optimizer = _joined([trainer.optimizer for trainer in self.trainers])
        like = self.parameters[0][1].value
        xp, networks = namespace(like), len(self.trainers)
        self._loss_sums, self._correct = xp.zeros(networks, like.dtype), xp.zeros(networks, "int64")
        self._done: int | None = None
        self._released: set[int] = set()
        self._graph: StepGraph | None = None
        loader = self.loaders[0]
        reason = why_not(first, loader) if graph != "off" else None
        if reason is not None:
            print(f"minidl: steps are launched one by one, not as a graph: {reason}", file=sys.stderr)
        elif graph != "off":
            self._share_images()
            full = loader.examples // loader.batch_size
            self._graph = StepGraph(
                self._step, self.loaders, loader.batch_size, self.parameters, self.optimizer,
                self.stack, block_of(full), watched=first.regularizers,
            )  # fmt: skip

    def release(self, trainer: Any) -> None:
        """Give a trainer that has ended its weights, memory and masks as they are; the stack goes on with copies."""
        index = next(i for i, each in enumerate(self.trainers) if each is trainer)
        for layer in self.stack.layers:
            if isinstance(layer, StackedDropout):
                going_on = layer.members[index] = copy.copy(layer.members[index])
                going_on.generator = copy.deepcopy(going_on.generator)
        for _, parameter in trainer.model.named_parameters():
            parameter.value = parameter.value.copy()
        memory = trainer.optimizer._state
        trainer.optimizer._state = {name: tuple(x.copy() for x in arrays) for name, arrays in memory.items()}
        self._released.add(id(trainer))

    def results(self, trainer: Any) -> tuple[float, int, int]:
        """Return the sum of the losses, the number right and the examples of a trainer's present epoch.

        The first to ask has the epoch trained, for all.
        """
        if self._done != trainer.epoch:
            self._train(trainer.epoch)
            self._done = trainer.epoch
        index = next(i for i, each in enumerate(self.trainers) if each is trainer)
        return self._sums[index], int(self._hits[index]), self.loaders[index].examples

    def _train(self, epoch: int) -> None:
        first = self.trainers[0]
        batches, total = len(self.loaders[0]), first.epochs * len(self.loaders[0])
        rates, progress = np.full(batches, float(first.optimizer.lr)), []
        if first.schedule is not None:
            progress = [((epoch - 1) * batches + batch) / total for batch in range(batches)]
            rates[:] = [first.schedule(share) for share in progress]
            first.follow(self.optimizer, first.schedule, progress[0])
        self._loss_sums.fill(0)
        self._correct.fill(0)
        if self._graph is not None:
            self._graph.epoch(epoch - 1, rates, lambda steps: None)
        else:
            for batch, pairs in enumerate(
                zip(*(loader.epoch(epoch - 1) for loader in self.loaders), strict=True)
            ):
                if first.schedule is not None:
                    first.follow(self.optimizer, first.schedule, progress[batch])
                xp = namespace(self._loss_sums)
                self._step(
                    xp.stack([x for x, _ in pairs]), xp.concatenate([y for _, y in pairs]), batch_last=False
                )
        self._sums = [float(value) for value in to_cpu(self._loss_sums)]
        self._hits = to_cpu(self._correct)
        for index, trainer in enumerate(self.trainers):
            if id(trainer) in self._released:
                continue
            _hand_back(self.optimizer, trainer.optimizer, index)
            trainer.optimizer.lr = float(rates[-1])
            trainer.batch = batches - 1

    def _step(self, x: Array, y: Array, batch_last: bool = True) -> None:
        """Take a step: x (networks, C, H, W, N) with `batch_last`, else (networks, N, C, H, W); y (networks * N,)."""
        if not batch_last:
            x = namespace(x).ascontiguousarray(x.transpose(0, *range(2, x.ndim), 1))
        batch = x.shape[-1]
        inputs = x.reshape(-1, *x.shape[2:]).transpose(x.ndim - 2, *range(x.ndim - 2))
        losses = self.loss.forward(self.stack.forward(inputs, train=True), y)
        scores = self.loss.scores
        if launcher(scores) is not None:
            networks = len(self.trainers)
            tally(
                (networks,),
                scores,
                y,
                losses,
                self._loss_sums,
                self._correct,
                networks,
                batch,
                scores.shape[1],
            )
        else:
            self._loss_sums += losses * batch
            self._correct += (scores.argmax(axis=1) == y).reshape(len(self.trainers), -1).sum(axis=1)
        self.stack.backward_parameters(self.loss.backward())
        for regularizer in self.trainers[0].regularizers:
            regularizer.add_gradient(self.parameters)
        self.optimizer.step(self.parameters)

    def _share_images(self) -> None:
        """Let all loaders read the images of the first, rather than keep as many copies."""
        first = self.loaders[0]
        for other in self.loaders[1:]:
            if other.pixels.shape != first.pixels.shape:
                raise ConfigError(
                    "side by side: the networks' images differ; give every loader the same images"
                )
            other.pixels, other.targets, other.grid = first.pixels, first.targets, first.grid


class Member:
    """What one of several trainers has in place of its own steps."""

    def __init__(self, together: SideBySide, trainer: Any) -> None:
        self._together, self._trainer = together, trainer

    def epoch(self) -> tuple[float, int, int]:
        """Return what `Trainer` notes about its epoch, which is trained now unless it has been already."""
        return self._together.results(self._trainer)


def fit_side_by_side(
    trainers: Sequence[Any],
    loaders: Sequence[Any],
    epochs: int,
    validation: Any = None,
    *,
    resume: bool = False,
    graph: str = "off",
) -> None:
    """Do what ``trainer.fit(loader, epochs, validation)`` does, for several trainers at once.

    Parameters
    ----------
    trainers : sequence of Trainer
        See `SideBySide`. Networks that are behind, after an interruption, first catch up alone; those that are done
        are left alone.
    loaders : sequence of Loader or Resident
    epochs, validation, resume
        As in `Trainer.fit`.
    graph : {"auto", "off"}
    """
    runs = [
        (trainer, loader, trainer.by_epoch(loader, epochs, validation, resume=resume))
        for trainer, loader in zip(trainers, loaders, strict=True)
    ]
    try:
        there = [(run, done) for run in runs if (done := next(run[2], None)) is not None]
        furthest = max((done for _, done in there), default=0)
        for (trainer, _, by_epoch), done in there:
            while done < furthest and not trainer.stop:
                done = next(by_epoch)
        active = [run for run, _ in there]
        together = None
        if len(active) > 1:
            together = SideBySide([run[0] for run in active], [run[1] for run in active], graph)
            for trainer, _, _ in active:
                trainer.replay_by(Member(together, trainer))
        while active:
            # Those that have stopped first: the next to go on has the following epoch trained, for all.
            for run in sorted(active, key=lambda run: not run[0].stop):
                if next(run[2], None) is None:
                    active.remove(run)
                    if together is not None:
                        together.release(run[0])
    finally:
        for *_, by_epoch in runs:
            by_epoch.close()


def _require_alike(trainers: list[Any], loaders: list[Any]) -> None:
    first, *others = trainers
    reason = None
    loss = first.loss
    if type(loss) is not SoftmaxCrossEntropy or loss.class_weights is not None or loss.label_smoothing:
        reason = "the loss must be a plain SoftmaxCrossEntropy"
    if first.optimizer.clip_norm is not None:
        reason = "clip_norm would clip the networks together"
    for other in others:
        if _options(other) != _options(first):
            reason = "their optimizers differ"
        if type(other.loss) is not type(first.loss) or len(other.regularizers) != len(first.regularizers):
            reason = "their losses or regularizers differ"
        if other.epochs != first.epochs or (other.schedule is None) != (first.schedule is None):
            reason = "their schedules or epochs differ"
    looking = [looks_into_steps(trainer.callbacks) for trainer in trainers]
    reason = next((each for each in looking if each is not None), reason)
    sizes = {(loader.examples, loader.batch_size) for loader in loaders}
    if len(sizes) > 1:
        reason = "their batches differ in size or number"
    if reason is not None:
        raise ConfigError(f"side by side: {reason}; train these networks one after another")


def _options(trainer: Any) -> tuple[type, dict[str, Any]]:
    """Return kind and options of a trainer's optimizer, but for those that its schedule sets."""
    scheduled = () if trainer.schedule is None else ("lr", "momentum")
    options = {
        name: value for name, value in vars(trainer.optimizer).items()
        if isinstance(value, int | float | str | None) and name not in ("steps", "_control", *scheduled)
    }  # fmt: skip
    return type(trainer.optimizer), options


def _joined(optimizers: list[Any]) -> Any:
    """Return an optimizer for the stack, with the memory of all."""
    joined = copy.copy(optimizers[0])
    joined.control = None
    joined._state = {}
    if hasattr(joined, "_updates"):
        joined._updates = dict(joined._updates)
    for name, memory in optimizers[0]._state.items():
        slots = zip(*(optimizer._state[name] for optimizer in optimizers), strict=True)
        joined._state[name] = tuple(namespace(memory[0]).stack(list(slot)) for slot in slots)
    return joined


def _hand_back(joined: Any, optimizer: Any, index: int) -> None:
    """Give a network's optimizer its part of the memory, as views, and the counts."""
    optimizer.steps = joined.steps
    if hasattr(joined, "momentum"):
        optimizer.momentum = joined.momentum
    if hasattr(joined, "_updates"):
        optimizer._updates = dict(joined._updates)
    optimizer._state = {
        name: tuple(array[index] for array in memory) for name, memory in joined._state.items()
    }
