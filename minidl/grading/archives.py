"""What is taken of a submission's files, and what is refused: limits, names, kinds."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from minidl.errors import DataError

# Folders and files that no student writes and every computer adds.
_JUNK_FOLDERS = {"__pycache__", "__macosx", "venv", "env", "node_modules"}
_JUNK_FILES = {"thumbs.db", "desktop.ini", "icon\r"}
# Comparing names takes time and memory that grow with the square of these.
_LONGEST_NAME, _DEEPEST = 500, 50


class IntakeError(DataError):
    """A submission cannot be taken; the message is shown to its author."""


@dataclass(frozen=True)
class Limits:
    """How much of a submission is read.

    Attributes
    ----------
    archive_bytes : int
        Size of an archive on the disk.
    members : int
        Files and folders in it.
    file_bytes : int
        One handed-in file.
    total_bytes : int
        All files of an archive, unpacked.
    ratio : int
        Unpacked over packed size, where more than 1 MiB comes out. Source text reaches about 20.
    """

    archive_bytes: int = 32 << 20
    members: int = 2000
    file_bytes: int = 1 << 20
    total_bytes: int = 64 << 20
    ratio: int = 200


def safe_name(raw: str) -> str:
    """Return a member's name with plain slashes, or refuse one that leads out of the archive.

    Windows programs write backslashes; they are separators here as well.
    """
    if "\0" in raw:
        raise IntakeError(f"a name has a NUL character: {shown(raw)}")
    if len(raw) > _LONGEST_NAME:
        raise IntakeError(f"a name has {len(raw)} characters: {shown(raw)}")
    name = raw.replace("\\", "/")
    if name.startswith("/"):
        raise IntakeError(f"a name is absolute: {shown(raw)}")
    if re.match(r"[A-Za-z]:", name):
        raise IntakeError(f"a name has a drive letter: {shown(raw)}")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise IntakeError(f"a name leads out of the archive: {shown(raw)}")
    return "/".join(parts)


def check_names(members: Iterable[tuple[str, bool]]) -> list[str]:
    """Return the names of the files, or refuse two that some file systems take for the same.

    Parameters
    ----------
    members : iterable of (str, bool)
        Names, and whether each is a folder; a folder may be named twice.
    """
    seen: dict[str, tuple[str, bool]] = {}
    for name, is_folder in members:
        if not name and not is_folder:
            raise IntakeError("a file has an empty name")
        if name.count("/") > _DEEPEST:
            raise IntakeError(f"{shown(name)} lies more than {_DEEPEST} folders deep")
        key = unicodedata.normalize("NFC", name).casefold()
        before = seen.get(key)
        if before is not None and not (is_folder and before[1]):
            raise IntakeError(f"two names are the same on some computers: {shown(before[0])}, {shown(name)}")
        seen[key] = (name, is_folder)
    files = [name for name, is_folder in seen.values() if not is_folder]
    folders = {parent for key in seen for parent in _parents(key)}
    for key, (name, is_folder) in seen.items():
        if not is_folder and key in folders:
            raise IntakeError(f"{shown(name)} is both a file and a folder")
    return sorted(files)


def is_junk(name: str) -> bool:
    """Whether a name lies in a folder, or is a file, that computers add by themselves."""
    *folders, last = name.rstrip("/").split("/")
    if any(part.startswith(".") or part.lower() in _JUNK_FOLDERS for part in folders):
        return True
    return last.startswith(".") or last.lower() in _JUNK_FILES | _JUNK_FOLDERS


def shown(name: str) -> str:
    """Return a name for a message: short, printable, quoted."""
    text = repr(name)  # escapes what is not printable: controls, marks of direction, stray bytes
    return text if len(text) <= 80 else text[:76] + "...'"


def read_source(path: Path, limits: Limits) -> bytes:
    """Return the bytes of one handed-in file on the disk; never of what a link points to."""
    data = read_file(path, limits.file_bytes + 1)
    check_file(len(data), path.name, limits.file_bytes)
    return data


def read_file(path: Path, most: int) -> bytes:
    """Read at most `most` bytes of a regular file, without following a link or waiting for a pipe."""
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise IntakeError(f"it cannot be read ({error.strerror})") from None
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise IntakeError("it is not a regular file")
        return stream.read(most)


def check_count(count: int, limits: Limits) -> None:
    """Refuse too many members."""
    if count > limits.members:
        raise IntakeError(
            f"there are more than {limits.members} files and folders in it; hand in only the files asked for"
        )


def check_total(total: int, limits: Limits) -> None:
    """Refuse too many bytes in all."""
    if total > limits.total_bytes:
        raise IntakeError(
            f"unpacked it has more than {limits.total_bytes >> 20} MiB; hand in only the files asked for"
        )


def check_file(size: int, name: str, most: int) -> None:
    """Refuse too many bytes of one file."""
    if size > most:
        raise IntakeError(f"{shown(name)} has more than {most >> 10} KiB")


def kind_of(mode: int) -> str:
    """Return what a mode says that is neither a file nor a folder."""
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "of an unknown kind")


def reason_of(error: BaseException) -> str:
    """Return the text of a library's error, short and printable."""
    return (repr(str(error))[1:-1] or type(error).__name__)[:100]


def _parents(key: str) -> list[str]:
    parts = key.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]
