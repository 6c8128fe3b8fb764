"""Writing files so that a crash never leaves half of one behind.

A file is written under a temporary name in its own folder, flushed to the disk, and only then
renamed over the final name. A rename within one folder is atomic on POSIX and on Windows: a reader
sees the old file or the new one, never a mixture.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from minidl.errors import CheckpointError


@contextmanager
def atomic_write(path: str | Path, mode: str = "w", *, sync: bool = True) -> Iterator[IO[Any]]:
    """Open a temporary file that takes the name `path` when the block ends without an error.

    Parameters
    ----------
    path : str or Path
        Final name. Its folder is created when it does not exist.
    mode : {"w", "wb"}
        Text (UTF-8, newlines as written) or bytes.
    sync : bool
        Wait until the disk has the file. Without, it is as safe when the process is killed and takes a
        tenth of the time, but a power failure may leave it empty.

    Yields
    ------
    file object
        Open for writing. If the block raises, the temporary file is removed and `path` is left
        as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with os.fdopen(descriptor, mode, **text) as stream:
            yield stream
            if sync:
                stream.flush()
                os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if sync:
        _sync_folder(path.parent)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically. NaN and infinity are refused: JSON has neither."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_write(path) as stream:
        stream.write(text)


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def read_object(path: str | Path, advice: str = "") -> dict[str, Any]:
    """Return the JSON object in a file that minidl wrote.

    Parameters
    ----------
    path : str or Path
    advice : str
        What to do where the file is damaged: the end of the message.

    Raises
    ------
    CheckpointError
        If the file is damaged or holds something else.
    FileNotFoundError
        If there is none.
    """
    return _checked(path, lambda found: isinstance(found, dict), "object", advice)


def read_objects(path: str | Path, advice: str = "") -> list[dict[str, Any]]:
    """Return the list of JSON objects in a file that minidl wrote, empty if there is no such file.

    Raises
    ------
    CheckpointError
        As `read_object`.
    """

    def fits(found: Any) -> bool:
        return isinstance(found, list) and all(isinstance(item, dict) for item in found)

    return _checked(path, fits, "list of objects", advice) if Path(path).exists() else []


def _checked(path: str | Path, fits: Callable[[Any], bool], kind: str, advice: str) -> Any:
    end = f"; {advice}" if advice else ""
    try:
        found = read_json(path)
    except ValueError as error:
        raise CheckpointError(f"{path}: this file is damaged ({error}){end}") from None
    if not fits(found):
        raise CheckpointError(f"{path}: this file is damaged (it holds no {kind}){end}")
    return found


def _umask() -> int:
    # mkstemp makes the file private (0600); the finished file gets the user's usual permissions.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    # The rename itself must reach the disk too. Windows cannot open a folder; there it is a no-op.
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
