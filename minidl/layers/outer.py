"""The gradient of a large weight matrix at a small batch, kept as two thin factors.

``dW = x^T dy`` of a dense layer with D inputs and K outputs has D K numbers, but it is made of only
N (D + K): with ten examples and a million weights, a fiftieth. Written out it goes to memory and comes
back for the update. Multiplied out a few rows at a time, each just before its rows of the weights are
updated, it never leaves the processor's cache (`minidl.optimizer` does so), which saves a third of the
time that such a layer costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.blocks import BLOCK

THIN = 20  # the matrix has so many times the numbers of its factors, at least, where they are kept (measured)


class OuterProduct:
    """The matrix ``x^T dy``, not multiplied out.

    Parameters
    ----------
    x : (N, D) array
    dy : (N, K) array
        Both are copied: what becomes of them later does not matter.
    space : callable
        Returns the array (D, K) to write the matrix to if it is asked for after all.

    Attributes
    ----------
    shape : tuple of int
        (D, K).
    """

    def __init__(self, x: Array, dy: Array, space: Callable[[], Array]) -> None:
        self._space = space
        self.shape = (x.shape[1], dy.shape[1])
        self._left = x.T.copy(order="K")
        self._right = dy.copy(order="C")  # BLAS is twice as fast with this factor's rows in one piece

    def whole(self) -> Array:
        """Return the matrix, written out."""
        out = self._space()
        for start, stop in self._ranges():
            np.matmul(self._left[start:stop], self._right, out=out[start:stop])
        return out

    def rows(self, start: int, stop: int) -> Array:
        """Return rows `start` to `stop` of the matrix, a new array."""
        return np.matmul(self._left[start:stop], self._right)

    def pieces(self, value: Array, memory: tuple[Array, ...]) -> Iterator[tuple[Any, ...]]:
        """Yield matching rows of the weights, of the gradient, as a function that returns them, and of the memory."""
        for start, stop in self._ranges():
            rows = slice(start, stop)
            yield value[rows], partial(self.rows, start, stop), *(array[rows] for array in memory)

    def _ranges(self) -> Iterator[tuple[int, int]]:
        rows = max(1, BLOCK // self.shape[1])
        for start in range(0, self.shape[0], rows):
            yield start, min(start + rows, self.shape[0])


def is_thin(x: Array, dy: Array) -> bool:
    """Return whether ``x^T dy`` is large, and so much larger than its factors, that these are better kept."""
    size = x.shape[1] * dy.shape[1]
    return isinstance(x, np.ndarray) and size > 2 * BLOCK and size >= THIN * (x.size + dy.size)
