"""Batch normalisation."""

from __future__ import annotations

import numpy as np

from minidl.backend import Array, namespace
from minidl.errors import ConfigError, ShapeError
from minidl.layers.base import Layer, Parameter, Shape
from minidl.random import Seeds


class BatchNorm(Layer):
    """Give every feature zero mean and unit variance over the batch, then a learned scale and shift.

    For inputs (N, D) a feature is a column; for images (N, C, H, W) it is a channel, and the mean runs
    over N, H and W. With M numbers in a feature::

        mu = mean(x)        var = mean((x - mu)^2)
        xhat = (x - mu) / sqrt(var + eps)
        y = gamma * xhat + beta

    Backward::

        dbeta  = sum(dy)
        dgamma = sum(dy * xhat)
        dx     = gamma / sqrt(var + eps) * (dy - dbeta / M - xhat * dgamma / M)

    At test time mu and var are running averages of the training batches, and ``dx = gamma / sqrt(var + eps) dy``.
    A frozen layer (`minidl.transfer.freeze`: gamma and beta both) works so in training, too, and leaves its
    averages alone: they belong to the features that were learned, and a few images of a new task would
    spoil them.

    Parameters
    ----------
    momentum : float
        Weight of the old running average, 0 <= momentum < 1. The average of batch t (from 1) moves by
        ``max(1 - momentum, 1 / t)`` towards the batch: the plain mean of all batches at first, so that the
        running statistics are right from the first batch on, and exponential forgetting later.
    eps : float
        Keeps the division finite; positive.

    Notes
    -----
    Parameters gamma and beta, shape (D,) or (C,), are exempt from weight decay. Buffers: running_mean,
    running_var (with the factor M / (M - 1) that makes it unbiased), and batches, the number of training
    batches seen.

    References
    ----------
    Ioffe and Szegedy 2015; lectures TUE (with gamma, beta and eps) and AAR (before the non-linearity).
    """

    def __init__(self, *, momentum: float = 0.9, eps: float = 1e-5) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise ConfigError(f"BatchNorm: momentum must be at least 0 and below 1, got {momentum!r}")
        if not eps > 0:
            raise ConfigError(f"BatchNorm: eps must be positive, got {eps!r}")
        self.momentum = float(momentum)
        self.eps = float(eps)

    def setup(self, input_shape: Shape, seeds: Seeds) -> Shape:
        if len(input_shape) not in (1, 3):
            raise ShapeError(
                f"{self.name}: expected inputs of shape (features,) or (channels, height, width), got {input_shape}"
            )
        features = input_shape[:1]
        self.parameters["gamma"] = Parameter(np.ones(features, self.dtype), decay=False)
        self.parameters["beta"] = Parameter(np.zeros(features, self.dtype), decay=False)
        self.buffers["running_mean"] = np.zeros(features, self.dtype)
        self.buffers["running_var"] = np.ones(features, self.dtype)
        self.buffers["batches"] = np.zeros((), np.int64)
        # A feature's axis stays, the others are averaged over.
        self._axes = (0, 2, 3) if len(input_shape) == 3 else (0,)
        self._column = (-1, 1, 1) if len(input_shape) == 3 else (-1,)
        return input_shape

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        xp = namespace(x)
        train = train and not all(parameter.frozen for parameter in self.parameters.values())
        if train:
            mean, var = x.mean(axis=self._axes), x.var(axis=self._axes)
            self._update_running(mean, var, x.size // mean.size)
        else:
            mean, var = self.buffers["running_mean"], self.buffers["running_var"]
        inverse_std = 1 / xp.sqrt(var + self.eps)
        xhat = xp.subtract(x, mean.reshape(self._column), out=self._scratch_like("xhat", x))
        xhat *= inverse_std.reshape(self._column)
        gamma, beta = self.parameters["gamma"].value, self.parameters["beta"].value
        y = xp.multiply(xhat, gamma.reshape(self._column), out=self._output_like(x, train))
        y += beta.reshape(self._column)
        self._cache = xhat, inverse_std, train
        return y

    def backward(self, dy: Array) -> Array:
        xhat, inverse_std, train = self._saved(dy)
        gamma, beta = self.parameters["gamma"], self.parameters["beta"]
        dx = namespace(dy).multiply(dy, xhat, out=self._scratch_like("dx", xhat))
        gamma.grad = dx.sum(axis=self._axes)
        beta.grad = dy.sum(axis=self._axes)
        scale = (gamma.value * inverse_std).reshape(self._column)
        if not train:
            return namespace(dy).multiply(dy, scale, out=dx)
        count = dy.size // gamma.grad.size
        namespace(dy).multiply(xhat, (gamma.grad / -count).reshape(self._column), out=dx)
        dx += dy
        dx -= (beta.grad / count).reshape(self._column)
        dx *= scale
        return dx

    def _update_running(self, mean: Array, var: Array, count: int) -> None:
        batches, running_mean, running_var = (
            self.buffers[name] for name in ("batches", "running_mean", "running_var")
        )
        batches += 1
        step = max(1 - self.momentum, 1 / int(batches))
        running_mean += step * (mean - running_mean)
        running_var += step * (var * (count / max(count - 1, 1)) - running_var)
