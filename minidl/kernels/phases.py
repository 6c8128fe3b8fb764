"""A convolution of stride 2 as one of stride 1.

Sort the pixels of an image by whether their row and their column are even: four images of half the size. An
output at (a, b) looks at pixels (2 a + i, 2 b + j), which are neighbours of (a, b) in each of the four. So the
convolution is one of stride 1 on four times as many channels, with kernels of half the size; where the
size is odd, a zero is added. A 5x5 kernel becomes four of 3x3: 36 multiplications instead of 25, of
which minimal filtering (`minidl.kernels.winograd`) leaves 9.

Arrays are in batch-last memory, (C, H, W, N), letters as in `minidl.kernels.convolution`. Channel 4 c + 2 p + q
of the sorted image has the pixels of channel c with row p and column q modulo 2.
"""

from __future__ import annotations

import itertools

import numpy as np

from minidl.backend import Array
from minidl.kernels.convolution import Scratch
from minidl.kernels.cpu import Pair

STRIDE = 2
PHASES = tuple(itertools.product(range(STRIDE), repeat=2))


def sorted_kernels(weight: Array) -> Array:
    """Return kernels (F, C, r, r) as (F, 4 C, R, R) with R = ceil(r / 2)."""
    filters, channels, size, _ = weight.shape
    half = -(-size // STRIDE)
    kernels = np.zeros((filters, channels, STRIDE, STRIDE, half, half), weight.dtype)
    for p, q in PHASES:
        part = weight[:, :, p::STRIDE, q::STRIDE]
        kernels[:, :, p, q, : part.shape[2], : part.shape[3]] = part
    return kernels.reshape(filters, -1, half, half)


def collect_kernels(dkernels: Array, out: Array) -> None:
    """Put the gradient of `sorted_kernels` back into the order of the kernels, out (F, C, r, r)."""
    filters, channels = out.shape[:2]
    dkernels = dkernels.reshape(filters, channels, STRIDE, STRIDE, *dkernels.shape[2:])
    for p, q in PHASES:
        part = out[:, :, p::STRIDE, q::STRIDE]
        part[...] = dkernels[:, :, p, q, : part.shape[2], : part.shape[3]]


def sorted_image(image: Array, corner: Pair, size: Pair, scratch: Scratch) -> Array:
    """Return an image (C, H, W, N) with `corner` (top, left) zeros before it as (4 C, *size, N), zeros behind it."""
    channels, height, width, batch = image.shape
    phases = scratch("sorted image", (channels, STRIDE, STRIDE, *size, batch), image)
    for p, q in PHASES:
        rows, columns = _places(p, corner[0], height, size[0]), _places(q, corner[1], width, size[1])
        part = phases[:, p, q]
        part[:, : rows[0].start] = 0
        part[:, rows[0].stop :] = 0
        part[:, :, : columns[0].start] = 0
        part[:, :, columns[0].stop :] = 0
        part[:, rows[0], columns[0]] = image[:, rows[1], columns[1]]
    return phases.reshape(-1, *size, batch)


def collect_image(dphases: Array, corner: Pair, out: Array) -> None:
    """Put the gradient of `sorted_image` back into the order of the image, out (C, H, W, N).

    All of the image has to be there: what `minidl.kernels.winograd.gradients` fills reaches beyond it.
    """
    channels, height, width, batch = out.shape
    size = dphases.shape[1:3]
    dphases = dphases.reshape(channels, STRIDE, STRIDE, *size, batch)
    for p, q in PHASES:
        rows, columns = _places(p, corner[0], height, size[0]), _places(q, corner[1], width, size[1])
        out[:, rows[1], columns[1]] = dphases[:, p, q, rows[0], columns[0]]


def _places(phase: int, before: int, length: int, count: int) -> tuple[slice, slice]:
    """Return where a phase has pixels of the image, and which.

    Element h of a phase is at ``2 h + phase`` after `before` zeros and an image of `length` pixels; there are
    `count` elements.
    """
    start = min(max(-((phase - before) // STRIDE), 0), count)
    stop = max(min(-((phase - before - length) // STRIDE), count), start)
    first = STRIDE * start + phase - before
    return slice(start, stop), slice(first, first + STRIDE * (stop - start), STRIDE)
