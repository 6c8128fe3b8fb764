"""Running the tests of a plan on one submission.

Every test starts with no points and gets them by passing. Whatever happens to the submission (an exception, a
dead worker, too much time) costs that test alone; the tests of a task share a worker, the next task gets a new
one. The order of the tasks is drawn from the secret, so that no submission can count on it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.grading.feedback import Failure, failure_of
from minidl.grading.spec import Exercise, tidy
from minidl.grading.testing import Test
from minidl.grading.worker.errors import SubmissionError

if TYPE_CHECKING:
    from minidl.grading.worker import Submission

PUBLIC_SECRET = "public"  # of checks on a student's own machine: every run gives the same arrays

STATUSES = ("passed", "failed", "not_done", "timeout", "crashed", "error", "not_run")


@dataclass(frozen=True)
class Result:
    """What came of one test.

    Attributes
    ----------
    test, task, title : str
        Name of the test, id of its task, first line of its docstring.
    status : str
        "passed"; "failed" (a wrong answer or an exception in the submission); "not_done" (the task is still
        the skeleton's); "timeout"; "crashed" (the worker is gone); "error" (the test itself failed: the
        grading is incomplete and staff must look); "not_run".
    points, max_points : float
        What it got; all or nothing.
    visibility, hint : str
        Of the test.
    message : str
        Everything, for staff. Empty if passed.
    shown : str
        What the student may see of it.
    cause : str
        The kind of mistake in a few words, for statistics over a class: "transposed", "ValueError". Or "".
    seconds : float
    level : str
        Isolation of the submission: "L0", "L1" or "L2".
    peak_rss_mb : float or None
        Largest resident memory of the worker so far.
    output : str
        What the submission printed, cleaned.
    """

    test: str
    task: str
    title: str
    status: str
    points: float
    max_points: float
    visibility: str
    hint: str
    message: str = ""
    shown: str = ""
    cause: str = ""
    seconds: float = 0.0
    level: str = ""
    peak_rss_mb: float | None = None
    output: str = ""

    @property
    def passed(self) -> bool:
        """Whether the test passed."""
        return self.status == "passed"


def run(
    exercise: Exercise,
    folder: str | Path,
    tests: Iterable[Test],
    *,
    secret: str | bytes = PUBLIC_SECRET,
    level: str = "best",
    server: Any = None,
    on_result: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Run tests on the submission in `folder`.

    Parameters
    ----------
    exercise : Exercise
    folder : path
        With the files of the submission.
    tests : iterable of Test
        In the order of the plan.
    secret : str or bytes
        The seed of every test's random numbers and of the order, by HMAC-SHA256. The same secret gives the
        same numbers.
    level : str
        Isolation: "best", or one that is demanded ("L2").
    server : optional
        A fork server of `minidl.grading.worker` to get the workers from.
    on_result : callable, optional
        Called with every result as soon as it is there (not in the order of the plan).

    Returns
    -------
    list of Result
        In the order of `tests`, one for each.

    Raises
    ------
    MinidlError
        If the isolation that is demanded cannot be had.
    """
    from minidl.grading.worker import ForkServer, choose, open_submission

    level = choose(level)
    with contextlib.ExitStack() as stack:
        if server is None and level != "L0":
            server = stack.enter_context(ForkServer())

        def open_one() -> Submission:
            return open_submission(folder, exercise, level=level, server=server)

        return run_with(open_one, exercise, tests, secret=secret, on_result=on_result)


def run_with(
    open_one: Callable[[], Submission],
    exercise: Exercise,
    tests: Iterable[Test],
    *,
    secret: str | bytes = PUBLIC_SECRET,
    on_result: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Run tests on the submissions that `open_one` opens (a context manager), one for every task."""
    tests = list(tests)
    by_task: dict[str, list[Test]] = {}
    for test in tests:
        by_task.setdefault(test.task, []).append(test)
    order = generator(secret, exercise, "order of the tasks").permutation(list(by_task))
    results: dict[str, Result] = {}

    def note(result: Result) -> None:
        results[result.test] = result
        if on_result is not None:
            on_result(result)

    for task_id in order:
        waiting = by_task[str(task_id)]
        while waiting:  # again with a new worker for what a dead one has left
            waiting = _run_task(open_one, exercise, waiting, secret, note)
    return [results[test.name] for test in tests]


def generator(secret: str | bytes, exercise: Exercise, name: str) -> np.random.Generator:
    """Return the random numbers of one test: a function of the secret, the exercise and the name alone."""
    key = secret.encode() if isinstance(secret, str) else secret
    digest = hmac.new(key, f"{exercise.id}\0{name}".encode(), hashlib.sha256).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def score(results: Iterable[Result]) -> tuple[float, float]:
    """Return the points that were got, and all there were."""
    results = list(results)
    return tidy(sum(r.points for r in results)), tidy(sum(r.max_points for r in results))


def _run_task(
    open_one: Callable[[], Submission],
    exercise: Exercise,
    tests: list[Test],
    secret: str | bytes,
    note: Callable[[Result], None],
) -> list[Test]:
    """Run tests in one worker until it dies; return those that are left."""
    left = list(tests)
    try:
        with open_one() as submission:
            while left and submission.alive:
                test = left.pop(0)
                note(_run_test(submission, test, generator(secret, exercise, test.name), exercise))
            return left
    except SubmissionError as error:
        # The files cannot be read: another worker would do no better.
        for test in left:
            note(_result(test, failure_of(error, exercise)))
    return []


def _run_test(submission: Submission, test: Test, rng: np.random.Generator, exercise: Exercise) -> Result:
    submission.start_test()
    clock = time.perf_counter()
    failure: Failure | None = None
    try:
        test.function(submission, rng)
    except Exception as error:
        failure = failure_of(error, exercise, trace=traceback.format_exc(), calls=submission.calls)
    return _result(test, failure, submission, time.perf_counter() - clock)


def _result(
    test: Test, failure: Failure | None, submission: Submission | None = None, seconds: float = 0.0
) -> Result:
    result = Result(
        test=test.name,
        task=test.task,
        title=test.title,
        status="passed",
        points=test.points,
        max_points=test.points,
        visibility=test.visibility,
        hint=test.hint,
        seconds=seconds,
        level=submission.level if submission else "",
        peak_rss_mb=submission.peak_rss_mb if submission else None,
        output=submission.output if submission else "",
    )
    if failure is None:
        return result
    return replace(
        result,
        status=failure.status,
        points=0,
        message=failure.full,
        shown=failure.shown(test),
        cause=failure.cause,
    )
