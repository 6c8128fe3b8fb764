"""Options that the commands of ``minidl exercise`` share."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def add_root_option(parser: Any) -> None:
    """Add ``--exercises DIR``."""
    parser.add_argument(
        "--exercises",
        type=Path,
        metavar="DIR",
        help="folder of the exercises (default: MINIDL_EXERCISES_DIR, or those of this installation)",
    )


def check_folder(out: Path | None, option: str = "--out") -> None:
    """Refuse to write into a folder that is a file, or would lie in one.

    Raises
    ------
    ConfigError
    """
    from minidl.errors import ConfigError

    for place in () if out is None else (out, *out.parents):
        if place.exists() and not place.is_dir():
            raise ConfigError(
                f"{option}: {place} is a file, a folder is needed; name another, or move the file away"
            )


def add_work_arguments(parser: Any) -> None:
    """Add ``N``, ``[DIR]`` and ``--exercises DIR``."""
    parser.add_argument("exercise", metavar="N", help="number of the exercise, such as 1")
    parser.add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        type=Path,
        help="your folder (default: exNN_name in the current folder, or the current folder)",
    )
    add_root_option(parser)
