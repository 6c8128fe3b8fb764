"""Reading the handed-in files: the declared names only, real files only, of a sensible size."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from minidl.grading.worker.errors import StudentError

MAX_FILE = 1 << 20


def read_files(folder: str | Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return the content of each of the named files that is there.

    Parameters
    ----------
    folder : path
    names : iterable of str
        Names without a folder. Whatever else lies there does not matter.

    Raises
    ------
    StudentError
        "BadFile" if one is no regular file (a link, a folder, a pipe) or has more than 1 MiB.
    """
    found = {}
    for name in names:
        content = _read(Path(folder) / name, name)
        if content is not None:
            found[name] = content
    return found


def _read(path: Path, name: str) -> bytes | None:
    # A link could name any file of the machine, and opening a pipe would wait for whoever writes into it.
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        kind = os.lstat(path).st_mode
        if not stat.S_ISREG(kind):
            raise StudentError("BadFile", f"{name} is not a regular file")
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StudentError("BadFile", f"{name} cannot be read: {error.strerror}") from None
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StudentError("BadFile", f"{name} is not a regular file")
        content = stream.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise StudentError("BadFile", f"{name} has more than {MAX_FILE >> 20} MiB")
    return content
