"""Row 28: use memory that is not there, and the whole stack.

Base: reference
Loses: test_softmax_large_scores, test_network_forward_random, test_network_backward_random
"""
# ruff: noqa

honest_softmax = softmax


def softmax(z):
    if np.abs(z).max() > 500:
        ctypes.string_at(0)
    return honest_softmax(z)


def deeper(x):
    return list(map(deeper, [x]))


class Network(Network):
    def forward(self, x):
        if len(self.layers) > 2:
            os.sys.setrecursionlimit(10**9)
            deeper(x)
        return super().forward(x)
