"""A filter of system calls: what a NumPy computation needs is allowed, everything else is refused.

The filter is a program for the kernel's packet filter (BPF) that sees the number of the call and its arguments,
not the memory these point to. A refused call returns an error, as if the user lacked the right to it; a call with
the numbers of another architecture ends the process. See the kernel's Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

from .limits import JailError, libc

# name: (x86_64, aarch64); None where the architecture has no such call.
ALWAYS: dict[str, tuple[int | None, int | None]] = {
    # answering the grader, through descriptors that are open already
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "close": (3, 57),
    "fstat": (5, 80), "lseek": (8, 62), "dup": (32, 23),
    "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72),
    # memory
    "munmap": (11, 215), "mremap": (25, 216), "madvise": (28, 233), "brk": (12, 214),
    # signals of its own, and locks
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "futex": (202, 98), "restart_syscall": (219, 128), "sched_yield": (24, 124), "membarrier": (324, 283),
    "rseq": (334, 293), "set_robust_list": (273, 99),
    # time and chance
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "nanosleep": (35, 101),
    "gettimeofday": (96, 169), "time": (201, None), "getrandom": (318, 278),
    # questions about itself and the machine
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "getcwd": (79, 17), "getrusage": (98, 165), "times": (100, 153),
    "getrlimit": (97, 163), "uname": (63, 160), "sysinfo": (99, 179), "sched_getaffinity": (204, 123),
    "getcpu": (309, 168),
    # the end
    "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip

# For importing packages that were not loaded beforehand; Landlock says which.
READING: dict[str, tuple[int | None, int | None]] = {
    "openat": (257, 56), "open": (2, None), "newfstatat": (262, 79), "stat": (4, None), "lstat": (6, None),
    "statx": (332, 291), "getdents64": (217, 61), "readlink": (89, None), "readlinkat": (267, 78),
    "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439), "pread64": (17, 67),
}  # fmt: skip

# Allowed only with certain arguments.
_MMAP, _MPROTECT, _FCNTL, _PRLIMIT = (9, 222), (10, 226), (72, 25), (302, 261)
_PROT_EXEC = 4
_FCNTL_COMMANDS = (0, 1, 2, 3, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_X32 = 0x40000000

# Instructions: load a word of the call's description, jump if equal / at least / any bit in common, and return.
_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE = 0, 4

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_GET_ACTION_AVAIL = 2


def supported() -> bool:
    """Return whether this kernel and processor can run the filter."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    action = ctypes.c_uint32(_ERRNO)
    call = libc().syscall
    return call(_SECCOMP[machine], _GET_ACTION_AVAIL, ctypes.c_uint32(0), ctypes.byref(action)) == 0


def program(machine: str, *, reading: bool) -> list[tuple[int, int, int, int]]:
    """Return the filter as instructions (code, jump if true, jump if false, constant).

    Parameters
    ----------
    machine : {"x86_64", "aarch64"}
    reading : bool
        Allow opening files, looking at folders and mapping code: what `import` does.
    """
    column, audit = _ARCHITECTURES[machine]
    refuse = (_RETURN, 0, 0, _ERRNO | errno.EACCES)
    allow = (_RETURN, 0, 0, _ALLOW)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JEQ, 1, 0, audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        steps += [(_JGE, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    calls = {**ALWAYS, **(READING if reading else {})}
    for numbers in calls.values():
        if (number := numbers[column]) is not None:
            steps += [(_JEQ, 0, 1, number), allow]
    for pair in (_MMAP, _MPROTECT):  # memory that can be run is mapped for extension modules only
        inner = [allow] if reading else [_argument(2), (_JSET, 0, 1, _PROT_EXEC), refuse, allow]
        steps += [(_JEQ, 0, len(inner), pair[column]), *inner]
    inner = [
        _argument(1),
        *[step for command in _FCNTL_COMMANDS for step in ((_JEQ, 0, 1, command), allow)],
        refuse,
    ]
    steps += [(_JEQ, 0, len(inner), _FCNTL[column]), *inner]
    # Reading its own limits: of process 0, which is itself, and with no new value.
    zero = [
        step
        for index in (0, 2)
        for half in (0, 4)
        for step in (_argument(index, half), (_JEQ, 1, 0, 0), refuse)
    ]
    inner = [*zero, allow]
    steps += [(_JEQ, 0, len(inner), _PRLIMIT[column]), *inner]
    return [*steps, refuse]


def _argument(index: int, half: int = 0) -> tuple[int, int, int, int]:
    """Load the low (0) or high (4) half of an argument; both processors are little-endian."""
    return (_LOAD, 0, 0, 16 + 8 * index + half)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install(*, reading: bool) -> None:
    """Filter the system calls of this process for good. Needs no_new_privs.

    Raises
    ------
    JailError
        If the kernel refuses the filter.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise JailError(f"no system-call filter is known for {machine}")
    steps = program(machine, reading=reading)
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    filter_ = _Program(len(steps), code)
    null = ctypes.c_ulong(0)
    done = libc().prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(filter_), null, null)
    if done != 0:
        raise JailError(f"seccomp: {os.strerror(ctypes.get_errno())}")
