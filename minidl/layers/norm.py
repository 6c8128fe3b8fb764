"""Batch normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidl import parallel
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
        return input_shape

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        xp, count = namespace(x), x.size // x.shape[1]
        train = train and not all(parameter.frozen for parameter in self.parameters.values())
        gamma, beta = self.parameters["gamma"].value, self.parameters["beta"].value
        mean, var = self.buffers["running_mean"], self.buffers["running_var"]
        if train:
            mean, var = xp.empty(x.shape[1], x.dtype), xp.empty(x.shape[1], x.dtype)
        y = self._output_like(x, train)
        inputs, outputs = _features_first(x), _features_first(y)

        def work(part: slice) -> None:
            if train:
                mean[part] = inputs[part].mean(axis=_others(x))
            centred = xp.subtract(inputs[part], _column(mean[part], x), out=outputs[part])
            if train:
                var[part] = _products(centred, centred) / count
            centred *= _column(gamma[part] / xp.sqrt(var[part] + self.eps), x)
            centred += _column(beta[part], x)

        _by_features(x, work)
        if train:
            self._update_running(mean, var, count)
        self._cache = x, mean, 1 / xp.sqrt(var + self.eps), train
        return y

    def backward(self, dy: Array) -> Array:
        x, mean, inverse_std, train = self._saved(dy)
        xp, count = namespace(dy), dy.size // dy.shape[1]
        gamma = self.parameters["gamma"].value
        dgamma, dbeta = xp.empty(gamma.shape, dy.dtype), xp.empty(gamma.shape, dy.dtype)
        dx = self._scratch_like("dx", x)
        inputs, dinputs, doutputs = _features_first(x), _features_first(dx), _features_first(dy)

        def work(part: slice) -> None:
            centred = xp.subtract(inputs[part], _column(mean[part], x), out=dinputs[part])
            dbeta[part] = doutputs[part].sum(axis=_others(x))
            dgamma[part] = _products(doutputs[part], centred) * inverse_std[part]
            scale = _column(gamma[part] * inverse_std[part], x)
            if not train:
                xp.multiply(doutputs[part], scale, out=dinputs[part])
                return
            centred *= _column(dgamma[part] * inverse_std[part] / -count, x)
            centred += doutputs[part]
            centred -= _column(dbeta[part] / count, x)
            centred *= scale

        _by_features(x, work)
        self.parameters["gamma"].grad, self.parameters["beta"].grad = dgamma, dbeta
        return dx

    def _update_running(self, mean: Array, var: Array, count: int) -> None:
        batches, running_mean, running_var = (
            self.buffers[name] for name in ("batches", "running_mean", "running_var")
        )
        batches += 1
        if isinstance(batches, np.ndarray):
            step: Any = max(1 - self.momentum, 1 / int(batches))
        else:  # on a GPU, reading the count would wait for the device
            step = namespace(mean).maximum(1 / batches.astype(mean.dtype), 1 - self.momentum)
        running_mean += step * (mean - running_mean)
        running_var += step * (var * (count / max(count - 1, 1)) - running_var)


# Features are independent of each other: on a CPU a few channels of images are done at a time, from the mean to
# the output, so that they stay in the cache.


def _by_features(x: Array, work: Callable[[slice], None]) -> None:
    """Call `work` for all features of `x` (N, D) or (N, C, H, W)."""
    if x.ndim == 4 and isinstance(x, np.ndarray):
        parallel.in_blocks(work, x.shape[1], x.size // x.shape[1])
    else:
        work(slice(None))


def _features_first(x: Array) -> Array:
    """Return (N, D) as a view (D, N), or (N, C, H, W) as (C, H, W, N)."""
    return x.transpose(*range(1, x.ndim), 0)


def _others(x: Array) -> tuple[int, ...]:
    """Return all axes but the first."""
    return tuple(range(1, x.ndim))


def _column(features: Array, x: Array) -> Array:
    """Return numbers of features in the shape that goes with `_features_first`."""
    return features.reshape(-1, *(1,) * (x.ndim - 1))


def _products(a: Array, b: Array) -> Array:
    """Return the sum of ``a * b`` for every feature, the first axis."""
    if isinstance(a, np.ndarray) and a.ndim == 4 and a.flags.c_contiguous and b.flags.c_contiguous:
        return np.vecdot(a.reshape(len(a), -1), b.reshape(len(b), -1))
    return (a * b).sum(axis=_others(a))
