"""Layers that a `Sequential` runs as one, for speed. The results are those of the separate layers."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from minidl.backend import Array, launcher, namespace
from minidl.kernels import convolution
from minidl.kernels import cpu as kernels
from minidl.kernels.gpu import activation as gpu_activation
from minidl.kernels.gpu import conv as gpu
from minidl.kernels.gpu import dense as gpu_dense
from minidl.kernels.gpu import pool as gpu_pool
from minidl.layers.activations import ELU, LeakyReLU, ReLU, Sigmoid, Tanh
from minidl.layers.base import Layer
from minidl.layers.conv import Conv2D
from minidl.layers.dense import Dense
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


class Block(Layer):
    """A layer with weights and the pooling and activation after it, on a GPU: as few launches as can be.

    Parameters
    ----------
    layers : list of Layer
        Built: a `Dense` and an activation, or a `Conv2D` and a `MaxPool2D`, an activation, or both in any order.
        The parameters are those of the first.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        first = layers[0]
        self.layers = list(layers)
        self.name, self.dtype, self.parameters = first.name, first.dtype, first.parameters
        self.input_shape, self.output_shape = first.input_shape, layers[-1].output_shape
        self.conv = first
        self.pool = next((layer for layer in layers if isinstance(layer, MaxPool2D)), None)
        codes = [gpu_activation.code(layer) for layer in layers]
        self._code = next((code for code in codes if code is not None), gpu.NONE)
        self._apart = False

    @staticmethod
    def fits(layers: Sequence[Layer]) -> bool:
        """Return whether a chain of layers can be a block."""
        # These very classes: what a subclass does differently would be lost.
        first, *others = layers
        pools = [layer for layer in others if type(layer) is MaxPool2D and gpu_pool.fits(layer)]
        activations = [layer for layer in others if gpu_activation.code(layer) is not None]
        return (
            (type(first) is Conv2D or (type(first) is Dense and not pools))
            and len(pools) + len(activations) == len(others) > 0
            and len(pools) <= 1
            and len(activations) <= 1
        )

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        first = self.layers[0]
        first._check_input(x)
        self._apart = launcher(x) is None
        if self._apart:  # fused kernels are off
            for layer in self.layers:
                x = layer.forward(x, train)
            return x
        if self.pool is not None:
            return gpu.pooled_forward(self, x, train, self._code)
        part = gpu_dense if isinstance(first, Dense) else gpu
        return part.forward(first, x, train, self._code)

    def backward(self, dy: Array) -> Array:
        first = self.layers[0]
        if self._apart:
            for layer in reversed(self.layers):
                dy = layer.backward(dy)
            return dy
        if self.pool is not None:
            return gpu.pooled_backward(self, dy, self._code)
        part = gpu_dense if isinstance(first, Dense) else gpu
        return part.backward(first, dy, self._code)

    def backward_parameters(self, dy: Array) -> None:
        first = self.layers[0]
        if self._apart:
            for layer in reversed(self.layers[1:]):
                dy = layer.backward(dy)
            first.backward_parameters(dy)
        elif self.pool is not None:
            gpu.pooled_backward(self, dy, self._code, input_gradient=False)
        elif isinstance(first, Dense):
            gpu_dense.backward(first, dy, self._code, input_gradient=False)
        else:
            gpu.backward_parameters(first, dy, self._code)


def fuse(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers to run for a chain of built layers: those that fit are replaced by one.

    On a CPU, convolution, pooling stays in place; convolution, activation, pooling becomes convolution with
    pooling, activation. On a GPU every layer with weights takes with it what it can (`Block`).
    """
    parameters = [parameter for layer in layers for parameter in layer.parameters.values()]
    if parameters and not isinstance(parameters[0].value, np.ndarray):
        return _blocks(layers)
    return _with_pooling(layers)


def _blocks(layers: Sequence[Layer]) -> list[Layer]:
    steps: list[Layer] = []
    index = 0
    while index < len(layers):
        length = next((n for n in (3, 2) if Block.fits(layers[index : index + n])), 1)
        chain = layers[index : index + length]
        steps.append(Block(chain) if length > 1 else chain[0])
        index += length
    return steps


def _with_pooling(layers: Sequence[Layer]) -> list[Layer]:
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
