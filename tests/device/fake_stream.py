"""Streams and graphs of the fake device: what is captured is not carried out until the graph is launched.

A capture begins on one stream. Another joins it by waiting for an event recorded on a stream of the capture, and
must be waited for in turn before the capture ends. A launched graph keeps the order that streams and events
prescribe and no other, so that a dependency left out shows in the results.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import numpy as np

from tests.device.ledger import LEDGER, Hazard


class Capture:
    """What is being recorded: calls, and which of them each comes after.

    Attributes
    ----------
    last : dict
        Of every stream that takes part: the calls that its next one comes after, by number.
    """

    def __init__(self, origin: Stream) -> None:
        self.origin = origin
        self.calls: list[Callable[[], None]] = []
        self.after: list[frozenset[int]] = []
        self.last: dict[Stream, frozenset[int]] = {origin: frozenset()}

    def append(self, call: Callable[[], None]) -> None:
        """Record a call on the current stream."""
        stream = current_stream()
        if stream not in self.last:
            raise Hazard("launched on a stream that is not captured, while another is: replays lack it")
        self.calls.append(call)
        self.after.append(self.last[stream])
        self.last[stream] = frozenset([len(self.calls) - 1])

    def before(self, numbers: frozenset[int]) -> set[int]:
        """Return the numbers of these calls and of all that come before them."""
        found: set[int] = set()
        waiting = list(numbers)
        while waiting:
            number = waiting.pop()
            if number not in found:
                found.add(number)
                waiting += self.after[number]
        return found


class Graph:
    """Recorded calls, as `cupy.cuda.Graph`: of parallel branches, the last begins, and they take turns."""

    def __init__(self, capture: Capture) -> None:
        self.depth: list[int] = []
        for after in capture.after:
            self.depth.append(1 + max((self.depth[number] for number in after), default=0))
        order = sorted(range(len(self.depth)), key=lambda number: (self.depth[number], -number))
        self.calls = [capture.calls[number] for number in order]

    def launch(self, stream: Any = None) -> None:
        """Carry out all calls once more, into the same arrays."""
        LEDGER.launches["graph"] += 1
        with np.errstate(all="ignore"):
            for call in self.calls:
                call()

    def upload(self, stream: Any = None) -> None:
        """Prepare the first launch."""


class Stream:
    """A stream, as `cupy.cuda.Stream`. Outside of captures all is done in order, so there is nothing to keep apart."""

    known: ClassVar[WeakValueDictionary[int, Stream]] = WeakValueDictionary()
    _current: ClassVar[list[Stream]] = []
    _pointers: ClassVar[Iterator[int]] = itertools.count(0x1000, 0x10)

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: Any = None
    ):
        self._null = null or not non_blocking
        self.ptr = 0 if null else next(self._pointers)
        self.known[self.ptr] = self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.ptr == other.ptr

    def __hash__(self) -> int:
        return self.ptr

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
        LEDGER.recording = Capture(self)

    def end_capture(self) -> Graph:
        """Return what was recorded."""
        if not self.is_capturing():
            raise RuntimeError("cudaErrorIllegalState: no capture has begun")
        capture, LEDGER.recording = LEDGER.recording, None
        if capture.origin != self:
            raise RuntimeError("cudaErrorStreamCaptureUnmatched: the capture began on another stream")
        joined = capture.before(capture.last[self])
        if not all(numbers <= joined for numbers in capture.last.values()):
            raise RuntimeError("cudaErrorStreamCaptureUnjoined: a stream of the capture was not waited for")
        return Graph(capture)

    def is_capturing(self) -> bool:
        return LEDGER.recording is not None and self in LEDGER.recording.last

    def record(self, event: Event | None = None) -> Event:
        """Record an event, a new one by default, and return it."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Let what follows come after the event; if that was captured, it joins the capture."""
        if event.capture is not None and event.capture is LEDGER.recording:
            event.capture.last[self] = event.capture.last.get(self, frozenset()) | event.after
        elif event.capture is not None or self.is_capturing():
            raise RuntimeError("cudaErrorStreamCaptureIsolation: event and stream are not of one capture")

    def synchronize(self) -> None:
        LEDGER.transfer("wait", "stream.synchronize()")

    @property
    def done(self) -> bool:
        LEDGER.transfer("wait", "stream.done")
        return True


class Event:
    """A place in a stream, as `cupy.cuda.Event`."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False):
        self.capture: Capture | None = None
        self.after: frozenset[int] = frozenset()

    def record(self, stream: Stream | None = None) -> None:
        """Mark what a stream, by default the current one, has been given so far."""
        stream = current_stream() if stream is None else stream
        self.capture = LEDGER.recording if stream.is_capturing() else None
        self.after = frozenset() if self.capture is None else self.capture.last[stream]

    def synchronize(self) -> None:
        LEDGER.transfer("wait", "event.synchronize()")


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
