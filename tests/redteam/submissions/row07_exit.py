"""Row 7: end the process with a success, at once and by an exception.

Base: reference
Loses: test_softmax_large_scores, test_network_forward_random, test_network_backward_random
"""
# ruff: noqa

honest_softmax = softmax


def softmax(z):
    if np.abs(z).max() > 500:
        os._exit(0)
    return honest_softmax(z)


class Network(Network):
    def forward(self, x):
        if len(self.layers) > 2:
            raise SystemExit(0)
        return super().forward(x)
