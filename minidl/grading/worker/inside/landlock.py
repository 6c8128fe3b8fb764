"""Landlock: a process takes away its own rights to files, to the network and to others' signals (Linux 5.13).

A ruleset names the kinds of access it handles; what is handled and not granted by a rule is refused, to root too.
See the kernel's Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from .limits import JailError, libc

# The same numbers on all architectures.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3

# How many kinds of access to files each version of the interface knows: the 13 of the first, then renaming
# between folders, truncating, and ioctl on devices.
_FILE_ACCESS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NETWORK_ACCESS = 0b11  # binding and connecting TCP ports, since version 4
_SCOPES = 0b11  # abstract sockets and signals of processes outside, since version 6


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Return the version of the kernel's interface, 0 if it has none."""
    found = libc().syscall(
        _CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_CREATE_RULESET_VERSION)
    )
    return max(int(found), 0)


def ruleset(readable: Iterable[str]) -> int:
    """Return a descriptor of rules that grant reading the given files and folders, and nothing else.

    Raises
    ------
    JailError
        If the kernel refuses it or a path does not exist.
    """
    known = version()
    if not known:
        raise JailError("this kernel has no Landlock")
    rules = _Ruleset((1 << _FILE_ACCESS[min(known, 5)]) - 1)
    size = 8
    if known >= 4:
        rules.network, size = _NETWORK_ACCESS, 16
    if known >= 6:
        rules.scopes, size = _SCOPES, 24
    descriptor = libc().syscall(
        _CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0)
    )
    if descriptor < 0:
        raise JailError(f"landlock_create_ruleset: {os.strerror(ctypes.get_errno())}")
    for path in readable:
        _grant(descriptor, path)
    return int(descriptor)


def _grant(descriptor: int, path: str) -> None:
    try:
        parent = os.open(path, getattr(os, "O_PATH", 0) | os.O_CLOEXEC)
    except OSError as error:
        raise JailError(f"landlock: {error}") from None
    access = _READ_FILE | _READ_DIR if os.path.isdir(path) else _READ_FILE
    rule = _PathBeneath(access, parent)
    done = libc().syscall(_ADD_RULE, descriptor, _RULE_PATH_BENEATH, ctypes.byref(rule), ctypes.c_uint32(0))
    os.close(parent)
    if done != 0:
        raise JailError(f"landlock_add_rule: {os.strerror(ctypes.get_errno())}")


def restrict(descriptor: int) -> None:
    """Take away every right that the rules do not grant, from this process for good. Needs no_new_privs."""
    if libc().syscall(_RESTRICT_SELF, descriptor, ctypes.c_uint32(0)) != 0:
        raise JailError(f"landlock_restrict_self: {os.strerror(ctypes.get_errno())}")
