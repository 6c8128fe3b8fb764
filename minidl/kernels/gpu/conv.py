"""Convolution by patches, gathered and added back in one launch each.

By patches, a convolution is one matrix product. In batch-last memory neither it nor its gradients need a
transposed copy of anything (letters as in `minidl.kernels.convolution`)::

    col  = im2col(x)          (C KH KW, OH OW N)
    y    = W col              (F, OH OW N), which is batch-last again
    dW   = dy col^T           (F, C KH KW)
    dx   = col2im(W^T dy)     (C, H, W, N)

A first layer with small windows needs no patches: `minidl.kernels.gpu.direct`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels import cpu, products
from minidl.kernels.gpu import direct
from minidl.kernels.gpu.activation import (
    IDENTITY,
    bias_activation,
    through,
)
from minidl.kernels.gpu.launch import Kernel
from minidl.kernels.gpu.pool import (
    GEOMETRY,
    LOOK_UP,
    add_windows,
    geometry_of,
    max_pool,
    max_pool_backward,
    windows,
)


def _im2col(x: np.ndarray, col: np.ndarray, size: int, *geometry: int) -> None:
    """Every patch becomes a column."""
    col.reshape(size)[...] = windows(x, geometry, 0).reshape(size)


im2col = Kernel(
    "im2col",
    r"""
// A thread has one number of col. Neighbours have neighbouring n and then ox, in col as in x: writes are in
// one piece, and reads, at stride 1, in pieces of OW N numbers. Padding is read as zero, and never stored.
extern "C" __global__ void im2col(const real* x, real* col, int size, GEOMETRY) {
    FOR_EACH(k, size) {
        uint32 rest = k;
        int n = take(rest, batch), ox = take(rest, ow), oy = take(rest, oh);
        int j = take(rest, kw), i = take(rest, kh), c = rest;
        int row = oy * sh + i - top, column = ox * sw + j - left;
        bool pixel = row >= 0 && row < height && column >= 0 && column < width;
        col[k] = pixel ? x[((c * height + row) * width + column) * batch + n] : real(0);
    }
}
""".replace("GEOMETRY", GEOMETRY),
    _im2col,
)


def _col2im(col: np.ndarray, dx: np.ndarray, size: int, *geometry: int) -> None:
    """Every column is added back to the place of its patch."""
    _, _, batch, oh, ow, kh, kw, *_ = geometry
    dx.reshape(size)[...] = add_windows(col.reshape(-1, kh, kw, oh, ow, batch), geometry).reshape(size)


col2im = Kernel(
    "col2im",
    r"""
// A thread has one pixel of dx, and adds up its copies in col: at most one of each (i, j). Neighbours read
// neighbouring n and ox.
extern "C" __global__ void col2im(const real* col, real* dx, int size, GEOMETRY) {
    FOR_EACH(k, size) {
LOOK_UP
                sum += col[((((c * kh + i) * kw + j) * oh + oy) * ow + ox) * batch + n];
            }
        }
        dx[k] = sum;
    }
}
""".replace("GEOMETRY", GEOMETRY).replace("LOOK_UP", LOOK_UP),
    _col2im,
)

# What layers call ---------------------------------------------------------------------------------


Activation = tuple[int, float]
NONE: Activation = (IDENTITY, 0.0)


def forward(layer: Any, x: Array, train: bool, activation: Activation = NONE) -> Array:
    """The forward pass of `Conv2D`, and that of the activation after it.

    `activation` is what `minidl.kernels.gpu.activation.code` returns.
    """
    y = layer._output((*layer.output_shape, x.shape[0]), x, train)
    flat = y.reshape(layer.filters, -1)
    col = _patches(layer, layer, x)
    products.wide_product(_matrix(layer), col, out=flat)
    bias = layer.parameters["bias"].value if layer.bias else None
    if layer.bias or activation != NONE:
        bias_activation(flat.size, flat, bias, flat, flat.size, flat.shape[1], layer.filters, *activation)
    layer._cache = col, y
    return cpu.from_batch_last(y)


def backward(layer: Any, dy: Array, activation: Activation = NONE) -> Array:
    """The backward pass of `Conv2D`, and that of the activation after it."""
    return _input_gradient(layer, layer, backward_parameters(layer, dy, activation))


def backward_parameters(layer: Any, dy: Array, activation: Activation = NONE) -> Array:
    """Set the gradients of the parameters; return that of the product, (F, OH OW N)."""
    col, y = layer._saved(dy)
    flat = _through(layer, layer, y, dy, activation)
    _weight_gradient(layer, layer, flat, col)
    return flat


def pooled_forward(layer: Any, x: Array, train: bool, activation: Activation = NONE) -> Array:
    """Convolution, max-pooling, bias and activation: two launches and a product, or one launch.

    Parameters
    ----------
    layer : minidl.layers.fused.Block
        With a `conv` and a `pool`.
    x : array, shape (N, C, H, W)
    train : bool
    activation : (int, float)
        Of `minidl.kernels.gpu.activation.code`.
    """
    conv, batch = layer.conv, x.shape[0]
    y = layer._output((*layer.output_shape, batch), x, train)
    winners = layer._scratch("winners", y.shape, x, "uint8")
    bias = layer.parameters["bias"].value if conv.bias else None
    if direct.applies(layer):
        image = cpu.to_batch_last(x)
        weight = layer.parameters["weight"].value
        direct.conv_pool(
            y.size, image, weight, bias, y, winners, y.size, *activation, *direct.sizes(layer, batch)
        )
        layer._cache = image, winners, y
    else:
        col = _patches(layer, conv, x)
        candidates = layer._scratch("candidates", (*conv.output_shape, batch), x)
        products.wide_product(_matrix(layer), col, out=candidates.reshape(conv.filters, -1))
        geometry = geometry_of(layer.pool, batch)
        max_pool(y.size, candidates, bias, y, winners, y.size, *activation, *geometry)
        layer._cache = col, winners, y
    return cpu.from_batch_last(y)


def pooled_backward(
    layer: Any, dy: Array, activation: Activation = NONE, *, input_gradient: bool = True
) -> Array | None:
    """Set the parameters' gradients of what `pooled_forward` ran; return that of the input if it is wanted."""
    saved, winners, y = layer._saved(dy)
    conv, batch = layer.conv, dy.shape[0]
    flat = _through(layer, conv, y, dy, activation)
    spread = None
    if input_gradient or not direct.applies(layer):
        spread = layer._scratch("spread", (*conv.output_shape, batch), dy)
        geometry = geometry_of(layer.pool, batch)
        max_pool_backward(spread.size, flat, winners, spread, spread.size, *geometry)
        spread = spread.reshape(conv.filters, -1)
    if direct.applies(layer):
        gradient = layer.parameters["weight"].grad = _weight_space(layer, conv, dy)
        direct.conv_pool_weights(
            (gradient.size,), saved, flat, winners, gradient, *direct.sizes(layer, batch)
        )
    else:
        _weight_gradient(layer, conv, spread, saved)
    return _input_gradient(layer, conv, spread) if input_gradient else None


def _through(owner: Any, conv: Any, y: Array, dy: Array, activation: Activation) -> Array:
    """Set the bias's gradient, and return that of what the bias was added to, (F, OH OW N)."""
    flat = cpu.to_batch_last(dy).reshape(conv.filters, -1)
    if not conv.bias and activation == NONE:
        return flat
    dz = flat if activation == NONE else owner._scratch("dz", flat.shape, dy)
    sums = owner._scratch("db", (conv.filters,), dy)
    dz = through(y.reshape(flat.shape), flat, activation, dz, sums, "rows")
    if conv.bias:
        owner.parameters["bias"].grad = sums
    return dz


def _patches(owner: Any, conv: Any, x: Array) -> Array:
    (channels, *_), (_, oh, ow) = conv.input_shape, conv.output_shape
    rows, columns = channels * conv.kernel[0] * conv.kernel[1], oh * ow * x.shape[0]
    col = owner._scratch("col", (rows, columns), x)
    im2col(col.size, cpu.to_batch_last(x), col, col.size, *geometry_of(conv, x.shape[0]))
    return col


def _matrix(layer: Any) -> Array:
    weight = layer.parameters["weight"].value
    return weight.reshape(weight.shape[0], -1)


def _weight_space(owner: Any, conv: Any, like: Array) -> Array:
    return owner._scratch("dW", (conv.filters, conv.input_shape[0], *conv.kernel), like)


def _weight_gradient(owner: Any, conv: Any, dy: Array, col: Array) -> None:
    gradient = owner.parameters["weight"].grad = _weight_space(owner, conv, dy)
    products.dense_backward_weight(dy.T, col.T, out=gradient.reshape(conv.filters, -1))


def _input_gradient(owner: Any, conv: Any, dy: Array) -> Array:
    """Return col2im(W^T dy) as (N, C, H, W)."""
    weight = _matrix(owner)
    (_, oh, ow) = conv.output_shape
    batch = dy.shape[1] // (oh * ow)
    dcol = owner._scratch("dcol", (weight.shape[1], dy.shape[1]), dy)
    products.wide_product(weight.T, dy, out=dcol)
    dx = owner._scratch("dx", (*conv.input_shape, batch), dy)
    col2im(dx.size, dcol, dx, dx.size, *geometry_of(conv, batch))
    return cpu.from_batch_last(dx)
