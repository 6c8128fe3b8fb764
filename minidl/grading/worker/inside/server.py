"""The fork server, and the worker that answers requests about one submission.

The server loads NumPy once and forks a process for every worker; the child jails itself and only then reads the
files of a submission from its pipe. The server never reads anything from a submission.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import traceback
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import jail, landlock
from .host import Host, load_props
from .limits import JailError, adopt_orphans, become, close_descriptors
from .loading import HARMLESS, Submission
from .wire import FrameError, pack, read_frame

_NUMPY_PACKAGES = (
    "numpy", "numpy._core", "numpy.lib", "numpy.linalg", "numpy.fft", "numpy.random", "numpy.polynomial", "numpy.ma",
)  # fmt: skip
_NEVER_LOADED = {"f2py", "distutils", "matlib", "tests", "conftest", "setup", "_pyinstaller", "_configtool"}

REQUESTS, REPLIES, RULES = 3, 4, 5  # descriptors of a worker


def preload(packages: Mapping[str, str]) -> None:
    """Import all that a submission may need: in the jail no file can be opened, not even for `import`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (*HARMLESS, "ast", "traceback", "linecache", *packages):
            importlib.import_module(name)
        for name in ("fcntl", "resource"):  # for the jail itself; Windows has neither
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        for package in _NUMPY_PACKAGES:
            for found in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
                if found.name.rpartition(".")[2] not in _NEVER_LOADED:
                    # A module for another platform or for a package that is not installed.
                    with contextlib.suppress(ImportError):
                        importlib.import_module(found.name)


def serve(config: dict[str, Any]) -> None:
    """Fork workers on demand until the grader closes the control socket."""
    control = socket.socket(fileno=config["control"])
    preload(config["packages"])
    os.environ.clear()
    os.chdir("/")
    os.umask(0o077)
    adopt_orphans()
    ruleset = None
    if config["readable"] is not None and jail.best_level() == "L2":
        ruleset = landlock.ruleset(config["readable"])  # as the user who may see all of these
    if config["user"] is not None:
        become(*config["user"])
    gc.collect()
    gc.freeze()  # the children share these pages as long as nobody writes into them
    control.send(json.dumps({"ready": jail.best_level()}).encode())
    workers: set[int] = set()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 65536, 3)
        if not message:
            for pid in workers:
                _end(pid)
            os._exit(0)
        request = json.loads(message)
        if request["op"] == "fork":
            server = os.getpid()
            pid = os.fork()
            if pid == 0:
                _child(descriptors, request, server, ruleset)
            workers.add(pid)
            control.send(json.dumps({"pid": pid}).encode())
        else:
            workers.discard(request["pid"])
            usage = _end(request["pid"])
            if request["orphans"]:
                _end_orphans(workers)
            control.send(json.dumps(usage).encode())
        for descriptor in descriptors:
            os.close(descriptor)


def _end(pid: int) -> dict[str, Any]:
    """Kill a worker and all of its session that stayed in it; return how it ended and what it used."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    return {"status": os.waitstatus_to_exitcode(status), "peak_kb": usage.ru_maxrss}


def _end_orphans(workers: set[int]) -> None:
    """Kill the processes that workers left behind: all children of this process that are no workers."""
    for _ in range(1000):
        left = [pid for pid in _children() if pid not in workers]
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, ChildProcessError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _children() -> list[int]:
    found: list[int] = []
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stream:
                    parent = stream.read().rpartition(b")")[2].split()[1]
            except OSError:
                continue  # it ended in the meantime
            if int(parent) == os.getpid():
                found.append(int(name))
    return found


def _child(descriptors: list[int], request: dict[str, Any], server: int, ruleset: int | None) -> None:
    """Become a worker. Never returns."""
    code = 1
    try:
        os.setsid()
        rules = ruleset if request["level"] == "L2" else None
        requests, replies, output = descriptors
        _arrange(requests, replies, output, rules)
        work(REQUESTS, REPLIES, request, parent=server, ruleset=None if rules is None else RULES)
        code = 0
    except BaseException:
        traceback.print_exc()  # for whoever reads the output of a worker that did not start
    finally:
        os._exit(code)


def _arrange(requests: int, replies: int, output: int, rules: int | None) -> None:
    """Put the descriptors where a worker expects them, nothing to read on 0, and close all others."""
    import fcntl

    null = os.open(os.devnull, os.O_RDONLY)
    wanted = [null, output, output, requests, replies, *([] if rules is None else [rules])]
    # First out of the way: one may lie where another one belongs.
    high = [fcntl.fcntl(number, fcntl.F_DUPFD, 100) for number in wanted]
    for place, number in enumerate(high):
        os.dup2(number, place)
    close_descriptors(len(wanted))


def alone(config: dict[str, Any]) -> None:
    """Be a worker without a server: requests on standard input, replies on standard output."""
    requests, replies = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    preload(config["packages"])
    os.environ.clear()
    work(requests, replies, config)


def work(
    requests: int, replies: int, config: dict[str, Any], parent: int | None = None, ruleset: int | None = None
) -> None:
    """Enter the jail, then answer requests until the grader closes the pipe."""
    # New streams: those of the server remember that their file could be sought in, which a pipe cannot.
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout, sys.stderr = _stream(1), _stream(2)

    def read_into(memory: memoryview) -> None:
        while memory:
            piece = os.read(requests, min(len(memory), 1 << 20))
            if not piece:
                os._exit(0)
            memory[: len(piece)] = piece
            memory = memory[len(piece) :]

    try:
        done = jail.enter(
            config["level"],
            memory_mb=config["memory_mb"],
            cpu_seconds=config["cpu_seconds"],
            parent=parent,
            ruleset=ruleset,
        )
    except JailError as error:
        _write(replies, pack({"jail": str(error)}, []))
        return
    _write(replies, pack({"ready": done}, []))
    setup, contents = read_frame(read_into)
    host = _host(setup, contents)
    _write(replies, pack({"broken": host} if isinstance(host, str) else {}, []))
    if isinstance(host, str):
        return
    mark: dict[str, Any] = {}

    def call_back(
        header: dict[str, Any], numbers: list[np.ndarray]
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        _write(replies, pack({**header, **mark}, numbers))
        return read_frame(read_into)

    host.call_back = call_back
    while True:
        request, arrays = read_frame(read_into)
        mark = {"id": request["id"], "nonce": request["nonce"]}
        answer, out = host.answer(request, arrays)
        try:
            pieces = pack({**answer, **mark}, out)
        except FrameError as error:
            pieces = pack({"refused": f"the answer is too large: {error}", **mark}, [])
        _write(replies, pieces)


def _host(setup: dict[str, Any], contents: list[np.ndarray]) -> Host | str:
    """Return the host of the submission, none of which has run yet, or what is wrong with props.py."""
    for name in ("random", "numpy.random"):
        # A submission that draws from the global generators without seeding them draws the same on a replay.
        sys.modules[name].seed(setup["seed"])
    files = {name: content.tobytes() for name, content in zip(setup["files"], contents, strict=True)}
    submission = Submission(files, setup["names"], setup["imports"])
    try:
        props = load_props(setup["props_source"], setup["props"])
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return Host(submission, setup["classes"], props)


def _stream(number: int) -> Any:
    return open(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _write(descriptor: int, pieces: list[Any]) -> None:
    for piece in pieces:
        memory = memoryview(piece)
        while memory:
            memory = memory[os.write(descriptor, memory) :]
