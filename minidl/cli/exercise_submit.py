"""``minidl exercise submit``: the archive to hand in."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minidl.cli.exercise_options import add_work_arguments, check_folder


def add_parser(subparsers: Any) -> None:
    """Add the ``submit`` command."""
    parser = subparsers.add_parser(
        "submit",
        help="make the archive to hand in",
        description=(
            "Run the public tests, say what is missing, and write exNN_name_submission.zip with the files that count. "
            "A file that is no Python is refused."
        ),
        allow_abbrev=False,
    )
    add_work_arguments(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the archive (default: your folder)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the archive and say where it is; return 0, also when a test fails."""
    from minidl.grading.student.folder import Work
    from minidl.grading.student.report import report
    from minidl.grading.student.submit import submit

    check_folder(args.out)
    work = Work.find(args.exercise, args.folder, args.exercises)
    done = submit(work, args.out)
    print(report(work.exercise, done.results, done.level))
    print()
    for spec in done.todo:
        print(
            f"Not done: task {spec.id}, {spec.title} ({spec.points:g} points); its NotImplementedError is still there."
        )
    failed = sum(not result.passed for result in done.results)
    if failed:
        print(
            f"{failed} of {len(done.results)} public tests fail; you may hand in nevertheless, or mend them first."
        )
    print(f"To hand in: {done.path} ({', '.join(work.exercise.handed_in)})")
    return 0
