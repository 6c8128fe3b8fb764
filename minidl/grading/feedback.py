"""What a failed test tells: everything to staff, and to a student what the test's visibility allows."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from minidl.grading.mismatch import Mismatch
from minidl.grading.worker.errors import StudentError, WorkerDied, WorkerTimeout

if TYPE_CHECKING:
    from minidl.grading.spec import Exercise
    from minidl.grading.testing import Test

_CALLS = 4  # the last calls of a test, in a message
LONGEST = 2000  # characters of a message; a submission writes part of it


@dataclass(frozen=True)
class Failure:
    """Why a test did not pass.

    Attributes
    ----------
    status : str
        One of `minidl.grading.runner.STATUSES`.
    full : str
        For staff.
    visible, partly : str
        For students, at the visibilities "visible" and "hint".
    hidden : str
        For students at "hidden": nothing about the values.
    cause : str
        Kind of the mistake.
    """

    status: str
    full: str
    visible: str
    partly: str
    hidden: str = ""
    cause: str = ""

    def shown(self, test: Test) -> str:
        """Return what the student sees of it, with the hint of the test."""
        text = {"visible": self.visible, "hint": self.partly}.get(test.visibility, self.hidden)
        # Who has not begun needs no hint about a mistake.
        hint = test.hint if self.status not in ("not_done", "error") else ""
        lines = [cut(text)] if text else []
        return "\n".join([*lines, f"hint: {hint}"] if hint else lines)


def failure_of(
    error: BaseException, exercise: Exercise, *, trace: str = "", calls: Sequence[str] = ()
) -> Failure:
    """Return what an exception out of a test means.

    Parameters
    ----------
    error : BaseException
    exercise : Exercise
    trace : str
        Its traceback in the grader, for staff.
    calls : sequence of str
        What the test has called in the submission.
    """
    if isinstance(error, Mismatch):
        called = _called(calls)
        text = error.text("visible") + called
        kind = error.cause.kind if error.cause else "wrong values"
        return Failure("failed", text, text, error.text("hint") + called, cause=kind)
    if isinstance(error, StudentError):
        return _student_error(error, exercise)
    if isinstance(error, WorkerTimeout):
        advice = "an endless loop, or a very slow one?"
        text = f"{error}: {advice}"
        safe = f"your code did not finish within {error.seconds:g} s: {advice}"
        return Failure("timeout", text, text, text, safe, "too slow")
    if isinstance(error, WorkerDied):
        text = f"{error}" + (f"; the test called {error.call}" if error.call else "")
        safe = "your code ended its own process, or crashed it"
        return Failure("crashed", text, text, text, safe, "crashed")
    if isinstance(error, AssertionError):
        text = (str(error) or "an assertion of the test does not hold") + _called(calls)
        return Failure("failed", text, text, "an assertion of the test does not hold", cause="wrong values")
    text = f"the test could not work with what your code returned ({type(error).__name__}); the staff will see this"
    return Failure(
        "error", trace or repr(error), f"{text}: {error}{_called(calls)}", text, text, "error in the test"
    )


def _called(calls: Sequence[str]) -> str:
    """Return a line with the last calls of a test."""
    if not calls:
        return ""
    last = list(calls[-_CALLS:])
    runs = [f"{call}" + (f" ({n} times)" if n > 1 else "") for call, n in _counted(last)]
    return f"\n    calls: {'… ' if len(calls) > len(last) else ''}{', '.join(runs)}"


def _counted(calls: Sequence[str]) -> list[tuple[str, int]]:
    return [(call, len(list(group))) for call, group in itertools.groupby(calls)]


def _student_error(error: StudentError, exercise: Exercise) -> Failure:
    kind, message = error.type, error.message
    if kind == "NotImplementedError":
        text = f"not done yet: {_todo(message, exercise)}"
        # The submission may have put a test's inputs into its message, so a hidden test does not repeat it.
        safe = f"not done yet: {_known_task(message, exercise) or 'a part of this task raises NotImplementedError'}"
        return Failure("not_done", text, text, text, safe, "not done")
    lines = [f"{error.call or 'your code'} raised {kind}: {message}"]
    if kind in ("MissingFile", "MissingName", "BadAnswer"):  # no exception of the submission
        lines = [f"{error.call}: {message}" if error.call else message]
    if error.line_number:
        lines.append(f"    {error.file}, line {error.line_number}: {error.student_line}")
    if advice := _advice(kind, message, exercise):
        lines.append(f"    {advice}")
    text = "\n".join(lines)
    # At "hint" the message stays: without it nobody finds the mistake. It is cut, for the submission writes it.
    lines[0] = cut(lines[0], 300)
    return Failure("failed", text, text, "\n".join(lines), cause=kind)


def _todo(message: str, exercise: Exercise) -> str:
    told = _known_task(message, exercise) or cut(message, 200)
    return told or "a part of this task raises NotImplementedError"


def _known_task(message: str, exercise: Exercise) -> str:
    """Return number and title of the task a message begins with; empty if there is no such task."""
    found = re.match(r"task ([0-9]+\.[0-9]+)", message)
    titles = {task.id: task.title for task in exercise.tasks}
    return f"task {found[1]} {titles[found[1]]}" if found and found[1] in titles else ""


def _advice(kind: str, message: str, exercise: Exercise) -> str:
    """Return a line for errors that confuse beginners, or nothing."""
    if kind in ("ImportError", "ModuleNotFoundError", "PermissionError"):
        allowed = ", ".join(exercise.imports) or "nothing"
        return f"this exercise may import {allowed}, and small standard modules such as math"
    if kind == "AttributeError" and "NoneType" in message:
        return "something is None here: it is set in a method that was not called, or a return is missing"
    if kind == "TypeError" and "NoneType" in message:
        return "a value is None here: a return is missing, or something was never set"
    if kind == "ValueError" and ("broadcast" in message or "mismatch in its core dimension" in message):
        return "two shapes do not fit: print the shape of both, and see which one needs a transpose"
    if kind == "MemoryError":
        return f"more than {exercise.limits.memory_mb} MiB were asked for: is an array far larger than it has to be?"
    if kind == "RecursionError":
        return "a function calls itself without an end"
    return ""


def cut(text: str, longest: int = LONGEST) -> str:
    """Return `text`, shortened where it is too long."""
    return text if len(text) <= longest else f"{text[:longest]}… (cut)"
