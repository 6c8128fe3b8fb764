"""Layers that change the shape and nothing else."""

from __future__ import annotations

import math

from minidl.backend import Array
from minidl.errors import ConfigError, ShapeError
from minidl.layers.base import Layer, Shape
from minidl.random import Seeds


class Reshape(Layer):
    """Give every example another shape with as many elements, in the same (row-major) order.

    Parameters
    ----------
    shape : tuple of int
        Shape of one example, without the batch axis. One size may be -1: it is worked out.
    """

    per_example = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        if (
            any(not isinstance(size, int) or size == 0 or size < -1 for size in self.shape)
            or self.shape.count(-1) > 1
        ):
            raise ConfigError(
                f"Reshape: sizes must be positive integers, at most one of them -1, got {shape!r}"
            )

    def setup(self, input_shape: Shape, seeds: Seeds) -> Shape:
        size, known = math.prod(input_shape), math.prod(n for n in self.shape if n != -1)
        if size % known if -1 in self.shape else size != known:
            raise ShapeError(f"{self.name}: cannot reshape {input_shape} ({size} elements) to {self.shape}")
        return tuple(size // known if n == -1 else n for n in self.shape)

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        self._cache = True
        return x.reshape(x.shape[0], *self.output_shape)

    def backward(self, dy: Array) -> Array:
        self._saved(dy)
        return dy.reshape(dy.shape[0], *self.input_shape)


class Flatten(Reshape):
    """Turn every example into a vector: (N, C, H, W) to (N, C H W)."""

    def __init__(self) -> None:
        super().__init__((-1,))
