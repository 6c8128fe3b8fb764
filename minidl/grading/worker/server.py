"""Starting and ending workers."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from minidl.errors import ConfigError
from minidl.grading.worker.connection import Connection
from minidl.grading.worker.errors import WorkerError
from minidl.grading.worker.threads import ThreadConnection

_BOOT = Path(__file__).parent / "inside" / "boot.py"
_START_SECONDS = 60.0
_ANSWER_SECONDS = 20.0
_PIPE_BYTES = 1 << 20
_CAN_POLL = os.name == "posix"

# What of the user's environment an interpreter may need to start at all.
_NEEDED = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",  # the order of a set of strings is the same on every run
    "PYTHONSAFEPATH": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}


class Worker:
    """A jailed process that has not read anything yet, and how to end it.

    Attributes
    ----------
    connection : Connection or ThreadConnection
    pid : int
    """

    def __init__(self, connection: Connection | ThreadConnection, pid: int, end: Any) -> None:
        self.connection = connection
        self.pid = pid
        self._end = end
        self._usage: dict[str, Any] | None = None

    def end(self) -> dict[str, Any]:
        """Kill the process and what it started; return its exit status and peak memory. Can be called again."""
        if self._usage is None:
            self._usage = {"status": None, "peak_kb": None}
            self._usage = self._end()
            self.connection.drain()
            self.connection.close()
        return self._usage


class ForkServer:
    """Starts workers, on Linux by forking an interpreter that has loaded NumPy already.

    One server can be used for any number of submissions and by several threads. Close it, or use it as a context
    manager.

    Parameters
    ----------
    user : tuple of (int, int), optional
        User and group ids the workers shall have. Only root can choose.
    forking : bool, optional
        Fork (Linux), or start a new interpreter for every worker (all other systems).

    Raises
    ------
    ConfigError
        If `user` is given and cannot be had.
    """

    def __init__(self, *, user: tuple[int, int] | None = None, forking: bool | None = None) -> None:
        self._forking = sys.platform == "linux" if forking is None else forking
        if user is not None and not (self._forking and os.geteuid() == 0):
            raise ConfigError("ForkServer: only root on Linux can let workers be another user")
        self._user = user
        self._lock = threading.Lock()
        self._interpreters: dict[tuple[str, ...], _Interpreter] = {}

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, imports: Sequence[str], *, level: str, memory_mb: int, cpu_seconds: int) -> Worker:
        """Start a worker.

        Parameters
        ----------
        imports : sequence of str
            Packages that the submission may import.
        level : {"L1", "L2"}
        memory_mb, cpu_seconds : int
            Limits of the whole process.

        Raises
        ------
        WorkerError
            If it does not start, or a package is not installed.
        """
        request = {"level": level, "memory_mb": memory_mb, "cpu_seconds": cpu_seconds}
        packages = _packages(imports)
        if not self._forking:
            return _start_alone(request, packages)
        key = tuple(sorted(packages))
        with self._lock:
            try:
                return self._interpreter(key, packages).fork(request)
            except OSError:
                # A submission at L1 may have killed the interpreter; a new one serves the next.
                self._interpreters.pop(key).close()
            try:
                return self._interpreter(key, packages).fork(request)
            except OSError as error:
                raise WorkerError(f"a worker could not be started: {error}") from None

    def close(self) -> None:
        """End the interpreters and all workers."""
        with self._lock:
            for interpreter in self._interpreters.values():
                interpreter.close()
            self._interpreters.clear()

    def _interpreter(self, key: tuple[str, ...], packages: dict[str, str]) -> _Interpreter:
        if key not in self._interpreters:
            self._interpreters[key] = _Interpreter(packages, self._user)
        return self._interpreters[key]


class _Interpreter:
    """The process that forks, for one set of packages."""

    def __init__(self, packages: dict[str, str], user: tuple[int, int] | None) -> None:
        self._lock = threading.Lock()
        self._broken = False
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        config = {
            "mode": "fork",
            "control": theirs.fileno(),
            "packages": packages,
            "readable": None if set(packages) == {"numpy"} else _readable(packages),
            "user": user,
        }
        with theirs:
            self._process = subprocess.Popen(
                _command(config),
                env=_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        try:
            self._receive(_START_SECONDS)
        except OSError as error:
            self.close()
            raise WorkerError(f"the interpreter for submissions did not start: {error}") from None

    def fork(self, request: dict[str, Any]) -> Worker:
        """Start a worker."""
        import fcntl

        ours, theirs = [], []
        for writing in (True, False, False):  # requests, replies, output
            reader, writer = os.pipe()
            ours.append(writer if writing else reader)
            theirs.append(reader if writing else writer)
        for descriptor in ours[:2]:
            with contextlib.suppress(OSError):  # above the limit for users
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        try:
            answer = self._ask({"op": "fork", **request}, theirs)
        except BaseException:
            for descriptor in ours:
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        pid, level = answer["pid"], request["level"]
        return Worker(Connection(*ours), pid, lambda: self._end(pid, level))

    def close(self) -> None:
        """End the interpreter and its workers."""
        with self._lock:
            self._control.close()  # it ends its workers, then itself
            try:
                self._process.wait(_ANSWER_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _end(self, pid: int, level: str) -> dict[str, Any]:
        try:
            return self._ask({"op": "end", "pid": pid, "orphans": level != "L2"})
        except OSError:
            # The interpreter is gone, and at L2 every worker with it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            return {"status": None, "peak_kb": None}

    def _ask(self, message: dict[str, Any], descriptors: Iterable[int] = ()) -> dict[str, Any]:
        with self._lock:
            if self._broken:
                raise ConnectionError("it did not answer before")
            try:
                socket.send_fds(self._control, [json.dumps(message).encode()], list(descriptors))
                return self._receive(_ANSWER_SECONDS)
            except BaseException:
                self._broken = True  # an answer that comes late would be taken for the next one
                raise

    def _receive(self, seconds: float) -> dict[str, Any]:
        self._control.settimeout(seconds)
        answer = self._control.recv(65536)
        if not answer:
            raise ConnectionError("it ended")
        return dict(json.loads(answer))


def _start_alone(request: dict[str, Any], packages: dict[str, str]) -> Worker:
    process = subprocess.Popen(
        _command({"mode": "alone", "packages": packages, **request}),
        env=_environment(),
        cwd=Path(sys.executable).anchor,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )

    def end() -> dict[str, Any]:
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        return {"status": process.wait(), "peak_kb": None}

    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    streams = (process.stdin, process.stdout, process.stderr)
    if not _CAN_POLL:
        return Worker(ThreadConnection(*streams), process.pid, end)
    numbers = [os.dup(stream.fileno()) for stream in streams]
    for stream in streams:
        stream.close()
    return Worker(Connection(*numbers), process.pid, end)


def _command(config: dict[str, Any]) -> list[str]:
    return [sys.executable, "-s", "-S", "-B", str(_BOOT), json.dumps(config)]


def _environment() -> dict[str, str]:
    return {**_ENVIRONMENT, **{name: os.environ[name] for name in _NEEDED if name in os.environ}}


def _packages(imports: Iterable[str]) -> dict[str, str]:
    """Return the folder (or file) of every package that is to be imported; NumPy always is."""
    found = {}
    for name in {"numpy", *imports}:
        if name in sys.builtin_module_names or name in sys.stdlib_module_names:
            continue
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise WorkerError(
                f"the exercise allows the package {name}, which is not installed here: pip install it"
            )
        places = list(spec.submodule_search_locations or ())
        found[name] = os.path.realpath(places[0] if places else str(spec.origin))
    return found


def _readable(packages: dict[str, str]) -> list[str]:
    """Return what a submission may read if it may import more than NumPy: the standard library and the packages."""
    paths = []
    for key in ("stdlib", "platstdlib"):
        folder = Path(sysconfig.get_path(key))
        if folder.is_dir():
            paths += [
                path for path in folder.iterdir() if path.name not in ("site-packages", "dist-packages")
            ]
    for place in map(Path, packages.values()):
        paths += [place, place.with_name(f"{place.name}.libs")]
    return sorted({str(path) for path in paths if path.exists()})
