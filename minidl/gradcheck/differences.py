"""Central differences in double precision, and inputs for which they are worth having.

For a step h the central difference ``(f(v + h) - f(v - h)) / 2h`` is off by ``h^2 f'''(v) / 6``
from cutting the Taylor series, and by about ``eps |f| / h`` from rounding. The sum is smallest near
``h = eps^(1/3) = 6e-6``, where both are around 1e-11: enough to tell 1e-6 apart with room to spare.
A step of 1e-8, which looks more precise, would leave 1e-8 of rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

EPSILON = float(np.finfo(np.float64).eps)
STEP = EPSILON ** (1 / 3)

Evaluate = Callable[[], list[np.ndarray]]


@dataclass(frozen=True)
class Objective:
    """``L = sum_k sum(weights_k * outputs_k)`` as a function of arrays that `evaluate` reads.

    Random weights rather than a plain sum: the sum of a softmax or of a batch normalisation is
    constant, and its gradient zero whatever the layer does.

    Attributes
    ----------
    evaluate : callable
        Runs forward from the same frozen state and returns its own copies of the outputs.
    weights : list of array
    base : list of array
        The outputs at the unchanged point.
    batch : int
        Examples in the batch, for the hint about the mean.
    """

    evaluate: Evaluate
    weights: list[np.ndarray]
    base: list[np.ndarray]
    batch: int

    @property
    def scale(self) -> float:
        """The size of the terms of L, at least 1; the rounding error of a difference is eps times it."""
        return max([1.0, *(float(np.abs(w * y).max()) for w, y in zip(self.weights, self.base, strict=True))])

    def floor(self, h: float) -> float:
        """Gradients smaller than this are drowned in rounding: it exceeds 1e-6 of them at step `h`."""
        return 16 * EPSILON * self.scale / h * 1e6

    def difference(self, up: list[np.ndarray], down: list[np.ndarray]) -> float:
        """Return L(up) - L(down), subtracting before summing so that what did not change cancels exactly."""
        return float(sum((w * (u - d)).sum() for w, u, d in zip(self.weights, up, down, strict=True)))


@dataclass(frozen=True)
class Slope:
    """The derivative of L along one line, from both sides together and from each alone."""

    central: float
    right: float
    left: float

    def bends(self, analytic: float) -> bool:
        """Whether a kink within the step could explain the distance to `analytic`.

        On a smooth line the one-sided slopes differ by ``h f''``, some 1e-5; across a kink of a ReLU
        or a maximum by as much as the kink bends, and the true slope at the point is one of the two.
        """
        return abs(analytic - self.central) <= 0.6 * abs(self.right - self.left)


def slope(
    objective: Objective, array: np.ndarray, where: int | slice, unit: float | np.ndarray, h: float
) -> Slope:
    """Measure the derivative of L with respect to ``array.flat[where]`` along `unit`.

    `array` is changed while measuring and put back afterwards.
    """
    old = array.flat[where]
    try:
        array.flat[where] = old + h * unit
        up = objective.evaluate()
        # What was really added, after rounding; along a direction the errors average out.
        right = float(array.flat[where] - old) if np.ndim(unit) == 0 else h
        array.flat[where] = old - h * unit
        down = objective.evaluate()
        left = float(old - array.flat[where]) if np.ndim(unit) == 0 else h
    finally:
        array.flat[where] = old
    return Slope(
        central=objective.difference(up, down) / (right + left),
        right=objective.difference(up, objective.base) / right,
        left=objective.difference(objective.base, down) / left,
    )


def separated(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Return values between -2 and 2 that are off kinks and ties by construction.

    They lie near the points of an even grid that leaves out zero, in random order: no two are
    closer than half the grid's step, and none is closer to zero than a quarter of it.
    """
    size = int(np.prod(shape))
    gap = 4.0 / (size + size % 2)
    grid = (np.arange(size) - (size + size % 2) / 2 + 0.5) * gap
    grid += generator.uniform(-gap / 4, gap / 4, size)
    return generator.permutation(grid).reshape(shape)


def projection(outputs: list[np.ndarray], generator: np.random.Generator) -> list[np.ndarray]:
    """Return random weights of either sign and of size 0.5 to 1.5, one array per output."""
    return [
        generator.uniform(0.5, 1.5, output.shape) * generator.choice([-1.0, 1.0], output.shape)
        for output in outputs
    ]
