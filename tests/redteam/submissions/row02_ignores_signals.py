"""Row 2: a loop that catches everything, with every signal ignored that can be.

Base: reference
Loses: test_network_backward_random
"""
# ruff: noqa


def deaf():
    signal = os.sys.modules.get("signal") or os.sys.modules["_signal"]
    for number in range(1, 65):
        tried("", lambda number=number: signal.signal(number, signal.SIG_IGN))
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue


class Network(Network):
    def backward(self, dy):
        return deaf() if len(self.layers) > 2 else super().backward(dy)
