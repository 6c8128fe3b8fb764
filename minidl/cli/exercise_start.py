"""``minidl exercise start``: a folder to work in."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minidl.cli.exercise_options import add_root_option


def add_parser(subparsers: Any) -> None:
    """Add the ``start`` command."""
    parser = subparsers.add_parser(
        "start",
        help="make the folder of an exercise",
        description=(
            "Make a folder with the text of an exercise, the files to complete and the public tests. Files that "
            "are there already are never overwritten."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("exercise", metavar="N", help="number of the exercise, such as 1")
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", type=Path, help="the new folder (default: exNN_name, here)"
    )
    parser.add_argument(
        "--from",
        dest="earlier",
        type=Path,
        metavar="DIR",
        action="append",
        default=[],
        help="take over your own files from this folder of an earlier exercise; may be given several times",
    )
    parser.add_argument(
        "--ours",
        action="store_true",
        help="take the course's solution of the earlier exercises that no --from names",
    )
    add_root_option(parser)


def run(args: argparse.Namespace) -> int:
    """Make the folder and say what to do next."""
    from minidl.grading.student.folder import start

    started = start(args.exercise, args.folder, root=args.exercises, earlier=args.earlier, ours=args.ours)
    exercise, folder = started.exercise, started.folder
    print(
        f"Exercise {exercise.number}: {exercise.title} ({exercise.points:g} points, about {exercise.hours:g} hours)"
    )
    if started.written:
        print(f"Written to {folder}: {', '.join(started.written)}")
    if started.kept:
        print(f"Already there: {', '.join(started.kept)}")
    print(f"Read {folder / 'README.md'}, complete {', '.join(exercise.files)}, then")
    where = "" if args.folder is None else f" {folder}"
    print(f"    minidl exercise check {exercise.number}{where}")
    return 0
