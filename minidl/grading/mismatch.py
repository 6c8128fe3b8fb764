"""The error of a failed expectation, and how values are written in its message."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minidl.grading.cause import Cause

LONGEST = 200  # characters of a value of the submission in a message


class _Short(reprlib.Repr):
    """The first few entries of a value: all of a list of arrays would take minutes to write."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, LONGEST, LONGEST
        self.maxlist = self.maxtuple = self.maxdict = 8

    def repr_ndarray(self, value: np.ndarray, level: int) -> str:
        return describe(value)


_short = _Short()


class Mismatch(AssertionError):
    """An answer that is not what a test expects.

    Parameters
    ----------
    problem : str
        One line: the call, and what is wrong with its answer. Holds no expected values.
    facts : iterable of str
        Shapes, types and the size of the error: what a student may see of a test of visibility "hint".
    values : iterable of str
        Lines that hold expected values, for the visibility "visible".
    cause : Cause, optional
        What usually causes it.
    """

    def __init__(
        self,
        problem: str,
        *,
        facts: Iterable[str] = (),
        values: Iterable[str] = (),
        cause: Cause | None = None,
    ) -> None:
        self.problem, self.facts, self.values, self.cause = problem, tuple(facts), tuple(values), cause
        super().__init__(self.text())

    def text(self, visibility: str = "visible") -> str:
        """Return the message as a student sees it at a visibility; at "hidden" there is none."""
        if visibility == "hidden":
            return ""
        lines = [self.problem, *(self.values if visibility == "visible" else ())]
        if self.cause is not None:
            lines.append(f"likely cause: {self.cause.text if visibility == 'visible' else self.cause.plain}")
        lines += self.facts
        return "\n    ".join(lines)


def number(value: float) -> str:
    """Return a number with six digits."""
    return f"{value:.6g}"


def place(index: Sequence[Any]) -> str:
    """Return an index as NumPy writes it: ``[3, 2]``."""
    return f"[{', '.join(str(int(i)) for i in index)}]"


def describe(value: Any) -> str:
    """Return what a value is, without its numbers: ``float64 array of shape (5, 3)``."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return f"a single {value.dtype}"
        return f"{value.dtype} array of shape {value.shape}"
    if isinstance(value, np.generic):
        return f"a single {value.dtype}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    article = "an" if type(value).__name__[:1] in "aeiou" else "a"
    return f"{article} {type(value).__name__}"


def shown(value: Any) -> str:
    """Return a value of any kind, cut where it is long."""
    text = (
        f"{describe(value)} {np.array2string(value, threshold=6)}"
        if isinstance(value, np.ndarray)
        else _short.repr(value)
    )
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
