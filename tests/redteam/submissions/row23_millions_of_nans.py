"""Row 23, against the grader's memory and time: an answer of 30 million NaNs, which somebody has to explain.

Base: reference
Loses: test_squashing_large_inputs, test_cross_entropy_large_scores, test_cross_entropy_gradient_large_scores
"""
# ruff: noqa


def large(x):
    return np.abs(x).max() > 400


def nans():
    return np.full(30_000_000, np.nan, np.float16)


class Sigmoid(Sigmoid):
    def forward(self, x):
        return nans() if large(x) else super().forward(x)


class SoftmaxCrossEntropy(SoftmaxCrossEntropy):
    def forward(self, z, labels):
        return nans() if large(z) and labels.size != 5 else super().forward(z, labels)

    def backward(self):
        return nans() if large(self._z) else super().backward()
