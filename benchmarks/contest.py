"""Several ways to do the same work, timed in turn.

Contestants are timed in short blocks that alternate (A B C A B C …), so that a change of the machine's
clock or load meets all of them alike.
"""

from __future__ import annotations

import argparse
import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from minidl.parallel import threads

WARM_UP_STEPS = 5
BLAS = "BLAS threads"


@dataclass
class Contestant:
    """One way to do the step, and the nanoseconds each of its steps took."""

    framework: str  # "minidl", "PyTorch" or "DeZero"
    variant: str  # "BLAS threads", "channels-last", "compiled"; empty for the plain form
    threads: int
    step: Callable[[int], Any]  # takes the number of the batch, returns the loss
    nanoseconds: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """How the tables call it."""
        variant = f" {self.variant}" if self.variant else ""
        return f"{self.framework}{variant}, {self.threads} thread{'s' if self.threads > 1 else ''}"

    @property
    def median(self) -> float:
        """Median step in microseconds."""
        return statistics.median(self.nanoseconds) / 1e3

    @property
    def minimum(self) -> float:
        """Fastest step in microseconds."""
        return min(self.nanoseconds) / 1e3


def thread_limit(contestant: Contestant) -> AbstractContextManager[Any]:
    """Give a contestant its threads, for as long as the context lasts."""
    if contestant.framework == "PyTorch":
        import torch

        torch.set_num_threads(contestant.threads)
        return nullcontext()
    if contestant.variant == BLAS:
        from threadpoolctl import threadpool_limits

        return threadpool_limits(contestant.threads, user_api="blas")
    return threads(contestant.threads)


def run_block(contestant: Contestant, seconds: float) -> None:
    """Time steps of one contestant for `seconds`, after a few that do not count."""
    gc.collect()
    gc.disable()
    try:
        with thread_limit(contestant):
            for number in range(WARM_UP_STEPS):
                loss = contestant.step(number)
            clock = time.perf_counter_ns
            end, number = clock() + int(seconds * 1e9), 0
            while True:
                start = clock()
                loss = contestant.step(number)
                now = clock()
                contestant.nanoseconds.append(now - start)
                number += 1
                if now >= end:
                    break
    finally:
        gc.enable()
    if not math.isfinite(float(loss)):
        raise RuntimeError(f"{contestant.name}: the loss became {float(loss)}, so its times mean nothing")


def in_turn(entries: Sequence[Contestant], seconds: float, rounds: int) -> None:
    """Time every contestant for `seconds`, in `rounds` blocks that alternate."""
    for _ in range(rounds):
        for entry in entries:
            run_block(entry, seconds / rounds)


def words(text: str) -> list[str]:
    """Return the parts of an option such as ``0,1,3``."""
    return [word.strip() for word in text.split(",") if word.strip()]


def numbers(text: str) -> list[int]:
    """Return the positive numbers of an option such as ``10,128``."""
    found = [int(word) for word in words(text)]
    if not found or min(found) < 1:
        raise argparse.ArgumentTypeError(f"expected positive numbers separated by commas, got {text!r}")
    return found
