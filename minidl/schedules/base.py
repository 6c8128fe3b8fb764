"""What a schedule is, and how to tabulate one."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from minidl.errors import ConfigError

ROUNDING = 1e-9  # (15/30) / (5/30) must count as 3 although it may round below; no training has 1e9 steps
MOST_STEPS = 1_000_000


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
        t = self._checked(progress)
        try:
            return float(self.rate(t))
        except OverflowError:
            raise ConfigError(f"{self!r}: the learning rate at progress {t:g} is no finite number") from None

    def rate(self, t: float) -> float:
        """Return the learning rate at progress `t`, already checked."""
        raise NotImplementedError

    def momentum(self, progress: float) -> float | None:
        """Return the momentum to go with the rate, or None to leave the optimizer's as it is."""
        self._checked(progress)
        return None

    def cycle_ends(self) -> tuple[float, ...]:
        """Return the progress at which each cycle ends, in increasing order; () without cycles.

        Just before these points the rate is lowest and the network has settled: the moments to take
        snapshots for an ensemble.
        """
        return ()

    def _checked(self, progress: float) -> float:
        if not 0 <= progress <= 1:
            raise ConfigError(
                f"{type(self).__name__}: progress must lie in [0, 1], got {progress!r}; "
                "divide the step by the number of steps"
            )
        return float(progress)

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            raise ConfigError(f"{type(self).__name__}: {what}, got {self!r}")

    def _require_rates(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            holds = isinstance(value, Real) and 0 <= float(value) < math.inf
            self._require(holds, f"{name} must be a finite number, at least 0")

    def _require_tuple(self, name: str) -> None:
        """Turn a list, as a configuration file has it, into a tuple; refuse anything else."""
        value = getattr(self, name)
        self._require(isinstance(value, list | tuple), f"{name} must be a list or a tuple")
        object.__setattr__(self, name, tuple(value))


def half_cosine(start: float, end: float, t: float) -> float:
    """Return ``end + (start - end) / 2 * (1 + cos(pi t))``: from `start` at 0 smoothly to `end` at 1."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * t))


def sample(
    schedule: Callable[[float], float], steps: int | None = None, *, points: int = 1001
) -> dict[str, np.ndarray]:
    """Tabulate a schedule, for a picture.

    Parameters
    ----------
    schedule : callable
        A `Schedule`, or any function of progress.
    steps : int, optional
        Number of optimizer steps: the values of exactly those, at ``0, 1/steps, … (steps - 1)/steps``,
        as a training sees them.
    points : int
        Without `steps`: how many points from 0 to 1, both included.

    Returns
    -------
    dict of str to numpy.ndarray
        float64 arrays "progress", "lr" and, for a schedule that sets it, "momentum" (NaN where it leaves
        the optimizer's as it is).

    Raises
    ------
    ConfigError
        If `steps` is not from 1 to a million, `points` below 2, or a rate no finite number.
    """
    if steps is not None and not 1 <= steps <= MOST_STEPS:
        raise ConfigError(f"sample: steps must be from 1 to {MOST_STEPS:,}, got {steps:,}")
    if points < 2:
        raise ConfigError(f"sample: points must be at least 2, got {points}")
    progress = np.linspace(0, 1, points) if steps is None else np.arange(steps) / steps
    table = {"progress": progress, "lr": np.array([schedule(float(t)) for t in progress], np.float64)}
    if not np.isfinite(table["lr"]).all():
        raise ConfigError(f"{schedule!r}: the learning rate is not a finite number everywhere")
    momentum: Any = getattr(schedule, "momentum", None)
    if momentum is not None:
        values = [momentum(float(t)) for t in progress]
        if any(value is not None for value in values):
            table["momentum"] = np.array(values, np.float64)  # None becomes NaN
    return table
