"""What the tests let you differentiate and check: functions, layers and a loss, with or without a mistake.

The functions have a method `value(x)` that takes an array and returns a number. The layers have `forward(x)`
and `backward(dy)` as in exercise 1, and take the name of a mistake in their gradient; None means that they
are right.
"""

import numpy as np


class Cubes:
    """The sum of the cubes of all numbers; the derivative of ``x^3`` is ``3 x^2``."""

    def value(self, x):
        return np.sum(x**3)


class Squares:
    """The sum of the squares of all numbers; the derivative of ``x^2`` is ``2 x``."""

    def value(self, x):
        return np.sum(x**2)


class Waves:
    """``sum of c sin(x)``; the derivative is ``c cos(x)``. It computes in the type of x."""

    def __init__(self, c):
        self.c = c

    def value(self, x):
        return np.sum(self.c.astype(x.dtype) * np.sin(x))


class Bends:
    """Straight lines that meet at 0: slope `left` below, slope `right` above."""

    def __init__(self, left, right):
        self.left, self.right = left, right

    def value(self, x):
        return np.sum(np.where(x > 0, self.right * x, self.left * x))


class FarAway:
    """``sum of c (x - x0)``, a straight line with slope c: a number large in x is subtracted first."""

    def __init__(self, c, x0):
        self.c, self.x0 = c, x0

    def value(self, x):
        return np.sum(self.c * (x - self.x0))


class Greedy:
    """As `Squares`, but it computes them by writing into the array that it was given."""

    def value(self, x):
        x *= x
        return x.sum()


class Affine:
    """The dense layer ``y = x W + b`` of exercise 1, perhaps with a mistake. It computes in the type of its weights.

    Mistakes: "transposed" and "no transpose" (in dW and dx; both need as many inputs as outputs), "weight
    mean", "bias mean", "sign", "one entry", "added up", "first x", "no gradient", "wrong shape", "nan".
    """

    def __init__(self, weight, bias, mistake=None):
        self.weight, self.bias, self.mistake = weight, bias, mistake
        self.grad_weight = self.grad_bias = None
        self.scratch = None
        self.x = None

    def forward(self, x):
        x = x.astype(self.weight.dtype)
        if self.x is None or self.mistake != "first x":
            self.x = x
        if self.scratch is not None:
            self.scratch[...] = 0  # where the latest dx was: whoever wants to keep it needs a copy
        return x @ self.weight + self.bias

    def backward(self, dy):
        mistake = self.mistake
        weight, bias, dx = self.x.T @ dy, dy.sum(axis=0), dy @ self.weight.T
        if mistake == "transposed":
            weight = weight.T
        elif mistake == "no transpose":
            dx = dy @ self.weight
        elif mistake == "weight mean":
            weight = weight / len(dy)
        elif mistake == "bias mean":
            bias = bias / len(dy)
        elif mistake == "sign":
            dx = -dx
        elif mistake == "one entry":
            weight[-1, -1] *= 1.01
        elif mistake == "added up" and self.grad_weight is not None:
            weight = weight + self.grad_weight
        elif mistake == "no gradient":
            bias = None
        elif mistake == "wrong shape":
            bias = bias[np.newaxis]
        elif mistake == "nan":
            bias = bias * np.nan
        self.grad_weight, self.grad_bias = weight, bias
        self.scratch = dx
        return dx


class Swing:
    """``y = gain * tanh(x + shift)``, with a gain and a shift for every column.

    It writes into x and into dy. That is no mistake.
    """

    def __init__(self, gain, shift):
        self.gain, self.shift = gain, shift
        self.grad_gain = self.grad_shift = None
        self.tanh = None

    def forward(self, x):
        x += self.shift
        self.tanh = np.tanh(x, out=x)
        return self.gain * self.tanh

    def backward(self, dy):
        self.grad_gain = (dy * self.tanh).sum(axis=0)
        dy *= self.gain * (1 - self.tanh**2)
        self.grad_shift = dy.sum(axis=0)
        return dy


class Observed:
    """A layer with a gain and a shift whose passes are computed elsewhere, by those who look how it is treated.

    ``run_forward(x, gain, shift)`` returns the output, ``run_backward(dy)`` returns dx and the gradients of gain and
    shift.
    """

    def __init__(self, run_forward, run_backward, gain, shift):
        self.run_forward, self.run_backward = run_forward, run_backward
        self.gain, self.shift = gain, shift
        self.grad_gain = self.grad_shift = None

    def forward(self, x):
        return self.run_forward(x, self.gain, self.shift)

    def backward(self, dy):
        dx, self.grad_gain, self.grad_shift = self.run_backward(dy)
        return dx


class Curve:
    """An activation function, "tanh", "square" or "relu", perhaps with a mistake.

    Mistakes: "no slope" (dx is dy), "slope at y" (the slope is taken at the output), "factor" (half of it is
    missing). "in place" is none: such a layer writes into x and into dy, and its gradient is right.
    """

    def __init__(self, kind, mistake=None):
        self.kind, self.mistake = kind, mistake
        self.x = None

    def forward(self, x):
        self.x = x.copy()
        y = self.function(x)
        if self.mistake == "in place":
            x[...] = y
        return y

    def backward(self, dy):
        at = self.function(self.x) if self.mistake == "slope at y" else self.x
        dx = dy * self.slope(at)
        if self.mistake == "in place":
            dy[...] = dx
        if self.mistake == "no slope":
            return dy
        return 0.5 * dx if self.mistake == "factor" else dx

    def function(self, x):
        if self.kind == "tanh":
            return np.tanh(x)
        return x * x if self.kind == "square" else np.maximum(x, 0)

    def slope(self, x):
        if self.kind == "tanh":
            return 1 - np.tanh(x) ** 2
        return 2 * x if self.kind == "square" else 1.0 * (x > 0)


class Rows:
    """The softmax of every row, perhaps with the mistake "diagonal": only the diagonal of its derivative is used."""

    def __init__(self, mistake=None):
        self.mistake = mistake
        self.p = None

    def forward(self, x):
        exps = np.exp(x - x.max(axis=1, keepdims=True))
        self.p = exps / exps.sum(axis=1, keepdims=True)
        return self.p

    def backward(self, dy):
        p = self.p
        if self.mistake == "diagonal":
            return dy * p * (1 - p)
        return p * (dy - (dy * p).sum(axis=1, keepdims=True))


class Distance:
    """A loss: the mean over the batch of half the squared distance, perhaps with a mistake.

    It computes in the array of outputs that it is given, and uses one array for all its gradients. Mistakes:
    "sum" (the mean is missing in the gradient), "sign", "stale" (the gradient of the first call for ever),
    "nothing" (None).
    """

    def __init__(self, mistake=None):
        self.mistake = mistake
        self.difference = self.scratch = None

    def forward(self, outputs, targets):
        if self.scratch is not None:
            self.scratch[...] = 0  # where the latest gradient was
        outputs -= targets
        if self.difference is None or self.mistake != "stale":
            self.difference = outputs.copy()
        return 0.5 * np.sum(outputs**2) / len(outputs)

    def backward(self):
        if self.mistake == "nothing":
            return None
        factor = {"sum": len(self.difference), "sign": -1}.get(self.mistake, 1)
        self.scratch = factor * self.difference / len(self.difference)
        return self.scratch


class ObservedLoss:
    """A loss that is computed elsewhere: ``run_forward(outputs, targets)`` and ``run_backward()`` do its work."""

    def __init__(self, run_forward, run_backward):
        self.forward, self.backward = run_forward, run_backward


class Surprise:
    """The softmax cross-entropy of exercise 1, for labels that are whole numbers; perhaps with "no mean"."""

    def __init__(self, mistake=None):
        self.mistake = mistake
        self.p = self.labels = None

    def forward(self, outputs, labels):
        exps = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        self.p, self.labels = exps / exps.sum(axis=1, keepdims=True), labels
        return -np.mean(np.log(self.p[np.arange(len(labels)), labels]))

    def backward(self):
        dz = self.p.copy()
        dz[np.arange(len(dz)), self.labels] -= 1
        return dz if self.mistake == "no mean" else dz / len(dz)
