"""Judging an answer: is it an array, has it the shape, where is it wrong, and the error that says so."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.grading.cause import Cause
from minidl.grading.mismatch import Mismatch, describe, number, place
from minidl.grading.shape_diagnosis import find_shape_cause


def value_of(handle: Any) -> Any:
    return handle.value() if callable(getattr(handle, "value", None)) else handle


def as_array(actual: Any, expected: np.ndarray | None, what: str) -> np.ndarray:
    """Return an answer as an array, or say why it is none."""
    actual = value_of(actual)
    single = expected is not None and expected.ndim == 0
    wanted = (
        "an array" if expected is None else "a number" if single else f"an array of shape {expected.shape}"
    )
    if isinstance(actual, np.ndarray | np.generic | int | float | complex):
        found = np.asarray(actual)
        if found.dtype.kind in "biuf":
            return found
        raise Mismatch(
            f"{what} has the type {found.dtype}, expected real numbers",
            facts=[f"what came back: {describe(found)}"],
        )
    cause = None
    if actual is None:
        cause = Cause("returned nothing", "nothing was returned or set: is there a return, in every branch?")
    elif isinstance(actual, tuple | list):
        cause = Cause("several values", "one value is expected here, return the array itself")
        if isinstance(actual, list):
            cause = Cause("a list", "a Python list came back: make it an array with np.array(…)")
    raise Mismatch(f"{what} is {describe(actual)}, expected {wanted}", cause=cause)


def require_shape(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    if found.shape == expected.shape:
        return
    got = "a single number" if found.ndim == 0 else f"shape {found.shape}"
    wanted = "a single number" if expected.ndim == 0 else f"shape {expected.shape}"
    raise Mismatch(
        f"{what} has the wrong shape: got {got}, expected {wanted}",
        facts=[f"what came back: {describe(found)}"],
        cause=find_shape_cause(found.shape, expected.shape),
    )


def where_wrong(found: np.ndarray, expected: np.ndarray, rtol: float, atol: float) -> np.ndarray:
    with np.errstate(all="ignore"):
        a, e = found.astype(np.float64), expected.astype(np.float64)
        # Next to infinity every distance would be within rtol: there only infinity itself is right.
        return ~np.where(np.isfinite(e), np.abs(a - e) <= atol + rtol * np.abs(e), a == e)


def wrong_values(
    what: str,
    found: np.ndarray,
    expected: np.ndarray,
    wrong: np.ndarray,
    cause: Cause | None,
    names: tuple[str, str],
    chosen: np.ndarray | None = None,
    full: tuple[int, ...] | None = None,
    kind: Any = None,
) -> Mismatch:
    """Return the error for wrong values: how many, which is the worst, how bad it is."""
    a, e = found.astype(np.float64), expected.astype(np.float64)
    with np.errstate(all="ignore"):
        difference = np.where(wrong, np.where(np.isfinite(a), np.abs(a - e), np.inf), -1.0)
    worst = int(np.argmax(difference))
    index = np.unravel_index(worst if chosen is None else int(chosen[worst]), full or found.shape)
    got, right = float(a.flat[worst]), float(e.flat[worst])
    size = float(difference.flat[worst])
    relative = size / max(abs(got), abs(right), 1e-300) if np.isfinite(size) else np.inf
    sampled = full is not None and wrong.size < int(np.prod(full))
    values = f"{wrong.size} values{' that were measured' if sampled else ''}"
    count = int(wrong.sum())
    if wrong.size == 1:
        some = "the value is"
    elif wrong.all():
        some = f"all {values} are"
    else:
        some = f"{count} of {values} {'is' if count == 1 else 'are'}"
    at = f"worst at {place(index)}: " if found.ndim else ""
    return Mismatch(
        f"{what}: {some} wrong",
        facts=[
            f"what came back: {describe(found if full is None else np.empty(full, kind))}",
            *([f"largest error {size:.2g} (relative {relative:.2g})"] if np.isfinite(size) else []),
        ],
        values=[f"{at}{names[0]} {number(got)}, {names[1]} {number(right)}"],
        cause=cause,
    )


def are_equal(actual: Any, expected: Any) -> bool:
    """Return whether an answer has the kind and the values expected; numbers of NumPy count as Python's."""
    if isinstance(expected, np.ndarray | np.generic):
        return isinstance(actual, np.ndarray | np.generic | int | float) and np.array_equal(actual, expected)
    if isinstance(expected, tuple | list):
        same = isinstance(actual, tuple | list) and len(actual) == len(expected)
        return same and all(map(are_equal, actual, expected))
    if isinstance(expected, dict):
        same = isinstance(actual, dict) and actual.keys() == expected.keys()
        return same and all(are_equal(actual[key], expected[key]) for key in expected)
    if isinstance(actual, np.ndarray):
        return False
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        return type(actual) in (type(expected), np.bool_) and bool(actual == expected)
    return bool(actual == expected)


def find_difference(actual: Any, expected: Any) -> tuple[str, Cause | None]:
    """Return in which way an answer differs from a text, a truth value, None, or a list of such things.

    The words go on after the name of the answer ("is None, expected a text"), and hold no expected values.
    """
    if actual is None:
        cause = Cause("returned nothing", "nothing was returned or set: is there a return, in every branch?")
        return f"is None, expected {_kind(expected)}", cause
    if _kind(actual) != _kind(expected):
        return f"is {describe(actual)}, expected {_kind(expected)}", None
    if isinstance(expected, tuple | list):
        if len(actual) != len(expected):
            return f"has {len(actual)} entries, expected {len(expected)}", None
        wrong = [i for i, pair in enumerate(zip(actual, expected, strict=True)) if not are_equal(*pair)]
        more = f", the first is number {wrong[0]}, counted from 0" if len(wrong) > 1 else ""
        where = f"number {wrong[0]}, counted from 0" if len(wrong) == 1 else f"{len(wrong)} of {len(actual)}"
        return f"has wrong entries: {where}{more}", None
    if isinstance(expected, dict):
        if actual.keys() != expected.keys():
            return "has other keys than expected", None
        return "has wrong values", None
    return f"is {_kind(expected)}, but not the right one", None


def _kind(value: Any) -> str:
    """Return what sort of thing a value is, for beginners."""
    for kinds, name in (
        (bool | np.bool_, "True or False"),
        (int | float | np.number, "a number"),
        (str, "a text"),
        (list | tuple, "a list"),
        (dict, "a dict"),
    ):
        if isinstance(value, kinds):
            return name
    return describe(value)


def find_type_cause(found: np.dtype, wanted: np.dtype) -> Cause | None:
    """Return why an array probably has another type than expected; None where nothing is known about it."""
    if found == np.float64 and wanted == np.float32:
        return Cause(
            "float64 instead of float32",
            "float32 went in and float64 came out: np.zeros, np.ones and np.random make float64 unless told "
            "otherwise (dtype=x.dtype), and an array of float64 turns the whole result into float64",
        )
    if found.kind in "biu" and wanted.kind == "f":
        return Cause(
            "whole numbers",
            "an array of whole numbers cuts off what is behind the point: make it dtype=x.dtype",
        )
    if found == np.float32 and wanted == np.float64:
        return Cause(
            "float32 instead of float64", "float64 went in: keep the type of the input (dtype=x.dtype)"
        )
    return None


def first_index(wrong: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
