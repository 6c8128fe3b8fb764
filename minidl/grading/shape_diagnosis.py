"""What usually causes an array to have the wrong shape."""

from __future__ import annotations

import numpy as np

from minidl.grading.cause import Cause


def find_shape_cause(found: tuple[int, ...], expected: tuple[int, ...]) -> Cause | None:
    """Return the likeliest cause of a wrong shape, or None."""
    if len(found) == len(expected) + 1 and expected in _without_one(found):
        return Cause(
            "extra axis of 1",
            f"there is an axis of length 1 too many: {found} against {expected}; leave out keepdims=True, or "
            "reshape. With (N, 1) where (N,) is meant, NumPy makes (N, N) of a difference",
        )
    if len(found) + 1 == len(expected) and found in _without_one(expected):
        return Cause(
            "axis of 1 missing", f"an axis of length 1 is missing: keepdims=True keeps it, {expected}"
        )
    if len(found) > 1 and found == expected[::-1]:
        return Cause("transposed", "transposed: the axes are in the reverse order")
    if len(found) > 1 and sorted(found) == sorted(expected):
        return Cause("transposed", "the right lengths in another order: the axes are transposed")
    if not expected:
        return Cause("not reduced", "a sum or mean over all values is missing")
    if not found:
        return Cause("reduced", "a sum or mean was taken over everything, or only one entry returned")
    if len(found) == len(expected) + 1 and found[1:] == expected:
        return Cause(
            "batch not summed", f"the sum (or mean) over the first axis, the {found[0]} examples, is missing"
        )
    if len(found) + 1 == len(expected) and found == expected[1:]:
        return Cause("first axis lost", "the first axis is lost: one row per example is expected")
    if np.prod(found) == np.prod(expected):
        return Cause("not reshaped", "the right number of values in another shape: a reshape is missing")
    if len(found) == len(expected) and all(
        abs(f - e) == 1 for f, e in zip(found, expected, strict=True) if f != e
    ):
        return Cause("one off", "a length is off by one: look at ranges, padding and how a size is rounded")
    return None


def _without_one(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the shapes that are left when one axis of length 1 is taken out."""
    return [shape[:i] + shape[i + 1 :] for i, size in enumerate(shape) if size == 1]
