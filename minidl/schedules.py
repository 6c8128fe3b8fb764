"""Learning-rate schedules: pure functions of progress.

``schedule(progress)`` returns the learning rate at the fraction `progress` in [0, 1] of the training.
A schedule knows no epochs and keeps no count, so it can be plotted without a model, and a resumed
run needs no state for it:

>>> schedule = Warmup(Cosine(0.1), fraction=0.1)
>>> [round(schedule(t / 4), 4) for t in range(5)]
[0.0, 0.0933, 0.0587, 0.0179, 0.0]

A training loop assigns ``optimizer.lr = schedule(step / steps)`` before each step. In the formulas t
is the progress; what a lecture states per epoch is divided by the number of epochs. A new schedule
is a frozen dataclass with a method `rate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from minidl.errors import ConfigError


class Schedule:
    """Base of the schedules."""

    def __call__(self, progress: float) -> float:
        """Return the learning rate.

        Parameters
        ----------
        progress : float
            Fraction of the training done, in [0, 1].

        Raises
        ------
        ConfigError
            If `progress` is outside [0, 1].
        """
        if not 0 <= progress <= 1:
            raise ConfigError(
                f"{type(self).__name__}: progress must lie in [0, 1], got {progress!r}; "
                "divide the step by the number of steps"
            )
        return self.rate(float(progress))

    def rate(self, t: float) -> float:
        """Return the learning rate at progress `t`, already checked."""
        raise NotImplementedError

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            raise ConfigError(f"{type(self).__name__}: {what}, got {self!r}")


@dataclass(frozen=True)
class Constant(Schedule):
    """``lr``. Right for Adam most of the time (AAR), and all of Nielsen's networks."""

    lr: float

    def __post_init__(self) -> None:
        self._require(self.lr >= 0, "lr must be at least 0")

    def rate(self, t: float) -> float:
        return self.lr


@dataclass(frozen=True)
class StepDecay(Schedule):
    """``lr * factor ** floor(t / every)``: multiplied by `factor` at regular intervals (FAU, AAR).

    "Half every 5 epochs" of 30 is ``StepDecay(lr, factor=0.5, every=5 / 30)``.
    """

    lr: float
    factor: float = 0.5
    every: float = 0.25

    def __post_init__(self) -> None:
        self._require(self.lr >= 0 and self.factor > 0, "lr must be at least 0 and factor above 0")
        self._require(self.every > 0, "every must be a fraction of the training above 0")

    def rate(self, t: float) -> float:
        # Epoch 15 of 30 must count as three times 5 epochs although (15/30) / (5/30) may round below 3.
        return self.lr * self.factor ** math.floor(t / self.every + 1e-9)


@dataclass(frozen=True)
class MultiStep(Schedule):
    """``lr * factor ** k`` with k the number of milestones `at` that t has reached (PyTorch MultiStepLR)."""

    lr: float
    factor: float = 0.1
    at: tuple[float, ...] = (0.5, 0.75)

    def __post_init__(self) -> None:
        self._require(self.lr >= 0 and self.factor > 0, "lr must be at least 0 and factor above 0")
        self._require(all(0 <= point <= 1 for point in self.at), "the milestones in at must lie in [0, 1]")

    def rate(self, t: float) -> float:
        return self.lr * self.factor ** sum(t >= point - 1e-9 for point in self.at)


@dataclass(frozen=True)
class Exponential(Schedule):
    """``lr * exp(-k t)`` (FAU). A factor f after each of E epochs is ``k = -E * log(f)``."""

    lr: float
    k: float

    def __post_init__(self) -> None:
        self._require(self.lr >= 0 and self.k >= 0, "lr and k must be at least 0")

    def rate(self, t: float) -> float:
        return self.lr * math.exp(-self.k * t)


@dataclass(frozen=True)
class InverseTime(Schedule):
    """``lr / (1 + k t)`` (FAU, "1/t decay"); ends at ``lr / (1 + k)``."""

    lr: float
    k: float

    def __post_init__(self) -> None:
        self._require(self.lr >= 0 and self.k >= 0, "lr and k must be at least 0")

    def rate(self, t: float) -> float:
        return self.lr / (1 + self.k * t)


@dataclass(frozen=True)
class Linear(Schedule):
    """``final + (lr - final) * (1 - t)``; AAR has final = 0. Rises if `final` is above `lr`."""

    lr: float
    final: float = 0.0

    def __post_init__(self) -> None:
        self._require(self.lr >= 0 and self.final >= 0, "lr and final must be at least 0")

    def rate(self, t: float) -> float:
        return self.final + (self.lr - self.final) * (1 - t)


@dataclass(frozen=True)
class Cosine(Schedule):
    """``final + (lr - final) / 2 * (1 + cos(pi t))`` (AAR with final = 0; Loshchilov and Hutter 2017)."""

    lr: float
    final: float = 0.0

    def __post_init__(self) -> None:
        self._require(self.lr >= 0 and self.final >= 0, "lr and final must be at least 0")

    def rate(self, t: float) -> float:
        return _cosine(self.lr, self.final, t)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up, then down to almost nothing, both along half a cosine (Smith and Topin 2018; AAR).

    From ``max_lr / div`` up to ``max_lr`` during the first `pct_start` of the training, then down to
    ``max_lr / div / final_div``, with each branch ``b + (a - b) / 2 * (1 + cos(pi s))`` for s from 0
    to 1. `momentum` runs the other way. The defaults are those of PyTorch's OneCycleLR.
    """

    max_lr: float
    pct_start: float = 0.3
    div: float = 25.0
    final_div: float = 1e4
    max_momentum: float = 0.95
    min_momentum: float = 0.85

    def __post_init__(self) -> None:
        self._require(self.max_lr >= 0, "max_lr must be at least 0")
        self._require(0 < self.pct_start < 1, "pct_start must lie between 0 and 1")
        self._require(self.div > 0 and self.final_div > 0, "div and final_div must be above 0")
        self._require(0 <= self.min_momentum <= self.max_momentum < 1, "the momenta must lie in [0, 1)")

    def rate(self, t: float) -> float:
        start = self.max_lr / self.div
        return self._cycle(t, start, self.max_lr, start / self.final_div)

    def momentum(self, progress: float) -> float:
        """Return the momentum to go with the rate: from 0.95 down to 0.85 and back up."""
        self(progress)  # for its check
        return self._cycle(float(progress), self.max_momentum, self.min_momentum, self.max_momentum)

    def _cycle(self, t: float, start: float, peak: float, end: float) -> float:
        if t < self.pct_start:
            return _cosine(start, peak, t / self.pct_start)
        return _cosine(peak, end, (t - self.pct_start) / (1 - self.pct_start))


@dataclass(frozen=True)
class Warmup(Schedule):
    """A linear rise before another schedule (AAR; Goyal et al. 2017).

    During the first `fraction` of the training the rate rises in proportion from ``start * inner(0)``
    to ``inner(0)``; the rest of the training is ``inner((t - fraction) / (1 - fraction))``.
    """

    inner: Schedule
    fraction: float = 0.05
    start: float = 0.0

    def __post_init__(self) -> None:
        self._require(0 < self.fraction < 1, "fraction must lie between 0 and 1")
        self._require(0 <= self.start <= 1, "start must lie in [0, 1]")

    def rate(self, t: float) -> float:
        if t < self.fraction:
            return self.inner(0.0) * (self.start + (1 - self.start) * t / self.fraction)
        return self.inner(min(1.0, (t - self.fraction) / (1 - self.fraction)))


def _cosine(start: float, end: float, t: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * t))
