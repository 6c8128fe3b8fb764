"""Limits and settings of a process that every Unix has, and those that Linux adds.

The order matters to whoever calls these: descriptors are closed and limits are set first, since what comes after
them in the jail can no longer be undone, nor done.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_PR_SET_CHILD_SUBREAPER, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 36, 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_SIGKILL = 9


class JailError(Exception):
    """A part of the jail could not be built. Nothing of a submission may run then."""


def set_limits(memory_mb: int | None, cpu_seconds: int) -> dict[str, Any]:
    """Set the hard limits of this process; return those that the system refused, by name.

    Parameters
    ----------
    memory_mb : int or None
        Address space beyond what is mapped already.
    cpu_seconds : int
        Processor time of the process's whole life, a backstop for the grader's own clock.
    """
    import resource  # Windows has none

    wanted = {
        "CORE": 0,
        "CPU": cpu_seconds,
        "FSIZE": 0,
        "NOFILE": 64,
        "NPROC": 0,  # not enforced for root, who is stopped by the system-call filter
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
        "SIGPENDING": 64,
    }
    if memory_mb is not None:
        wanted["AS"] = _address_space() + (memory_mb << 20)
    refused = {}
    for name, value in wanted.items():
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is None:
            refused[name] = "unknown"
            continue
        hard = resource.getrlimit(number)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            # A process that reaches the soft limit of processor time gets a signal that it may ignore.
            resource.setrlimit(number, (value, value + 1 if name == "CPU" and value < hard else value))
        except (ValueError, OSError) as error:
            try:
                resource.setrlimit(number, (value, value))
            except (ValueError, OSError):
                refused[name] = str(error)
    return refused


def _address_space() -> int:
    """Return the bytes this process has mapped; macOS, which does not tell, ignores the limit anyway."""
    try:
        with open("/proc/self/statm", "rb") as stream:
            return int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def libc() -> Any:
    """Return the C library, its functions leaving their error number in `ctypes.get_errno`."""
    return ctypes.CDLL(None, use_errno=True)


def control(option: int, *values: int) -> None:
    """Call ``prctl``, or raise `JailError`."""
    arguments = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    if libc().prctl(option, *arguments) != 0:
        raise JailError(f"prctl({option}): {os.strerror(ctypes.get_errno())}")


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent dies (Linux)."""
    if sys.platform == "linux":
        control(_PR_SET_CHILD_SUBREAPER, 1)


def hide_memory() -> None:
    """Keep other processes of this user from reading this one's memory or attaching a debugger (Linux)."""
    if sys.platform == "linux":
        control(_PR_SET_DUMPABLE, 0)


def die_with_parent(parent: int) -> None:
    """Be killed when the process that forked this one ends (Linux)."""
    if sys.platform == "linux":
        control(_PR_SET_PDEATHSIG, _SIGKILL)
        if os.getppid() != parent:  # it ended before the call above
            os._exit(1)


def give_up_privileges() -> None:
    """Give up the capabilities that a process of root has, and the right to gain any by running a program."""
    control(_PR_SET_NO_NEW_PRIVS, 1)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    if libc().capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise JailError(f"capset: {os.strerror(ctypes.get_errno())}")
    control(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)


def become(user: int, group: int) -> None:
    """Go on as another user for good. Only root can."""
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)


def close_descriptors(first: int) -> None:
    """Close all descriptors from `first` on."""
    os.closerange(first, 4096 if sys.platform != "linux" else _highest() + 1)


def _highest() -> int:
    try:
        return max(map(int, os.listdir("/proc/self/fd")))
    except OSError:
        return 65535
