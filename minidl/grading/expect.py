"""What a test expects of a submission's answers, and messages that say what is wrong with them.

Every function returns nothing, or raises a `Mismatch`. The answers are plain values by the time they get here
(arrays, numbers, texts, tuples, lists, dicts); nothing of a submission is run by comparing them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minidl.grading.cause import Cause
from minidl.grading.diagnosis import find_cause
from minidl.grading.judging import (
    are_equal,
    as_array,
    find_difference,
    find_type_cause,
    first_index,
    require_shape,
    value_of,
    where_wrong,
    wrong_values,
)
from minidl.grading.mismatch import Mismatch, describe, place, shown
from minidl.grading.numeric import central_differences
from minidl.grading.worker.errors import StudentError

__all__ = [
    "Mismatch", "close", "dtype", "equal", "finite", "gradient", "not_aliased", "raises", "shape", "that",
    "unchanged",
]  # fmt: skip


def close(
    actual: Any,
    expected: Any,
    what: str = "the result",
    *,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    batch: int | None = None,
    before: Any = None,
    mistakes: Mapping[str, Any] | None = None,
) -> None:
    """Expect an array or a number near another: ``|actual - expected| <= atol + rtol |expected|`` everywhere.

    The shapes must be equal (nothing is broadcast); the types need not be, see `dtype`.

    Parameters
    ----------
    actual, expected : array or number
    what : str
        The call as a student would write it, such as "Dense(4, 3).forward(x)".
    rtol, atol : float
    batch : int, optional
        Examples in the batch, to recognise a mean over it that is missing or taken twice.
    before : array, optional
        What was there before the call, to recognise an update that did not happen, went the wrong way, or a
        gradient added to the one before.
    mistakes : mapping of str to array, optional
        What the answer would be with a typical mistake, under a sentence that names the mistake. Students
        see the sentence at the visibility "hint" as well.
    """
    expected = np.asarray(expected)
    found = as_array(actual, expected, what)
    require_shape(found, expected, what)
    wrong = where_wrong(found, expected, rtol, atol)
    if not wrong.any():
        return
    cause = find_cause(found, expected, wrong, batch=batch, before=before, mistakes=mistakes or {})
    raise wrong_values(what, found, expected, wrong, cause, ("got", "expected"))


def equal(actual: Any, expected: Any, what: str = "the result") -> None:
    """Expect exactly this: a text, a truth value, None, whole numbers, an array of them, a list of such things."""
    if isinstance(expected, np.ndarray | np.generic | int | float) and not isinstance(expected, bool):
        close(actual, expected, what, rtol=0, atol=0)
        return
    if are_equal(actual, expected):
        return
    problem, cause = find_difference(actual, expected)
    raise Mismatch(
        f"{what} {problem}", values=[f"got {shown(actual)}, expected {shown(expected)}"], cause=cause
    )


def shape(actual: Any, expected: Sequence[int], what: str = "the result") -> None:
    """Expect an array of this shape."""
    target = np.empty(tuple(expected))
    require_shape(as_array(actual, target, what), target, what)


def dtype(actual: Any, expected: Any, what: str = "the result") -> None:
    """Expect an array or NumPy number of this type, such as "float32"."""
    wanted = np.dtype(expected)
    found = as_array(actual, None, what)
    if found.dtype == wanted:
        return
    raise Mismatch(
        f"{what} has the type {found.dtype}, expected {wanted}",
        facts=[f"what came back: {describe(found)}"],
        cause=find_type_cause(found.dtype, wanted),
    )


def finite(actual: Any, what: str = "the result") -> None:
    """Expect no NaN and no infinity."""
    found = as_array(actual, None, what)
    wrong = ~np.isfinite(found)
    if wrong.any():
        # The size is not checked here: a cause for millions of numbers would take seconds and gigabytes.
        cause = find_cause(found, np.zeros_like(found), wrong) if found.size <= 10**6 else None
        raise Mismatch(
            f"{what}: {int(wrong.sum())} of {found.size} values are NaN or infinite",
            facts=[f"what came back: {describe(found)}"],
            values=[f"the first at {place(first_index(wrong))}"] if found.ndim else [],
            cause=cause,
        )


def unchanged(handle: Any, original: Any, what: str = "x") -> None:
    """Expect that a call left its argument alone.

    Parameters
    ----------
    handle
        An array that lives in the worker (``submission.array``), or its value.
    original : array
        What was put there.
    what : str
        Name of the argument.
    """
    now = value_of(handle)
    original = np.asarray(original)
    found = as_array(now, original, what)
    if found.shape == original.shape and np.array_equal(found, original, equal_nan=True):
        return
    raise Mismatch(
        f"{what} was changed by the call, it must be left as it was",
        facts=[f"{what} is now {describe(found)}"],
        cause=Cause(
            "input mutated",
            f"{what} was written into: x += …, x[…] = … and out=x change the caller's array; "
            "compute a new array, or work on x.copy()",
        ),
    )


def not_aliased(earlier: Any, later: Any, what: str = "the result", of: str = "the input") -> None:
    """Expect that an answer did not change when something else was changed after it was given.

    Parameters
    ----------
    earlier, later
        The answer as it was, and read again after the change (values, or handles to arrays of the worker).
    what, of : str
        Name of the answer, and of what was changed in between.
    """
    first, second = as_array(earlier, None, what), as_array(later, None, what)
    if first.shape == second.shape and np.array_equal(first, second, equal_nan=True):
        return
    raise Mismatch(
        f"{what} changed when {of} was changed afterwards",
        cause=Cause(
            "aliased",
            f"{what} shares its memory with {of}: return or keep a copy (x.copy()), "
            "not the same array or a view of it",
        ),
    )


def raises(call: Callable[[], Any], kind: str | Sequence[str], what: str = "the call") -> None:
    """Expect that a call raises an exception of this name (or one of these names) in the submission.

    ``expect.raises(lambda: layer.forward(x), "ValueError", what="forward(x) with 5 features")``
    """
    kinds = [kind] if isinstance(kind, str) else list(kind)
    try:
        call()
    except StudentError as error:
        if error.type in kinds:
            return
        if error.type == "NotImplementedError":
            raise
        raise Mismatch(
            f"{what} must raise {' or '.join(kinds)}, it raised {error.type}",
            values=[f"its message: {error.message}"],
        ) from None
    raise Mismatch(f"{what} must raise {' or '.join(kinds)}, it raised nothing")


def that(condition: Any, message: str) -> None:
    """Expect something that the other functions do not cover.

    `message` says what; students see it at the visibility "hint" as well, so it should hold no expected values.
    """
    if not condition:
        raise Mismatch(message)


def gradient(
    analytic: Any,
    function: Callable[[np.ndarray], Any],
    x: Any,
    what: str = "the gradient",
    *,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    batch: int | None = None,
    before: Any = None,
    mistakes: Mapping[str, Any] | None = None,
    entries: int = 200,
) -> None:
    """Expect the gradient of a function at `x`, by central differences in double precision taken here.

    Parameters
    ----------
    analytic : array
        The submission's answer, of the shape of `x`.
    function : callable
        Takes an array like `x` and returns a number (what it computes may come from the submission).
    x : array
    what : str
        The call, such as "backward(dy)" or "grad_weight".
    rtol, atol : float
    batch, before, mistakes
        As for `close`.
    entries : int
        Measure at most this many entries, spread evenly over the array.
    """
    x = np.array(x, dtype=np.float64)
    found = as_array(analytic, x, what)
    require_shape(found, x, what)
    chosen = np.unique(np.linspace(0, x.size - 1, min(entries, x.size)).round().astype(int))
    numeric = central_differences(function, x, chosen, found.reshape(-1)[chosen], rtol, atol)
    whole = chosen.size == x.size
    shape_ = x.shape if whole else (chosen.size,)
    part, right = found.reshape(-1)[chosen].reshape(shape_), numeric.reshape(shape_)
    wrong = where_wrong(part, right, rtol, atol)
    if not wrong.any():
        return
    pick = (lambda array: np.asarray(array).reshape(-1)[chosen].reshape(shape_)) if not whole else np.asarray
    cause = find_cause(
        part,
        right,
        wrong,
        batch=batch,
        before=None if before is None else pick(before),
        mistakes={text: pick(value) for text, value in (mistakes or {}).items()},
    )
    raise wrong_values(
        what,
        part,
        right,
        wrong,
        cause,
        ("analytic (yours)", "numeric (measured)"),
        chosen,
        x.shape,
        found.dtype,
    )
