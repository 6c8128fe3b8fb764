"""Several cores for one training step.

A BLAS uses several cores inside one matrix product; everything between the products then runs on one.
It is better to give each core its own part of the batch for the whole way through the convolutions:
each works on arrays of half the size and the cores meet twice a step. That needs a BLAS that stays on
one thread, since two products at once, each on several threads, get in each other's way (and have
given wrong results: numpy issue 29391). `threads` arranges both::

    with minidl.threads():
        trainer.fit(...)

Results do not depend on the timing of the threads. They do depend, in the last bit, on their number.
"""

from __future__ import annotations

import contextvars
import itertools
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from minidl.errors import ConfigError

WORTH_TWO_THREADS = 6_000_000  # multiplications, some 100 microseconds (measured)
WORTH_SHARING_PASSES = 250_000  # numbers that several elementwise operations go over (measured)
BLOCK = 131_072  # numbers; a block of each array in a chain of elementwise operations stays in the cache


class Team:
    """A fixed set of threads that run a list of functions together.

    Parameters
    ----------
    size : int
        How many run at once, the calling thread included.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._busy = False
        self._tasks: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(size - 1)]
        for thread in self._threads:
            thread.start()

    def run(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Run all tasks and return when the last has ended; an error in any of them is raised here.

        Called from within a task, it runs its own tasks one after another: the others have work already.
        """
        if not self._threads or self._busy:
            for task in tasks:
                task()
            return
        self._busy = True
        try:
            errors = self._run(tasks)
        finally:
            self._busy = False
        for error in errors:
            if error is not None:
                raise error

    def _run(self, tasks: Sequence[Callable[[], None]]) -> list[BaseException | None]:
        for task in tasks[1:]:
            # Settings of the calling thread, such as numpy.errstate, hold for its helpers too.
            self._tasks.put(partial(contextvars.copy_context().run, task))
        errors = [_outcome(tasks[0])]
        while len(errors) < len(tasks):
            try:
                errors.append(self._done.get())
            except KeyboardInterrupt as interrupt:
                # The others work on: what they still have to report must not be left for the next call.
                errors[0] = interrupt
        return errors

    def close(self) -> None:
        """End the threads."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            self._done.put(_outcome(task))


def _outcome(task: Callable[[], Any]) -> BaseException | None:
    """Run a task and return the error it ended in, which its thread cannot handle, or None."""
    try:
        task()
    except BaseException as raised:
        return raised
    return None


_team: Team | None = None


def team() -> Team | None:
    """Return the team of the enclosing `threads` block, or None outside of one."""
    return _team


def run(tasks: Sequence[Callable[[], None]]) -> None:
    """Run all tasks, at once inside a `threads` block, else one after another."""
    if _team is not None:
        _team.run(tasks)
    else:
        for task in tasks:
            task()


def both(first: Callable[[], Any], second: Callable[[], Any], work: int) -> None:
    """Call two functions that do not depend on each other, at once if they are worth it.

    Parameters
    ----------
    first, second : callable
    work : int
        Multiplications in each of them. Below `WORTH_TWO_THREADS` they are called one after the other: waking
        a thread takes as long as half of that.
    """
    if _team is not None and work >= WORTH_TWO_THREADS:
        _team.run([first, second])
    else:
        first()
        second()


def in_blocks(work: Callable[[slice], None], count: int, numbers: int) -> None:
    """Call a chain of elementwise operations for one range of rows after another, so that it stays in the cache.

    The rows are shared among the threads of a `threads` block if there are enough numbers.

    Parameters
    ----------
    work : callable
        Does the rows of a slice. What it does to a row must not depend on the others.
    count : int
        Rows.
    numbers : int
        In each of them.
    """
    if count * numbers <= BLOCK:
        work(slice(0, count))
        return
    size = _team.size if _team is not None and count * numbers >= WORTH_SHARING_PASSES else 1
    step = max(1, BLOCK // max(numbers, 1))

    def share(start: int, end: int) -> None:
        for first in range(start, end, step):
            work(slice(first, min(first + step, end)))

    edges = [count * k // size for k in range(size + 1)]
    run([partial(share, start, end) for start, end in itertools.pairwise(edges)])


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def threads(count: int | None = None) -> Iterator[int]:
    """Work on `count` cores inside the block, with BLAS on one thread.

    Parameters
    ----------
    count : int, optional
        Defaults to the cores this process may use. 1 only limits BLAS.

    Yields
    ------
    int
        The number of threads.

    Raises
    ------
    ConfigError
        If `count` is less than 1, or inside another such block.
    """
    global _team
    from threadpoolctl import threadpool_limits  # its import takes longer than NumPy-only users should pay

    count = available_cores() if count is None else count
    if count < 1:
        raise ConfigError(f"threads: the number of threads must be at least 1, got {count}")
    if _team is not None:
        raise ConfigError("threads: already inside a `with minidl.threads()` block; leave it first")
    with threadpool_limits(limits=1):
        _team = Team(count)
        try:
            yield count
        finally:
            _team.close()
            _team = None
