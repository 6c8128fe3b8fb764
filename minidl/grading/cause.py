"""A likely cause of a wrong answer, and what it is looked for in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cause:
    """A likely cause.

    Attributes
    ----------
    kind : str
        A few words, by which mistakes can be counted: "transposed".
    text : str
        The sentence for the student.
    general : str
        The same without any number that comes from the expected values; `text` if it has none.
    """

    kind: str
    text: str
    general: str = ""

    @property
    def plain(self) -> str:
        """The sentence that gives away no values."""
        return self.general or self.text


@dataclass(frozen=True)
class Wrong:
    """An answer, what was expected, where they differ, and what is known besides."""

    actual: np.ndarray
    expected: np.ndarray
    wrong: np.ndarray
    batch: int | None
    before: np.ndarray | None


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether two arrays are equal up to rounding; what differs is judged on the scale of the array."""
    if left.shape != right.shape or not np.isfinite(right).all() or not np.isfinite(left).all():
        return False
    scale = max(float(np.abs(right).max()), float(np.abs(left).max()))
    return bool(np.allclose(left, right, rtol=1e-4, atol=1e-6 * scale))
