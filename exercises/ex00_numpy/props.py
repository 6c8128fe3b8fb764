"""Makes arrays that do not lie in one piece in memory, as slices and transposes do. Nothing is copied."""


class Every:
    """Every other number: ``x[::2]``."""

    def forward(self, x):
        return x[::2]


class Transpose:
    """Swap the last two axes."""

    def forward(self, x):
        return x.swapaxes(-1, -2)
