"""Central differences of a function that is evaluated somewhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidl.gradcheck.differences import STEP, Objective, slope
from minidl.grading.mismatch import Mismatch, describe


def central_differences(
    function: Callable[[np.ndarray], Any],
    x: np.ndarray,
    chosen: np.ndarray,
    analytic: np.ndarray,
    rtol: float,
    atol: float,
) -> np.ndarray:
    """Return ``(f(x + h) - f(x - h)) / 2h`` for some entries of `x`.

    Where the slopes on the two sides differ so much that a kink (of a ReLU, of a maximum) could explain the
    distance to `analytic`, shorter steps decide: they no longer reach a kink nearby.

    Parameters
    ----------
    function : callable
        Takes an array like `x`, returns a number.
    x : array of float64
        Comes back as it was.
    chosen : array of int
        Flat indices.
    analytic : array
        The gradient that is checked, at these entries.
    rtol, atol : float
        How far it may be off.

    Raises
    ------
    Mismatch
        If the function does not return a finite number: its value comes from the submission.
    """

    def evaluate() -> list[np.ndarray]:
        problem = "the loss whose slope is measured"
        try:
            found = function(x.copy())
            value = np.asarray(found, dtype=np.float64)
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            # Arithmetic in the test with what the submission answered: None, or an array of a wrong shape.
            raise Mismatch(f"{problem} cannot be computed from what came back: {error}") from error
        if found is None:
            raise Mismatch(f"{problem} is None, expected a number")
        if value.size != 1 or not np.isfinite(value).all():
            got = "NaN or infinite" if value.size == 1 else describe(value)
            raise Mismatch(f"{problem} is {got}, expected one finite number")
        return [value.reshape(())]

    objective = Objective(evaluate, [np.ones(())], evaluate(), batch=1)
    found = np.empty(chosen.size)
    for k, i in enumerate(chosen):
        size = max(1.0, abs(float(x.flat[int(i)])))
        for step in (STEP * size, STEP * size / 10, STEP * size / 100):
            measured = slope(objective, x, int(i), 1.0, step)
            found[k] = measured.central
            target = float(analytic[k])
            if abs(target - found[k]) <= atol + rtol * abs(found[k]) or not measured.bends(target):
                break
    return found
