"""The convolution layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, launcher
from minidl.errors import ConfigError
from minidl.initializers import Constant, FanIn, Initializer
from minidl.kernels import convolution, rows, winograd
from minidl.kernels import cpu as kernels
from minidl.kernels.gpu import conv as gpu
from minidl.layers.base import Layer, Parameter, Shape
from minidl.layers.geometry import (
    PaddingOption,
    check_padding,
    pair,
    require_images,
    resolve_padding,
    sliding_shape,
)
from minidl.layers.ways import ByPatches, ByPhases, ByRows, ByTiles
from minidl.random import Seeds


class Conv2D(Layer):
    """Slide F small filters over the image; each gives one feature map.

    Forward (cross-correlation, as in the lecture; the kernel is not flipped)::

        y[n, f, a, b] = bias[f] + sum_{c,i,j} weight[f, c, i, j] x[n, c, a S + i, b S + j]

    With the patches of the image as the columns of a matrix `col` (C KH KW rows, one column for every
    output pixel of every image) all of it is one product, and so is each gradient::

        y   = W col + b         (F, OH OW N) = (F, C KH KW) (C KH KW, OH OW N)
        dW  = dy col^T
        db  = sum of dy over pixels and images
        dx  = col2im(W^T dy)    every pixel collects from the patches it was part of

    Parameters
    ----------
    filters : int
        Number of feature maps F.
    kernel_size : int or (int, int)
        Height and width of the local receptive field.
    stride : int or (int, int)
        Pixels from one window to the next.
    padding : "valid", "same", int, (int, int) or ((int, int), (int, int))
        Zeros around the image: none; as many as keep ``ceil(size / stride)``; the same number on every
        side; (vertical, horizontal); ((top, bottom), (left, right)).
    bias : bool
        Whether each feature map has a shared bias.
    algorithm : {"auto", "patches", "rows", "winograd"}
        How it is computed: by the product above; the same row by row, with less copying
        (`minidl.kernels.rows`); or, for 3x3 and 5x5 kernels at stride 1 and 5x5 at stride 2, with fewer
        multiplications and somewhat more rounding (`minidl.kernels.winograd`). "auto" takes what is fastest
        for the shape.
        On a GPU it is always the product.
    weight_init, bias_init : Initializer, optional
        Defaults: normal with standard deviation ``1 / sqrt(C KH KW)``, and zero.

    Notes
    -----
    Shapes: input (N, C, H, W), output (N, F, OH, OW), weight (F, C, KH, KW), bias (F,).
    A 5x5 kernel on 28x28 images gives 24x24; 20 such filters have 20 * 25 + 20 = 520 parameters where a
    dense layer of 30 has 23,550.

    References
    ----------
    Lecture UU, equations 1 and 2 (with offsets from 0 to M - 1); Nielsen, equation 125.
    """

    per_example = True

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: PaddingOption = "valid",
        bias: bool = True,
        algorithm: str = "auto",
        weight_init: Initializer | None = None,
        bias_init: Initializer | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(filters, int) or filters < 1:
            raise ConfigError(f"Conv2D: filters must be a whole number of at least 1, got {filters!r}")
        check_padding("Conv2D", padding)
        self.filters = filters
        self.kernel = pair("Conv2D", "kernel_size", kernel_size)
        self.stride = pair("Conv2D", "stride", stride)
        self.padding = padding
        self.bias = bias
        if algorithm not in ("auto", "patches", "rows", "winograd"):
            raise ConfigError(
                f"Conv2D: algorithm must be 'auto', 'patches', 'rows' or 'winograd', got {algorithm!r}"
            )
        if algorithm == "winograd" and not winograd.applies(self.kernel, self.stride):
            raise ConfigError(
                f"Conv2D: algorithm='winograd' is for kernels of 3x3 or 5x5 at stride 1 and 5x5 at stride 2, got "
                f"a kernel of {self.kernel} at stride {self.stride}; leave algorithm at 'auto'"
            )
        self.algorithm = algorithm
        self.weight_init = weight_init or FanIn()
        self.bias_init = bias_init or Constant(0.0)

    def setup(self, input_shape: Shape, seeds: Seeds) -> Shape:
        require_images(self.name, input_shape)
        channels, height, width = input_shape
        self.pixels = resolve_padding(self.padding, (height, width), self.kernel, self.stride)
        oh, ow = sliding_shape(self.name, input_shape, self.kernel, self.stride, self.pixels)
        area = self.kernel[0] * self.kernel[1]
        fan_in, fan_out = channels * area, self.filters * area
        draw = seeds.generator("init")
        shape = (self.filters, channels, *self.kernel)
        self.parameters["weight"] = Parameter(self.weight_init(shape, fan_in, fan_out, draw, self.dtype))
        if self.bias:
            bias = self.bias_init((self.filters,), fan_in, fan_out, draw, self.dtype)
            self.parameters["bias"] = Parameter(bias, decay=False)
        return (self.filters, oh, ow)

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        if launcher(x):
            return gpu.forward(self, x, train)
        y = self._output((*self.output_shape, x.shape[0]), x, train)
        way = self._way(x)
        self._cache = way, way.forward(self, x, y)
        return kernels.from_batch_last(y)

    def backward(self, dy: Array) -> Array:
        if launcher(dy):
            return gpu.backward(self, dy)
        return self._backward(dy, wants_input=True)

    def backward_parameters(self, dy: Array) -> None:
        if launcher(dy):
            gpu.backward_parameters(self, dy)
        else:
            self._backward(dy, wants_input=False)

    def _backward(self, dy: Array, wants_input: bool) -> Any:
        way, saved = self._saved(dy)
        dy = kernels.to_batch_last(dy)
        weight = self.parameters["weight"]
        weight.grad = self._scratch("dW", weight.value.shape, dy)
        if self.bias:
            self.parameters["bias"].grad = dy.reshape(self.filters, -1).sum(axis=1)
        return way.backward(self, saved, dy, wants_input)

    def _way(self, x: Array) -> Any:
        """Return how to compute: the way that was asked for, or the one that is fastest for this shape."""
        if not isinstance(x, np.ndarray) or self.algorithm == "patches":
            return ByPatches
        by_tiles = ByTiles if self.stride == (1, 1) else ByPhases
        if self.algorithm != "auto":
            return ByRows if self.algorithm == "rows" else by_tiles
        channels, batch = self.input_shape[0], x.shape[0]
        if winograd.pays(channels, self.filters, self.kernel, self.stride, batch):
            return by_tiles
        return ByRows if rows.pays(self.kernel, channels, self.output_shape[2], batch) else ByPatches

    def padded(self, x: Array, scratch: convolution.Scratch) -> Array:
        """Return `x` (N, C, H, W) in batch-last memory with its padding."""
        image = kernels.to_batch_last(x)
        (top, bottom), (left, right) = self.pixels
        if top + bottom + left + right == 0:
            return image
        channels, height, width = self.input_shape
        shape = (channels, height + top + bottom, width + left + right, x.shape[0])
        return kernels.pad(image, self.pixels, 0, out=scratch("padded", shape, x))

    def flops(self) -> int:
        _, oh, ow = self.output_shape
        return 2 * self.filters * self.input_shape[0] * self.kernel[0] * self.kernel[1] * oh * ow
