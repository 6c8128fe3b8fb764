"""``minidl exercise package``: an exercise for Gradescope, GitHub Classroom, or by itself."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minidl.cli.exercise_options import add_root_option, check_folder


def add_parser(subparsers: Any) -> None:
    """Add the ``package`` command."""
    parser = subparsers.add_parser(
        "package",
        help="for instructors: pack an exercise for Gradescope, GitHub Classroom or a web page",
        description=(
            "Pack an exercise. gradescope: the autograder's zip. github-classroom: the repositories of the "
            "assignment and of the grader, with instructions. plain: a zip for students and a folder for "
            "instructors."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("exercise", metavar="N", help="the exercise: its number or name")
    parser.add_argument(
        "--for",
        dest="target",
        required=True,
        choices=("gradescope", "github-classroom", "plain"),
        help="the platform",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("dist"), metavar="DIR", help="where it goes (default: dist)"
    )
    parser.add_argument(
        "--require-isolation",
        choices=("L1", "L2"),
        default="L2",
        metavar="LEVEL",
        help="the packed grader does not grade below this level, L1 or L2 (default: L2)",
    )
    parser.add_argument(
        "--grader",
        metavar="OWNER/REPO@COMMIT",
        help="with github-classroom: the course's repository of the grader, at a commit",
    )
    add_root_option(parser)


def run(args: argparse.Namespace) -> int:
    """Write the package and name its files."""
    from minidl.grading.finding import find_exercise
    from minidl.grading.package import package

    check_folder(args.out)
    exercise = find_exercise(args.exercise, args.exercises)
    written = package(exercise, args.target, args.out, isolation=args.require_isolation, grader=args.grader)
    for path in written:
        print(path)
    return 0
