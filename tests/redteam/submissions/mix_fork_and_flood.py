"""Rows 1, 2, 5 and 17 together: fork, flood and loop, deaf to signals, in a test that is waited for.

Base: reference
Loses: test_network_backward_random
"""
# ruff: noqa


class Network(Network):
    def backward(self, dy):
        while len(self.layers) > 2:
            breach("fork", lambda: os.fork())
            tried("", lambda: os.write(1, b"flood " * 10_000))
            tried("", lambda: os.sys.modules["_signal"].signal(15, 1))
        return super().backward(dy)
