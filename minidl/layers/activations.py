"""Activation functions, each with its derivative written in terms of its output.

All are elementwise except `Softmax`, and all take any shape.
"""

from __future__ import annotations

from minidl.backend import Array, launcher, namespace
from minidl.errors import ConfigError, ShapeError
from minidl.kernels.gpu import activation as gpu
from minidl.layers.base import Layer, Shape
from minidl.random import Seeds


class Identity(Layer):
    """Return the input: ``y = x``, ``dx = dy``."""

    per_example = True

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        self._cache = True
        return x

    def backward(self, dy: Array) -> Array:
        self._saved(dy)
        return dy


class Sigmoid(Layer):
    """Squash to (0, 1): ``y = 1 / (1 + exp(-x))``, ``dx = dy y (1 - y)``.

    Computed as ``(1 + tanh(x / 2)) / 2`` (lecture UU, equation 3), which cannot overflow.
    """

    per_example = True

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        if launcher(x):
            return gpu.forward(self, x, train)
        xp = namespace(x)
        y = self._output_like(x, train)
        xp.multiply(x, 0.5, out=y)
        xp.tanh(y, out=y)
        y += 1
        y *= 0.5
        self._cache = y
        return y

    def backward(self, dy: Array) -> Array:
        if launcher(dy):
            return gpu.backward(self, dy)
        y = self._saved(dy)
        xp = namespace(y)
        dx = xp.subtract(1, y, out=self._scratch_like("dx", y))
        dx *= y
        dx *= dy
        return dx


class Tanh(Layer):
    """Squash to (-1, 1): ``y = tanh(x)``, ``dx = dy (1 - y^2)``."""

    per_example = True

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        if launcher(x):
            return gpu.forward(self, x, train)
        self._cache = namespace(x).tanh(x, out=self._output_like(x, train))
        return self._cache

    def backward(self, dy: Array) -> Array:
        if launcher(dy):
            return gpu.backward(self, dy)
        y = self._saved(dy)
        xp = namespace(y)
        dx = xp.multiply(y, y, out=self._scratch_like("dx", y))
        xp.subtract(1, dx, out=dx)
        dx *= dy
        return dx


class ReLU(Layer):
    """Cut off below zero: ``y = max(0, x)``; ``dx = dy`` where y > 0, else 0."""

    per_example = True

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        if launcher(x):
            return gpu.forward(self, x, train)
        self._cache = namespace(x).maximum(x, 0, out=self._output_like(x, train))
        return self._cache

    def backward(self, dy: Array) -> Array:
        if launcher(dy):
            return gpu.backward(self, dy)
        y = self._saved(dy)
        return namespace(y).multiply(dy, y > 0, out=self._scratch_like("dx", y))


class LeakyReLU(Layer):
    """Weaken below zero: ``y = max(slope x, x)``; ``dx = dy`` where x > 0, else ``slope dy``.

    Parameters
    ----------
    slope : float
        From 0 (a ReLU) to below 1; the lecture (AAR) uses 0.1.
    """

    per_example = True

    def __init__(self, slope: float = 0.1) -> None:
        super().__init__()
        if not 0 <= slope < 1:
            raise ConfigError(f"LeakyReLU: slope must be at least 0 and below 1, got {slope!r}")
        self.slope = float(slope)

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        if launcher(x):
            return gpu.forward(self, x, train)
        xp = namespace(x)
        y = xp.multiply(x, self.slope, out=self._output_like(x, train))
        self._cache = x > 0
        return xp.maximum(x, y, out=y)

    def backward(self, dy: Array) -> Array:
        if launcher(dy):
            return gpu.backward(self, dy)
        positive = self._saved(dy)
        xp = namespace(dy)
        gain = xp.multiply(positive, dy.dtype.type(1 - self.slope))
        gain += dy.dtype.type(self.slope)
        gain *= dy
        return gain


class ELU(Layer):
    """Saturate smoothly below zero (Clevert et al. 2016).

    ``y = x`` where x > 0, else ``alpha (exp(x) - 1)``; ``dx = dy`` where x > 0, else ``dy (y + alpha)``.

    Parameters
    ----------
    alpha : float
        Minus the limit for very negative inputs; positive.
    """

    per_example = True

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        if not alpha > 0:
            raise ConfigError(f"ELU: alpha must be positive, got {alpha!r}")
        self.alpha = float(alpha)

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        if launcher(x):
            return gpu.forward(self, x, train)
        xp = namespace(x)
        # The exponential sees no positive number, so it cannot overflow.
        y = xp.minimum(x, 0, out=self._output_like(x, train))
        xp.expm1(y, out=y)
        y *= self.alpha
        y += xp.maximum(x, 0)
        self._cache = y
        return y

    def backward(self, dy: Array) -> Array:
        if launcher(dy):
            return gpu.backward(self, dy)
        y = self._saved(dy)
        xp = namespace(y)
        dx = xp.minimum(y, 0)
        dx += self.alpha
        # Where x > 0 the slope is one whatever alpha is.
        dx[y > 0] = 1
        dx *= dy
        return dx


class Softmax(Layer):
    """Turn scores into probabilities over the last axis of (N, K).

    ``y_k = exp(x_k) / sum_j exp(x_j)``; ``dx = y (dy - sum_j dy_j y_j)``.

    To train a classifier, leave this layer out and use the loss `SoftmaxCrossEntropy` on the scores: the
    two together have the simple gradient ``y - target``, without the division by y.
    """

    per_example = True

    def setup(self, input_shape: Shape, seeds: Seeds) -> Shape:
        if len(input_shape) != 1:
            raise ShapeError(
                f"{self.name}: expected inputs of shape (classes,), got {input_shape}; put Flatten() before it"
            )
        return input_shape

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        xp = namespace(x)
        y = xp.subtract(x, x.max(axis=1, keepdims=True), out=self._output_like(x, train))
        xp.exp(y, out=y)
        y /= y.sum(axis=1, keepdims=True)
        self._cache = y
        return y

    def backward(self, dy: Array) -> Array:
        y = self._saved(dy)
        xp = namespace(y)
        dx = xp.multiply(dy, y, out=self._scratch_like("dx", y))
        dx -= y * dx.sum(axis=1, keepdims=True)
        return dx
