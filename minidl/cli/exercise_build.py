"""``minidl exercise build``: the hand-outs, as folders and archives."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minidl.cli.exercise_options import add_root_option, check_folder


def add_parser(subparsers: Any) -> None:
    """Add the ``build`` command."""
    parser = subparsers.add_parser(
        "build",
        help="for instructors: make the hand-out from the annotated source",
        description=(
            "Make what students get of an exercise (README.md, skeletons, public tests), as a folder and as a zip "
            "archive. The same sources give the same bytes."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("exercise", metavar="N", nargs="?", help="the exercise (default: all)")
    parser.add_argument(
        "--out", type=Path, default=Path("dist"), metavar="DIR", help="where they go (default: dist)"
    )
    add_root_option(parser)


def run(args: argparse.Namespace) -> int:
    """Write the hand-outs and name them."""
    import hashlib

    from minidl.grading.build import build
    from minidl.grading.finding import find_exercise, find_exercises

    check_folder(args.out)
    if args.exercise is None:
        exercises = find_exercises(args.exercises)
    else:
        exercises = [find_exercise(args.exercise, args.exercises)]
    for exercise in exercises:
        folder, packed = build(exercise, args.out)
        digest = hashlib.sha256(packed.read_bytes()).hexdigest()
        print(f"{folder}\n{packed}  sha256 {digest}")
    return 0
