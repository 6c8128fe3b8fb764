"""Schedules made of schedules: a rise before one, one after the other, one times the other."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

from minidl.schedules.base import ROUNDING, Schedule


@dataclass(frozen=True)
class Warmup(Schedule):
    """A linear rise before another schedule (AAR; Goyal et al. 2017).

    During the first `fraction` of the training the rate rises in proportion from ``start * inner(0)``
    to ``inner(0)``; the rest of the training is ``inner((t - fraction) / (1 - fraction))``. W epochs
    of E are ``fraction = W / E``.
    """

    inner: Schedule
    fraction: float = 0.05
    start: float = 0.0

    def __post_init__(self) -> None:
        _require_schedules(self, "inner", (self.inner,))
        self._require(0 < self.fraction < 1, "fraction must lie between 0 and 1")
        self._require(0 <= self.start <= 1, "start must lie in [0, 1]")

    def rate(self, t: float) -> float:
        if t < self.fraction:
            return self.inner(0.0) * (self.start + (1 - self.start) * t / self.fraction)
        return self.inner(self._inner(t))

    def momentum(self, progress: float) -> float | None:
        return self.inner.momentum(self._inner(self._checked(progress)))

    def cycle_ends(self) -> tuple[float, ...]:
        return _moved(self.inner, self.fraction, 1.0)

    def _inner(self, t: float) -> float:
        return min(1.0, max(0.0, (t - self.fraction) / (1 - self.fraction)))


@dataclass(frozen=True)
class Chain(Schedule):
    """One schedule after the other: between two milestones a whole one, from its 0 to its 1.

    ``Chain([Linear(0, final=0.1), Constant(0.1), Cosine(0.1)], at=[0.1, 0.6])`` rises, stays, and falls.
    At a milestone the new schedule already holds (PyTorch: SequentialLR). The momentum is that of the
    schedule in force; one that sets none leaves it where the one before ended.

    Parameters
    ----------
    parts : sequence of Schedule
    at : sequence of float
        Where the second, third, … part begins: increasing, between 0 and 1, one less than the parts.
        Epoch e of E is ``e / E``.
    """

    parts: tuple[Schedule, ...]
    at: tuple[float, ...]

    def __post_init__(self) -> None:
        self._require_tuple("parts")
        self._require_tuple("at")
        _require_schedules(self, "parts", self.parts)
        self._require(
            len(self.at) == len(self.parts) - 1,
            f"{len(self.parts)} parts have {len(self.parts) - 1} milestones between them in at",
        )
        self._require(
            all(a < b - ROUNDING for a, b in pairwise((0.0, *self.at, 1.0))),
            "the milestones in at must increase and lie between 0 and 1",
        )

    def rate(self, t: float) -> float:
        index = self._index(t)
        return self.parts[index](self._inner(index, t))

    def momentum(self, progress: float) -> float | None:
        t = self._checked(progress)
        for index in range(self._index(t), -1, -1):
            value = self.parts[index].momentum(self._inner(index, t))
            if value is not None:
                return value
        return None

    def cycle_ends(self) -> tuple[float, ...]:
        spans = pairwise((0.0, *self.at, 1.0))
        return tuple(end for part, span in zip(self.parts, spans, strict=True) for end in _moved(part, *span))

    def _index(self, t: float) -> int:
        return bisect_right(self.at, t + ROUNDING)

    def _inner(self, index: int, t: float) -> float:
        start, end = (0.0, *self.at)[index], (*self.at, 1.0)[index]
        return min(1.0, max(0.0, (t - start) / (end - start)))


@dataclass(frozen=True)
class Product(Schedule):
    """The product of schedules, such as a cycle combined with decay (AAR).

    The first gives the rate, the others are factors and begin at 1: ``Product([Triangular(0.01, 0.1),
    Exponential(1, k=3)])``. The momentum is that of the one factor that sets it.

    Parameters
    ----------
    factors : sequence of Schedule
        At least one.
    """

    factors: tuple[Schedule, ...]

    def __post_init__(self) -> None:
        self._require_tuple("factors")
        _require_schedules(self, "factors", self.factors)
        self._require(
            sum(factor.momentum(0.0) is not None for factor in self.factors) <= 1,
            "only one of the factors may set the momentum",
        )

    def rate(self, t: float) -> float:
        product = 1.0
        for factor in self.factors:
            product *= factor(t)
        return product

    def momentum(self, progress: float) -> float | None:
        values = [factor.momentum(progress) for factor in self.factors]
        return next((value for value in values if value is not None), None)

    def cycle_ends(self) -> tuple[float, ...]:
        return tuple(sorted({end for factor in self.factors for end in factor.cycle_ends()}))


def _moved(schedule: Schedule, start: float, end: float) -> tuple[float, ...]:
    """Return the cycle ends of a schedule that runs from `start` to `end` of a training."""
    return tuple(end if point == 1 else start + (end - start) * point for point in schedule.cycle_ends())


def _require_schedules(schedule: Schedule, name: str, given: tuple[Schedule, ...]) -> None:
    schedule._require(
        len(given) > 0 and all(isinstance(each, Schedule) for each in given),
        f"{name} takes schedules, such as Cosine(0.1)",
    )
