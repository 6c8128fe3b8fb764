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
