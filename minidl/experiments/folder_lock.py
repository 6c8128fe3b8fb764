"""One process at a time in a folder, also when the one before was killed.

The operating system gives a lock back when the process that holds it ends, however it ends: there is
nothing left behind that would have to be removed by hand.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minidl.errors import ConfigError

PAUSE = 0.05  # seconds between attempts where the system cannot wait by itself


@contextmanager
def locked(path: Path, what: str | None = None) -> Iterator[None]:
    """Hold the lock of a file inside the block.

    Parameters
    ----------
    path : Path
        Created when it does not exist, with its folder; it stays, empty.
    what : str, optional
        What is being done, for the message. Without it the lock is waited for.

    Raises
    ------
    ConfigError
        If `what` is given and another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not _take(descriptor, wait=what is None):
            if what is not None:
                raise ConfigError(
                    f"{path.parent}: another process is at work here ({what}); wait until it is done"
                )
            time.sleep(PAUSE)
        yield
    finally:
        os.close(descriptor)  # which gives the lock back


if os.name == "nt":
    import msvcrt

    def _take(descriptor: int, wait: bool) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(descriptor: int, wait: bool) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True
