"""The loss of every batch: its curve in blocks, and the jumps that do not belong there."""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from minidl.backend import device_of, namespace, to_cpu
from minidl.errors import ConfigError
from minidl.monitoring.place import Place
from minidl.monitoring.sampler import Sampler, warn
from minidl.monitoring.storage import Notes, Stack, Table

REFRESH = 50  # steps between two looks at the losses
BLOCKS = 50  # rows per epoch
TINY = 1e-12  # stands for a loss of zero, whose logarithm does not exist


class LossJumps(Sampler):
    """Watch the loss of every batch and notice when it jumps (FAU).

    A batch is a jump when ``log(loss) > m + threshold * s`` where m is the median of the logarithms of
    the last `window` losses and s their spread, 1.4826 times the median distance from m (for a normal
    distribution the standard deviation), and when the loss has at least doubled against the median.
    Medians do not move because of the jump itself, and the logarithm takes account of small batches,
    whose losses scatter by factors rather than by amounts. After a jump the next `window` batches are
    not reported: it is one event. A loss that is not finite always is a jump.

    Written to ``monitor/batches.csv``: some 50 rows per epoch with ``lr``, ``loss`` (mean of the
    batches since the last row) and ``highest`` of them; and to ``monitor/jumps.csv``: ``batch`` (from
    1), ``loss``, ``usual`` (the median) and ``spreads`` (the distance of the logarithms in units of s).

    Parameters
    ----------
    window : int
        Batches that tell what is usual.
    threshold : float
        Spreads above the median.

    Attributes
    ----------
    table, jumps : Table
    waiting : list of (step, loss, lr)
        Noted but not yet looked at, which happens every 50 steps.
    notes : Notes
    """

    def __init__(self, window: int = 100, threshold: float = 6.0) -> None:
        super().__init__()
        for option, value, least in (("window", window, 10), ("threshold", threshold, 0)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > least:
                raise ConfigError(f"LossJumps: {option} must be a number above {least}, got {value!r}")
        self.window = int(window)
        self.threshold = float(threshold)
        self.table, self.jumps = Table("batches.csv"), Table("jumps.csv")
        self.notes = Notes("warnings-jumps.json")
        self._forget()

    def _forget(self) -> None:
        self._recent: deque[float] = deque(maxlen=self.window)  # logarithms
        self._block: list[float] = []
        self.waiting: list[tuple[int, Any, float | None]] = []
        self._limit = sys.float_info.max  # before there is a window: only what is not finite
        self._middle = self._spread = math.nan
        self._quiet_until = 0

    def stores(self) -> list[Table | Stack | Notes]:
        return [self.table, self.jumps, self.notes]

    def begin(self) -> None:
        if self._step == 0:
            self._forget()
        self._block, self.waiting[:] = [], []
        self._row = max(1, round(self._batches / BLOCKS))

    def observe(self, loss: Any = None, lr: float | None = None) -> None:
        self._step += 1
        if loss is not None:
            self.waiting.append((self._step, loss, lr))
        if self._step >= self._event:
            self._arrive()

    def digest(self) -> None:
        """Look at the losses noted since the last time.

        Several at once is cheaper, and on another device reading each would make the host wait for it.
        """
        waiting, self.waiting[:] = list(self.waiting), []
        losses = [loss for _, loss, _ in waiting]
        if losses and not isinstance(losses[0], float) and device_of(losses[0]) != "cpu":
            losses = to_cpu(namespace(losses[0]).stack(losses)).tolist()
        block, recent, row, batches = self._block, self._recent, self._row, self._batches
        for (step, _, lr), loss in zip(waiting, map(float, losses), strict=True):
            block.append(loss)
            if not loss <= self._limit:
                self._jump(loss, step)
            if math.isfinite(loss):
                recent.append(_log(loss))
            if step % row == 0 or step % batches == 0:
                mean, highest = sum(block) / len(block), max(block)
                values = {"lr": math.nan if lr is None else float(lr), "loss": mean, "highest": highest}
                self.table.add(Place.of_step(step, batches), values)
                block.clear()
            if step % REFRESH == 0:
                self._renew()

    def finish(self) -> None:
        self.digest()
        super().finish()

    def look(self, place: Place) -> None:
        """Every batch is looked at, in `digest`."""

    def state_dict(self) -> dict[str, Any]:
        """Return the window and what follows from it."""
        return {
            "recent": np.array(self._recent, np.float64),
            "limit": self._limit,
            "middle": self._middle,
            "spread": self._spread,
            "quiet_until": self._quiet_until,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self._recent = deque(map(float, to_cpu(state["recent"])), maxlen=self.window)
        self._limit, self._middle, self._spread = state["limit"], state["middle"], state["spread"]
        self._quiet_until = int(state["quiet_until"])

    def _arrive(self) -> None:
        if self.model is not None:
            self.digest()
        super()._arrive()

    def _next_event(self) -> int:
        return min(next_digest(self._step), super()._next_event())

    def _renew(self) -> None:
        if len(self._recent) < max(self.window // 4, 2):
            return
        middle = _median(self._recent)
        self._middle, self._spread = middle, 1.4826 * _median([abs(log - middle) for log in self._recent])
        limit = middle + max(self.threshold * self._spread, math.log(2))
        self._limit = math.exp(min(limit, 700.0))

    def _jump(self, loss: float, step: int) -> None:
        if step <= self._quiet_until:
            return
        self._quiet_until = step + self.window
        place, usual = Place.of_step(step, self._batches), math.exp(self._middle)
        distance = _log(loss) - self._middle if math.isfinite(loss) else math.inf
        spreads = distance / self._spread if self._spread > 0 else math.inf
        self.jumps.add(place, {"batch": place.batch, "loss": loss, "usual": usual, "spreads": spreads})
        text = f"the loss jumped to {loss:.3g}, where {usual:.3g} was usual"
        cure = "look at the examples of this batch, lower the learning rate, or clip the gradient"
        warn(self.notes, place, "jump", f"{text}: {cure}")


def next_digest(step: int) -> int:
    """Return the next step after which the losses should be looked at."""
    return step - step % REFRESH + REFRESH


def _log(loss: float) -> float:
    return math.log(loss if loss > TINY else TINY)


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
