"""Streams and graphs of the fake device: what is captured is not carried out until the graph is launched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from tests.device.ledger import LEDGER


class Graph:
    """A recorded list of calls, as `cupy.cuda.Graph`."""

    def __init__(self, calls: list[Callable[[], None]]) -> None:
        self.calls = calls

    def launch(self, stream: Any = None) -> None:
        """Carry out all calls once more, into the same arrays."""
        LEDGER.launches["graph"] += 1
        with np.errstate(all="ignore"):
            for call in self.calls:
                call()

    def upload(self, stream: Any = None) -> None:
        """Prepare the first launch."""


class Stream:
    """A stream, as `cupy.cuda.Stream`. Everything is done in order, so there is nothing to keep apart."""

    _current: ClassVar[list[Stream]] = []

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: Any = None
    ):
        self._null = null or not non_blocking

    def __enter__(self) -> Stream:
        self._current.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._current.pop()

    def use(self) -> Stream:
        self._current.append(self)
        return self

    def begin_capture(self, mode: Any = None) -> None:
        """Record what follows instead of carrying it out."""
        if self._null:
            raise RuntimeError("cudaErrorStreamCaptureUnsupported: the default stream cannot be captured")
        if LEDGER.recording is not None:
            raise RuntimeError("cudaErrorIllegalState: the stream is capturing already")
        LEDGER.recording = []

    def end_capture(self) -> Graph:
        """Return what was recorded."""
        if LEDGER.recording is None:
            raise RuntimeError("cudaErrorIllegalState: no capture has begun")
        calls, LEDGER.recording = LEDGER.recording, None
        return Graph(calls)

    def is_capturing(self) -> bool:
        return LEDGER.recording is not None

    def synchronize(self) -> None:
        LEDGER.transfer("wait", "stream.synchronize()")

    @property
    def done(self) -> bool:
        LEDGER.transfer("wait", "stream.done")
        return True


def current_stream() -> Stream:
    """Return the innermost stream in use."""
    return Stream._current[-1] if Stream._current else Stream(null=True)


class MemoryPool:
    """A pool of memory, as `cupy.cuda.MemoryPool`."""

    def malloc(self, size: int) -> Any:
        raise NotImplementedError("the fake device has its arrays from NumPy")


_allocators: list[Any] = []


@contextmanager
def using_allocator(allocator: Any = None) -> Iterator[None]:
    """Allocate by `allocator` inside the block, as `cupy.cuda.using_allocator`."""
    _allocators.append(allocator)
    try:
        yield
    finally:
        _allocators.pop()


def current_allocator() -> Any:
    """Return the allocator of the innermost block; None outside of one."""
    return _allocators[-1] if _allocators else None
