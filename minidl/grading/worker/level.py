"""How well this machine can isolate a submission."""

from __future__ import annotations

import functools
import sys

from minidl.grading.worker.errors import IsolationError

LEVELS = ("L0", "L1", "L2")

MEANING = {
    "L0": "the submission runs in this process: for trying out, never for a grade",
    "L1": "the submission runs in a process of its own with limits on time and memory; it could read files and "
    "use the network",
    "L2": "the submission runs in a process of its own that can open no file, reach no network and start nothing",
}


@functools.cache
def isolation_level() -> str:
    """Return the best level this machine has: "L0", "L1" or "L2" (see `MEANING`)."""
    if sys.platform in ("emscripten", "wasi") or not sys.executable:
        return "L0"
    if sys.platform != "linux":
        return "L1"
    from minidl.grading.worker.inside import jail  # needs a Unix

    return jail.best_level()


def choose(level: str) -> str:
    """Return the level to work at.

    Parameters
    ----------
    level : {"best", "L0", "L1", "L2"}
        What was asked for.

    Raises
    ------
    IsolationError
        If this machine does not have it. It is never replaced by a lower one.
    """
    found = isolation_level()
    if level == "best":
        return found
    if level not in LEVELS:
        raise IsolationError(f"isolation {level!r} does not exist; choose from best, {', '.join(LEVELS)}")
    if LEVELS.index(level) > LEVELS.index(found):
        raise IsolationError(
            f"isolation {level} was asked for and this machine has {found} only: L2 needs Linux 5.13 or later with "
            "Landlock and seccomp on x86_64 or aarch64, L1 a system that can start processes"
        )
    return level
