"""Convolution row by row, which copies every pixel KW times where patches copy it KH x KW times.

Put the image down KW times, each time moved by one pixel, with a row of all channels and all moves in one
piece: ``rows[h, j, c] = image[c, h, j:j + OW]``. What the outputs of row h depend on is then one run of
memory, ``rows[h:h + KH]``, and as a matrix of KH KW C rows and OW N columns it is what `im2col` would have
made for this row. The next row's matrix begins a row later and shares the rest; none of them is ever
copied. One stack of OH products is the convolution, another its weight gradient.

At stride 1 the gradient of the image is a convolution of `dy` with the turned kernels, so it is computed in
the same way and nothing is scattered.

Arrays are in batch-last memory, (C, H, W, N); letters as in `minidl.kernels.convolution`.
"""

from __future__ import annotations

import numpy as np

from minidl.backend import Array
from minidl.kernels.convolution import CACHED, CRITICAL_STRIDE, ROW_GAP, Scratch
from minidl.kernels.cpu import Padding, Pair
from minidl.kernels.products import SHORTEST_COLUMNS, block_count

SHORTEST_ROW = 128  # OW N; shorter ones make products too small to be worth a call each (measured)
MOST_CHANNELS = 48  # beyond, the product outweighs the copies (measured)
SHORTEST_PIECE = 128  # columns of a piece of a product


def pays(kernel: Pair, channels: int, width: int, batch: int) -> bool:
    """Return whether this is faster than by patches (measured: docs/speed.md); `width` is OW."""
    return kernel[1] > 1 and channels <= MOST_CHANNELS and width * batch >= SHORTEST_ROW


def moved_rows(
    image: Array, kernel: Pair, stride: Pair, padding: Padding, size: Pair, scratch: Scratch
) -> Array:
    """Return the rows that a convolution of an image (C, H, W, N) with outputs of `size` (OH, OW) looks at."""
    corner, count = (-padding[0][0], -padding[1][0]), (size[0] - 1) * stride[0] + kernel[0]
    return shifted_rows(image, corner, (count, size[1]), kernel[1], stride[1], "rows", scratch)


def shifted_rows(
    image: Array, corner: Pair, size: Pair, kernel_width: int, stride: int, name: str, scratch: Scratch
) -> Array:
    """Return the image put down KW times, ``rows[h, j, c, w] = image[c, h + y, w S + j + x]``.

    Parameters
    ----------
    image : array (C, H, W, N)
    corner : (int, int)
        The pixel (y, x) where the first row begins. Outside of the image there are zeros, and the corner may
        lie there: padding is a negative corner.
    size : (int, int)
        How many rows, and OW, the length of each.
    kernel_width, stride : int
        KW, and S along the width.
    name : str
        For the scratch array that is returned.

    Returns
    -------
    array (rows, KW, C, OW N)
    """
    channels, height, width, batch = image.shape
    (y, x), (count, length) = corner, size
    run = length * batch
    # Rows of a matrix a power of two apart push each other out of the cache; see `ROW_GAP`.
    gap = ROW_GAP if run * image.dtype.itemsize % CRITICAL_STRIDE == 0 else 0
    rows = scratch(name, (count, kernel_width, channels, run + gap), image)[..., :run]
    pixels = np.lib.stride_tricks.as_strided(
        rows, (*rows.shape[:3], length, batch), (*rows.strides[:3], batch * rows.itemsize, rows.itemsize)
    )
    first, last = _inside(-y, height - y, count)
    pixels[:first] = 0
    pixels[last:] = 0
    for j in range(kernel_width):
        # w S + j + x >= 0 from `left` on, and >= W from `right` on.
        left, right = _inside(-((j + x) // stride), -((j + x - width) // stride), length)
        part = pixels[first:last, j]
        part[:, :, :left] = 0
        part[:, :, right:] = 0
        if first < last and left < right:
            start = left * stride + j + x
            columns = slice(start, start + (right - left - 1) * stride + 1, stride)
            part[:, :, left:right] = image[:, first + y : last + y, columns].transpose(1, 0, 2, 3)
    return rows


def _inside(start: int, end: int, length: int) -> Pair:
    # The part of range(start, end) within range(length), as its ends; the first is never beyond the second.
    start = min(max(start, 0), length)
    return start, max(min(end, length), start)


def bands(rows: Array, kernel_height: int, stride: int, count: int, pieces: int = 1) -> Array:
    """Return a view of the matrices that `count` rows of outputs depend on.

    ``rows[h S : h S + KH]`` for each h, (count, pieces, KH KW C, OW N / pieces), cut along the columns.
    """
    _, kernel_width, channels, run = rows.shape
    shape = (count, pieces, kernel_height * kernel_width * channels, run // pieces)
    down, _, across, one = rows.strides
    return np.lib.stride_tricks.as_strided(rows, shape, (down * stride, run // pieces * one, across, one))


def kernel_matrix(weight: Array) -> Array:
    """Return kernels (F, C, KH, KW) in the order of a band, (F, KH KW C)."""
    return np.ascontiguousarray(weight.transpose(0, 2, 3, 1)).reshape(weight.shape[0], -1)


def convolve(rows: Array, weight: Array, bias: Array | None, stride: int, out: Array) -> None:
    """Multiply each row's band by the kernels and add the bias: weight (F, C, KH, KW), out (F, OH, OW N).

    A few rows at a time, so that these are in the cache when the bias is added.
    """
    filters, count, run = out.shape
    kernel = kernel_matrix(weight)
    pieces = block_count(run, kernel.size, SHORTEST_PIECE)
    step = max(1, CACHED // (filters * run))
    for start in range(0, count, step):
        part = out[:, start : start + step]
        matrices = bands(rows[start * stride :], weight.shape[2], stride, part.shape[1], pieces)
        np.matmul(kernel, matrices, out=_cut(part, pieces).transpose(1, 2, 0, 3))
        if bias is not None:
            part += bias[:, None, None]


def weight_gradient(rows: Array, dy: Array, stride: int, out: Array) -> None:
    """Multiply each row's band by the row of `dy` (F, OH, OW N), and add up the rows: out (F, C, KH, KW)."""
    filters, channels, kh, kw = out.shape
    pieces = block_count(dy.shape[2], out.size, SHORTEST_COLUMNS)
    parts = np.matmul(bands(rows, kh, stride, dy.shape[1], pieces), _cut(dy, pieces).transpose(1, 2, 3, 0))
    out[...] = parts.sum(axis=(0, 1)).reshape(kh, kw, channels, filters).transpose(3, 2, 0, 1)


def _cut(matrix: Array, pieces: int) -> Array:
    # (F, OH, OW N) as (F, OH, pieces, OW N / pieces)
    return matrix.reshape(*matrix.shape[:2], pieces, -1)


def input_gradient(dy: Array, weight: Array, padding: Padding, out: Array, scratch: Scratch) -> None:
    """Convolve dy (F, OH, OW, N) with the turned kernels, for stride 1: out (C, H, W, N), without its padding.

    A pixel at u, at u + P in the padded image, was seen by output u + P - i with tap i, for all taps.
    """
    (channels, height, width, _), (_, _, kh, kw) = out.shape, weight.shape
    corner = padding[0][0] - kh + 1, padding[1][0] - kw + 1
    rows = shifted_rows(dy, corner, (height + kh - 1, width), kw, 1, "dy rows", scratch)
    turned = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    convolve(rows, turned, None, 1, out.reshape(channels, height, -1))


def scatters(channels: int, filters: int, kernel: Pair, stride: Pair) -> bool:
    """Return whether the image's gradient is computed faster by scattering than from the rows of `dy`.

    Scattering (`minidl.kernels.convolution.patches_input_gradient`) adds KH KW C rows to the image, the other
    way copies KW F rows, and is written for stride 1 alone.
    """
    return stride != (1, 1) or filters > kernel[0] * channels
