"""What the tests use beside your code.

`Transpose` makes arrays that lie in memory in another order, as slices and transposes do.
"""


class Transpose:
    """Turn all axes around, ``y = x.T``, without copying anything."""

    def forward(self, x):
        return x.T
