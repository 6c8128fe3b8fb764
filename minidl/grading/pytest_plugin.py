"""Lets plain ``pytest`` run the tests of an exercise, in a student's folder or in the course's.

A hand-out's ``tests/conftest.py`` loads it. The tests run on the submission by the same worker as in grading.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

try:
    import pytest
except ImportError:
    raise ImportError("minidl.grading.pytest_plugin is a plug-in for pytest: pip install pytest") from None

from minidl.grading.feedback import failure_of
from minidl.grading.runner import PUBLIC_SECRET, generator
from minidl.grading.spec import SPEC_FILE, Exercise
from minidl.grading.testing import mark_of


def _exercise_of(request: pytest.FixtureRequest) -> Exercise:
    folder = Path(request.path).parent.parent
    if not (folder / SPEC_FILE).is_file():
        raise pytest.UsageError(f"{request.path}: the folder above this test has no {SPEC_FILE}")
    return Exercise.read(folder)


@pytest.fixture
def submission(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The submission in the folder above the tests, in a worker of its own."""
    from minidl.grading.worker import open_submission

    exercise = _exercise_of(request)
    with open_submission(exercise.source, exercise) as opened:
        yield opened
        sys.stdout.write(opened.output)  # pytest shows it where the test fails


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """The random numbers of the test, the same in every run."""
    return generator(PUBLIC_SECRET, _exercise_of(request), request.node.originalname)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Put the message for students in place of the traceback of the test."""
    report = yield
    mark = mark_of(item.function) if isinstance(item, pytest.Function) else None
    if report.failed and mark is not None and call.excinfo is not None and isinstance(item, pytest.Function):
        error = call.excinfo.value
        opened: Any = item.funcargs.get("submission")
        calls = opened.calls if opened is not None else ()
        failure = failure_of(error, _exercise_of(item._request), calls=calls)
        if failure.status != "error":
            hint = f"\nhint: {mark.hint}" if mark.hint and failure.status != "not_done" else ""
            title = (item.function.__doc__ or "").strip().partition("\n")[0]
            report.longrepr = f"task {mark.task}: {title}\n{failure.visible}{hint}"
    return report
