"""Row 17: print without measure, by print, by the descriptor, to both streams, while the tests wait.

Base: reference
Loses: nothing
"""
# ruff: noqa


class Network(Network):
    def forward(self, x):
        for _ in range(300):
            print("flood " * 1000)
        os.write(1, b"x" * 1_000_000)
        os.write(2, b"y" * 1_000_000)
        return super().forward(x)
