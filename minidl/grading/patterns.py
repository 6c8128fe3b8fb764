"""Patterns in which an array can differ from the right one: rearranged, shifted, transformed, wrong in part."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np

from minidl.grading.cause import Cause, Wrong, same


def rearranged(case: Wrong) -> Cause | None:
    """The right values in other places: transposed, reversed, shuffled."""
    a, e = case.actual, case.expected
    for axes in itertools.islice(itertools.permutations(range(a.ndim)), 1, None):
        turned = a.transpose(axes)
        if turned.shape == e.shape and same(turned, e):
            if a.ndim == 2:
                return Cause(
                    "transposed", "transposed: this is the right matrix with rows and columns exchanged"
                )
            return Cause(
                "transposed", f"transposed: transpose({', '.join(map(str, axes))}) of it would be right"
            )
    for count in range(1, min(a.ndim, 4) + 1):
        for flipped in itertools.combinations(range(a.ndim), count):
            if same(np.flip(a, flipped), e):
                axes_ = " and ".join(map(str, flipped))
                text = f"reversed along axis {axes_}: the right values in backward order"
                if a.ndim == 4 and flipped == (2, 3):
                    text += (
                        " (a convolution where a cross-correlation is asked for, or the kernel not turned)"
                    )
                return Cause("reversed", text)
    if a.size > 3 and same(np.sort(a, axis=None), np.sort(e, axis=None)):
        return Cause(
            "other places",
            "the right values in the wrong places: look at the order of the axes in a reshape, a transpose or "
            "an index",
        )
    return None


def wrong_axis(case: Wrong) -> Cause | None:
    """A softmax, mean or normalisation along the wrong axis."""
    a, e = case.actual, case.expected
    for right in range(e.ndim):
        if not np.allclose(e.sum(axis=right), 1, atol=1e-5):
            continue
        for axis in range(e.ndim):
            if axis != right and np.allclose(a.sum(axis=axis), 1, atol=1e-5):
                return Cause(
                    "wrong axis", f"the sums along axis {axis} are 1, they should be 1 along axis {right}: "
                    f"use axis={right}, keepdims=True"
                )  # fmt: skip
        if same(np.asarray(a.sum()), np.ones(())):
            return Cause(
                "wrong axis",
                f"all values together have the sum 1, each sum along axis {right} should: axis={right}, keepdims=True",
            )
    return None


def offset(case: Wrong) -> Cause | None:
    """Off by one amount everywhere, in every row, or in every column; or by one factor in each of them."""
    a, e = case.actual, case.expected
    difference = a - e
    if a.size > 2 and _constant(difference, None):
        amount = float(difference.mean())
        return Cause(
            "offset",
            f"every value is off by the same amount, {amount:.6g}: a constant term is missing or extra",
            "every value is off by the same amount: a constant term is missing or extra",
        )
    if case.wrong.mean() <= 0.5:
        return None
    if a.ndim >= 2 and a.shape[0] > 2 and _constant(difference, 0):
        return Cause(
            "same row",
            "every row (example) is off by the same numbers: a term that all of them share is missing or "
            "extra, such as the bias",
        )
    if a.ndim == 2 and a.shape[1] > 2 and _constant(difference, 1):
        return Cause(
            "same column", "within every row all values are off by the same amount: a term per row (example)"
        )
    if a.ndim == 2 and min(a.shape) > 2:
        for axis, name in ((1, "row"), (0, "column")):
            ratio = a / e
            if np.isfinite(ratio).all() and _constant(ratio, axis):
                return Cause(
                    f"factor per {name}",
                    f"every {name} is right up to a factor of its own: a sum, mean or normalisation is missing "
                    "or along the wrong axis",
                )
    return None


def _constant(values: np.ndarray, axis: int | None) -> bool:
    mean = values.mean(axis=axis, keepdims=True)
    return bool(np.abs(values - mean).max() <= 1e-4 * float(np.abs(values).max()))


def function_of(case: Wrong) -> Cause | None:
    """The right value before or after a step that was left out or done too often."""
    a, e = case.actual, case.expected
    if a.size < 2:
        return None
    if same(a, np.abs(e)):
        return Cause(
            "sign in part", "the sizes are right, but no value is negative: an absolute value too many"
        )
    if same(np.abs(a), np.abs(e)):
        return Cause("sign in part", "the sizes are right, the signs of some values are not")
    if same(a, np.maximum(e, 0)):
        return Cause("negative lost", "the negative values became zero: a ReLU or maximum(…, 0) too many")
    for text, function in _STEPS.items():
        if same(a, function(e)):
            return Cause("step", f"this is {text} of the right result: a step is missing or done twice")
    return None


_STEPS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "the square": np.square,
    "the square root": np.sqrt,
    "the exponential": np.exp,
    "the logarithm": np.log,
    "one over": np.reciprocal,
    "one minus": lambda e: 1 - e,
}


def somewhere(case: Wrong) -> Cause | None:
    """Most values are right: the wrong ones lie in certain rows, columns or planes."""
    shape, count = case.wrong.shape, int(case.wrong.sum())
    if not shape or case.wrong.size < 4 or 2 * count > case.wrong.size:
        return None
    if count == 1:
        index = ", ".join(str(int(i)) for i in np.argwhere(case.wrong)[0])
        return Cause("in part", f"a single value is wrong, at [{index}]: what is special about it?")
    for axis in range(len(shape)):
        others = tuple(i for i in range(len(shape)) if i != axis)
        hit = np.flatnonzero(case.wrong.any(axis=others))
        if shape[axis] < 3 or 2 * len(hit) > shape[axis]:
            continue
        text = f"only wrong at index {', '.join(map(str, hit[:6]))} of axis {axis}"
        if set(hit) <= {0, shape[axis] - 1}:
            return Cause("border", f"{text}, the border: look at ranges, padding and the last index")
        return Cause("in part", f"{text}, right elsewhere: what is special about it?")
    return Cause(
        "in part",
        f"{count} of {case.wrong.size} values are wrong and the others right: look at special cases",
    )
