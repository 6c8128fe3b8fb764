"""Where a training stands, and at which of its steps a monitor looks."""

from __future__ import annotations

from typing import NamedTuple

from minidl.errors import ConfigError

GROWTH = 3
SHORTEST = 500  # steps; a look costs as much as some five to twenty of them


class Place(NamedTuple):
    """A step of a training: its epoch and batch, both from 1, and its number from the beginning, from 1."""

    epoch: int
    batch: int
    step: int

    @classmethod
    def of_step(cls, step: int, batches: int) -> Place:
        """Return the place of a step in a training with so many batches per epoch."""
        epoch, batch = divmod(step - 1, batches)
        return cls(epoch + 1, batch + 1, step)

    def __str__(self) -> str:
        return f"epoch {self.epoch}, batch {self.batch}"


def check_every(who: str, every: int | None) -> None:
    """Raise a `ConfigError` unless `every` is None or an integer of 1 or more."""
    if every is not None and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
        raise ConfigError(f"{who}: every must be a number of steps, an integer >= 1, or None, got {every!r}")


def next_look(step: int, every: int | None, batches: int) -> int:
    """Return the first step after `step` at which a monitor looks.

    With `every` these are 1, 1 + every, 1 + 2 every, … Without, they are 1, 3, 9, 27, … at first, when
    most happens and a bad start shows, until the gaps reach half an epoch or 500 steps, whichever is
    more; from then on they stay that wide, which bounds the cost.

    Parameters
    ----------
    step : int
        From 0, before the first step.
    every : int or None
    batches : int
        Per epoch.
    """
    if every is not None:
        return step - (step - 1) % every + every if step > 0 else 1
    widest = max(SHORTEST, batches // 2)
    look = 1
    while look <= step:
        look = min(GROWTH * look, look + widest)
    return look
