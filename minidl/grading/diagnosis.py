"""What usually causes an array to be wrong in the way it is.

A likely cause is only named when it explains *every* entry: an array that is exactly its transpose, or the right
one times the batch size. What explains nothing gives no cause, for a wrong guess costs a student more than none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minidl.grading.cause import Cause, Wrong, same
from minidl.grading.patterns import function_of, offset, rearranged, somewhere, wrong_axis


def find_cause(
    actual: np.ndarray,
    expected: np.ndarray,
    wrong: np.ndarray,
    *,
    batch: int | None = None,
    before: Any = None,
    mistakes: Mapping[str, Any] | None = None,
) -> Cause | None:
    """Return the likeliest cause of wrong values, or None.

    Parameters
    ----------
    actual, expected : array
        Of one shape.
    wrong : array of bool
        Where they differ.
    batch, before, mistakes
        As for `minidl.grading.expect.close`.
    """
    if actual.size == 0:
        return None
    a, e = actual.astype(np.float64), expected.astype(np.float64)
    old = None
    # What was there before may be an answer of the submission too, and no array at all.
    numbers = isinstance(before, np.ndarray | np.generic | float | int)
    if numbers and np.shape(before) == e.shape and np.asarray(before).dtype.kind in "biuf":
        old = np.asarray(before, dtype=np.float64)
    case = Wrong(a, e, wrong, batch, old)
    with np.errstate(all="ignore"):
        if not np.isfinite(a[wrong]).all():
            return _not_finite(case)
        for text, value in (mistakes or {}).items():
            if np.shape(value) == e.shape and same(a, np.asarray(value, dtype=np.float64)):
                return Cause(f"mistake: {text}", text)
        whole = actual.dtype.kind in "biu" and not same(e, np.round(e))
        if whole:
            return Cause(
                "whole numbers",
                f"the array holds whole numbers ({actual.dtype}), which cuts off what is behind the point: "
                "make it an array of floats (np.zeros(shape), or dtype=x.dtype)",
            )
        for rule in _RULES:
            cause = rule(case)
            if cause is not None:
                return cause
    return None


# The rules, in the order in which they are tried ---------------------------------------------------


def _not_finite(case: Wrong) -> Cause:
    bad = case.actual[case.wrong]
    if np.isnan(bad).any():
        kind, why = "NaN", "0/0, log of a negative number, or inf - inf after an exp that overflowed"
    else:
        kind, why = "infinite", "an exp of a large number, a division by zero, or log(0)"
    count = int((~np.isfinite(case.actual)).sum())
    advice = "; in a softmax, subtract the largest of each row before exp" if _shares(case.expected) else ""
    return Cause(kind, f"{count} of {case.actual.size} values are {kind}: {why}{advice}")


def _shares(expected: np.ndarray) -> bool:
    """Return whether the right answer is that of a softmax: shares whose sums along an axis are 1."""
    sums = [np.allclose(expected.sum(axis=axis), 1, atol=1e-4) for axis in range(expected.ndim)]
    return expected.size > 1 and any(sums) and bool((expected >= 0).all())


def _about_before(case: Wrong) -> Cause | None:
    """Updates and accumulation: what was there before the call explains what is there now."""
    a, e, old = case.actual, case.expected, case.before
    if old is None or same(old, e):
        return None
    if np.allclose(a, old, rtol=1e-12, atol=0):
        return Cause(
            "unchanged",
            "this is still what was there before the call: it was not updated, or a local variable was "
            "(self.weight = …, not weight = …)",
        )
    if old.any() and same(a, old + e):
        return Cause(
            "accumulated",
            "the new value was added to what was there before: set it with = where there is += "
            "(a gradient is overwritten by every call, not summed up)",
        )
    step, right = a - old, e - old
    if same(step, -right):
        return Cause(
            "update uphill",
            "the step has the right size and goes the wrong way: w -= eta * g, not w += eta * g",
        )
    factor = _factor(step, right)
    if factor is not None and a.size > 1:
        return Cause(
            "step size",
            f"the step from the value before is {factor:.6g} times what it should be: "
            "look at the learning rate and at what it is multiplied with",
            "the step from the value before has the right direction and the wrong length",
        )
    return None


def _all_zero(case: Wrong) -> Cause | None:
    if not case.actual.any():
        return Cause(
            "all zeros", "all values are zero: the array was made and never filled, or the result lost"
        )
    if not case.expected.any():
        return Cause("should be zero", "all values should be zero here")
    return None


def _factors(case: Wrong) -> Cause | None:
    factor = _factor(case.actual, case.expected)
    if factor is None:
        return None
    n, shape = case.batch, case.actual.shape
    if np.isclose(factor, -1, rtol=1e-4):
        return Cause("sign", "the sign is reversed: every value is the right one times -1")
    sizes = [(n, f"N = {n}, the number of examples")] if n else []
    sizes += [(size, f"{size}, the length of axis {axis}") for axis, size in enumerate(shape)]
    sizes += [(case.actual.size, f"{case.actual.size}, the number of values")] if len(shape) > 1 else []
    sign = " (and the sign is reversed)" if factor < 0 else ""
    for size, name in sizes:
        if size < 2:
            continue
        if np.isclose(abs(factor), size, rtol=1e-4):
            kind = "factor N" if size == n else "factor"
            why = (
                "the mean over the batch is missing (divide by N once)"
                if size == n
                else "a division is missing"
            )
            return Cause(kind, f"off by a factor of {name}{sign}: {why}")
        if np.isclose(abs(factor) * size, 1, rtol=1e-4):
            kind = "factor 1/N" if size == n else "factor"
            why = (
                "the mean over the batch is taken twice, or where it does not belong (the loss takes it, once)"
                if size == n
                else "one division too many"
            )
            short = f"1/N, with {name}" if size == n else f"1/{name}"
            return Cause(kind, f"off by a factor of {short}{sign}: {why}")
    for value, name in ((2.0, "2"), (0.5, "1/2")):
        if np.isclose(abs(factor), value, rtol=1e-4):
            return Cause(
                "factor", f"off by a factor of {name}{sign}: look for a square's derivative, a ½, or something "
                "counted twice"
            )  # fmt: skip
    if case.actual.size < 2:
        return None  # of a single number, any error is "a factor"
    return Cause(
        "factor",
        f"every value is {factor:.6g} times the right one: a constant of the formula is missing, doubled or "
        "upside down",
        "every value is off by one and the same factor: a constant of the formula is missing, doubled or upside down",
    )


def _factor(actual: np.ndarray, expected: np.ndarray) -> float | None:
    """Return the f for which ``actual = f * expected`` everywhere, or None."""
    square = float((expected * expected).sum())
    if square == 0 or not np.isfinite(square):
        return None
    factor = float((actual * expected).sum()) / square
    good = factor != 0 and np.isfinite(factor) and same(actual, factor * expected)
    return factor if good and not np.isclose(factor, 1, rtol=1e-4) else None


def _nearly(case: Wrong) -> Cause | None:
    scale = float(np.abs(case.expected).max())
    error = float(np.abs(case.actual - case.expected).max())
    if scale == 0 or error > 1e-3 * scale:
        return None
    return Cause(
        "nearly",
        "nearly right: a small constant (an epsilon, at the right place?), an approximation, or the rounding of a "
        "lower precision such as float32",
    )


_RULES: tuple[Callable[[Wrong], Cause | None], ...] = (
    _about_before, _all_zero, _nearly, _factors, rearranged, wrong_axis, offset, function_of, somewhere,
)  # fmt: skip
