"""Tests of an exercise: the mark `task`, reading a file of tests, and the plan that fixes the points.

A test is a function of two arguments with the mark of its task. It runs in the grader, which is trusted; what
it calls runs in the worker, which is not::

    @task("1.1", points=2, visibility="visible", hint="y = x W + b")
    def test_forward(submission, rng):
        \"\"\"Dense.forward multiplies by the weights and adds the bias.\"\"\"
        ...

As the tests are ordinary functions whose arguments are fixtures of `minidl.grading.pytest_plugin`, ``pytest``
runs them as well.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from minidl.grading.spec import Exercise, ExerciseError, tidy

VISIBILITIES = ("visible", "hint", "hidden")
_MARK = "minidl_task"

Function = TypeVar("Function", bound=Callable[..., None])


@dataclass(frozen=True)
class Mark:
    """What `task` notes on a function."""

    task: str
    points: float
    visibility: str
    hint: str


@dataclass(frozen=True)
class Test:
    """One test.

    Attributes
    ----------
    name : str
        Of the function; no two tests of an exercise share it.
    task : str
        Id of the task it belongs to.
    title : str
        The first line of its docstring: the only thing a student learns of a hidden test.
    points : float
    visibility : {"visible", "hint", "hidden"}
        How much of a failure a student sees: all; the hint, shapes and the size of the error; title and hint.
    hint : str
    function : callable
        ``function(submission, rng)``.
    """

    __test__ = False  # not for pytest to collect

    name: str
    task: str
    title: str
    points: float
    visibility: str
    hint: str
    function: Callable[[Any, Any], None]


def task(
    task_id: str, *, points: float, visibility: str = "visible", hint: str = ""
) -> Callable[[Function], Function]:
    """Mark a function as a test of a task.

    Parameters
    ----------
    task_id : str
        Such as "1.1".
    points : float
        What it is worth; above 0.
    visibility : {"visible", "hint", "hidden"}
    hint : str
        Shown, whatever the visibility, when the test fails.

    Raises
    ------
    ExerciseError
        If one of them makes no sense.
    """
    if not isinstance(task_id, str):
        raise ExerciseError(f'@task: write the id of the task as a text, such as "1.1", got {task_id!r}')
    if isinstance(points, bool) or not isinstance(points, int | float) or not 0 < points < 1e6:
        raise ExerciseError(f'@task("{task_id}"): points must be a number above 0, got {points!r}')
    if visibility not in VISIBILITIES:
        raise ExerciseError(
            f'@task("{task_id}"): visibility must be one of {", ".join(VISIBILITIES)}, got {visibility!r}'
        )

    def mark(function: Function) -> Function:
        setattr(function, _MARK, Mark(task_id, points, visibility, hint))
        return function

    return mark


def mark_of(function: Callable[..., Any]) -> Mark | None:
    """Return the mark of a function, or None if it has none."""
    return getattr(function, _MARK, None)


def load_tests(path: str | Path) -> list[Test]:
    """Read a file of tests, which is run for that: only for files of the course.

    Raises
    ------
    ExerciseError
        If the file is missing or cannot be run, holds no test, or a test has no mark, no docstring, or other
        arguments than ``submission, rng``.
    """
    path = Path(path)
    if not path.is_file():
        raise ExerciseError(f"{path}: there is no such file of tests")
    tests = [
        _test(path, name, function)
        for name, function in vars(_module(path)).items()
        if name.startswith("test_") and inspect.isfunction(function)
    ]
    if not tests:
        raise ExerciseError(f"{path}: there is no test in this file (a function test_… with @task)")
    return tests


def _module(path: Path) -> ModuleType:
    # A name of its own: two exercises both have a module test_public. It is not left in sys.modules.
    name = f"minidl_tests_{path.resolve().parent.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except ExerciseError as error:
        raise ExerciseError(f"{path}: {error}") from None
    except Exception as error:
        raise ExerciseError(
            f"{path}: this file of tests cannot be run: {type(error).__name__}: {error}"
        ) from error
    finally:
        sys.dont_write_bytecode = writes
    return module


def _test(path: Path, name: str, function: Callable[[Any, Any], None]) -> Test:
    mark = mark_of(function)
    if mark is None:
        raise ExerciseError(f"{path}: {name} has no @task(…) above it, so it would count for nothing")
    arguments = list(inspect.signature(function).parameters)
    if arguments != ["submission", "rng"]:
        raise ExerciseError(
            f"{path}: {name} must take the arguments (submission, rng), got ({', '.join(arguments)})"
        )
    title = (inspect.getdoc(function) or "").partition("\n")[0].strip()
    if not title:
        raise ExerciseError(f"{path}: {name} needs a docstring; its first line is what students see of it")
    return Test(name, mark.task, title, mark.points, mark.visibility, mark.hint, function)


class Plan:
    """The tests of an exercise and their points, fixed before a submission is looked at.

    Parameters
    ----------
    exercise : Exercise
    tests : iterable of Test
    complete : bool
        Whether these are all tests, so that their points must add up to those of the exercise's tasks. The
        tests of a hand-out are only a part.

    Raises
    ------
    ExerciseError
        If there is no test, two have the same name, one belongs to no task, or the points do not add up.
    """

    def __init__(self, exercise: Exercise, tests: Iterable[Test], *, complete: bool = True) -> None:
        self.exercise = exercise
        order = {spec.id: i for i, spec in enumerate(exercise.tasks)}
        tests = list(tests)
        for test in tests:
            exercise.task(test.task)  # refuses an unknown one
        self.tests = tuple(sorted(tests, key=lambda test: order[test.task]))
        if not self.tests:
            raise ExerciseError(f"exercise {exercise.id} has no tests, so every submission would get nothing")
        names = [test.name for test in self.tests]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ExerciseError(
                f"exercise {exercise.id}: two tests are called {twice[0]}; rename one of them"
            )
        for spec in exercise.tasks:
            found = self.points_of(spec.id)
            if (complete and found != spec.points) or found > spec.points:
                raise ExerciseError(
                    f"exercise {exercise.id}: task {spec.id} has {spec.points:g} points in exercise.toml, "
                    f"its tests have {found:g}; make them equal"
                )

    @classmethod
    def of(cls, exercise: Exercise) -> Plan:
        """Return the plan of a course folder: public and private tests."""
        return cls(exercise, [*load_tests(exercise.public_tests), *load_tests(exercise.private_tests)])

    @classmethod
    def public(cls, exercise: Exercise) -> Plan:
        """Return the plan of the public tests alone."""
        return cls(exercise, load_tests(exercise.public_tests), complete=False)

    @property
    def points(self) -> float:
        """The points of all tests of the plan."""
        return tidy(sum(test.points for test in self.tests))

    def points_of(self, task_id: str) -> float:
        """Return the points of the tests of one task."""
        return tidy(sum(test.points for test in self.tests if test.task == task_id))
