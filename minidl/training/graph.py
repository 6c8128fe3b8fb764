"""The option `graph` of a `Trainer`: whole epochs of recorded steps (`minidl.training.step_graph`)."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from minidl.backend import Array, namespace, to_cpu
from minidl.errors import ConfigError
from minidl.kernels.cpu import from_batch_last
from minidl.kernels.gpu.batch import tally
from minidl.training.callbacks import Progress
from minidl.training.graph_limits import why_not
from minidl.training.step_graph import StepGraph

STEPS = 50  # of one graph, by default: the host then starts one launch where it would start a thousand


class TrainerGraph:
    """The epochs of a `Trainer`, by replaying.

    Parameters
    ----------
    trainer : Trainer
    train : Resident
    parameters : list of (str, Parameter)
    """

    def __init__(self, trainer: Any, train: Any, parameters: list) -> None:
        self.trainer, self.train, self.parameters = trainer, train, parameters
        like = parameters[0][1].value
        xp = namespace(like)
        self._loss_sum, self._correct = xp.zeros(1, like.dtype), xp.zeros(1, "int64")
        full = train.examples // train.batch_size
        self.steps = StepGraph(
            self._step,
            [train],
            train.batch_size,
            parameters,
            trainer.optimizer,
            trainer.model,
            block_of(full) if trainer.graph == "auto" else trainer.graph,
            watched=[trainer.loss, *trainer.regularizers],
            strict=trainer.graph != "auto",
        )

    def epoch(self) -> tuple[float, int, int]:
        """Train for the trainer's epoch; return the sum of the losses, the number right, the examples."""
        trainer, schedule = self.trainer, self.trainer.schedule
        first, total = (trainer.epoch - 1) * trainer.batches, trainer.epochs * trainer.batches
        rates = np.full(trainer.batches, float(trainer.optimizer.lr))
        if schedule is not None:
            rates[:] = [schedule((first + batch) / total) for batch in range(trainer.batches)]
            trainer.follow(trainer.optimizer, schedule, first / total)
        self._loss_sum.fill(0)
        self._correct.fill(0)
        trainer.batch = -1
        self.steps.epoch(trainer.epoch - 1, rates, self._after)
        trainer.optimizer.lr = float(rates[-1])
        trainer.loss_sum = float(to_cpu(self._loss_sum)[0])
        return trainer.loss_sum, int(to_cpu(self._correct)[0]), self.train.examples

    def _step(self, x: Array, y: Array) -> None:
        trainer = self.trainer
        x = from_batch_last(x[0])
        outputs = trainer.model.forward(x, train=True)
        value = trainer.loss.forward(outputs, y)
        scores = namespace(outputs).ascontiguousarray(outputs)
        tally((1,), scores, y, value, self._loss_sum, self._correct, 1, len(y), outputs.shape[1])
        getattr(trainer.model, "backward_parameters", trainer.model.backward)(trainer.loss.backward())
        for regularizer in trainer.regularizers:
            regularizer.add_gradient(self.parameters)
        trainer.optimizer.step(self.parameters)
        trainer.inputs = x

    def _after(self, steps: int) -> None:
        for callback in self.trainer.callbacks:
            if isinstance(callback, Progress):
                for _ in range(steps):
                    callback.on_batch_end(self.trainer)
        self.trainer.batch += steps


def graph_for(trainer: Any, train: Any, parameters: list) -> TrainerGraph | None:
    """Return what trains by replaying, or None where the trainer is to launch its steps one by one.

    Raises
    ------
    ConfigError
        If graphs were demanded and cannot be had.
    """
    if trainer.graph == "off":
        return None
    reason = why_not(trainer, train)
    if reason is None:
        return TrainerGraph(trainer, train, parameters)
    if trainer.graph != "auto":
        raise ConfigError(
            f"Trainer: graph={trainer.graph} is not possible: {reason}; use graph='auto' or 'off'"
        )
    print(f"minidl: steps are launched one by one, not as a graph: {reason}", file=sys.stderr)
    return None


def block_of(full: int) -> int:
    """Return the steps of a graph for so many full batches: a divisor of them, if there is a fair one."""
    divisor = max(steps for steps in range(1, STEPS + 1) if full % steps == 0)
    return divisor if 2 * divisor > STEPS else STEPS
