"""``minidl exercise verify``: is an exercise fair, and do its tests notice mistakes?"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from minidl.cli.exercise_options import add_root_option

if TYPE_CHECKING:
    from minidl.grading.verify import Check

FAILED = 1  # exit code


def add_parser(subparsers: Any) -> None:
    """Add the ``verify`` command."""
    parser = subparsers.add_parser(
        "verify",
        help="for instructors: check that an exercise is fair",
        description=(
            "Check exercises: the hand-out gives nothing away and is rebuilt byte for byte; the reference gets all "
            "points for every seed, the skeleton and lazy answers none; each typical mistake (mutants.toml) loses "
            "points in its own task and is told why."
        ),
        epilog="Exit code 0 if all is well, 1 if not.",
        allow_abbrev=False,
    )
    parser.add_argument("exercise", metavar="N", nargs="?", help="the exercise (default: all)")
    parser.add_argument(
        "--seeds", type=int, default=200, metavar="K", help="seeds for the reference (default: 200)"
    )
    parser.add_argument(
        "--mutants", action="store_true", help="also run the automatic mutants of the reference (minutes)"
    )
    parser.add_argument(
        "--require-isolation", choices=("L1", "L2"), metavar="LEVEL", help="do not verify below L1 or L2"
    )
    add_root_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print a line for every check, and the problems."""
    from minidl.errors import ConfigError
    from minidl.grading.finding import find_exercise, find_exercises
    from minidl.grading.verify import Options, verify

    if not 1 <= args.seeds <= 100_000:
        raise ConfigError(f"--seeds must be from 1 to 100000, got {args.seeds}")
    if args.exercise is None:
        exercises = find_exercises(args.exercises)
    else:
        exercises = [find_exercise(args.exercise, args.exercises)]
    options = Options(args.seeds, mutants=args.mutants, level=args.require_isolation or "best")
    good = True
    for exercise in exercises:
        print(f"exercise {exercise.number}: {exercise.title}", flush=True)
        good &= all(check.ok for check in verify(exercise, options, _print))
    print("all is well" if good else "there are problems")
    return 0 if good else FAILED


def _print(check: Check) -> None:
    print(f"  {'ok      ' if check.ok else 'PROBLEM '} {check.name}{f': {check.note}' if check.note else ''}")
    for problem in check.problems:
        print("    - " + problem.replace("\n", "\n      "), flush=True)
