"""Layers that a `Sequential` runs as one, for speed. The results are those of the separate layers."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from minidl.backend import Array, namespace
from minidl.kernels import convolution
from minidl.kernels import cpu as kernels
from minidl.layers.activations import ELU, LeakyReLU, ReLU, Sigmoid, Tanh
from minidl.layers.base import Layer
from minidl.layers.conv import Conv2D
from minidl.layers.pooling import MaxPool2D

# An increasing function of the maximum is the maximum of the function, so pooling may come first.
INCREASING = (ReLU, LeakyReLU, ELU, Sigmoid, Tanh)


class ConvMaxPool(Layer):
    """A convolution of stride 1 and the max-pooling of disjoint windows that follows it.

    The bias is added after pooling, to a quarter of the numbers for 2x2 windows: adding the same number
    to all does not change which is the largest. See "with pooling" in `minidl.kernels.convolution`.

    Parameters
    ----------
    conv : Conv2D
    pool : MaxPool2D
        Both built. The parameters are those of `conv`.
    """

    per_example = True

    def __init__(self, conv: Conv2D, pool: MaxPool2D) -> None:
        super().__init__()
        self.name, self.dtype = conv.name, conv.dtype
        self.conv, self.pool = conv, pool
        self.parameters = conv.parameters
        self.input_shape, self.output_shape = conv.input_shape, pool.output_shape

    @staticmethod
    def fits(conv: Layer, pool: Layer) -> bool:
        """Return whether two layers can be run as one, and whether that pays."""
        if not (isinstance(conv, Conv2D) and isinstance(pool, MaxPool2D)):
            return False
        window = conv.input_shape[0]
        for kernel, size in zip(conv.kernel, pool.kernel, strict=True):
            window *= kernel + size - 1
        disjoint = pool.stride == pool.kernel != (1, 1) and pool.pixels == ((0, 0), (0, 0))
        return conv.stride == (1, 1) and disjoint and window <= convolution.LARGEST_POOLED_WINDOW

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        (filters, *size), batch = self.output_shape, x.shape[0]
        positions = self.pool.kernel[0] * self.pool.kernel[1]
        image = self.conv.padded(x, self._scratch)
        windows = convolution.pooled_windows(
            image, self.conv.kernel, self.pool.kernel, tuple(size), self._scratch
        )
        placed = convolution.placed_kernels(self.parameters["weight"].value, self.pool.kernel)
        y = self._output((filters, windows.shape[1]), x, train)
        winners = namespace(x).empty(y.shape, "uint8")
        convolution.convolve_and_pool(placed, windows, positions, y, winners, self._scratch)
        if self.conv.bias:
            y += self.parameters["bias"].value[:, None]
        self._cache = windows, placed, winners
        return kernels.from_batch_last(y.reshape(filters, *size, batch))

    def backward(self, dy: Array) -> Array:
        (channels, height, width), (_, *size) = self.input_shape, self.output_shape
        (top, bottom), (left, right) = self.conv.pixels
        kernel = tuple(k + p - 1 for k, p in zip(self.conv.kernel, self.pool.kernel, strict=True))
        dwindows = self._scratch("dwindows", (channels, *kernel, *size, dy.shape[0]), dy)
        self._backward(dy, dwindows.reshape(-1, dwindows[0, 0, 0].size))
        dx = self._scratch("dx", (channels, height + top + bottom, width + left + right, dy.shape[0]), dy)
        kernels.col2im(dwindows, self.pool.stride, out=dx)
        return kernels.from_batch_last(dx[:, top : top + height, left : left + width])

    def backward_parameters(self, dy: Array) -> None:
        self._backward(dy, None)

    def _backward(self, dy: Array, dwindows: Array | None) -> None:
        windows, placed, winners = self._saved(dy)
        flat = kernels.to_batch_last(dy).reshape(self.output_shape[0], -1)
        dplaced = convolution.convolve_and_pool_backward(
            placed, windows, winners, flat, dwindows, self._scratch
        )
        weight = self.parameters["weight"]
        weight.grad = self._scratch("dW", weight.value.shape, dy)
        convolution.collect_kernels(dplaced, self.pool.kernel, out=weight.grad)
        if self.conv.bias:
            self.parameters["bias"].grad = flat.sum(axis=1)


def fuse(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers to run for a chain of built layers: pairs that fit are replaced by one.

    Convolution, pooling stays in place; convolution, activation, pooling becomes convolution with pooling,
    activation.
    """
    steps: list[Layer] = []
    index = 0
    while index < len(layers):
        layer, *following = layers[index : index + 3]
        if following and ConvMaxPool.fits(layer, following[0]):
            steps.append(ConvMaxPool(layer, following[0]))  # type: ignore[arg-type]
            index += 2
        elif (
            len(following) == 2 and type(following[0]) in INCREASING and ConvMaxPool.fits(layer, following[1])
        ):
            steps += [ConvMaxPool(layer, following[1]), _after_pooling(following[0], following[1])]  # type: ignore[arg-type]
            index += 3
        else:
            steps.append(layer)
            index += 1
    return steps


def _after_pooling(activation: Layer, pool: Layer) -> Layer:
    """Return the activation with the shapes it has when it comes after the pooling."""
    moved = copy.copy(activation)
    moved._cache, moved._workspace = None, {}
    moved.input_shape = moved.output_shape = pool.output_shape
    return moved
