"""The definitions, written as loops: slow, obvious, and the oracle of the tests.

Shapes are (N, C, H, W). Every function works in the dtype of its input.

Letters: N images, C channels, H W height and width, F filters, KH KW kernel, SH SW stride.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]


def pad(x: np.ndarray, padding: Padding, value: float = 0.0) -> np.ndarray:
    """Surround every image with `value`; `padding` is ((top, bottom), (left, right))."""
    return np.pad(x, ((0, 0), (0, 0), *padding), constant_values=value)


def crop(x: np.ndarray, padding: Padding) -> np.ndarray:
    """Undo `pad`."""
    (top, bottom), (left, right) = padding
    return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]


def conv2d(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: Pair, padding: Padding) -> np.ndarray:
    """Cross-correlate (lecture UU, equation 1, with the sums from 0 to M-1).

    ``y[n, f, a, b] = bias[f] + sum_{c,i,j} weight[f, c, i, j] * x[n, c, a * SH + i, b * SW + j]``
    """
    x = pad(x, padding)
    (sh, sw), (filters, channels, kh, kw) = stride, weight.shape
    batch, _, height, width = x.shape
    oh, ow = (height - kh) // sh + 1, (width - kw) // sw + 1
    y = np.zeros((batch, filters, oh, ow), x.dtype)
    for n in range(batch):
        for f in range(filters):
            for a in range(oh):
                for b in range(ow):
                    total = bias[f]
                    for c in range(channels):
                        for i in range(kh):
                            for j in range(kw):
                                total = total + weight[f, c, i, j] * x[n, c, a * sh + i, b * sw + j]
                    y[n, f, a, b] = total
    return y


def conv2d_backward(
    x: np.ndarray, weight: np.ndarray, dy: np.ndarray, stride: Pair, padding: Padding
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (dx, dweight, dbias): each product of `conv2d`, differentiated where it stands."""
    padded = pad(x, padding)
    (sh, sw), (filters, channels, kh, kw) = stride, weight.shape
    dx, dweight, dbias = np.zeros_like(padded), np.zeros_like(weight), np.zeros(filters, x.dtype)
    for n in range(x.shape[0]):
        for f in range(filters):
            for a in range(dy.shape[2]):
                for b in range(dy.shape[3]):
                    g = dy[n, f, a, b]
                    dbias[f] += g
                    for c in range(channels):
                        for i in range(kh):
                            for j in range(kw):
                                dweight[f, c, i, j] += g * padded[n, c, a * sh + i, b * sw + j]
                                dx[n, c, a * sh + i, b * sw + j] += g * weight[f, c, i, j]
    return crop(dx, padding), dweight, dbias


def max_pool(x: np.ndarray, kernel: Pair, stride: Pair, padding: Padding) -> np.ndarray:
    """Return the largest value of every window; padding counts as minus infinity."""
    return _pool(pad(x, padding, -np.inf), kernel, stride, np.max)


def max_pool_backward(
    x: np.ndarray, dy: np.ndarray, kernel: Pair, stride: Pair, padding: Padding
) -> np.ndarray:
    """Send each gradient to the first largest element of its window, in reading order."""
    padded = pad(x, padding, -np.inf)
    dx = np.zeros_like(padded)
    for n, c, a, b in np.ndindex(dy.shape):
        top, left = a * stride[0], b * stride[1]
        window = padded[n, c, top : top + kernel[0], left : left + kernel[1]]
        i, j = np.unravel_index(np.argmax(window), window.shape)
        dx[n, c, top + i, left + j] += dy[n, c, a, b]
    return crop(dx, padding)


def avg_pool(
    x: np.ndarray, kernel: Pair, stride: Pair, padding: Padding, count_padding: bool = False
) -> np.ndarray:
    """Return the mean of every window, over its real pixels or, on request, over padding too."""
    sums = _pool(pad(x, padding), kernel, stride, np.sum)
    return sums / _counts(x, kernel, stride, padding, count_padding)


def avg_pool_backward(
    x: np.ndarray, dy: np.ndarray, kernel: Pair, stride: Pair, padding: Padding, count_padding: bool = False
) -> np.ndarray:
    """Share each gradient equally among the pixels of its window."""
    shares = dy / _counts(x, kernel, stride, padding, count_padding)
    dx = np.zeros_like(pad(x, padding))
    for n, c, a, b in np.ndindex(dy.shape):
        top, left = a * stride[0], b * stride[1]
        dx[n, c, top : top + kernel[0], left : left + kernel[1]] += shares[n, c, a, b]
    return crop(dx, padding)


def l2_pool(x: np.ndarray, kernel: Pair, stride: Pair, padding: Padding, mode: str = "sum") -> np.ndarray:
    """Return the root of the sum (or the mean, over real pixels) of the squares of every window."""
    squares = _pool(pad(x * x, padding), kernel, stride, np.sum)
    if mode == "mean":
        squares = squares / _counts(x, kernel, stride, padding, False)
    return np.sqrt(squares)


def l2_pool_backward(
    x: np.ndarray, dy: np.ndarray, kernel: Pair, stride: Pair, padding: Padding, mode: str = "sum"
) -> np.ndarray:
    """Return ``dy * x / (count * y)``, and zero where the whole window is zero."""
    padded = pad(x, padding)
    y = l2_pool(x, kernel, stride, padding, mode)
    counts = _counts(x, kernel, stride, padding, False) if mode == "mean" else np.ones_like(y)
    dx = np.zeros_like(padded)
    for n, c, a, b in np.ndindex(dy.shape):
        if y[n, c, a, b] == 0:
            continue
        place = (
            n,
            c,
            slice(a * stride[0], a * stride[0] + kernel[0]),
            slice(b * stride[1], b * stride[1] + kernel[1]),
        )
        dx[place] += dy[n, c, a, b] * padded[place] / (counts[n, c, a, b] * y[n, c, a, b])
    return crop(dx, padding)


def _pool(x: np.ndarray, kernel: Pair, stride: Pair, reduce: Callable[..., Any]) -> np.ndarray:
    batch, channels, height, width = x.shape
    oh, ow = (height - kernel[0]) // stride[0] + 1, (width - kernel[1]) // stride[1] + 1
    y = np.zeros((batch, channels, oh, ow), x.dtype)
    for n, c, a, b in np.ndindex(y.shape):
        top, left = a * stride[0], b * stride[1]
        y[n, c, a, b] = reduce(x[n, c, top : top + kernel[0], left : left + kernel[1]])
    return y


def _counts(x: np.ndarray, kernel: Pair, stride: Pair, padding: Padding, count_padding: bool) -> np.ndarray:
    """How many pixels each window averages over."""
    ones = pad(np.ones_like(x), padding, 1.0 if count_padding else 0.0)
    return _pool(ones, kernel, stride, np.sum)
