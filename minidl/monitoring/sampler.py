"""What all monitors share: when they look, where they write, how they warn."""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from minidl.backend import Array, namespace
from minidl.errors import CheckpointError, StateError
from minidl.monitoring.place import Place, check_every, next_look
from minidl.monitoring.storage import FOLDER, Notes, Stack, Table
from minidl.training.callbacks import Callback

PROBE = 64  # examples
PATIENCE = 2.0  # seconds between two writings of the files within an epoch


class Sampler(Callback):
    """Base of the monitors: looks at some steps of a training and never changes anything.

    As a callback of a `Trainer` it needs nothing else. In a hand-written loop::

        monitor.start(model, loss, probe=(x[:64], y[:64]), batches=len(loader))
        …
            optimizer.step(parameters)
            monitor.observe(value, lr=optimizer.lr)    # after every step
        monitor.finish()

    Parameters
    ----------
    every : int, optional
        Steps between looks; the first is always one. Without it the default of
        `minidl.monitoring.place.next_look`: often at first, later twice an epoch.
    """

    order = 50  # after those that act on the model or the optimizer
    changes_training = True  # not the weights, but the files: they must go on with the same interval

    def __init__(self, every: int | None = None) -> None:
        check_every(type(self).__name__, every)
        self.every = every
        self.model: Any = None
        self.loss: Any = None
        self.probe: tuple[Array, Array] | None = None
        self.folder: Path | None = None
        self._batches = 1
        self._step = self._due = self._event = 0
        self._written = 0.0  # when

    # What a monitor says about itself ----------------------------------------------------------

    def stores(self) -> list[Table | Stack | Notes]:
        """Return what is kept in files."""
        return []

    def begin(self) -> None:
        """Prepare for the first step, or the first one after resuming."""

    def before(self) -> None:
        """Called when the next step is one to look at; the weights are still those before it."""

    def gradients(self) -> None:
        """Called at a step to look at, between the backward pass and the optimizer's step."""

    def look(self, place: Place) -> None:
        """Look, after a step."""
        raise NotImplementedError

    # The calls of a training loop ----------------------------------------------------------------

    def start(
        self,
        model: Any,
        loss: Any = None,
        probe: tuple[Array, Array] | None = None,
        *,
        batches: int,
        run_dir: str | Path | None = None,
        epochs: int = 0,
    ) -> None:
        """Begin a training, or go on with one.

        Parameters
        ----------
        model : Layer
            Built.
        loss : loss, optional
        probe : (x, y), optional
            Examples, scaled as for training, and their targets: what histograms and detectors are
            computed from, always the same.
        batches : int
            Steps per epoch.
        run_dir : path, optional
            Files go to its folder ``monitor``.
        epochs : int
            Epochs trained already; rows of later ones are dropped.
        """
        self.model, self.loss, self.probe = model, loss, probe
        self._batches, self._step = batches, epochs * batches
        self._written = time.monotonic()
        self.folder = None if run_dir is None else Path(run_dir) / FOLDER
        if self.folder is not None and self.folder.is_dir():
            for leftover in self.folder.glob(".*.part"):  # of a process that was killed
                leftover.unlink(missing_ok=True)
        for store in self.stores():
            self._restore(store, epochs)
        self.begin()
        self._schedule()
        self._event = self._next_event()

    def observe_gradients(self) -> None:
        """Optional, between the backward pass and the optimizer's step."""
        if self._step + 1 == self._due:
            self.gradients()

    def observe(self, loss: Any = None, lr: float | None = None) -> None:
        """Note a step that was just taken.

        Parameters
        ----------
        loss : float, optional
            Mean loss of the batch, computed before the step.
        lr : float, optional
            Learning rate of the step.
        """
        self._step += 1
        if self._step >= self._event:  # most of the time that is all
            self._arrive()

    def finish(self) -> None:
        """Write what is not written yet."""
        self.flush()

    def flush(self) -> None:
        """Write the files of which something is new."""
        self._written = time.monotonic()
        if self.folder is not None:
            for store in self.stores():
                if store.changed:
                    store.write(self.folder)
                    store.changed = False

    # The hooks of the Trainer ----------------------------------------------------------------------

    def on_setup(self, trainer: Any, train: Any, validation: Any) -> None:
        self.probe = first_examples(train, PROBE)

    def on_fit_start(self, trainer: Any) -> None:
        folder = trainer.run_folder
        self.start(
            trainer.model,
            trainer.loss,
            self.probe,
            batches=trainer.batches,
            run_dir=None if folder is None else folder.path,
            epochs=len(trainer.history),
        )

    def on_gradients(self, trainer: Any) -> None:
        if self._step + 1 == self._due:
            self.gradients()

    def on_batch_end(self, trainer: Any) -> None:
        self.observe(trainer.batch_loss, trainer.optimizer.lr)

    def on_fit_end(self, trainer: Any) -> None:
        self.finish()

    def _arrive(self) -> None:
        """Do what is due after this step."""
        if self.model is None:
            self._step = 0
            raise StateError(f"{type(self).__name__}: call start(model, …) before observe")
        looks = self._step == self._due
        if looks:
            with np.errstate(all="ignore"):  # what is not finite is for the loop to judge
                self.look(Place.of_step(self._step, self._batches))
            self._schedule()
        elif self._step + 1 == self._due:
            self.before()
        # At the end of an epoch, before its checkpoint is written; and within a long one, so that it can be watched.
        # Both leave the same files behind: the clock decides only how soon they can be seen.
        if self._step % self._batches == 0 or (looks and time.monotonic() - self._written >= PATIENCE):
            self.flush()
        self._event = self._next_event()

    def _schedule(self) -> None:
        self._due = next_look(self._step, self.every, self._batches)
        if self._due == self._step + 1:
            self.before()

    def _next_event(self) -> int:
        """Return the next step after which there is something to do."""
        epoch_end = self._step - self._step % self._batches + self._batches
        just_before = self._due - 1 if self._due - 1 > self._step else self._due
        return min(epoch_end, just_before)

    def _restore(self, store: Table | Stack | Notes, epochs: int) -> None:
        store.clear()
        if epochs == 0 or self.folder is None:
            return
        try:
            store.read(self.folder, epochs)
        except (CheckpointError, OSError) as error:
            say(f"monitor: {error}; what it held is lost, the training goes on")


def warn(notes: Notes, place: Place, kind: str, text: str) -> None:
    """Note a warning and print it, if it is the first of its kind."""
    if notes.add(place, kind, text):
        say(f"monitor: {place}: {text}")


def say(line: str) -> None:
    """Print a line on stderr, above a progress bar if there is one."""
    tqdm = sys.modules.get("tqdm")  # not loaded, it shows no bar
    if tqdm is None:
        print(line, file=sys.stderr)
    else:
        tqdm.tqdm.write(line, file=sys.stderr)


def first_examples(train: Any, count: int) -> tuple[Array, Array]:
    """Return the first `count` examples of a loader's first epoch with their targets.

    An epoch of a loader is a function of its number, so looking at it changes nothing.
    """
    size = 0
    xs, ys = [], []
    for x, y in islice(iter(train.epoch(0)), count):
        xs.append(x)
        ys.append(y)
        size += len(x)
        if size >= count:
            break
    return _joined(xs)[:count], _cut(_joined(ys), count)


def _joined(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], tuple):  # targets of several tasks
        return tuple(_joined(list(each)) for each in zip(*parts, strict=True))
    return namespace(parts[0]).concatenate(parts)


def _cut(targets: Any, count: int) -> Any:
    return tuple(_cut(each, count) for each in targets) if isinstance(targets, tuple) else targets[:count]
