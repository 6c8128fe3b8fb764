"""Early stopping: end the training once validation stops getting better."""

from __future__ import annotations

import math
from typing import Any

from minidl.errors import ConfigError
from minidl.training.callbacks import Callback, check_metric, is_better, validation_value


class EarlyStopping(Callback):
    """Stop when validation has not improved for `patience` epochs, and put the best weights back.

    AAR stops "immediately when the validation error gets worse". Validation accuracy jumps around from
    epoch to epoch, so that is too eager (erratum 17): Nielsen waits for ten epochs in a row that are no
    better than the best before them (ch. 3, "no-improvement-in-ten"; for harder problems twenty or
    fifty). He also recommends accuracy over cost, which may go on falling, or rise, long after the
    answers have settled (UU: about 280 epochs against 15).

    A `Trainer` with this callback keeps the best weights by the same metric (every better epoch counts
    for them, however small the gain), and ends `fit` by restoring them, whether stopped early or not.
    ``checkpoints/last.safetensors`` still holds the state after the last epoch, from which a run may be
    given more epochs; ``best.safetensors`` holds what the model ends with, and ``results.json`` says so
    (``"weights": "best"``).

    Parameters
    ----------
    metric : {"accuracy", "loss"}
        Highest validation accuracy or lowest validation loss.
    patience : int
        Epochs in a row without improvement after which training stops. 0 is the slide's form: stop at
        the first epoch that is worse than the best. (An equally good one is not worse, but no
        improvement either: it stops ``patience=1``.)
    min_delta : float
        What the metric must gain, beyond its value at the last improvement, to count as improved; with
        ``patience=0`` also what it must lose to count as worse.

    Attributes
    ----------
    reference : float or None
        The value at the last improvement.
    waited : int
        Epochs since then.

    Examples
    --------
    In a hand-written loop, with `minidl.training.BestWeights` for the weights:

    >>> stopper = EarlyStopping(patience=2)
    >>> [stopper.update(accuracy) for accuracy in (0.90, 0.93, 0.92, 0.93)]
    [False, False, False, True]
    """

    order = -45  # next to BestWeights, before callbacks that look at trainer.stop
    changes_training = True

    def __init__(self, metric: str = "accuracy", patience: int = 10, min_delta: float = 0.0) -> None:
        check_metric("EarlyStopping", metric)
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 0:
            raise ConfigError(f"EarlyStopping: patience must be an integer >= 0, got {patience!r}")
        if not 0 <= min_delta < math.inf:
            raise ConfigError(f"EarlyStopping: min_delta must be a finite number >= 0, got {min_delta!r}")
        self.metric = metric
        self.patience = patience
        self.min_delta = float(min_delta)
        self.reference: float | None = None
        self.waited = 0

    @classmethod
    def no_improvement_in(cls, epochs: int, metric: str = "accuracy") -> EarlyStopping:
        """Nielsen's rule (UU): stop when the best accuracy is `epochs` epochs old."""
        if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
            raise ConfigError(
                f"EarlyStopping.no_improvement_in: epochs must be an integer >= 1, got {epochs!r}"
            )
        return cls(metric, patience=epochs)

    def update(self, value: float) -> bool:
        """Take note of an epoch's validation accuracy or loss; say whether training should stop.

        NaN is no improvement, and worse than any number.
        """
        reference = self.reference
        if is_better(value, reference, self.metric, self.min_delta):
            self.reference, self.waited = value, 0
            return False
        self.waited += 1
        if self.patience == 0:
            return reference is not None and is_better(reference, value, self.metric, self.min_delta)
        return self.waited >= self.patience

    def agreed_metric(self, keep_best: str | None) -> str:
        """Return the metric for the Trainer's best weights: its own, unless `keep_best` says otherwise.

        Raises
        ------
        ConfigError
            If it does; "accuracy" is the Trainer's default and says nothing.
        """
        if keep_best not in ("accuracy", self.metric):
            raise ConfigError(
                f"Trainer: keep_best={keep_best!r} contradicts EarlyStopping(metric={self.metric!r}), which puts "
                "its own best weights back; leave keep_best out"
            )
        return self.metric

    def on_setup(self, trainer: Any, train: Any, validation: Any) -> None:
        if validation is None:
            raise ConfigError(
                "EarlyStopping: there is no validation to judge by; pass validation=… to Trainer.fit"
            )

    def on_fit_start(self, trainer: Any) -> None:
        if len(trainer.history) == 0:  # a second fit is a new run
            self.reference, self.waited = None, 0

    def on_epoch_end(self, trainer: Any, row: dict[str, Any]) -> None:
        value = validation_value(row, self.metric)
        if value is not None and self.update(value):
            trainer.stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return the value at the last improvement and the epochs since."""
        return {"reference": self.reference, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.reference, self.waited = state["reference"], state["waited"]
