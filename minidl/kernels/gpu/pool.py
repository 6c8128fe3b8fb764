"""Pooling in one launch, forward and backward, with the place of each maximum stored in a byte.

All arrays are in batch-last memory: (C, H, W, N). Threads are numbered the same way, so that neighbours have
neighbouring images n, and then neighbouring columns: what 32 threads read lies side by side as long as windows
are 1 apart, and within P times the room for windows P apart. Backward, each thread has one pixel of the input
and looks up the windows it belongs to (a *gather*); one window's thread adding to its pixels (a *scatter*)
would need atomic additions where windows overlap, whose order, and so whose last bit, changes from run to run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels import cpu
from minidl.kernels.gpu.activation import FUNCTIONS, activate
from minidl.kernels.gpu.launch import Kernel

LARGEST_WINDOW = 256  # the places of a window that a byte can tell apart

GEOMETRY = """int height, int width, int batch, int oh, int ow,
    int kh, int kw, int sh, int sw, int top, int left"""


def windows(x: np.ndarray, geometry: tuple[int, ...], fill: float) -> np.ndarray:
    """Return the windows of x (C, H, W, N) as (C, KH, KW, OH, OW, N), padded with `fill`; for the twins."""
    height, width, batch, oh, ow, kh, kw, sh, sw, top, left = geometry
    bottom, right = (oh - 1) * sh + kh - top - height, (ow - 1) * sw + kw - left - width
    image = x.reshape(-1, height, width, batch)
    sides = [(0, 0), (top, max(0, bottom)), (left, max(0, right)), (0, 0)]
    padded = np.pad(image, sides, constant_values=fill)
    sliding = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), axis=(1, 2))
    return sliding[:, ::sh, ::sw][:, :oh, :ow].transpose(0, 4, 5, 1, 2, 3)


def add_windows(parts: np.ndarray, geometry: tuple[int, ...]) -> np.ndarray:
    """Return the sum of windows (C, KH, KW, OH, OW, N) in their places, (C, H, W, N); for the twins."""
    height, width, batch, oh, ow, kh, kw, sh, sw, top, left = geometry
    rows, columns = max(top + height, (oh - 1) * sh + kh), max(left + width, (ow - 1) * sw + kw)
    image = np.zeros((parts.shape[0], rows, columns, batch), parts.dtype)
    for i in range(kh):
        for j in range(kw):
            image[:, i : i + sh * oh : sh, j : j + sw * ow : sw] += parts[:, i, j]
    return image[:, top : top + height, left : left + width]


def _max_pool(
    x: np.ndarray,
    bias: np.ndarray | None,
    y: np.ndarray,
    winners: np.ndarray,
    size: int,
    kind: int,
    parameter: float,
    *geometry: int,
) -> None:
    """``y = f(max over the window + b)``, and which element of the window it was."""
    parts = windows(x, geometry, -np.inf)
    channels, kh, kw, *rest = parts.shape
    flat = parts.reshape(channels, kh * kw, *rest)
    largest = flat.max(axis=1)
    # The first, in reading order, that equals the maximum and is a pixel, not padding.
    real = windows(np.ones_like(x), geometry, 0).reshape(flat.shape) > 0
    first = ((flat == largest[:, None]) & real).argmax(axis=1)
    winners.reshape(largest.shape)[...] = first
    if bias is not None:
        largest = largest + bias[:, None, None, None]
    y.reshape(largest.shape)[...] = activate(kind, parameter, largest)


max_pool = Kernel(
    "max_pool",
    FUNCTIONS
    + r"""
// A thread has one output. Bias and activation come after the maximum: both keep the order of numbers, and
// are computed for one number of a window instead of all.
extern "C" __global__ void max_pool(
    const real* x, const real* bias, real* y, uint8* winners, int size, int kind, real parameter, GEOMETRY) {
    FOR_EACH(k, size) {
        uint32 rest = k;
        int n = take(rest, batch), ox = take(rest, ow), oy = take(rest, oh), c = rest;
        real largest = 0;
        int winner = -1;
        for (int i = 0; i < kh; i++) {
            for (int j = 0; j < kw; j++) {
                int row = oy * sh + i - top, column = ox * sw + j - left;
                if (row < 0 || row >= height || column < 0 || column >= width) continue;
                real v = x[((c * height + row) * width + column) * batch + n];
                // Greater, not greater or equal: the first of equals wins. A NaN wins, and stays.
                if (winner < 0 || v > largest || (v != v && largest == largest)) {
                    largest = v;
                    winner = i * kw + j;
                }
            }
        }
        winners[k] = winner;
        y[k] = activate(kind, parameter, bias ? largest + bias[c] : largest);
    }
}
""".replace("GEOMETRY", GEOMETRY),
    _max_pool,
)


def _max_pool_backward(
    dy: np.ndarray, winners: np.ndarray, dx: np.ndarray, size: int, *geometry: int
) -> None:
    """The gradient of each window goes to its winner."""
    _, _, batch, oh, ow, kh, kw, *_ = geometry
    place = winners.reshape(-1, 1, oh, ow, batch)
    won = place == np.arange(kh * kw)[:, None, None, None]
    parts = dy.reshape(place.shape) * won
    dx.reshape(size)[...] = add_windows(parts.reshape(-1, kh, kw, oh, ow, batch), geometry).reshape(size)


# The windows that a pixel belongs to, along one axis: those o with 0 <= i < k for i = pixel - o * stride.
LOOK_UP = """
        uint32 rest = k;
        int n = take(rest, batch), column = take(rest, width) + left, row = take(rest, height) + top, c = rest;
        int last_y = min(oh - 1, row / sh), last_x = min(ow - 1, column / sw);
        real sum = 0;
        for (int oy = row < kh ? 0 : (row - kh) / sh + 1; oy <= last_y; oy++) {
            int i = row - oy * sh;
            for (int ox = column < kw ? 0 : (column - kw) / sw + 1; ox <= last_x; ox++) {
                int j = column - ox * sw;
"""

max_pool_backward = Kernel(
    "max_pool_backward",
    r"""
// A thread has one pixel of dx, and adds up the windows that it has won.
extern "C" __global__ void max_pool_backward(
    const real* dy, const uint8* winners, real* dx, int size, GEOMETRY) {
    FOR_EACH(k, size) {
LOOK_UP
                int window = ((c * oh + oy) * ow + ox) * batch + n;
                if (winners[window] == i * kw + j) sum += dy[window];
            }
        }
        dx[k] = sum;
    }
}
""".replace("GEOMETRY", GEOMETRY).replace("LOOK_UP", LOOK_UP),
    _max_pool_backward,
)


def _counts(size: int, geometry: tuple[int, ...], count_padding: int) -> np.ndarray:
    height, width, batch, _, _, kh, kw, *_ = geometry
    if count_padding:
        return np.array(kh * kw)
    pixels = np.ones((size // (height * width * batch), height, width, batch))
    return windows(pixels, geometry, 0).sum(axis=(1, 2))


def _average_pool(x: np.ndarray, y: np.ndarray, size: int, count_padding: int, *geometry: int) -> None:
    """``y = sum over the window / n``; n is the number of pixels, with or without those of the padding."""
    total = windows(x, geometry, 0).sum(axis=(1, 2))
    y.reshape(size)[...] = (total / _counts(x.size, geometry, count_padding)).reshape(size)


average_pool = Kernel(
    "average_pool",
    r"""
extern "C" __global__ void average_pool(const real* x, real* y, int size, int count_padding, GEOMETRY) {
    FOR_EACH(k, size) {
        uint32 rest = k;
        int n = take(rest, batch), ox = take(rest, ow), oy = take(rest, oh), c = rest;
        real sum = 0;
        int count = 0;
        for (int i = 0; i < kh; i++) {
            for (int j = 0; j < kw; j++) {
                int row = oy * sh + i - top, column = ox * sw + j - left;
                if (row < 0 || row >= height || column < 0 || column >= width) continue;
                sum += x[((c * height + row) * width + column) * batch + n];
                count++;
            }
        }
        y[k] = sum / real(count_padding ? kh * kw : count);
    }
}
""".replace("GEOMETRY", GEOMETRY),
    _average_pool,
)


def _average_pool_backward(
    dy: np.ndarray, dx: np.ndarray, size: int, count_padding: int, *geometry: int
) -> None:
    """Each pixel gets ``dy / n`` of every window it belongs to."""
    _, _, batch, oh, ow, kh, kw, *_ = geometry
    share = dy.reshape(-1, oh, ow, batch) / _counts(size, geometry, count_padding)
    parts = np.broadcast_to(share[:, None, None], (share.shape[0], kh, kw, oh, ow, batch))
    dx.reshape(size)[...] = add_windows(parts.astype(dy.dtype), geometry).reshape(size)


average_pool_backward = Kernel(
    "average_pool_backward",
    r"""
// How many of the k pixels of a window from `start` on are inside an image of this length.
__device__ inline int inside(int start, int k, int length) {
    int end = start + k;
    return (end < length ? end : length) - (start > 0 ? start : 0);
}

extern "C" __global__ void average_pool_backward(
    const real* dy, real* dx, int size, int count_padding, GEOMETRY) {
    FOR_EACH(k, size) {
LOOK_UP
                int count = count_padding ? kh * kw
                                          : inside(oy * sh - top, kh, height) * inside(ox * sw - left, kw, width);
                sum += dy[((c * oh + oy) * ow + ox) * batch + n] / real(count);
            }
        }
        dx[k] = sum;
    }
}
""".replace("GEOMETRY", GEOMETRY).replace("LOOK_UP", LOOK_UP),
    _average_pool_backward,
)


# What layers call ---------------------------------------------------------------------------------


def geometry_of(layer: Any, batch: int) -> tuple[int, ...]:
    """Return the numbers of `GEOMETRY` for a layer with windows: a convolution or a pooling."""
    (top, _), (left, _) = layer.pixels
    _, height, width = layer.input_shape
    return (height, width, batch, *layer.output_shape[1:], *layer.kernel, *layer.stride, top, left)


def fits(layer: Any) -> bool:
    """Return whether the place of a maximum in this layer's windows fits a byte."""
    return bool(layer.kernel[0] * layer.kernel[1] <= LARGEST_WINDOW)


def max_forward(layer: Any, x: Array, train: bool) -> Array:
    """The forward pass of `MaxPool2D`."""
    image = cpu.to_batch_last(x)
    y = layer._output((*layer.output_shape, x.shape[0]), x, train)
    winners = layer._scratch("winners", y.shape, x, "uint8")
    max_pool(y.size, image, None, y, winners, y.size, 0, 0.0, *geometry_of(layer, x.shape[0]))
    layer._cache = winners
    return cpu.from_batch_last(y)


def max_backward(layer: Any, dy: Array) -> Array:
    """The backward pass of `MaxPool2D`."""
    winners = layer._saved(dy)
    dx = layer._scratch("dx", (*layer.input_shape, dy.shape[0]), dy)
    max_pool_backward(dx.size, cpu.to_batch_last(dy), winners, dx, dx.size, *geometry_of(layer, dy.shape[0]))
    return cpu.from_batch_last(dx)


def average_forward(layer: Any, x: Array, train: bool) -> Array:
    """The forward pass of `AvgPool2D`."""
    y = layer._output((*layer.output_shape, x.shape[0]), x, train)
    geometry = geometry_of(layer, x.shape[0])
    average_pool(y.size, cpu.to_batch_last(x), y, y.size, int(layer.count_padding), *geometry)
    layer._cache = True
    return cpu.from_batch_last(y)


def average_backward(layer: Any, dy: Array) -> Array:
    """The backward pass of `AvgPool2D`."""
    layer._saved(dy)
    dx = layer._scratch("dx", (*layer.input_shape, dy.shape[0]), dy)
    geometry = geometry_of(layer, dy.shape[0])
    average_pool_backward(dx.size, cpu.to_batch_last(dy), dx, dx.size, int(layer.count_padding), *geometry)
    return cpu.from_batch_last(dx)
