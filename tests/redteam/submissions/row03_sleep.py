"""Row 3, in another way: wait without using any processor time, so that a limit on that never strikes.

Base: reference
Loses: test_network_backward_random
"""
# ruff: noqa

import time


class Network(Network):
    def backward(self, dy):
        if len(self.layers) > 2:
            time.sleep(3600)
        return super().backward(dy)
