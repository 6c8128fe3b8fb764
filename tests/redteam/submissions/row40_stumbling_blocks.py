"""Row 40: answers on which the test itself might stumble, which staff would have to look at: too deep, too long, too
ragged to be an argument of the next call or to be compared.

Base: reference
Loses: test_dense_layers_keep_apart, test_dense_gradients_are_overwritten, test_squashing_large_inputs, test_squashing_manners, test_cross_entropy_gradient_manners
"""
# ruff: noqa


def nested(levels):
    found = "x"
    for _ in range(levels):
        found = [found]
    return found


class Dense(Dense):
    made = 0

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.grad_weight = [[1, 2, 3], ["a"]]

    def forward(self, x):
        self.single = x.dtype == np.float32
        return super().forward(x)

    def backward(self, dy):
        dx = super().backward(dy)
        if dy.shape == (5, 3) and not self.single:  # of the test that reads the gradient before the call, too
            self.grad_weight = self.grad_weight + 1
        if self.single:
            Dense.made += 1
            return [nested(31), "x" * 1_000_000, 10**305, {("a",): nested(20)}][Dense.made % 4]
        return dx


class Tanh(Tanh):
    def backward(self, dy):
        return 2**1023 if dy.dtype == np.float32 else super().backward(dy)


class SoftmaxCrossEntropy(SoftmaxCrossEntropy):
    def backward(self):
        return ["x"] * 10_000 if self._z.dtype == np.float32 else super().backward()
