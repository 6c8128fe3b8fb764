"""What can hang on the training loop: best weights, the guard against NaN, the progress bar."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

from minidl.backend import Array
from minidl.errors import ConfigError, StateError
from minidl.training.divergence import check_finite
from minidl.training.evaluate import model_device


class Callback:
    """Base class: does nothing at every occasion.

    A callback reads and may change the public attributes of the `Trainer` it is given: `model`,
    `optimizer`, `loss`, `history`, `epoch` (from 1), `epochs`, `batch` (from 0), `batches`,
    `inputs`, `batch_loss` and `loss_sum` (a number on the CPU, elsewhere an array on the device), and
    `stop`, which ends the training when set to True.

    A callback whose behaviour depends on earlier epochs also offers ``state_dict()`` (names to
    arrays, numbers or text) and ``load_state_dict(state)``; both travel with the checkpoint.

    Attributes
    ----------
    order : int
        Callbacks run in increasing order; those of equal order as they were given.
    changes_training : bool
        Whether what the run becomes or leaves behind depends on the callback's options. These are then
        written to ``run.json``, each argument of the class from the attribute of its name, and a run is
        only resumed with the same.
    needs_all_epochs : bool
        Whether it goes by the share of the training that is done, like a schedule: such a run cannot be
        resumed with more epochs.
    """

    order = 0
    changes_training = False
    needs_all_epochs = False

    def on_setup(self, trainer: Any, train: Any, validation: Any) -> None:
        """First of all, with the data given to `fit`; also when a finished run is only loaded.

        Nothing has been written yet: this is the place to refuse what does not fit.
        """

    def on_fit_start(self, trainer: Any) -> None:
        """Before the first epoch, or the first one after resuming."""

    def on_epoch_start(self, trainer: Any) -> None:
        """Before the first batch of an epoch."""

    def on_loss(self, trainer: Any) -> None:
        """After the loss of a batch is known and before it is propagated back."""

    def on_gradients(self, trainer: Any) -> None:
        """After the backward pass and the regularizers, before the optimizer's step.

        Like `on_loss`, called only where a class defines it.
        """

    def on_batch_end(self, trainer: Any) -> None:
        """After the optimizer's step. Like `on_loss`, called only where a class defines it."""

    def on_validation_start(self, trainer: Any) -> None:
        """After the epoch's updates, before the validation, where there is one."""

    def on_epoch_end(self, trainer: Any, row: dict[str, Any]) -> None:
        """After the epoch's updates and the validation; `row` is the epoch's line of the history."""

    def on_fit_end(self, trainer: Any) -> None:
        """When training ends, for whatever reason."""


class NaNGuard(Callback):
    """Stop with a diagnosis as soon as the loss is NaN or infinite.

    The `Trainer` always has one. On the CPU every batch is looked at; elsewhere every hundredth and
    the last, because looking makes the host wait for the device. (A NaN stays in the running sum, so
    none is missed.)
    """

    order = -100

    def __init__(self) -> None:
        self._every = 1

    def on_fit_start(self, trainer: Any) -> None:
        self._every = 1 if model_device(trainer.model) == "cpu" else 100

    def on_loss(self, trainer: Any) -> None:
        if trainer.batch % self._every == 0 and not math.isfinite(trainer.loss_sum):
            self._raise(trainer, trainer.loss_sum)

    def on_epoch_end(self, trainer: Any, row: dict[str, Any]) -> None:
        if not math.isfinite(row["train_loss"]):
            self._raise(trainer, row["train_loss"])

    def _raise(self, trainer: Any, value: Any) -> None:
        where = f"epoch {trainer.epoch} of {trainer.epochs}, batch {trainer.batch + 1} of {trainer.batches}"
        check_finite(value, trainer.model, trainer.inputs, where, trainer.optimizer.lr)


def is_better(value: float, than: float | None, metric: str, margin: float = 0.0) -> bool:
    """Whether a validation accuracy is higher, or a loss lower, by more than `margin`.

    Parameters
    ----------
    value : float
        NaN is never better.
    than : float or None
        Every number is better than None, "none so far", and than NaN.
    metric : {"accuracy", "loss"}
    margin : float
        Zero or more.
    """
    if math.isnan(value):
        return False
    if than is None or math.isnan(than):
        return True
    return value > than + margin if metric == "accuracy" else value < than - margin


def check_metric(who: str, metric: str) -> None:
    """Raise a `ConfigError` unless `metric` is "accuracy" or "loss"."""
    if metric not in ("accuracy", "loss"):
        raise ConfigError(f"{who}: metric must be 'accuracy' or 'loss', got {metric!r}")


def validation_value(row: dict[str, Any], metric: str) -> float | None:
    """Return an epoch's validation accuracy or loss; None if it was not validated.

    Raises
    ------
    ConfigError
        If it was validated but has no accuracy.
    """
    if "val_loss" not in row:
        return None
    if f"val_{metric}" not in row:
        raise ConfigError(
            "the best epoch cannot be judged by accuracy: the targets are not classes; "
            "use keep_best='loss' or keep_best=None, and metric='loss' for EarlyStopping and ReduceOnPlateau"
        )
    return row[f"val_{metric}"]


class BestWeights(Callback):
    """Keep a copy of the weights of the best epoch so far.

    "Best" is judged on the validation set after the epoch's updates. In a hand-written loop call
    `update` after each validation, and `restore` at the end.

    Parameters
    ----------
    metric : {"accuracy", "loss"}
        Highest validation accuracy or lowest validation loss.
    ties : {"later", "earlier"}
        Which of two equally good epochs is kept. Nielsen's ``network3.py`` compares with ``>=``:
        the later one.

    Attributes
    ----------
    epoch : int or None
        The best epoch, from 1; None before the first.
    value : float or None
        Its validation accuracy or loss.
    """

    order = -50

    def __init__(self, metric: str = "accuracy", ties: str = "later") -> None:
        check_metric("BestWeights", metric)
        if ties not in ("later", "earlier"):
            raise ConfigError(f"BestWeights: ties must be 'later' or 'earlier', got {ties!r}")
        self.metric = metric
        self.ties = ties
        self.epoch: int | None = None
        self.value: float | None = None
        self.weights: dict[str, Array] = {}

    def update(self, model: Any, epoch: int, value: float) -> bool:
        """Copy the weights and buffers if `value` is the best so far; say whether it was."""
        if not self._is_better(value):
            return False
        self.epoch, self.value = epoch, value
        self.weights = {name: x.copy() for name, x in model.state_dict().items()}
        return True

    def restore(self, model: Any) -> None:
        """Put the best weights and buffers into the model.

        Raises
        ------
        StateError
            If there has been no validation yet.
        """
        if self.epoch is None:
            raise StateError(
                "there are no best weights: no epoch was validated; pass validation=… to Trainer.fit and "
                "leave keep_best at 'accuracy' or 'loss'"
            )
        model.load_state_dict(self.weights)

    def on_fit_start(self, trainer: Any) -> None:
        if len(trainer.history) == 0:  # a second fit is a new run
            self.epoch, self.value, self.weights = None, None, {}

    def on_epoch_end(self, trainer: Any, row: dict[str, Any]) -> None:
        value = validation_value(row, self.metric)
        if value is not None:
            self.update(trainer.model, trainer.epoch, value)

    def state_dict(self) -> dict[str, Any]:
        """Return the best epoch, its value and its weights."""
        weights = {f"weights/{name}": x for name, x in self.weights.items()}
        return {"epoch": self.epoch, "value": self.value, **weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.epoch, self.value = state["epoch"], state["value"]
        self.weights = {
            name.removeprefix("weights/"): x for name, x in state.items() if name.startswith("weights/")
        }

    def _is_better(self, value: float) -> bool:
        tie = value == self.value and self.ties == "later"
        return tie or is_better(value, self.value, self.metric)


class Progress(Callback):
    """A progress bar on stderr, with the rate of batches and the last epoch's numbers.

    It appears once the training has taken two seconds, and only when stderr is a terminal. With the
    package tqdm there is a bar; without it, one line per epoch.
    """

    order = 100
    DELAY = 2.0  # seconds

    def __init__(self) -> None:
        self._bar: Any = None
        self._started = 0.0
        self._active = False

    def on_fit_start(self, trainer: Any) -> None:
        self._active = sys.stderr.isatty()
        self._started = time.monotonic()
        if not self._active:
            return
        try:
            from tqdm import tqdm
        except ImportError:
            return
        self._bar = tqdm(
            total=(trainer.epochs - len(trainer.history)) * trainer.batches,
            delay=self.DELAY,
            unit="batch",
            leave=False,
            dynamic_ncols=True,
            file=sys.stderr,
        )

    def on_epoch_start(self, trainer: Any) -> None:
        if self._bar is not None:
            self._bar.set_description(f"epoch {trainer.epoch}/{trainer.epochs}", refresh=False)

    def on_batch_end(self, trainer: Any) -> None:
        if self._bar is not None:
            self._bar.update()

    def on_epoch_end(self, trainer: Any, row: dict[str, Any]) -> None:
        if not self._active:
            return
        text = _shown(row)
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
        elif time.monotonic() - self._started > self.DELAY:
            print(f"epoch {trainer.epoch}/{trainer.epochs} {text}", file=sys.stderr)

    def on_fit_end(self, trainer: Any) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _shown(row: dict[str, Any]) -> str:
    text = f"loss {row['train_loss']:.4f}"
    if row.get("val_accuracy") is not None:
        text += f", validation {100 * row['val_accuracy']:.2f} %"
    return text
