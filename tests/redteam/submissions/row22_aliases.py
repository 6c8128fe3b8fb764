"""Row 22: write into the arguments, and give back views of them and of what is kept.

Base: reference
Loses: test_relu_manners, test_dense_backward_leaves_things_alone, test_cross_entropy_gradient_manners
"""
# ruff: noqa


class ReLU(ReLU):
    def forward(self, x):
        self._positive = x > 0
        return np.maximum(x, 0, out=x)


class Dense(Dense):
    def backward(self, dy):
        result = super().backward(dy)
        dy[...] = 0
        return result


class SoftmaxCrossEntropy(SoftmaxCrossEntropy):
    def backward(self):
        self._z[...] = super().backward()
        return self._z
