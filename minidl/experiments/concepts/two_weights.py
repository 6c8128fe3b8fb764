"""A loss of two weights with a penalty: the ellipses, the circle and the diamond (AAR; Goodfellow fig. 7.1).

The loss is ``(w - w*)^T H (w - w*) / 2``, an ellipse around its minimum w*. With ``lambda/2 |w|^2`` its minimum
moves to ``(H + lambda I)^-1 H w*``: towards zero, the more along the directions in which H is flat. With
``lambda (|w_1| + |w_2|)`` it moves at a steady speed until a weight is zero, and there that weight stays.
"""

from __future__ import annotations

import math

import numpy as np

TURN = math.radians(-15)
AXES = np.array([[math.cos(TURN), math.sin(TURN)], [-math.sin(TURN), math.cos(TURN)]])
H = AXES.T @ np.diag([1.0, 4.0]) @ AXES
LOWEST = np.array([0.6, 1.4])  # w*
STRENGTH = 2.0  # of both penalties in the picture


def loss(w: np.ndarray) -> np.ndarray:
    """Return the loss, without penalty, at points (..., 2)."""
    away = w - LOWEST
    return 0.5 * np.einsum("...i,ij,...j", away, H, away)


def with_l2(strength: float) -> np.ndarray:
    """Return the minimum of ``loss + strength/2 |w|^2``: (2,)."""
    return np.linalg.solve(H + strength * np.eye(2), H @ LOWEST)


def with_l1(strength: float, sweeps: int = 200) -> np.ndarray:
    """Return the minimum of ``loss + strength (|w_1| + |w_2|)``: (2,).

    Minimised along one weight after the other: where the other's part of the gradient is b, the minimum of
    ``h/2 w^2 - b w + strength |w|`` is ``sign(b) max(|b| - strength, 0) / h``.
    """
    w, pull = LOWEST.copy(), H @ LOWEST
    for _ in range(sweeps):
        for i in (0, 1):
            b = pull[i] - H[i, 1 - i] * w[1 - i]
            w[i] = math.copysign(max(abs(b) - strength, 0.0), b) / H[i, i]
    return w
