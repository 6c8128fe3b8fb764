"""``minidl exercise list``: the exercises there are."""

from __future__ import annotations

import argparse
from typing import Any

from minidl.cli.exercise_options import add_root_option


def add_parser(subparsers: Any) -> None:
    """Add the ``list`` command."""
    parser = subparsers.add_parser(
        "list",
        help="list the exercises",
        description="List the exercises with their points and the time they take.",
        allow_abbrev=False,
    )
    add_root_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    from minidl.grading.student.folder import listing

    print(f"{'N':>2}  {'points':>6}  {'hours':>5}  title")
    for exercise in listing(args.exercises):
        print(f"{exercise.number:>2}  {exercise.points:>6g}  {exercise.hours:>5g}  {exercise.title}")
    print("\n`minidl exercise start N` makes a folder to work in.")
    return 0
