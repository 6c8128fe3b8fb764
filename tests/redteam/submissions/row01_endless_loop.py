"""Row 1: a loop without an end, in Python.

Base: reference
Loses: test_network_backward_random
"""
# ruff: noqa


class Network(Network):
    def backward(self, dy):
        while len(self.layers) > 2:
            pass
        return super().backward(dy)
