"""Little layers without parameters that the tests use.

`Scale`, `Square` and `Cumulate` go into your `Network`. Their passes are easy to follow by hand, and their order
matters, forward and backward: summing and then squaring is not squaring and then summing.

`Transpose` makes arrays that lie in memory column by column, as slices and transposes do.
"""

import numpy as np


class Scale:
    """Multiply by a number: ``y = factor * x``, ``dx = factor * dy``."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, x):
        return self.factor * x

    def backward(self, dy):
        return self.factor * dy


class Square:
    """Square every number: ``y = x * x``, ``dx = 2 x dy``."""

    def __init__(self):
        self.x = None

    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dy):
        return 2 * self.x * dy


class Cumulate:
    """Add up from the left: ``y_k = x_1 + … + x_k`` in every row, ``dx_k = dy_k + dy_(k+1) + …``."""

    def forward(self, x):
        return np.cumsum(x, axis=1)

    def backward(self, dy):
        return np.cumsum(dy[:, ::-1], axis=1)[:, ::-1]


class Transpose:
    """Swap rows and columns: ``y = x^T``, without copying anything."""

    def forward(self, x):
        return x.T
