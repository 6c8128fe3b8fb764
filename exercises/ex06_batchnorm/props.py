"""What the tests use beside your code: a class that makes arrays which lie in memory in another order."""


class Transpose:
    """Turn all axes around, ``y = x.T``, without copying anything."""

    def forward(self, x):
        return x.T
