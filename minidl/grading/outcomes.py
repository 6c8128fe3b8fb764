"""What a grading run knows of a class: its plan, and of every submission what each test gave."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from minidl.errors import DataError
from minidl.grading.runner import STATUSES
from minidl.grading.spec import tidy


@dataclass(frozen=True)
class Planned:
    """A test of the plan; the attributes are those of `minidl.grading.testing.Test`."""

    name: str
    task: str
    title: str
    points: float
    visibility: str
    hint: str = ""


@dataclass(frozen=True)
class Header:
    """What is graded, and how.

    Attributes
    ----------
    exercise : str
        Its id.
    title : str
    files : tuple of str
        What is handed in.
    tasks : tuple of (str, str)
        Ids and titles.
    tests : tuple of Planned
    digest : str
        SHA-256 of the exercise's description and tests.
    seed : str
        The secret from which the random numbers of all tests come.
    isolation : str
        Level at which submissions run.
    budget : float
        Seconds for one submission.
    versions : dict
    started : str
    """

    exercise: str
    title: str
    files: tuple[str, ...]
    tasks: tuple[tuple[str, str], ...]
    tests: tuple[Planned, ...]
    digest: str
    seed: str
    isolation: str
    budget: float
    versions: Mapping[str, str] = field(default_factory=dict)
    started: str = ""

    @property
    def points(self) -> float:
        """What can be had."""
        return tidy(math.fsum(test.points for test in self.tests))


@dataclass(frozen=True)
class Outcome:
    """What one test gave; the attributes are those of `minidl.grading.runner.Result`.

    Attributes
    ----------
    test : Planned
    status : str
        One of `STATUSES`.
    message : str
        In full, for staff.
    shown : str
        What the student may see of it.
    cause : str
        The kind of mistake, for statistics.
    output : str
        What the submission printed.
    seconds : float
    peak_rss_mb : float or None
    """

    test: Planned
    status: str = "not_run"
    message: str = ""
    shown: str = ""
    cause: str = ""
    output: str = ""
    seconds: float = 0.0
    peak_rss_mb: float | None = None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise DataError(f"the test {self.test.name} has the unknown status {self.status!r}")

    @property
    def passed(self) -> bool:
        """Whether the test passed."""
        return self.status == "passed"

    @property
    def points(self) -> float:
        """All of the test's points, or nothing."""
        return self.test.points if self.passed else 0


@dataclass(frozen=True)
class Graded:
    """One submission.

    Attributes
    ----------
    id, source, digest, missing, ignored, notes, reason
        As in `minidl.grading.intake.Intake`.
    outcomes : tuple of Outcome
        One for every test of the plan, in its order.
    isolation : str
    seconds : float
    finished : bool
        Whether grading came to its end.
    trouble : str
        What went wrong in the grader, so that the points are not final; empty if nothing did.
    """

    id: str
    source: str
    digest: str
    outcomes: tuple[Outcome, ...]
    missing: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""
    isolation: str = ""
    seconds: float = 0.0
    finished: bool = False
    trouble: str = ""

    @property
    def points(self) -> float:
        """Points of all tests."""
        return tidy(math.fsum(outcome.points for outcome in self.outcomes))

    @property
    def complete(self) -> bool:
        """Whether the points are final: done, and no test failed for a reason of the grader's own."""
        return self.finished and not self.trouble and all(o.status != "error" for o in self.outcomes)

    @property
    def open_questions(self) -> str:
        """Why the points are not final, in one line; empty if they are."""
        if self.complete:
            return ""
        broken = [outcome.test.name for outcome in self.outcomes if outcome.status == "error"]
        if self.trouble:
            return self.trouble.strip().splitlines()[-1]
        return (
            f"these tests failed themselves: {', '.join(broken)}"
            if broken
            else "it was not graded to the end"
        )

    def of_task(self, task: str) -> list[Outcome]:
        """Return the outcomes of one task."""
        return [outcome for outcome in self.outcomes if outcome.test.task == task]


def graded(header: Header, begin: Mapping[str, Any], tests: Iterable[Mapping[str, Any]] = ()) -> Graded:
    """Return a submission from the values of its lines; tests without a line got nothing.

    A line about a test that is not in the plan counts for nothing.
    """
    found = {test["name"]: test for test in tests}
    outcomes = []
    for planned in header.tests:
        values = dict(found.get(planned.name, {}))
        values.pop("name", None)
        outcomes.append(Outcome(planned, **values))
    return Graded(
        id=begin["id"],
        source=begin["source"],
        digest=begin["digest"],
        outcomes=tuple(outcomes),
        missing=tuple(begin.get("missing", ())),
        ignored=tuple(begin.get("ignored", ())),
        notes=tuple(begin.get("notes", ())),
        reason=begin.get("reason", ""),
        isolation=header.isolation,
    )
