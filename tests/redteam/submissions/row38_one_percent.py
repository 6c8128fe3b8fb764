"""Row 38: a gradient that is wrong by one part in a hundred, in a single entry.

Base: reference
Loses: test_dense_grad_weight_example, test_dense_grad_weight_numerically, test_dense_gradients_are_overwritten, test_dense_layers_keep_apart
"""
# ruff: noqa


class Dense(Dense):
    def backward(self, dy):
        result = super().backward(dy)
        self.grad_weight[-1, -1] *= 1.01
        return result
