"""The values a hyper-parameter may take, and how they lie between 0 and 1.

Every kind of range maps the unit interval onto its values, so that a random draw, a grid, a narrower
range around the best value and "at the edge" mean the same for a learning rate, which is drawn on a
logarithmic scale (FAU, AAR), and for dropout, which is drawn on a linear one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from minidl.errors import ConfigError

POINTS = 5  # of a grid, where a range does not say
EDGE = 0.05  # of the range, on its own scale: nearer than this to an end is "at the edge"


@dataclass(frozen=True)
class _Range:
    """Numbers from `low` to `high`."""

    low: float
    high: float
    points: int | None = None

    def __post_init__(self) -> None:
        name = type(self).__name__
        for each in (self.low, self.high):
            if isinstance(each, bool) or not isinstance(each, int | float) or not math.isfinite(each):
                raise ConfigError(f"{name}: low and high must be numbers, got {self.low!r} and {self.high!r}")
        if not self.low < self.high:
            raise ConfigError(f"{name}: low must be less than high, got {self.low!r} and {self.high!r}")
        if self.points is not None and (
            isinstance(self.points, bool) or not isinstance(self.points, int) or self.points < 2
        ):
            raise ConfigError(f"{name}: points must be a whole number of at least 2, got {self.points!r}")

    @property
    def is_log(self) -> bool:
        """Whether equal steps are equal factors."""
        return False

    def at(self, position: float) -> Any:
        """Return the value at a position from 0 to 1."""
        if self.is_log:
            return min(max(self.low * (self.high / self.low) ** position, self.low), self.high)
        return min(max(self.low + (self.high - self.low) * position, self.low), self.high)

    def position(self, value: Any) -> float:
        """Return where a value lies, from 0 to 1."""
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def grid(self) -> list[Any]:
        """Return values at equal distances, both ends included."""
        count = self.points or POINTS
        return [self.at(k / (count - 1)) for k in range(count)]

    def edge(self, value: Any) -> str | None:
        """Return "lower" or "upper" for a value at that end of the range, else None."""
        position = self.position(value)
        return "lower" if position <= EDGE else "upper" if position >= 1 - EDGE else None

    def around(self, value: Any, share: float) -> Any:
        """Return the part of the range around `value` that is `share` as wide on its scale.

        The part never reaches beyond the range; near an end it is moved, not cut.
        """
        start = min(max(self.position(value) - share / 2, 0.0), 1 - share)
        low, high = self.at(start), self.at(start + share)
        return replace(self, low=low, high=high) if low < high else self


class Linear(_Range):
    """Real numbers on a linear scale, such as a share to drop: ``Linear(0, 0.7)``.

    Parameters
    ----------
    low, high : float
    points : int, optional
        Of a grid; `POINTS` by default.

    Examples
    --------
    >>> Linear(0, 0.8).at(0.25), Linear(0, 0.8, points=3).grid()
    (0.2, [0.0, 0.4, 0.8])
    """

    def at(self, position: float) -> float:
        return float(super().at(position))


class Log(_Range):
    """Positive numbers on a logarithmic scale, such as a learning rate: ``Log(1e-4, 1)``.

    ``10 ** uniform(log10(low), log10(high))``: every power of ten gets as many trials as the next.

    Parameters
    ----------
    low, high : float
        Above 0.
    points : int, optional
        Of a grid.

    Examples
    --------
    >>> Log(1, 100).at(0.5), Log(0.01, 1, points=3).grid()
    (10.0, [0.01, 0.1, 1.0])
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low <= 0:
            raise ConfigError(
                f"Log: low must be above 0, got {self.low!r}; add 0 by Categorical, or use Linear"
            )

    @property
    def is_log(self) -> bool:
        return True

    def at(self, position: float) -> float:
        value = float(super().at(position))
        # 1e-4 * (1e4 ** 0.5) is 0.010000000000000002: the last digits are noise that would be copied about.
        return float(f"{value:.12g}") if 0 < position < 1 else value


@dataclass(frozen=True)
class Integer(_Range):
    """Whole numbers, ends included, such as a number of units: ``Integer(20, 500, log=True)``.

    Parameters
    ----------
    low, high : int
    points : int, optional
        Of a grid. Values that round to the same number appear once.
    log : bool
        On a logarithmic scale.

    Examples
    --------
    >>> Integer(1, 3).at(0.0), Integer(1, 3).at(0.5), Integer(1, 3).at(1.0)
    (1, 2, 3)
    """

    log: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isinstance(self.low, int) and isinstance(self.high, int)):
            raise ConfigError(
                f"Integer: low and high must be whole numbers, got {self.low!r} and {self.high!r}"
            )
        if self.log and self.low < 1:
            raise ConfigError(f"Integer: with log=True low must be at least 1, got {self.low}")

    @property
    def is_log(self) -> bool:
        return self.log

    @property
    def _ends(self) -> tuple[float, float]:
        # Half a number more at both ends: the first and the last are as likely as the others.
        return self.low - 0.5, self.high + 0.5

    def at(self, position: float) -> int:
        low, high = self._ends
        exact = low * (high / low) ** position if self.log else low + (high - low) * position
        return int(min(max(math.floor(exact + 0.5), self.low), self.high))

    def position(self, value: Any) -> float:
        low, high = self._ends
        if self.log:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    def grid(self) -> list[int]:
        count = min(self.points or POINTS, int(self.high - self.low) + 1)
        ratio = self.high / self.low if self.log else 0.0
        exact = [
            self.low * ratio ** (k / (count - 1))
            if self.log
            else self.low + (self.high - self.low) * k / (count - 1)
            for k in range(count)
        ]
        return sorted({math.floor(each + 0.5) for each in exact})

    def edge(self, value: Any) -> str | None:
        if value in (self.low, self.high):
            return "lower" if value == self.low else "upper"
        return super().edge(value)


@dataclass(frozen=True)
class Categorical:
    """One of some values, such as ``Categorical([16, 32, 64])`` or ``Categorical(["ReLU()", "Tanh()"])``.

    Parameters
    ----------
    values : sequence
        Numbers, texts, True, False, None, or lists of these.
    """

    values: Sequence[Any]

    def __post_init__(self) -> None:
        if not isinstance(self.values, list | tuple) or len(self.values) < 2:
            raise ConfigError(f"Categorical: expected a list of at least two values, got {self.values!r}")
        values = tuple(list(each) if isinstance(each, tuple) else each for each in self.values)
        object.__setattr__(self, "values", values)
        if any(self.index(value) != place for place, value in enumerate(values)):
            raise ConfigError(f"Categorical: the values must differ, got {list(self.values)!r}")

    @property
    def is_log(self) -> bool:
        """Never: the order of the values means nothing."""
        return False

    def index(self, value: Any) -> int:
        """Return the place of a value. 1, 1.0 and True are different values."""
        return [(type(each), each) for each in self.values].index((type(value), value))

    def at(self, position: float) -> Any:
        """Return the value at a position from 0 to 1; each has an equal share of it."""
        return self.values[min(int(position * len(self.values)), len(self.values) - 1)]

    def position(self, value: Any) -> float:
        """Return the middle of the value's share."""
        return (self.index(value) + 0.5) / len(self.values)

    def grid(self) -> list[Any]:
        """Return all values."""
        return list(self.values)

    def edge(self, value: Any) -> None:
        """Return None: a list has no edge."""
        return None

    def around(self, value: Any, share: float) -> Categorical:
        """Return the list as it is: "near" means nothing here."""
        return self


Dimension = Linear | Log | Integer | Categorical
Space = dict[str, Dimension]
KINDS: dict[str, Any] = {"Log": Log, "Linear": Linear, "Integer": Integer, "Categorical": Categorical}


def text_of(dimension: Dimension) -> str:
    """Return the text that makes an equal dimension: ``Log(0.0001, 1)``."""
    if isinstance(dimension, Categorical):
        return f"Categorical({list(dimension.values)!r})"
    options = [repr(dimension.low), repr(dimension.high)]
    options += [] if dimension.points is None else [f"points={dimension.points}"]
    options += ["log=True"] if isinstance(dimension, Integer) and dimension.log else []
    return f"{type(dimension).__name__}({', '.join(options)})"
