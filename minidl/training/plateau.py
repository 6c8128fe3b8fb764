"""Lower the learning rate when the validation stops getting better."""

from __future__ import annotations

import math
from typing import Any

from minidl.errors import ConfigError
from minidl.training.callbacks import Callback, check_metric, is_better, validation_value


class ReduceOnPlateau(Callback):
    """Multiply the learning rate by `factor` each time validation stagnates (FAU; AAR: by 0.5).

    Unlike the schedules of `minidl.schedules` this is no function of progress: the rate is the
    optimizer's own, so the `Trainer` must not be given a schedule as well. Rate and state travel with the
    checkpoint.

    Parameters
    ----------
    factor : float
        Between 0 and 1.
    metric : {"accuracy", "loss"}
        Highest validation accuracy or lowest validation loss.
    patience : int
        Epochs in a row without improvement after which the rate is lowered, at least 1. (PyTorch's
        `patience` is one less: it counts the epochs that are forgiven.)
    min_delta : float
        What the metric must gain, beyond its best value, to count as improved.
    cooldown : int
        Epochs after a reduction in which none is counted as a failure.
    min_lr : float
        The rate is never lowered below this.
    stop_at : float, optional
        Ends the training once the rate has come down to this fraction of where it started, such as
        1/128. Not together with `min_lr`.

    Attributes
    ----------
    best : float or None
        The best value so far.
    waited : int
        Epochs without improvement since the best one, the last reduction or its cooldown.
    reductions : int
        How often the rate was lowered.
    stop : bool
        Whether `stop_at` has been reached.

    Examples
    --------
    In a hand-written loop, after every validation:

    >>> plateau, lr = ReduceOnPlateau(0.5, patience=2), 0.1
    >>> for accuracy in (0.90, 0.93, 0.92, 0.93, 0.95):
    ...     lr = plateau.update(accuracy, lr)
    ...     print(lr, end=" ")
    0.1 0.1 0.1 0.05 0.05
    """

    order = -40  # after EarlyStopping, before callbacks that look at trainer.stop
    changes_training = True

    def __init__(
        self,
        factor: float = 0.5,
        metric: str = "accuracy",
        patience: int = 10,
        *,
        min_delta: float = 0.0,
        cooldown: int = 0,
        min_lr: float = 0.0,
        stop_at: float | None = None,
    ) -> None:
        check_metric("ReduceOnPlateau", metric)
        _require("factor", factor, 0 < factor < 1, "between 0 and 1")
        _require("patience", patience, _is_whole(patience) and patience >= 1, "an integer >= 1")
        _require("min_delta", min_delta, 0 <= min_delta < math.inf, "a finite number >= 0")
        _require("cooldown", cooldown, _is_whole(cooldown) and cooldown >= 0, "an integer >= 0")
        _require("min_lr", min_lr, 0 <= min_lr < math.inf, "a finite number >= 0")
        _require(
            "stop_at", stop_at, stop_at is None or 0 < stop_at < 1, "a fraction between 0 and 1, or None"
        )
        if stop_at is not None and min_lr > 0:
            raise ConfigError(
                f"ReduceOnPlateau: min_lr={min_lr} may keep the rate from ever reaching stop_at={stop_at:g}; "
                "give one of the two"
            )
        self.factor = float(factor)
        self.metric = metric
        self.patience = patience
        self.min_delta = float(min_delta)
        self.cooldown = cooldown
        self.min_lr = float(min_lr)
        self.stop_at = None if stop_at is None else float(stop_at)
        self.best: float | None = None
        self.start: float | None = None
        self.waited = self.cooling = self.reductions = 0
        self.stop = False

    @classmethod
    def nielsen(cls, factor: float = 0.5, patience: int = 10, stop_at: float = 1 / 128) -> ReduceOnPlateau:
        """Nielsen's exercise (ch. 3): halve at no-improvement-in-ten, end at 1/128 of the first rate.

        The text of the chapter has a factor of two or ten, until the rate is 1,024 (or 1,000) times
        lower: ``nielsen(stop_at=1 / 1024)`` or ``nielsen(0.1, stop_at=1 / 1000)``.
        """
        return cls(factor, "accuracy", patience, stop_at=stop_at)

    def update(self, value: float, lr: float) -> float:
        """Take note of an epoch's validation accuracy or loss; return the rate to go on with.

        Parameters
        ----------
        value : float
            NaN is no improvement.
        lr : float
            The present learning rate. That of the first call is the one `stop_at` refers to.
        """
        if self.start is None:
            self.start = lr
        if is_better(value, self.best, self.metric, self.min_delta):
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.cooling > 0:
            self.cooling -= 1
            self.waited = 0
        if self.waited < self.patience:
            return lr
        self.waited, self.cooling = 0, self.cooldown
        lowered = max(lr * self.factor, self.min_lr)
        if lowered >= lr:
            return lr
        self.reductions += 1
        # Three times 0.1 is 0.001 but for the rounding.
        self.stop = self.stop_at is not None and lowered <= self.start * self.stop_at * (1 + 1e-9)
        return lowered

    def on_setup(self, trainer: Any, train: Any, validation: Any) -> None:
        if trainer.schedule is not None:
            raise ConfigError(
                f"ReduceOnPlateau: schedule={trainer.schedule!r} sets the learning rate before every step, so "
                "lowering it would have no effect; give the Trainer a schedule or this callback, not both"
            )
        if validation is None:
            raise ConfigError(
                "ReduceOnPlateau: there is no validation to judge by; pass validation=… to Trainer.fit"
            )

    def on_fit_start(self, trainer: Any) -> None:
        if len(trainer.history) == 0:  # a second fit is a new run
            self.best = self.start = None
            self.waited = self.cooling = self.reductions = 0
            self.stop = False

    def on_epoch_end(self, trainer: Any, row: dict[str, Any]) -> None:
        value = validation_value(row, self.metric)
        if value is None:
            return
        trainer.optimizer.lr = self.update(value, float(trainer.optimizer.lr))
        if self.stop:
            trainer.stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return what `update` has noted."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        for name in _STATE:
            setattr(self, name, state[name])


_STATE = ("best", "start", "waited", "cooling", "reductions", "stop")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _require(option: str, value: Any, holds: bool, expected: str) -> None:
    if not holds:
        raise ConfigError(f"ReduceOnPlateau: {option} must be {expected}, got {value!r}")
