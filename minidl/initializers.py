"""How the weights start.

An initializer is called as ``init(shape, fan_in, fan_out, generator, dtype)`` and returns the array.
`fan_in` is the number of inputs one output sees (Dense: inputs; Conv2D: channels x kernel area),
`fan_out` the number of outputs one input reaches (Dense: units; Conv2D: filters x kernel area).

The aim of every rule is a weighted input ``z = sum_i w_i x_i + b`` of variance about one, neither
vanishing nor saturating, whatever the width: with n independent inputs of unit variance that needs
``Var(w) = 1 / n_in`` (lecture UU, which prints the square root upside down; Nielsen's book, chapter 3).

Values are drawn in float64 on the host and then rounded, so float32 and float64 networks, and CPU
and GPU, start alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.errors import ConfigError

Initializer = Callable[[tuple[int, ...], int, int, np.random.Generator, Any], np.ndarray]


def _draw(
    distribution: str, std: float, shape: tuple[int, ...], generator: np.random.Generator, dtype: Any
) -> np.ndarray:
    if distribution == "normal":
        return (std * generator.standard_normal(shape)).astype(dtype)
    limit = math.sqrt(3.0) * std  # a uniform distribution on [-s, s] has standard deviation s / sqrt(3)
    return generator.uniform(-limit, limit, shape).astype(dtype)


def _check(name: str, distribution: str, scale: float) -> None:
    if distribution not in ("normal", "uniform"):
        raise ConfigError(f"{name}: distribution must be 'normal' or 'uniform', got {distribution!r}")
    if not scale >= 0:
        raise ConfigError(f"{name}: the scale must be zero or positive, got {scale!r}")


@dataclass(frozen=True)
class Constant:
    """Every weight equal to `value`. Zero is right for biases and, in Nielsen's code, the softmax layer."""

    value: float = 0.0

    def __call__(
        self, shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator, dtype: Any
    ) -> np.ndarray:
        return np.full(shape, self.value, dtype)


@dataclass(frozen=True)
class Normal:
    """Normal with a fixed standard deviation. ``Normal(1.0)`` is the large start the lecture warns of (UU)."""

    std: float = 1.0

    def __post_init__(self) -> None:
        _check("Normal", "normal", self.std)

    def __call__(
        self, shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator, dtype: Any
    ) -> np.ndarray:
        return _draw("normal", self.std, shape, generator, dtype)


@dataclass(frozen=True)
class Uniform:
    """Uniform on [-limit, limit] (lecture TUE)."""

    limit: float = 0.05

    def __post_init__(self) -> None:
        _check("Uniform", "uniform", self.limit)

    def __call__(
        self, shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator, dtype: Any
    ) -> np.ndarray:
        return generator.uniform(-self.limit, self.limit, shape).astype(dtype)


@dataclass(frozen=True)
class FanIn:
    """Standard deviation ``gain / sqrt(fan_in)``: the lecture's rule (UU) with gain 1 (LeCun et al. 1998).

    The default of Dense and Conv2D.
    """

    gain: float = 1.0
    distribution: str = "normal"

    def __post_init__(self) -> None:
        _check("FanIn", self.distribution, self.gain)

    def __call__(
        self, shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator, dtype: Any
    ) -> np.ndarray:
        return _draw(self.distribution, self.gain / math.sqrt(fan_in), shape, generator, dtype)


@dataclass(frozen=True)
class FanOut:
    """Standard deviation ``gain / sqrt(fan_out)``.

    Nielsen's network3 divides by the outputs where his book divides by the inputs; he later called it
    "simply a mistake on my part" (footnote of November 2016), and every accuracy of the progression was
    measured with it. See `nielsen_dense` and `nielsen_conv`.
    """

    gain: float = 1.0
    distribution: str = "normal"

    def __post_init__(self) -> None:
        _check("FanOut", self.distribution, self.gain)

    def __call__(
        self, shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator, dtype: Any
    ) -> np.ndarray:
        return _draw(self.distribution, self.gain / math.sqrt(fan_out), shape, generator, dtype)


@dataclass(frozen=True)
class Glorot:
    """Variance ``2 / (fan_in + fan_out)`` (Glorot and Bengio 2010): for tanh and other symmetric units."""

    gain: float = 1.0
    distribution: str = "uniform"

    def __post_init__(self) -> None:
        _check("Glorot", self.distribution, self.gain)

    def __call__(
        self, shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator, dtype: Any
    ) -> np.ndarray:
        std = self.gain * math.sqrt(2.0 / (fan_in + fan_out))
        return _draw(self.distribution, std, shape, generator, dtype)


@dataclass(frozen=True)
class He:
    """Variance ``2 / fan_in`` (He et al. 2015): a ReLU halves the variance, the factor 2 restores it."""

    distribution: str = "normal"

    def __post_init__(self) -> None:
        _check("He", self.distribution, 1.0)

    def __call__(
        self, shape: tuple[int, ...], fan_in: int, fan_out: int, generator: np.random.Generator, dtype: Any
    ) -> np.ndarray:
        return _draw(self.distribution, math.sqrt(2.0 / fan_in), shape, generator, dtype)


def nielsen_dense() -> FanOut:
    """Return the rule of network3's fully connected layer: normal, std ``sqrt(1 / n_out)``."""
    return FanOut()


def nielsen_conv(pool_area: int = 4) -> FanOut:
    """Return the rule of network3's convolution layer.

    Normal with std ``sqrt(1 / n_out)`` and ``n_out = filters * kernel area / pool area``: 0.0894 for 20
    filters of 5x5 before a 2x2 pooling, 0.0632 for 40.

    Parameters
    ----------
    pool_area : int
        Area of the pooling window that follows (1 for none).
    """
    return FanOut(gain=math.sqrt(pool_area))
