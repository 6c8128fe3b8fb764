"""How far each step moves the weights, compared with their size."""

from __future__ import annotations

import math
import statistics
from typing import Any

from minidl.backend import Array, namespace
from minidl.monitoring.place import Place
from minidl.monitoring.sampler import Sampler, warn
from minidl.monitoring.storage import Notes, Stack, Table

HEALTHY = 1e-3
TOO_LARGE, TOO_SMALL = 3e-2, 1e-6
LOOKS = 3  # in a row, before a warning
SETTLED = 200  # steps; weights that begin at zero or nearly so grow by large shares at first


class UpdateRatios(Sampler):
    """Ratio of update to weight: ``||w_after - w_before|| / ||w_before||`` for every parameter.

    About 1e-3 is healthy (FAU); much more hints at too high a learning rate, much less at too low a
    one (cs231n, neural networks part 3). The update is what the optimizer really did to the weights,
    with momentum, adaptive rates, decay and clipping, and not ``lr * gradient``.

    Written to ``monitor/updates.csv``: for every look ``gradient_norm``, the Euclidean norm of all
    gradients of the step together before clipping, and ``ratio/1.weight``. A ratio is NaN where the
    weights were all zero.

    Parameters
    ----------
    every : int, optional
        Steps between looks; by default often at first, later twice an epoch.

    Attributes
    ----------
    table : Table
    notes : Notes
    """

    def __init__(self, every: int | None = None) -> None:
        super().__init__(every)
        self.table = Table("updates.csv")
        self.notes = Notes("warnings-updates.json")
        self._before: dict[str, Array] = {}
        self._gradient_norm = math.nan

    def stores(self) -> list[Table | Stack | Notes]:
        return [self.table, self.notes]

    def before(self) -> None:
        # Not just before the optimizer's step: for the forward pass Nesterov's look-ahead moves the weights.
        self._before = {name: parameter.value.copy() for name, parameter in self._parameters()}

    def gradients(self) -> None:
        squares = [_norm(p.grad) ** 2 for _, p in self._parameters() if p.grad is not None]
        self._gradient_norm = math.sqrt(sum(squares))

    def look(self, place: Place) -> None:
        if not self._before:
            return
        ratios = {name: update_ratio(self._before[name], p.value) for name, p in self._parameters()}
        row = {"gradient_norm": self._gradient_norm}
        self.table.add(place, row | {f"ratio/{name}": ratio for name, ratio in ratios.items()})
        self._before, self._gradient_norm = {}, math.nan
        self._warn(place)

    def _parameters(self) -> list[tuple[str, Any]]:
        return list(self.model.named_parameters())

    def _warn(self, place: Place) -> None:
        recent = self.table.rows[-LOOKS:]
        if len(recent) < LOOKS or recent[0]["step"] < SETTLED:
            return
        weights = [f"ratio/{name}" for name, p in self._parameters() if p.decay]
        usual = {name.partition("/")[2]: [row[name] for row in recent] for name in weights}
        large = {name: statistics.median(r) for name, r in usual.items() if min(r) > TOO_LARGE}
        # Zero is another thing: a frozen parameter.
        small = {name: statistics.median(r) for name, r in usual.items() if 0 < max(r) < TOO_SMALL}
        if large:
            name, ratio = max(large.items(), key=lambda item: item[1])
            text = f"a step changes {name} by {ratio:.1g} of its size, where about {HEALTHY:g} is healthy"
            warn(self.notes, place, "large updates", f"{text}: try a lower learning rate")
        if small:
            name, ratio = min(small.items(), key=lambda item: item[1])
            text = (
                f"a step changes {name} by only {ratio:.1g} of its size, where about {HEALTHY:g} is healthy"
            )
            warn(
                self.notes,
                place,
                "small updates",
                f"{text}: try a higher learning rate, unless the schedule has lowered it on purpose",
            )


def update_ratio(before: Array, after: Array) -> float:
    """Return ``||after - before|| / ||before||``; NaN if `before` is zero.

    Examples
    --------
    >>> import numpy as np
    >>> update_ratio(np.array([3.0, 4.0]), np.array([3.0, 4.5]))
    0.1
    """
    size = _norm(before)
    return _norm(after - before) / size if size > 0 else math.nan


def _norm(x: Array) -> float:
    flat = x.ravel()
    return math.sqrt(float(namespace(flat).dot(flat, flat)))
