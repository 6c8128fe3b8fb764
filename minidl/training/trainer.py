"""The training loop with everything around it that is no mathematics.

The loop itself is the dozen lines of the README and of `Trainer._train_epoch`; the rest keeps a
history, validates, keeps the best weights, and makes a run that can be stopped at any instant and
resumed as if nothing had happened.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from minidl.errors import ConfigError, StateError
from minidl.training.callbacks import BestWeights, Callback, NaNGuard, Progress
from minidl.training.early_stopping import EarlyStopping
from minidl.training.evaluate import count_correct, evaluate, input_scaling, main_task, model_device
from minidl.training.graph import graph_for
from minidl.training.graph_limits import check_option
from minidl.training.history import History
from minidl.training.memory import memory_error, placed
from minidl.training.recorder import Recorder
from minidl.training.run_folder import RunFolder


class Trainer:
    """Train a model.

    A second `fit` without a run folder goes on from the weights there are, with a new history.

    Parameters
    ----------
    model : Layer
        Built.
    loss, optimizer
        A loss and an optimizer of minidl, or objects with the same methods. What the loss offers as
        ``named_parameters()`` is trained with the model's parameters (`minidl.multitask`).
    regularizers : sequence, optional
        Each adds its gradient after the loss's own.
    schedule : callable, optional
        Called before every step with the progress of the whole training, from 0 to just below 1;
        what it returns becomes ``optimizer.lr``, and what its method ``momentum`` returns, if both
        have one, ``optimizer.momentum``.
    callbacks : sequence of Callback, optional
    run_dir : path, optional
        Folder for everything a run leaves behind (`RunFolder`). Without it nothing is written.
    config : dict or dataclass, optional
        What the experiment was asked to do. It is written to ``run.json``, and a run is only
        resumed by a trainer of the same config.
    keep_best : {"accuracy", "loss", None}
        Which validation number chooses the weights that `restore_best` puts back. A `BestWeights`
        among the callbacks takes its place, otherwise the metric of an `EarlyStopping` does.
    progress : bool
        Show a progress bar when stderr is a terminal.
    seed : int
        The seed that model and loader were made from, for ``run.json``: a run is only resumed under
        its own. The trainer draws no random numbers.
    checkpoint_every : int
        Epochs between checkpoints. The last epoch always has one, and so has the last one before
        Ctrl-C.
    graph : {"off", "auto"} or int
        On a GPU: record so many training steps and replay them as one (`minidl.training.graph`). With "auto"
        minidl chooses the number, and where recording is not possible, on a CPU to begin with, it says why in a
        line on stderr and launches the steps one by one; with a number that is an error.

    Attributes
    ----------
    history : History
        One row per epoch: ``epoch`` (from 1), ``lr`` (of its last step), ``train_loss`` and
        ``train_accuracy`` (running means over the epoch's batches, without penalties),
        ``penalty`` (at the end of the epoch, with regularizers), ``val_loss``, ``val_accuracy``.
    timings : History
        Seconds of every epoch: ``train_seconds``, ``validation_seconds``.
    stop : bool
        Set to True to end the training: after the epoch, or at once if set in `on_batch_end`
        (the unfinished epoch then leaves no row).
    best : BestWeights or None
    restores_best : bool
        Whether `fit` ends by putting the best weights into the model: with an `EarlyStopping`.

    Examples
    --------
    ``Trainer(model, SoftmaxCrossEntropy(), SGD(lr=0.1)).fit(loader, epochs=10, validation=split)``
    """

    def __init__(
        self,
        model: Any,
        loss: Any,
        optimizer: Any,
        *,
        regularizers: Sequence[Any] = (),
        schedule: Callable[[float], float] | None = None,
        callbacks: Iterable[Callback] = (),
        run_dir: Any = None,
        config: Any = None,
        keep_best: str | None = "accuracy",
        progress: bool = True,
        seed: int = 0,
        checkpoint_every: int = 1,
        graph: str | int = "off",
    ) -> None:
        _require_positive("Trainer: checkpoint_every", checkpoint_every)
        check_option(graph)
        if keep_best not in ("accuracy", "loss", None):
            raise ConfigError(f"Trainer: keep_best must be 'accuracy', 'loss' or None, got {keep_best!r}")
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.regularizers = list(regularizers)
        self.schedule = schedule
        self.callbacks = list(callbacks)
        stopper = next((callback for callback in self.callbacks if isinstance(callback, EarlyStopping)), None)
        self.restores_best = stopper is not None
        judge = keep_best if stopper is None else stopper.agreed_metric(keep_best)
        if judge and not any(isinstance(callback, BestWeights) for callback in self.callbacks):
            self.callbacks.append(BestWeights(judge))
        if not any(isinstance(callback, NaNGuard) for callback in self.callbacks):
            self.callbacks.append(NaNGuard())
        if progress and sys.stderr.isatty():  # elsewhere not even an empty call per batch
            self.callbacks.append(Progress())
        self.callbacks.sort(key=lambda callback: callback.order)
        self.best = next((callback for callback in self.callbacks if isinstance(callback, BestWeights)), None)
        self.history, self.timings = History(), History()
        self.epoch = self.epochs = self.batch = self.batches = 0
        self.stop = False
        self.graph = graph
        self._replay: Any = None  # a TrainerGraph, or what takes its place
        self.inputs: Any = None
        self.loss_sum: Any = 0.0
        self.batch_loss: Any = 0.0
        self._recorder = None
        if run_dir is not None:
            self._recorder = Recorder(self, RunFolder(run_dir), checkpoint_every, config, seed)

    def fit(self, train: Any, epochs: int, validation: Any = None, *, resume: bool = False) -> History:
        """Train for `epochs` passes over the data, counted from the beginning of the run.

        Parameters
        ----------
        train : Loader
            Or anything with a length and ``epoch(e)``, whose batches depend on `e` alone.
        epochs : int
        validation : Split or Loader, optional
            Evaluated after every epoch. Bytes are scaled and standardised as in `train`.
        resume : bool
            Go on from the checkpoint in `run_dir` where there is one. Of a finished run the final
            weights and the history are restored, and nothing is trained. Without a schedule a run
            may be resumed with more epochs.

        Returns
        -------
        History

        Raises
        ------
        ConfigError
            If an argument makes no sense, or `run_dir` holds a run and `resume` is False.
        CheckpointError
            If the checkpoint is damaged or of a differently configured run.
        DivergenceError
            If the loss becomes NaN or infinite.
        DeviceError
            If the memory of a GPU does not suffice; the message says for which batch size it would.
        KeyboardInterrupt
            After Ctrl-C, once the last completed epoch is saved and a line on stderr has said how
            to go on. The weights in memory are then those of the unfinished epoch.
        """
        for _ in self.by_epoch(train, epochs, validation, resume=resume):
            pass
        return self.history

    def by_epoch(
        self, train: Any, epochs: int, validation: Any = None, *, resume: bool = False
    ) -> Iterator[int]:
        """Do what `fit` does, with a pause after every epoch.

        Yields
        ------
        int
            Epochs trained: once when everything is prepared, then after each epoch. Of a run that is finished
            already, nothing.
        """
        _require_positive("Trainer.fit: epochs", epochs)
        if len(train) < 1:
            raise ConfigError("Trainer.fit: the training loader has no batches; give it at least one example")
        if resume and self._recorder is None:
            raise ConfigError("Trainer.fit: resume=True needs the run's folder; give Trainer a run_dir")
        self.epochs, self.batches, self.stop = epochs, len(train), False
        for callback in self.callbacks:
            callback.on_setup(self, train, validation)
        self.history, self.timings = History(), History()
        if self._recorder is not None:
            self._recorder.open(train, validation, resume)
        if len(self.history) < epochs and not self.stop:
            yield from self._fit(train, validation)
        # Only now, after everything is on disk: the checkpoint must stay the state to go on from.
        if self.restores_best and self.best is not None and self.best.epoch is not None:
            self.restore_best()

    def replay_by(self, epochs: Any) -> None:
        """Leave the steps of every epoch to ``epochs.epoch()``, which returns what a `TrainerGraph`'s does.

        For those who take them in another way: `minidl.training.side_by_side`.
        """
        self._replay = epochs

    @property
    def recording_seconds(self) -> float:
        """Seconds that the recording of steps into graphs took, the first steps included; see `graph`."""
        steps = getattr(self._replay, "steps", None)
        return 0.0 if steps is None else steps.recording_seconds

    @property
    def run_folder(self) -> RunFolder | None:
        """The run's folder; None without `run_dir`."""
        return None if self._recorder is None else self._recorder.folder

    def restore_best(self) -> None:
        """Put the weights of the best epoch into the model.

        Raises
        ------
        StateError
            If none were kept.
        """
        if self.best is None:
            raise StateError("Trainer.restore_best: no weights were kept; give Trainer keep_best='accuracy'")
        self.best.restore(self.model)

    # The loop ------------------------------------------------------------------------------------

    def _fit(self, train: Any, validation: Any) -> Iterator[int]:
        parameters = [*self.model.named_parameters(), *_own_parameters(self.loss)]
        train, validation = (placed(data, model_device(self.model)) for data in (train, validation))
        interrupted = False
        self._replay = graph_for(self, train, parameters)
        try:
            for callback in self.callbacks:
                callback.on_fit_start(self)
            yield len(self.history)
            while len(self.history) < self.epochs and not self.stop:
                self._epoch(train, validation, parameters)
                yield len(self.history)
        except KeyboardInterrupt:
            interrupted = True
            raise
        finally:
            for callback in self.callbacks:
                callback.on_fit_end(self)
            if self._recorder is not None:
                self._recorder.flush()
            if interrupted:
                print(f"Stopped in epoch {self.epoch} of {self.epochs}: {self._saved()}", file=sys.stderr)

    def _saved(self) -> str:
        if self._recorder is None:
            return "nothing is saved, because the Trainer has no run_dir"
        return self._recorder.how_to_resume()

    def _epoch(self, train: Any, validation: Any, parameters: list) -> None:
        started = time.perf_counter()
        self.epoch = len(self.history) + 1
        for callback in self.callbacks:
            callback.on_epoch_start(self)
        # An overflow ends in one DivergenceError; NumPy's warnings on the way there say less.
        with np.errstate(all="ignore"):
            full = False
            try:
                row = self._train_epoch(train, parameters)
            except MemoryError:
                if model_device(self.model) == "cpu":
                    raise
                full = True
            if full:  # only here, where the error no longer holds the arrays of the step
                batch = getattr(train, "batch_size", None) or len(self.inputs)
                self.inputs = None
                raise memory_error(self.model, batch, model_device(self.model))
            if row is None:
                return
            trained = time.perf_counter()
            if validation is not None:
                for callback in self.callbacks:
                    callback.on_validation_start(self)
                score = evaluate(self.model, self.loss, validation, **input_scaling(train))
                row["val_loss"] = score.loss
                if score.accuracy is not None:
                    row["val_accuracy"] = score.accuracy
            validated = time.perf_counter()
            self.history.rows.append(row)
            for callback in self.callbacks:
                callback.on_epoch_end(self, row)
        seconds = {"train_seconds": trained - started, "validation_seconds": validated - trained}
        self.timings.rows.append({"epoch": self.epoch, **seconds})
        if self._recorder is not None:
            self._recorder.epoch_done()

    def _train_epoch(self, train: Any, parameters: list) -> dict[str, Any] | None:
        """Run one epoch of steps; return its row, or None if a callback stopped it half-way."""
        if self._replay is not None:
            loss_sum, hits, count = self._replay.epoch()
            return self._row(loss_sum, hits, count, parameters)
        model, loss, optimizer, schedule = self.model, self.loss, self.optimizer, self.schedule
        backward = getattr(model, "backward_parameters", model.backward)  # the gradient of x is not needed
        on_loss, on_batch_end = self._per_batch("on_loss"), self._per_batch("on_batch_end")
        on_gradients = self._per_batch("on_gradients")
        on_host = model_device(model) == "cpu"
        done, total = (self.epoch - 1) * self.batches, self.epochs * self.batches
        self.loss_sum, examples = 0.0, 0
        correct: Any = 0  # None where the targets are not classes
        for batch, (x, y) in enumerate(train.epoch(self.epoch - 1)):
            if schedule is not None:
                self.follow(optimizer, schedule, (done + batch) / total)
            self.batch, self.inputs = batch, x
            optimizer.prepare(parameters)
            outputs = model.forward(x, train=True)
            value = loss.forward(outputs, y)
            # Elsewhere the sum stays on the device: reading it would make the host wait every step.
            self.batch_loss = float(value) if on_host else value
            self.loss_sum += self.batch_loss * len(x)
            for hook in on_loss:
                hook(self)
            if correct is not None:
                hits = count_correct(*main_task(loss, outputs, y))
                correct = None if hits is None else correct + hits
            examples += len(x)
            backward(loss.backward())
            for regularizer in self.regularizers:
                regularizer.add_gradient(parameters)
            for hook in on_gradients:
                hook(self)
            optimizer.step(parameters)
            for hook in on_batch_end:
                hook(self)
            if self.stop:
                return None
        return self._row(self.loss_sum, correct, examples, parameters)

    def _row(self, loss_sum: Any, correct: Any, examples: int, parameters: list) -> dict[str, Any]:
        optimizer = self.optimizer
        optimizer.flush_denormals()
        row = {"epoch": self.epoch, "lr": float(optimizer.lr), "train_loss": float(loss_sum) / examples}
        if correct is not None:
            row["train_accuracy"] = float(correct) / examples
        if self.regularizers:
            row["penalty"] = float(sum(float(each.penalty(parameters)) for each in self.regularizers))
        return row

    @staticmethod
    def follow(optimizer: Any, schedule: Callable[[float], float], progress: float) -> None:
        """Set the learning rate of an optimizer, and its momentum if the schedule has one, from a schedule."""
        optimizer.lr = schedule(progress)
        momentum = getattr(schedule, "momentum", None)
        value = None if momentum is None else momentum(progress)
        if value is not None and hasattr(optimizer, "momentum"):
            optimizer.momentum = value

    def _per_batch(self, hook: str) -> list[Callable[[Trainer], None]]:
        """Return the bound hooks of the callbacks that define one; an empty call costs time too."""
        return [
            getattr(callback, hook)
            for callback in self.callbacks
            if getattr(type(callback), hook) is not getattr(Callback, hook)
        ]


def _own_parameters(loss: Any) -> list:
    named_parameters = getattr(loss, "named_parameters", None)
    return [] if named_parameters is None else list(named_parameters())


def _require_positive(option: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{option} must be an integer >= 1, got {value!r}")
