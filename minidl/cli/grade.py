"""``minidl grade``: grade a class's submissions of an exercise."""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minidl.grading.grade import Options
    from minidl.grading.outcomes import Graded
    from minidl.grading.spec import Exercise

INCOMPLETE = 1  # exit code


def add_parser(subparsers: Any) -> None:
    """Add the ``grade`` command to the command line."""
    parser = subparsers.add_parser(
        "grade",
        help="grade a class's submissions, isolated, with feedback for each student",
        description=(
            "Grade submissions (zip, tar, tar.gz, folders, single Python files) of an exercise, each test in a "
            "worker process without access to files or network where the machine can do that. Writes a folder "
            "staff/ (the record with the secret seed, grades.csv, overview.html) and students/ID/ (feedback as "
            "Markdown and HTML, results.json for Gradescope, JUnit XML, GitHub Classroom)."
        ),
        epilog="Exit code 0 if all points are final, 1 if grading is incomplete (go on with --resume).",
        allow_abbrev=False,
    )
    parser.add_argument("exercise", metavar="N", help="the exercise: its number or name")
    parser.add_argument(
        "submissions", type=Path, metavar="SUBMISSIONS", help="a folder of submissions, or one submission"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--jobs", type=int, metavar="K", help="submissions graded at once (default: one for each core)"
    )
    parser.add_argument(
        "--private", type=Path, metavar="DIR", help="private tests (test_*.py) in place of the exercise's own"
    )
    parser.add_argument(
        "--require-isolation",
        choices=("L1", "L2"),
        metavar="LEVEL",
        help="do not grade below this isolation level, L1 or L2",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the record in --out")
    parser.add_argument(
        "--seed", metavar="S", help="secret from which the tests' random numbers come (default: drawn)"
    )
    parser.add_argument(
        "--budget",
        type=float,
        metavar="SECONDS",
        help="time for one submission (default: what its tests may take together)",
    )
    parser.add_argument(
        "--replay", metavar="ID", help="grade one submission of the record again, compare, and write nothing"
    )
    parser.add_argument(
        "--format",
        action="append",
        default=[],
        metavar="NAMES",
        help="csv, overview, markdown, html, gradescope, junit, classroom; several with commas (default: all)",
    )
    parser.add_argument("--exercises", type=Path, metavar="DIR", help="folder of the exercises")


def run(args: argparse.Namespace) -> int:
    """Grade and say where the results are; 0 if all points are final, 1 if not."""
    from minidl.errors import ConfigError
    from minidl.grading.finding import find_exercise
    from minidl.grading.grade import Options, grade_class
    from minidl.grading.reports import check_formats

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # The name of a submission may have letters that this terminal lacks, which must not end the run.
            stream.reconfigure(errors="backslashreplace")
    if args.jobs is not None and not 1 <= args.jobs <= 1000:
        raise ConfigError(f"--jobs must be from 1 to 1000, got {args.jobs}")
    if args.private is not None and not args.private.is_dir():
        raise ConfigError(f"--private: there is no folder {args.private}")
    exercise = find_exercise(args.exercise, args.exercises)
    options = Options(
        jobs=args.jobs,
        private=args.private,
        require=args.require_isolation,
        seed=args.seed,
        budget=args.budget,
        formats=check_formats(args.format),
    )
    if args.replay is not None:
        return _replay(exercise, args, options)
    result = grade_class(
        exercise, args.submissions, args.out, options, resume=args.resume, on_graded=_print_graded
    )
    if result.kept:
        print(f"{result.kept} submissions were graded before and have not changed")
    final = sum(submission.complete for submission in result.submissions)
    print(
        f"exercise {exercise.number}: {final} of {len(result.submissions)} submissions graded, isolation "
        f"{result.header.isolation}; results in {args.out}"
    )
    if not result.complete:
        names = [submission.id for submission in result.submissions if not submission.complete]
        print(f"grading is incomplete for {', '.join(names[:5])}{' and others' if len(names) > 5 else ''}")
    return 0 if result.complete else INCOMPLETE


def _print_graded(submission: Graded, done: int, count: int) -> None:
    from minidl.grading.reports.clean import line
    from minidl.grading.reports.feedback import number

    most = number(sum(outcome.test.points for outcome in submission.outcomes))
    remark = f"  {line(submission.reason, 100)}" if submission.reason else ""
    if not submission.complete:
        remark = f"  incomplete: {line(submission.open_questions, 100)}"
    print(
        f"{done:>{len(str(count))}}/{count}  {submission.id}  {number(submission.points)} / {most}  "
        f"{submission.seconds:.1f} s  {submission.isolation}{remark}",
        flush=True,
    )


def _replay(exercise: Exercise, args: argparse.Namespace, options: Options) -> int:
    from minidl.grading.grade import differences, replay
    from minidl.grading.reports.clean import plain
    from minidl.grading.reports.feedback import WORDS, number

    before, after = replay(exercise, args.submissions, args.out, args.replay, options)
    if after.reason:
        print(f"{after.id} could not be taken: {plain(after.reason)}")
    for outcome in after.outcomes:
        print(f"{outcome.test.task}  {WORDS[outcome.status]:<12}  {outcome.test.name}")
        if outcome.message:
            print("    " + plain(outcome.message).replace("\n", "\n    "))
        if outcome.output and not outcome.passed:
            print("    printed:\n    " + plain(outcome.output).replace("\n", "\n    "))
    if after.trouble:
        print(plain(after.trouble))
    changed = differences(before, after)
    for text in changed:
        print(f"differs: {text}")
    print(f"{after.id}: {number(after.points)} points, recorded {number(before.points)}")
    return 0 if not changed and after.complete else INCOMPLETE
