"""The public tests in a cell of a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from minidl.grading.finding import find_exercise
from minidl.grading.runner import PUBLIC_SECRET, run_with
from minidl.grading.spec import Exercise, ExerciseError
from minidl.grading.testing import Plan


def check(
    which: int | str,
    namespace: Mapping[str, Any] | None = None,
    *,
    task: str | None = None,
    root: str | Path | None = None,
    say: Callable[[str], None] = print,
    **names: Any,
) -> None:
    """Run the public tests of an exercise on what a notebook has defined, and print the report.

    The code runs in the notebook's own process, where nothing holds it back: good for finding mistakes, never
    a grade.

    Parameters
    ----------
    which : int or str
        Number or name of the exercise.
    namespace : mapping, optional
        Where the classes and functions are: ``globals()``.
    task : str, optional
        Only the tests of this task.
    root : path, optional
        Folder of the exercises.
    say : callable
        Takes the lines of the report.
    **names
        Classes and functions by their names, in place of a namespace: ``check("01", Dense=Dense)``.

    Raises
    ------
    ExerciseError
        If there is no such exercise or task, or nothing of what it asks for was given.

    Examples
    --------
    ``minidl.grading.check(1, namespace=globals())``
    """
    from minidl.grading.student.report import report
    from minidl.grading.worker import LocalSubmission

    exercise = _exercise(str(which), root)
    given = {**(namespace or {}), **names}
    wanted = [*exercise.classes, *exercise.functions]
    if not any(name in given for name in wanted):
        raise ExerciseError(
            f"check: none of {', '.join(wanted)} was given; run the cells that define them, then "
            f"check({exercise.number}, namespace=globals())"
        )
    tests = Plan.public(exercise).tests
    if task is not None:
        exercise.task(task)
        tests = tuple(test for test in tests if test.task == task)

    results = run_with(lambda: LocalSubmission(given, exercise), exercise, tests, secret=PUBLIC_SECRET)
    say(report(exercise, results, "L0"))
    say("This is not a grade: hand in a file, `minidl exercise submit` checks it as grading does.")


def _exercise(which: str, root: str | Path | None) -> Exercise:
    from minidl.grading.student.folder import look_around

    folder = look_around(which) if root is None else None
    return find_exercise(which, root) if folder is None else Exercise.read(folder)
