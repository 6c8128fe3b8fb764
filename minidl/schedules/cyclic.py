"""Schedules that come back up: triangles, cosines with restarts, one cycle."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from minidl.schedules.base import ROUNDING, Schedule, half_cosine

MODES = ("triangular", "triangular2", "exp_range")


@dataclass(frozen=True)
class Triangular(Schedule):
    """Up and down between two bounds along straight lines (CLR: Smith 2015; AAR).

    With ``cycle = floor(1 + cycles t)`` and ``x = |2 cycles t - 2 cycle + 1|``, which is 1 at both ends
    of a cycle and 0 in its middle::

        base_lr + (max_lr - base_lr) * max(0, 1 - x) * s

    "triangular"    s = 1
    "triangular2"   s = 2 ** (1 - cycle): each cycle half as high as the one before
    "exp_range"     s = shrink ** t: the height shrinks all the time, to `shrink` at the end

    Smith counts iterations: a `stepsize` of half a cycle in a training of T iterations is
    ``cycles = T / (2 stepsize)``, and his gamma per iteration is ``shrink = gamma ** T``. The formula in
    the widely copied README of bckenstler/CLR has ``(max_lr - lr)``, which is right only if the
    bound called lr there is the lower one.

    Parameters
    ----------
    base_lr, max_lr : float
        Lower and upper bound. `minidl.training.lr_range_test` finds them.
    cycles : int
        The lecture's picture has three.
    mode : {"triangular", "triangular2", "exp_range"}
    shrink : float
        For "exp_range", in (0, 1].
    """

    base_lr: float
    max_lr: float
    cycles: int = 3
    mode: str = "triangular"
    shrink: float = 0.1

    def __post_init__(self) -> None:
        self._require_rates("base_lr", "max_lr")
        self._require(self.base_lr <= self.max_lr, "base_lr must not be above max_lr")
        _require_cycles(self, self.cycles)
        self._require(self.mode in MODES, f"mode must be one of {', '.join(MODES)}")
        self._require(0 < self.shrink <= 1, "shrink must be above 0 and at most 1")

    def rate(self, t: float) -> float:
        cycle = math.floor(1 + self.cycles * t)
        x = abs(2 * self.cycles * t - 2 * cycle + 1)
        scale = 1.0
        if self.mode == "triangular2":
            scale = math.ldexp(1.0, 1 - cycle)
        elif self.mode == "exp_range":
            scale = self.shrink**t
        return self.base_lr + (self.max_lr - self.base_lr) * max(0.0, 1 - x) * scale

    def cycle_ends(self) -> tuple[float, ...]:
        return tuple(cycle / self.cycles for cycle in range(1, self.cycles + 1))


@dataclass(frozen=True)
class CosineRestarts(Schedule):
    """Cosine annealing again and again (SGDR: Loshchilov and Hutter 2017; snapshots: Huang et al. 2017; AAR).

    In every cycle, with s from 0 to 1: ``final + (lr - final) / 2 * (1 + cos(pi s))``.

    - ``CosineRestarts(lr)``: six equal cycles, M = 6 for snapshots (AAR), ``s = (6 t) mod 1``.
    - ``CosineRestarts(lr, steps=T)``: the formula of the snapshot paper to the letter, for the steps
      n = 1 … T, ``lr / 2 * (cos(pi mod(n - 1, ceil(T/M)) / ceil(T/M)) + 1)``: a cycle is a whole number of
      steps, and where M does not divide T the last is cut short. Where it does, `steps` changes nothing.
    - ``CosineRestarts(lr, cycles=3, multiplier=2)``: SGDR, each cycle twice as long as the one before,
      here 1/7, 2/7 and 4/7 of the training.

    Parameters
    ----------
    lr : float
        At the beginning of each cycle.
    cycles : int
    multiplier : float
        Length of a cycle in units of the one before, at least 1.
    final : float
        At the end of each cycle.
    steps : int, optional
        Optimizer steps in the training, to round equal cycles up to whole steps.
    """

    lr: float
    cycles: int = 6
    multiplier: float = 1.0
    final: float = 0.0
    steps: int | None = None

    def __post_init__(self) -> None:
        self._require_rates("lr", "final")
        _require_cycles(self, self.cycles)
        self._require(1 <= self.multiplier < math.inf, "multiplier must be a finite number, at least 1")
        self._require(
            self.cycles * math.log(self.multiplier) < 15,
            "cycles that grow so fast leave less than a millionth of the training for the first",
        )
        if self.steps is not None:
            _require_whole(self, "steps", self.steps)
            self._require(self.multiplier == 1, "steps is for equal cycles: leave multiplier at 1")

    def rate(self, t: float) -> float:
        ends = self._lattice
        index = min(bisect_right(ends, t + ROUNDING), len(ends) - 1)
        start = ends[index - 1] if index else 0.0
        s = (t - start) / (ends[index] - start)
        return half_cosine(self.lr, self.final, min(1.0, max(0.0, s)))

    def cycle_ends(self) -> tuple[float, ...]:
        return tuple(min(1.0, end) for end in self._lattice)

    @cached_property
    def _lattice(self) -> tuple[float, ...]:
        """Where the cycles end; the last may end beyond 1, when it is cut short."""
        if self.steps is not None:
            length = math.ceil(self.steps / self.cycles)
            return tuple(k * length / self.steps for k in range(1, math.ceil(self.steps / length) + 1))
        lengths = [self.multiplier**k for k in range(self.cycles)]
        return tuple(end / sum(lengths) for end in accumulate(lengths))


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up, then down to almost nothing, both along half a cosine (Smith and Topin 2018; AAR).

    From ``max_lr / div`` up to ``max_lr`` during the first `pct_start` of the training, then down to
    ``max_lr / div / final_div``, with each branch ``b + (a - b) / 2 * (1 + cos(pi s))`` for s from 0
    to 1. `momentum` runs the other way. The defaults are those of PyTorch's OneCycleLR and of fastai.
    """

    max_lr: float
    pct_start: float = 0.3
    div: float = 25.0
    final_div: float = 1e4
    max_momentum: float = 0.95
    min_momentum: float = 0.85

    def __post_init__(self) -> None:
        self._require_rates("max_lr")
        self._require(0 < self.pct_start < 1, "pct_start must lie between 0 and 1")
        self._require(self.div > 0 and self.final_div > 0, "div and final_div must be above 0")
        self._require(0 <= self.min_momentum <= self.max_momentum < 1, "the momenta must lie in [0, 1)")

    def rate(self, t: float) -> float:
        start = self.max_lr / self.div
        return self._cycle(t, start, self.max_lr, start / self.final_div)

    def momentum(self, progress: float) -> float:
        """Return the momentum to go with the rate: from 0.95 down to 0.85 and back up."""
        t = self._checked(progress)
        return self._cycle(t, self.max_momentum, self.min_momentum, self.max_momentum)

    def cycle_ends(self) -> tuple[float, ...]:
        return (1.0,)

    def _cycle(self, t: float, start: float, peak: float, end: float) -> float:
        if t < self.pct_start:
            return half_cosine(start, peak, t / self.pct_start)
        return half_cosine(peak, end, (t - self.pct_start) / (1 - self.pct_start))


def _require_cycles(schedule: Schedule, cycles: int) -> None:
    _require_whole(schedule, "cycles", cycles)
    schedule._require(cycles <= 1000, "cycles must be at most 1000")


def _require_whole(schedule: Schedule, name: str, value: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    schedule._require(whole and value >= 1, f"{name} must be a whole number, at least 1")
