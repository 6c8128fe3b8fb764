"""``minidl exercise check``: the public tests on a student's files."""

from __future__ import annotations

import argparse
from typing import Any

from minidl.cli.choices import add_seed_option
from minidl.cli.exercise_options import add_work_arguments


def add_parser(subparsers: Any) -> None:
    """Add the ``check`` command."""
    parser = subparsers.add_parser(
        "check",
        help="run the public tests on your files",
        description=(
            "Run the public tests of an exercise on your files, by the code that grades. Exit code 1 if one fails."
        ),
        allow_abbrev=False,
    )
    add_work_arguments(parser)
    parser.add_argument("--task", metavar="ID", help="only the tests of one task, such as 1.2")
    add_seed_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print the report; return 0 if all tests passed, else 1."""
    from minidl.grading.student.checking import check_work
    from minidl.grading.student.folder import Work
    from minidl.grading.student.report import report

    work = Work.find(args.exercise, args.folder, args.exercises)
    results, level = check_work(work, task=args.task, seed=args.seed)
    print(report(work.exercise, results, level))
    return 0 if all(result.passed for result in results) else 1
