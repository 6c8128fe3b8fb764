"""Schedules that only ever go one way: constant, in steps, and along a curve."""

from __future__ import annotations

import math
from dataclasses import dataclass

from minidl.schedules.base import ROUNDING, Schedule, half_cosine


@dataclass(frozen=True)
class Constant(Schedule):
    """``lr``. Right for Adam most of the time (AAR), and all of Nielsen's networks."""

    lr: float

    def __post_init__(self) -> None:
        self._require_rates("lr")

    def rate(self, t: float) -> float:
        return self.lr


@dataclass(frozen=True)
class StepDecay(Schedule):
    """``lr * factor ** floor(t / every)``: multiplied by `factor` at regular intervals (FAU, AAR).

    "Half every 5 epochs" of 30 is ``StepDecay(lr, factor=0.5, every=5 / 30)``, "0.1 every 20" of 60
    ``StepDecay(lr, factor=0.1, every=20 / 60)``.
    """

    lr: float
    factor: float = 0.5
    every: float = 0.25

    def __post_init__(self) -> None:
        self._require_rates("lr", "factor")
        self._require(self.factor > 0, "factor must be above 0")
        self._require(self.every > 0, "every must be a fraction of the training above 0")

    def rate(self, t: float) -> float:
        return self.lr * self.factor ** math.floor(t / self.every + ROUNDING)


@dataclass(frozen=True)
class StepDecrease(Schedule):
    """``max(final, lr - amount * floor(t / every))``: less by a constant at regular intervals (FAU).

    FAU's amount is 0.01. "0.01 less after every 3 epochs" of 30 is ``StepDecrease(lr, 0.01, every=3 / 30)``.
    """

    lr: float
    amount: float = 0.01
    every: float = 0.25
    final: float = 0.0

    def __post_init__(self) -> None:
        self._require_rates("lr", "amount", "final")
        self._require(self.final <= self.lr, "final must not be above lr")
        self._require(self.every > 0, "every must be a fraction of the training above 0")

    def rate(self, t: float) -> float:
        return max(self.final, self.lr - self.amount * math.floor(t / self.every + ROUNDING))


@dataclass(frozen=True)
class MultiStep(Schedule):
    """``lr * factor ** k`` with k the number of milestones `at` that t has reached (PyTorch MultiStepLR).

    Epoch e of E is the milestone ``e / E``.
    """

    lr: float
    factor: float = 0.1
    at: tuple[float, ...] = (0.5, 0.75)

    def __post_init__(self) -> None:
        self._require_tuple("at")
        self._require_rates("lr", "factor")
        self._require(self.factor > 0, "factor must be above 0")
        self._require(all(0 <= point <= 1 for point in self.at), "the milestones in at must lie in [0, 1]")

    def rate(self, t: float) -> float:
        return self.lr * self.factor ** sum(t >= point - ROUNDING for point in self.at)


@dataclass(frozen=True)
class Exponential(Schedule):
    """``lr * exp(-k t)`` (FAU). A factor f after each of E epochs is ``k = -E * log(f)``."""

    lr: float
    k: float

    def __post_init__(self) -> None:
        self._require_rates("lr", "k")

    def rate(self, t: float) -> float:
        return self.lr * math.exp(-self.k * t)


@dataclass(frozen=True)
class InverseTime(Schedule):
    """``lr / (1 + k t)`` (FAU, "1/t decay"); ends at ``lr / (1 + k)``.

    A constant c per epoch (``lr / (1 + c e)``) is ``k = c * E`` for E epochs.
    """

    lr: float
    k: float

    def __post_init__(self) -> None:
        self._require_rates("lr", "k")

    def rate(self, t: float) -> float:
        return self.lr / (1 + self.k * t)


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    """``lr / sqrt(1 + steps t)``, the slide's ``alpha_0 / sqrt(n)`` for the steps n = 1, 2, … `steps` (AAR).

    Printed with n = t the formula has no value at t = 0 (erratum 15). Steps are counted from 1 here:
    the first, at progress 0, has n = 1 and the rate `lr`; the last, at ``(steps - 1) / steps``, has
    n = `steps` and ``lr / sqrt(steps)``. To count epochs instead, give their number for `steps`; the
    rate still falls within an epoch.
    """

    lr: float
    steps: float

    def __post_init__(self) -> None:
        self._require_rates("lr")
        self._require(1 <= self.steps < math.inf, "steps must be a finite number, at least 1")

    def rate(self, t: float) -> float:
        return self.lr / math.sqrt(1 + self.steps * t)


@dataclass(frozen=True)
class Linear(Schedule):
    """``final + (lr - final) * (1 - t)``; AAR has final = 0. Rises if `final` is above `lr`."""

    lr: float
    final: float = 0.0

    def __post_init__(self) -> None:
        self._require_rates("lr", "final")

    def rate(self, t: float) -> float:
        return self.final + (self.lr - self.final) * (1 - t)


@dataclass(frozen=True)
class Cosine(Schedule):
    """``final + (lr - final) / 2 * (1 + cos(pi t))`` (AAR with final = 0; Loshchilov and Hutter 2017)."""

    lr: float
    final: float = 0.0

    def __post_init__(self) -> None:
        self._require_rates("lr", "final")

    def rate(self, t: float) -> float:
        return half_cosine(self.lr, self.final, t)
