"""What the tests use beside your code.

`Transpose` makes arrays that lie in memory in another order, as slices and transposes do.

`Yardstick` is what your code is timed against, in the same process on the same machine: copying numbers and
multiplying matrices, which is what a convolution without loops consists of.
"""

import numpy as np


class Transpose:
    """Turn all axes around, ``y = x.T``, without copying anything."""

    def forward(self, x):
        return x.T


class Yardstick:
    """Copy a matrix of `rows` times `inside` numbers, and multiply it with one of `inside` times `columns`."""

    def __init__(self, rows, inside, columns):
        self.left = np.linspace(-1, 1, rows * inside).reshape(rows, inside)
        self.right = np.linspace(-1, 1, inside * columns).reshape(inside, columns)

    def run(self):
        return np.copy(self.left) @ self.right
