"""Asking a worker, or an object table in this process, one question at a time."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from minidl.grading.worker.connection import Gone, Late, plain
from minidl.grading.worker.errors import IsolationError, WorkerDied, WorkerError, WorkerTimeout
from minidl.grading.worker.inside.host import Host
from minidl.grading.worker.inside.wire import FrameError, pack
from minidl.grading.worker.server import Worker

_START_SECONDS = 20.0
_STALE_FRAMES = 100  # answers to no question, before the worker is given up

# A process that closes its connection may be gone before it is killed, or not: one text for both, so that a replay
# says the same.
_ENDED = (
    "your code ended it (os._exit or similar), closed its connection to the tests, or was killed for using too much "
    "memory"
)
_SIGNALS = {
    "SIGKILL": _ENDED,
    "SIGSEGV": "it crashed (segmentation fault: memory was used that is not there, or the stack is full)",
    "SIGFPE": "it crashed (SIGFPE)",
    "SIGABRT": "it crashed (abort)",
    "SIGBUS": "it crashed (bus error)",
    "SIGILL": "it crashed (illegal instruction)",
    "SIGXCPU": "it used up its processor time",
    "SIGSYS": "it did something that is forbidden",
}


# Answers a call of a function of the grader: (header, arrays) of the call to those of the answer.
Called = Callable[[dict[str, Any], list[np.ndarray]], tuple[dict[str, Any], list[np.ndarray]]]


class Channel(Protocol):
    """Carries out requests about a submission."""

    level: str

    @property
    def alive(self) -> bool:
        """Whether it still answers."""

    @property
    def output(self) -> str:
        """What the submission printed since the last `restart`."""

    @property
    def peak_rss_mb(self) -> float | None:
        """The most memory the process had so far, if that is known."""

    def restart(self, seconds: float) -> None:
        """Start the clock of a test, and forget what was printed."""

    def ask(self, request: dict[str, Any], arrays: list[np.ndarray], call: str, called: Called) -> Any:
        """Return the header and the arrays of the answer; `called` is for what is called here on the way to it."""

    def end(self) -> None:
        """End the process."""


class WorkerChannel:
    """Questions to a worker.

    Parameters
    ----------
    worker : Worker
        Freshly started.
    level : str
        What its jail must be; it says so itself before it has read anything of a submission.
    setup : dict
        The first request: names, files and props.py.
    contents : list of array
        The files, as bytes.
    seconds : float
        Time for the first test.

    Raises
    ------
    IsolationError
        If the worker could not jail itself as demanded.
    WorkerError
        If it did not start, or props.py is broken.
    """

    def __init__(
        self, worker: Worker, level: str, setup: dict[str, Any], contents: list[np.ndarray], seconds: float
    ) -> None:
        self.level = level
        self._worker = worker
        self._peak_kb: int | None = None
        self._why: str | None = None  # it is gone
        self._count = 0
        self._seconds = self._left = seconds
        try:
            self._start(setup, contents)
        except BaseException:
            worker.end()
            raise

    def _start(self, setup: dict[str, Any], contents: list[np.ndarray]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        connection = self._worker.connection
        try:
            header, _ = connection.receive(deadline)
            if header.get("ready", {}).get("level") != self.level:
                raise IsolationError(
                    f"a worker at {self.level} could not be had: {header.get('jail', header)}"
                )
            connection.send(pack(setup, contents), deadline)
            header, _ = connection.receive(deadline)
            if "broken" in header:  # none of the submission has run yet: this is the course's own fault
                raise WorkerError(f"props.py of the exercise cannot be loaded: {header['broken']}")
        except (Gone, Late, FrameError) as error:
            connection.drain()
            said = connection.printed.text().strip().rpartition("\n")[2]
            raise WorkerError(
                f"a worker did not start ({type(error).__name__}): {said or 'no message'}"
            ) from None

    @property
    def alive(self) -> bool:
        """Whether the process still answers."""
        return self._why is None

    @property
    def output(self) -> str:
        """What the submission printed since the last `restart`, at most 64 KiB, plain characters."""
        if self.alive:
            self._worker.connection.drain()
        return self._worker.connection.printed.text()

    @property
    def peak_rss_mb(self) -> float | None:
        """The most memory the process had so far, in MiB; None where the system does not tell."""
        if self.alive:
            self._peak_kb = _peak_kb(self._worker.pid) or self._peak_kb
        return None if self._peak_kb is None else self._peak_kb / 1024

    def restart(self, seconds: float) -> None:
        """Give the submission `seconds` from now on, and forget what was printed."""
        self._seconds = self._left = seconds
        if self.alive:
            self._worker.connection.drain()
        self._worker.connection.printed.clear()

    def ask(self, request: dict[str, Any], arrays: list[np.ndarray], call: str, called: Called) -> Any:
        """Send a request and wait for its answer, as long as the test has time.

        Only waiting for the worker counts as time of the test, and what `called` does on the way.

        Raises
        ------
        WorkerDied, WorkerTimeout
            The process is gone then.
        """
        if self._why is not None:
            raise WorkerDied(self._why, call)
        self._count += 1
        mark = {"id": self._count, "nonce": secrets.token_hex(8)}
        pieces = pack({**request, **mark}, arrays)
        start = time.monotonic()
        deadline = start + self._left
        connection = self._worker.connection
        try:
            connection.send(pieces, deadline)
            stale = 0
            while stale < _STALE_FRAMES:
                header, answer = connection.receive(deadline)
                if header.get("id") != mark["id"] or header.get("nonce") != mark["nonce"]:
                    stale += 1
                elif "callback" not in header:
                    return header, answer
                else:
                    connection.send(pack(*called(header, answer)), deadline)
            raise FrameError("answers to questions that were not asked")
        except Late:
            self._give_up(f"it was stopped after {self._seconds:g} s")
            raise WorkerTimeout(self._seconds, call) from None
        except FrameError as error:
            self._give_up(f"it wrote something into the connection to the tests ({plain(str(error))})")
            raise WorkerDied(str(self._why), call) from None
        except Gone:
            self._give_up(None)
            raise WorkerDied(str(self._why), call) from None
        except BaseException:
            self._give_up("the test was interrupted")
            raise
        finally:
            self._left -= time.monotonic() - start

    def end(self) -> None:
        """Kill the process."""
        if self.alive:
            self._give_up("the test is over")

    def _give_up(self, why: str | None) -> None:
        usage = self._worker.end()
        self._peak_kb = usage["peak_kb"] or self._peak_kb
        self._why = "your code's process is gone: " + (why or _ending(usage["status"]))


def _ending(status: int | None) -> str:
    if status is None:
        return "it ended"
    if status >= 0:
        return _ENDED
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return _SIGNALS.get(name, f"it ended with {name}")


def _peak_kb(pid: int) -> int | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return None  # it has ended and waits to be collected


class LocalChannel:
    """Questions to an object table in this process: no limits, and what is printed is not collected."""

    level = "L0"
    alive = True
    output = ""
    peak_rss_mb = None

    def __init__(self, host: Host) -> None:
        self._host = host

    def restart(self, seconds: float) -> None:
        """Nothing limits the time here."""

    def ask(self, request: dict[str, Any], arrays: list[np.ndarray], call: str, called: Called) -> Any:
        """Return the answer to a request."""
        self._host.call_back = called
        return self._host.answer(request, arrays)

    def end(self) -> None:
        """Take the submission's modules out of this process."""
        self._host.submission.forget()
