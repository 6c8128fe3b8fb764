"""Snapshots: several networks from one training, one at the end of each cycle of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.errors import ConfigError, StateError
from minidl.training.callbacks import Callback
from minidl.training.checkpoint import read_checkpoint, write_checkpoint
from minidl.training.evaluate import predict
from minidl.training.run_folder import RunFolder


class Snapshots(Callback):
    """Keep the weights whenever the learning rate has gone down to its lowest (AAR), for an ensemble.

    A schedule with cycles, such as ``schedules.CosineRestarts(0.1, cycles=6)``, brings the network to
    rest at the end of each; the restart then throws it out of that minimum, and the next rest is in
    another. The networks cost one training, and they err on different images: let them vote.

    The moments are the schedule's `cycle_ends`, each taken after the last step of its cycle, or every
    few epochs (FAU: "save intermediate models"). In a run's folder the weights go to
    ``checkpoints/snapshot-01.safetensors`` and so on, otherwise they stay in memory. They are those of
    the training itself, also when a `WeightAverage` is validated.

    Parameters
    ----------
    every : int, optional
        Epochs between snapshots, in place of the schedule's cycles.

    References
    ----------
    Huang et al. 2017, "Snapshot ensembles: train 1, get M for free".

    Examples
    --------
    ::

        snapshots = Snapshots()
        Trainer(model, loss, optimizer, schedule=CosineRestarts(0.1), callbacks=[snapshots]).fit(...)
        classes = soft_vote(softmax(snapshots.outputs(model, images)))
    """

    changes_training = True  # not the weights, but the files that a run leaves

    def __init__(self, every: int | None = None) -> None:
        if every is not None and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
            raise ConfigError(f"Snapshots: every must be a number of epochs >= 1, got {every!r}")
        self.every = every
        self.needs_all_epochs = every is None
        self._numbers: dict[int, int] = {}  # steps taken -> number of the snapshot
        self._count = 0
        self._kept: list[dict[str, Array]] = []
        self._folder: RunFolder | None = None

    @classmethod
    def of_run(cls, run_dir: str | Path) -> Snapshots:
        """Return the snapshots in the folder of a run."""
        found = cls()
        found._folder = RunFolder(run_dir)
        while found._folder.snapshot(found._count + 1).exists():
            found._count += 1
        return found

    def __len__(self) -> int:
        """Return the number of snapshots taken."""
        return self._count

    def __iter__(self) -> Iterator[dict[str, Array]]:
        """Yield the weights and buffers of each snapshot in the order of time, for ``load_state_dict``.

        Raises
        ------
        CheckpointError
            If a snapshot's file is missing or damaged.
        """
        for number in range(1, self._count + 1):
            if self._folder is None:
                yield self._kept[number - 1]
            else:
                tensors, _ = read_checkpoint(self._folder.snapshot(number))
                yield {name.removeprefix("model/"): x for name, x in tensors.items()}

    def outputs(self, model: Any, images: Array, **options: Any) -> np.ndarray:
        """Return what each snapshot answers, for `minidl.evaluation.soft_vote` or `hard_vote`.

        Parameters
        ----------
        model : Layer
            Takes on each snapshot's weights in turn, and its own again in the end.
        images : array, shape (N, ...)
        **options
            `batch_size` and `scale` of `minidl.training.predict`.

        Returns
        -------
        numpy.ndarray, shape (snapshots, N, K)
            The logits; with several heads those of the main one, the first.

        Raises
        ------
        StateError
            If there is no snapshot.
        """
        if not self._count:
            raise StateError("Snapshots: there are none yet; train with this callback first")
        own = {name: x.copy() for name, x in model.state_dict().items()}
        answers = []
        try:
            for weights in self:
                model.load_state_dict(weights)
                answer = predict(model, images, **options)
                answers.append(answer[0] if isinstance(answer, tuple) else answer)
        finally:
            model.load_state_dict(own)
        return np.stack(answers)

    def on_setup(self, trainer: Any, train: Any, validation: Any) -> None:
        steps = self._steps(trainer)
        self._numbers = {step: number for number, step in enumerate(steps, start=1)}
        self._folder = trainer.run_folder

    def on_fit_start(self, trainer: Any) -> None:
        if len(trainer.history) == 0:
            self._count, self._kept = 0, []

    def on_batch_end(self, trainer: Any) -> None:
        step = (trainer.epoch - 1) * trainer.batches + trainer.batch + 1
        number = self._numbers.get(step)
        if number is None:
            return
        weights = trainer.model.state_dict()
        if self._folder is None:
            self._kept[number - 1 :] = [{name: x.copy() for name, x in weights.items()}]
        else:
            tensors = {f"model/{name}": x for name, x in weights.items()}
            write_checkpoint(self._folder.snapshot(number), tensors, {"epoch": trainer.epoch, "step": step})
        self._count = number

    def state_dict(self) -> dict[str, Any]:
        """Return how many there are. Those taken after the last checkpoint will be taken again."""
        return {"count": self._count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self._count = state["count"]

    def _steps(self, trainer: Any) -> list[int]:
        """Return after how many steps the snapshots are taken, in increasing order."""
        if self.every is not None:
            if self.every > trainer.epochs:
                raise ConfigError(
                    f"Snapshots: every={self.every} leaves none in {trainer.epochs} epochs; give a smaller number"
                )
            return [epoch * trainer.batches for epoch in range(self.every, trainer.epochs + 1, self.every)]
        cycle_ends = getattr(trainer.schedule, "cycle_ends", None)
        ends = () if cycle_ends is None else cycle_ends()
        if not ends:
            raise ConfigError(
                "Snapshots: the schedule has no cycles to take them after; use one such as CosineRestarts(0.1), "
                "or give every=… epochs"
            )
        total = trainer.epochs * trainer.batches
        # Step k, from 0, is at progress k / total; a step at the very end of a cycle is in the next one.
        return sorted({max(1, math.ceil((end - 1e-9) * total)) for end in ends})
