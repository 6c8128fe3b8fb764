"""The grader's end of the pipes to a worker where pipes cannot be polled: Windows.

A thread for each direction does the waiting, so that the caller can stop waiting at its deadline.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import IO, Any

import numpy as np

from minidl.grading.worker.connection import Gone, Late, Output
from minidl.grading.worker.inside.wire import read_frame

_CHUNK = 64 * 1024


class ThreadConnection:
    """As `minidl.grading.worker.connection.Connection`, for three file objects without buffers."""

    def __init__(self, requests: IO[bytes], replies: IO[bytes], output: IO[bytes]) -> None:
        self.printed = Output()
        self._streams = (requests, replies, output)
        self._buffer = memoryview(b"")
        # Bounded: a worker that writes without end has to wait for the reader.
        self._received: queue.Queue[bytes] = queue.Queue(maxsize=64)
        self._to_send: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._sent: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._closing = threading.Event()
        for work in (self._write, self._read, self._collect):
            threading.Thread(target=work, daemon=True).start()

    def send(self, pieces: list[Any], deadline: float) -> None:
        """Write a frame; see `Connection.send`."""
        self._to_send.put(pieces)
        try:
            done = self._sent.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            raise Late from None
        if not done:
            raise Gone

    def receive(self, deadline: float) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Read a frame; see `Connection.receive`."""

        def read_into(memory: memoryview) -> None:
            while memory:
                if not self._buffer:
                    try:
                        piece = self._received.get(timeout=max(deadline - time.monotonic(), 0))
                    except queue.Empty:
                        raise Late from None
                    if not piece:
                        raise Gone
                    self._buffer = memoryview(piece)
                count = min(len(memory), len(self._buffer))
                memory[:count] = self._buffer[:count]
                memory, self._buffer = memory[count:], self._buffer[count:]

        return read_frame(read_into)

    def drain(self) -> bool:
        """Nothing to do: a thread reads what is printed."""
        return True

    def close(self) -> None:
        """Let the threads end. The worker must be dead, so that none of them waits for it."""
        self._closing.set()
        self._to_send.put(None)

    def _write(self) -> None:
        stream = self._streams[0]
        while (pieces := self._to_send.get()) is not None:
            try:
                for piece in pieces:
                    memory = memoryview(piece)
                    while memory:
                        memory = memory[stream.write(memory) :]
                self._sent.put(True)
            except OSError:
                self._sent.put(False)
        stream.close()

    def _read(self) -> None:
        stream = self._streams[1]
        while piece := _some(stream):
            while not self._closing.is_set():
                try:
                    self._received.put(piece, timeout=0.1)
                    break
                except queue.Full:
                    continue
        if not self._closing.is_set():
            self._received.put(b"")
        stream.close()

    def _collect(self) -> None:
        stream = self._streams[2]
        while piece := _some(stream):
            self.printed.add(piece)
        stream.close()


def _some(stream: IO[bytes]) -> bytes:
    try:
        return stream.read(_CHUNK) or b""
    except OSError:
        return b""
