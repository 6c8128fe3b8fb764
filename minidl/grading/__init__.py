"""Exercises: their description, their tests, and running these on a submission that is not trusted."""

from minidl.grading import expect
from minidl.grading.check import check
from minidl.grading.finding import find_exercise, find_exercises
from minidl.grading.runner import Result, run
from minidl.grading.spec import Exercise, ExerciseError
from minidl.grading.testing import Plan, Test, load_tests, task

__all__ = [
    # writing tests
    "expect",
    "task",
    # exercises and their tests
    "Exercise",
    "ExerciseError",
    "Plan",
    "Test",
    "find_exercise",
    "find_exercises",
    "load_tests",
    # running them
    "Result",
    "check",
    "run",
]
