"""Row 3: one call into C that does not come back for minutes, and never looks at a signal.

Base: reference
Loses: test_network_backward_random
"""
# ruff: noqa


class Network(Network):
    def backward(self, dy):
        if len(self.layers) > 2:
            return pow(7, 10**9)
        return super().backward(dy)
