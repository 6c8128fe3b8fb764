"""The grader's end of the pipes to a worker: nothing here waits longer than it was told to."""

from __future__ import annotations

import os
import select
import time
from typing import Any

import numpy as np

from minidl.grading.worker.inside.wire import read_frame

MAX_OUTPUT = 64 * 1024
_CHUNK = 64 * 1024
_PIECES = 64  # of one write; the system allows 1024


class Gone(Exception):
    """The worker has closed its end of a pipe."""


class Late(Exception):
    """The deadline has passed."""


class Output:
    """What a worker printed: the first 64 KiB since it was last cleared."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._dropped = 0

    def add(self, piece: bytes) -> None:
        """Note what was printed."""
        room = MAX_OUTPUT - len(self._kept)
        self._kept += piece[:room]
        self._dropped += max(len(piece) - room, 0)

    def clear(self) -> None:
        """Forget what was printed so far."""
        self._kept.clear()
        self._dropped = 0

    def text(self) -> str:
        """Return it as plain characters, see `plain`."""
        kept = plain(self._kept.decode("utf-8", "backslashreplace"))
        return f"{kept}\n[{self._dropped} more bytes]" if self._dropped else kept


def plain(text: str) -> str:
    """Return a text without control characters (line ends and tabs are kept), lone surrogates as escapes.

    Terminals act on some of them, and XML cannot hold them.
    """
    readable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c for c in readable.replace("\r\n", "\n") if c in "\n\t" or _printable(c))


def _printable(character: str) -> bool:
    code = ord(character)
    # C0 and C1 controls, direction overrides, and what XML 1.0 excludes.
    hidden = 0x200E <= code <= 0x200F or 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069
    return 0x20 <= code < 0x7F or (0xA0 <= code and code not in (0xFFFE, 0xFFFF) and not hidden)


class Connection:
    """Pipes to a worker on a Unix system.

    Parameters
    ----------
    requests, replies, output : int
        Descriptors: the first to write to, the others to read from. Closed by `close`.
    """

    def __init__(self, requests: int, replies: int, output: int) -> None:
        self._requests, self._replies, self._output = requests, replies, output
        os.set_blocking(requests, False)
        os.set_blocking(output, False)
        self.printed = Output()
        self._buffer = memoryview(b"")
        self._reading = select.poll()
        self._writing = select.poll()
        self._reading.register(replies, select.POLLIN)
        self._writing.register(requests, select.POLLOUT)
        for poll in (self._reading, self._writing):
            poll.register(output, select.POLLIN)

    def send(self, pieces: list[Any], deadline: float) -> None:
        """Write a frame.

        Raises
        ------
        Gone
            If the worker does not read any more.
        Late
            If it has not read all by the deadline, in seconds of `time.monotonic`.
        """
        waiting = [memoryview(piece) for piece in pieces]
        while waiting:
            try:
                written = os.writev(self._requests, waiting[:_PIECES])
            except BlockingIOError:
                self._wait(self._writing, self._requests, deadline)
                continue
            except BrokenPipeError:
                raise Gone from None
            while waiting and written >= len(waiting[0]):
                written -= len(waiting.pop(0))
            if written:
                waiting[0] = waiting[0][written:]

    def receive(self, deadline: float) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Read a frame.

        Raises
        ------
        Gone, Late
            As for `send`.
        FrameError
            If the worker wrote something else than a frame.
        """

        def read_into(memory: memoryview) -> None:
            while memory:
                if not self._buffer:
                    self._wait(self._reading, self._replies, deadline)
                    if len(memory) >= _CHUNK:  # large arrays go straight to their place
                        count = os.readv(self._replies, [memory])
                        if not count:
                            raise Gone
                        memory = memory[count:]
                        continue
                    self._buffer = memoryview(os.read(self._replies, _CHUNK))
                    if not self._buffer:
                        raise Gone
                count = min(len(memory), len(self._buffer))
                memory[:count] = self._buffer[:count]
                memory, self._buffer = memory[count:], self._buffer[count:]

        return read_frame(read_into)

    def drain(self) -> bool:
        """Read what was printed so far, at most as much as one pipe holds; return whether there can be more."""
        for _ in range(16):
            try:
                piece = os.read(self._output, _CHUNK)
            except BlockingIOError:
                return True
            if not piece:
                return False
            self.printed.add(piece)
        return True

    def close(self) -> None:
        """Close the pipes."""
        for descriptor in (self._requests, self._replies, self._output):
            os.close(descriptor)

    def _wait(self, poll: select.poll, wanted: int, deadline: float) -> None:
        """Wait until a descriptor is ready, reading on the way what is printed."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Late
            ready = dict(poll.poll(left * 1000))
            if self._output in ready and not self.drain():
                for each in (self._reading, self._writing):
                    each.unregister(self._output)
            if wanted in ready:
                return
