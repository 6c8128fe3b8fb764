"""The jail: everything that a process gives up before it reads a submission.

Level L1 (any Unix): limits on memory, processor time, files and processes. On Linux also no capabilities, no new
privileges, memory that others cannot read, and an end together with the fork server.
Level L2 (Linux with Landlock and seccomp): in addition, files cannot be opened, looked at or written, there is no
network, no new process or thread, no signal to others; what is not known to be needed is refused.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from . import landlock, seccomp
from .limits import JailError, die_with_parent, give_up_privileges, hide_memory, set_limits


def best_level() -> str:
    """Return the highest level this process could enter: "L2" or "L1"."""
    if sys.platform == "linux" and landlock.version() > 0 and seccomp.supported():
        return "L2"
    return "L1"


def enter(
    level: str, *, memory_mb: int, cpu_seconds: int, parent: int | None = None, ruleset: int | None = None
) -> dict[str, Any]:
    """Jail this process; return what was done, for the record.

    Parameters
    ----------
    level : {"L1", "L2"}
    memory_mb : int
        Address space beyond what is mapped now.
    cpu_seconds : int
        Processor time of the whole process.
    parent : int, optional
        Die with this process, the parent.
    ruleset : int, optional
        Landlock rules for reading packages. Without, no file can be opened at all.

    Raises
    ------
    JailError
        If any part fails. The process must end then.
    """
    if parent is not None:
        die_with_parent(parent)
    reading = ruleset is not None
    if level == "L2" and ruleset is None:
        ruleset = landlock.ruleset(())
    refused = (
        set_limits(memory_mb, cpu_seconds) if os.name == "posix" else {"all": "no limits on this system"}
    )
    if sys.platform == "linux":
        try:
            hide_memory()
            give_up_privileges()
        except JailError as error:  # a container may forbid even this
            refused["privileges"] = str(error)
    if level == "L2":
        if refused:
            raise JailError(f"limits were refused: {refused}")
        assert ruleset is not None
        landlock.restrict(ruleset)
        os.close(ruleset)
        seccomp.install(reading=reading)
        _try_to_break_out()
    return {"level": level, "landlock": landlock.version() if level == "L2" else 0, "refused": refused}


def _try_to_break_out() -> None:
    """Do a few things that must fail now: a filter that lets everything through would look like one that works."""
    attempts = {
        "opening a file": lambda: os.close(os.open("/", os.O_RDONLY)),
        "opening a socket": lambda: socket.socket().close(),
        "sending a signal": lambda: os.kill(os.getppid(), 0),
        "forking": _fork,
    }
    for name, attempt in attempts.items():
        try:
            attempt()
        except PermissionError:
            continue
        except OSError as error:
            raise JailError(f"the jail has a hole: {name} failed for another reason ({error})") from None
        raise JailError(f"the jail has a hole: {name} is possible")


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
