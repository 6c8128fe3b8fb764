"""A grading process: it loads the tests once, starts one fork server, and grades what its parent names.

It reads one JSON object a line from its standard input: first what to grade with, then one submission after
the other; it answers with events, one a line. It trusts its parent and the tests; of a submission it handles
only what the worker's protocol hands over.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from minidl.grading.reports.clean import plain
from minidl.grading.runner import Result, run
from minidl.grading.spec import Exercise
from minidl.grading.testing import Plan, load_tests

MESSAGE, OUTPUT = 8000, 4000  # characters kept of a message, and of what a submission printed


class _BudgetSpent(Exception):
    """The submission has used its time."""


def plan_of(exercise: Exercise, private: Path | None) -> Plan:
    """Return the tests that grade: the public ones, and the private ones of the exercise or of a folder.

    Parameters
    ----------
    exercise : Exercise
    private : Path or None
        A folder of files ``test_*.py``, or one with such a folder for each exercise (``ex01_dense/``). They
        take the place of the exercise's own private tests.

    Raises
    ------
    ExerciseError
        If there are none, or the points do not add up to those of the exercise.
    """
    files = [exercise.public_tests, *private_files(exercise, private)]
    return Plan(exercise, [test for file in files for test in load_tests(file)])


def private_files(exercise: Exercise, private: Path | None) -> list[Path]:
    """Return the files of private tests."""
    if private is None:
        return [exercise.private_tests]
    inside = private / exercise.folder_name
    return sorted((inside if inside.is_dir() else private).glob("test_*.py")) or [private / "test_private.py"]


def main() -> None:
    """Serve until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a test prints is no answer

    def answer(**event: Any) -> None:
        answers.write(json.dumps(event, ensure_ascii=True, allow_nan=False) + "\n")
        answers.flush()

    try:
        _serve(sys.stdin, answer)
    except BrokenPipeError:
        os._exit(1)  # the parent is gone, and with it everybody who could read a traceback


def _serve(requests: IO[str], answer: Callable[..., None]) -> None:
    from minidl.grading.worker import ForkServer

    setup = json.loads(requests.readline())
    exercise = Exercise.read(setup["exercise"])
    plan = plan_of(exercise, Path(setup["private"]) if setup["private"] else None)
    with ForkServer() as server:
        for text in requests:
            request = json.loads(text)
            grader = _Grader(exercise, plan, setup, server, request, answer)
            grader.grade()


class _Grader:
    """The grading of one submission."""

    def __init__(
        self,
        exercise: Exercise,
        plan: Plan,
        setup: dict[str, Any],
        server: Any,
        request: dict[str, Any],
        answer: Callable[..., None],
    ) -> None:
        self.exercise, self.plan, self.setup, self.server = exercise, plan, setup, server
        self.id, self.folder, self._answer = request["id"], request["folder"], answer
        self._left = {test.name for test in plan.tests}
        self._start = time.monotonic()

    def grade(self) -> None:
        """Run all tests on the submission and answer with an event for each, and one at the end."""
        trouble = ""
        try:
            run(
                self.exercise,
                self.folder,
                self.plan.tests,
                secret=self.setup["seed"],
                level=self.setup["level"],
                server=self.server,
                on_result=self._note,
            )
        except _BudgetSpent:
            text = f"not run: the submission had used its {self.setup['budget']:g} seconds"
            for name in sorted(self._left):
                self._answer(event="test", id=self.id, name=name, status="not_run", message=text, shown=text)
        except Exception:
            # The grader's own fault, or the machine's: it costs this submission's points for now, not the others'.
            trouble = plain(traceback.format_exc(), MESSAGE)
        seconds = round(time.monotonic() - self._start, 3)
        self._answer(event="done", id=self.id, seconds=seconds, trouble=trouble)

    def _note(self, result: Result) -> None:
        self._left.discard(result.test)
        self._answer(
            event="test",
            id=self.id,
            name=result.test,
            status=result.status,
            message=plain(result.message, MESSAGE),
            shown=plain(result.shown, MESSAGE),
            cause=plain(result.cause, 200),
            output=plain(result.output, OUTPUT),
            seconds=round(result.seconds, 4),
            peak_rss_mb=result.peak_rss_mb,
        )
        if self._left and time.monotonic() - self._start > self.setup["budget"]:
            raise _BudgetSpent


if __name__ == "__main__":
    main()
