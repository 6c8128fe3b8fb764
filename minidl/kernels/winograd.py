"""Convolution with fewer multiplications: minimal filtering after Toom, Cook and Winograd.

Four neighbouring outputs of a one-dimensional convolution with a kernel of five numbers take 4 x 5
multiplications. But two polynomials with 4 and 5 coefficients are multiplied by evaluating both at
eight points, multiplying the eight pairs of values, and interpolating: eight multiplications of
unknown numbers, the rest being sums with fixed factors. Convolution is the transpose of that product:

    y = A^T [(G g) * (B^T d)]        y: 4 outputs, g: 5 weights, d: 8 inputs, * elementwise

In two dimensions, on tiles of 8 x 8 inputs that give 4 x 4 outputs, each transform is applied along the
columns and along the rows, and 64 multiplications take the place of 16 x 25 = 400. The sum over the
input channels comes between the transforms, so that at each of the 64 points there is one matrix
product (filters x channels) times (channels x tiles). The transforms cost something for each channel and
each filter, the products something for each pair of them: the more channels, the more is saved.

The price is rounding: the interpolation adds and subtracts larger numbers, so a float32 result is off by
some 1e-6 of its size rather than 1e-7. Backward, the three transforms are transposed, which gives the
exact gradient of what forward computed.

All of it is done for a few rows of tiles at a time (`blocks`): their points and products are still in the cache
when the next step wants them. The columns of all tiles in a row of tiles are rows of the image, so the first
transform of a block is a product with the image as it lies in memory; nothing is cut out or put together.

Arrays are in batch-last memory, (C, H, W, N). Letters as in `minidl.kernels.convolution`; besides, r is the
size of the kernel, m = 4 that of a tile's outputs, t = m + r - 1 that of its inputs, P = t t the number of
points, TY TX that of the tiles of an image, and L = TY TX N that of all tiles of a block.

References
----------
Winograd 1980, *Arithmetic complexity of computations*; Lavin and Gray 2016, *Fast algorithms for
convolutional neural networks*.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minidl.backend import Array
from minidl.kernels.convolution import Scratch
from minidl.kernels.cpu import Padding, Pair, pad
from minidl.kernels.products import SHORTEST_COLUMNS, block_count

OUTPUTS = 4  # m
# Numbers among the points of a block. Half as many fit the cache better and make thinner products (measured).
CACHED = 600_000
# Images from which a product with one row of pixels of a single tile, N columns, is worth a call (measured). For
# fewer, tiles are cut out of the image and put back, and each transform is two products for all of them.
ENOUGH_IMAGES = 24
# Channels from which it pays, for each size of kernel; twice as many for fewer images than those (measured).
FEWEST_CHANNELS = {3: 16, 5: 8}
FEWEST_FILTERS = 8
# Where the polynomials are evaluated, besides infinity. Small numbers and their inverses lose the least to rounding.
POINTS = {3: (0.0, 1.0, -1.0, 0.5, -2.0), 5: (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)}


class Transforms(NamedTuple):
    """The three matrices for kernels of one size."""

    inputs: np.ndarray  # B^T, (t, t)
    kernels: np.ndarray  # G, (t, r)
    outputs: np.ndarray  # A^T, (m, t)


def applies(kernel: Pair, stride: Pair) -> bool:
    """Return whether there are transforms for a convolution: 3x3 and 5x5 at stride 1, 5x5 at stride 2.

    At stride 2 it is one of stride 1 on four times the channels, see `minidl.kernels.phases`.
    """
    return kernel[0] == kernel[1] and (
        kernel[0] in POINTS if stride == (1, 1) else (kernel[0], *stride) == (5, 2, 2)
    )


def pays(channels: int, filters: int, kernel: Pair, stride: Pair, batch: int) -> bool:
    """Return whether a convolution is faster this way than by rows or patches (measured: docs/speed.md).

    A 5x5 kernel saves up to 25 / 4 of the multiplications, a 3x3 kernel 9 / 2.25; the transforms cost as much
    for each channel and each filter, however many of the others there are.
    """
    if not applies(kernel, stride) or filters < FEWEST_FILTERS:
        return False
    if stride != (1, 1) and batch < ENOUGH_IMAGES:
        return False
    return channels >= FEWEST_CHANNELS[kernel[0]] * (1 if batch >= ENOUGH_IMAGES else 2)


@lru_cache(maxsize=8)
def transforms(kernel: int, dtype: Any) -> Transforms:
    """Return the matrices for a kernel of size 3 or 5.

    ``V_k`` holds the powers 0 to k - 1 of the points, one row for each; infinity takes the last power alone.
    Evaluating a polynomial with k coefficients is multiplying by ``V_k``, interpolating one with t is
    ``V_t^-1``, and transposing ``s = V_t^-1 [(V_r g) * (V_m y)]`` from y to s gives
    ``y = V_m^T [(V_r g) * (V_t^-T d)]``.
    """
    points = np.array(POINTS[kernel])
    size = OUTPUTS + kernel - 1

    def powers(count: int) -> np.ndarray:
        finite = points[:, np.newaxis] ** np.arange(count)
        return np.vstack([finite, np.eye(count)[-1]])

    inputs, kernels = np.linalg.inv(powers(size)).T, powers(kernel)
    # A factor moved from one side of a product to the other (a power of two: exact) keeps both near one.
    scale = 2.0 ** np.round(np.log2(abs(inputs).max(axis=1, keepdims=True)))
    return Transforms(
        (inputs / scale).astype(dtype), (kernels * scale).astype(dtype), powers(OUTPUTS).T.astype(dtype)
    )


def on_both_sides(
    matrix: Array, squares: Array, name: str, scratch: Scratch, out: Array | None = None
) -> Array:
    """Return ``M X M^T`` for many squares: matrix (a, b), squares (b, b, K), result (a, a, K) in `out`.

    `name` is for the arrays it takes from `scratch`.
    """
    (a, b), count = matrix.shape, squares.shape[2]
    half = scratch(f"{name}, half way", (a, b, count), squares)
    whole = scratch(name, (a, a, count), squares) if out is None else out
    parts = block_count(count, a * b, SHORTEST_COLUMNS)
    cut = (parts, count // parts)
    pieces, halves, wholes = squares.reshape(b, b, *cut), half.reshape(a, b, *cut), whole.reshape(a, a, *cut)
    np.matmul(matrix, pieces.transpose(1, 2, 0, 3), out=halves.transpose(1, 2, 0, 3))
    np.matmul(matrix, halves.transpose(0, 2, 1, 3), out=wholes.transpose(0, 2, 1, 3))
    return whole


def kernel_points(weight: Array, scratch: Scratch) -> Array:
    """Return ``G g G^T`` for all kernels (F, C, r, r): (P, F, C)."""
    filters, channels, size, _ = weight.shape
    kernels = np.ascontiguousarray(weight.transpose(2, 3, 0, 1)).reshape(size, size, -1)
    points = on_both_sides(transforms(size, weight.dtype).kernels, kernels, "kernel points", scratch)
    return points.reshape(-1, filters, channels)


def tiles_for(size: Pair) -> Pair:
    """Return how many tiles, (TY, TX), cover an output of `size`; the last ones may stick out."""
    return -(-size[0] // OUTPUTS), -(-size[1] // OUTPUTS)


def blocks(counts: Pair, numbers: int) -> list[slice]:
    """Return ranges of rows of tiles, so short that their points stay in the cache.

    Parameters
    ----------
    counts : (int, int)
        TY and TX.
    numbers : int
        In the points of one tile, all channels and images.
    """
    step = max(1, CACHED // (numbers * counts[1]))
    return [slice(start, min(start + step, counts[0])) for start in range(0, counts[0], step)]


def covered(image: Array, padding: Padding, kernel: int, size: Pair, scratch: Scratch) -> Array:
    """Return an image (C, H, W, N) with its padding, and with as many zeros more as whole tiles take.

    `size` is (OH, OW).
    """
    channels, height, width, batch = image.shape
    down, across = (count * OUTPUTS + kernel - 1 for count in tiles_for(size))
    if (height, width) == (down, across) and image.flags.c_contiguous:
        return image
    top, left = padding[0][0], padding[1][0]
    around = (top, down - height - top), (left, across - width - left)
    return pad(image, around, 0, out=scratch("covered", (channels, down, across, batch), image))


def to_points(matrix: Array, image: Array, out: Array, scratch: Scratch) -> None:
    """Apply a transform to both sides of all tiles of an image, ``M X M^T``.

    Parameters
    ----------
    matrix : array (a, b)
    image : array (C, H, W, N)
        Contiguous but for its rows and channels. Its tiles are b x b pixels, m apart.
    out : array (a, a, C, TY, TX, N)
    """
    (a, b), (channels, _, width, batch) = matrix.shape, image.shape
    down, across = out.shape[3:5]
    strided = np.lib.stride_tricks.as_strided
    c, h, w, n = image.strides
    if batch < ENOUGH_IMAGES:
        tiles = scratch("tiles", (b, b, channels, down, across, batch), image)
        tiles[...] = strided(image, tiles.shape, (h, w, c, OUTPUTS * h, OUTPUTS * w, n))
        on_both_sides(matrix, tiles.reshape(b, b, -1), "points", scratch, out.reshape(a, a, -1))
        return
    columns = strided(image, (down, channels, b, width * batch), (OUTPUTS * h, c, h, n))
    half = scratch("half way to points", (down, channels, a, width * batch), image)
    np.matmul(matrix, columns, out=half)
    rows = strided(half, (down, channels, a, across, b, batch), (*half.strides[:3], OUTPUTS * w, w, n))
    np.matmul(matrix, rows, out=out.transpose(3, 2, 0, 4, 1, 5))


def interpolate(matrix: Array, products: Array, out: Array, scratch: Scratch) -> None:
    """Turn the products of a block into outputs, ``A^T X A``.

    Parameters
    ----------
    matrix : array (m, t)
    products : array (t, t, F, TY, TX, N)
    out : array (F, <= m TY, <= m TX, N)
    """
    tile, _, filters, down, across, batch = products.shape
    whole, shape = out, (filters, down * OUTPUTS, across * OUTPUTS, batch)
    if out.shape != shape:
        whole = scratch("sticking out", shape, products)
    if batch < ENOUGH_IMAGES:
        tiles = on_both_sides(matrix, products.reshape(tile, tile, -1), "outputs", scratch).reshape(
            OUTPUTS, OUTPUTS, *products.shape[2:]
        )
        whole.reshape(filters, down, OUTPUTS, across, OUTPUTS, batch)[...] = tiles.transpose(2, 3, 0, 4, 1, 5)
    else:
        half = scratch("half way to outputs", (tile, filters, down, across, OUTPUTS, batch), products)
        np.matmul(matrix, products.transpose(0, 2, 3, 4, 1, 5), out=half)
        rows = half.reshape(tile, filters, down, -1).transpose(1, 2, 0, 3)
        np.matmul(matrix, rows, out=whole.reshape(filters, down, OUTPUTS, -1))
    if whole is not out:
        out[...] = whole[:, : out.shape[1], : out.shape[2]]


def convolve(image: Array, kernels: Array, bias: Array | None, out: Array, scratch: Scratch) -> list[Array]:
    """Transform, multiply at every point, add up over the channels, interpolate, add the bias.

    Parameters
    ----------
    image : array (C, H, W, N)
        From `covered`.
    kernels : array (P, F, C)
        From `kernel_points`.
    bias : array (F,) or None
    out : array (F, OH, OW, N)

    Returns
    -------
    list of array (P, C, L)
        The points of every block, for `gradients`.
    """
    (count, filters, channels), (_, height, width, batch) = kernels.shape, out.shape
    tile = round(count**0.5)
    matrices = transforms(tile - OUTPUTS + 1, image.dtype)
    counts = tiles_for((height, width))
    kept = []
    for part in blocks(counts, count * max(channels, filters) * batch):
        rows = (part.stop - part.start, counts[1], batch)
        points = scratch(f"points from row {part.start}", (count, channels, math.prod(rows)), image)
        to_points(
            matrices.inputs,
            image[:, part.start * OUTPUTS :],
            points.reshape(tile, tile, channels, *rows),
            scratch,
        )
        products = scratch("products", (count, filters, points.shape[2]), image)
        np.matmul(kernels, points, out=products)
        outputs = out[:, part.start * OUTPUTS : part.stop * OUTPUTS]
        interpolate(matrices.outputs, products.reshape(tile, tile, filters, *rows), outputs, scratch)
        if bias is not None:
            outputs += bias[:, None, None, None]
        kept.append(points)
    return kept


def gradients(
    points: list[Array], kernels: Array, dy: Array, dweight: Array, dx: Array | None, scratch: Scratch
) -> None:
    """Compute both gradients: every step of `convolve` transposed, in the opposite order.

    Parameters
    ----------
    points : list of array (P, C, L)
        From `convolve`.
    kernels : array (P, F, C)
    dy : array (F, OH, OW, N)
    dweight : array (F, C, r, r)
        Receives the gradient of the kernels.
    dx : array (C, m TY + m, m TX + m, N) or None
        Receives that of the covered image; beyond it, zeros.
    """
    (count, filters, channels), (_, height, width, batch) = kernels.shape, dy.shape
    tile, counts = round(count**0.5), tiles_for((height, width))
    matrices = transforms(tile - OUTPUTS + 1, dy.dtype)
    across = counts[1] * OUTPUTS
    if (height, width) != (counts[0] * OUTPUTS, across):
        room = scratch("dy", (filters, counts[0] * OUTPUTS, across, batch), dy)
        dy = pad(dy, ((0, room.shape[1] - height), (0, across - width)), 0, out=room)
    if dx is not None:
        dx.fill(0)
    dkernels = scratch("dkernels", (count, channels, filters), dy)
    for saved, part in zip(points, blocks(counts, count * max(channels, filters) * batch), strict=True):
        rows = (part.stop - part.start, counts[1], batch)
        dproducts = scratch("products", (count, filters, saved.shape[2]), dy)
        to_points(
            matrices.outputs.T,
            dy[:, part.start * OUTPUTS :],
            dproducts.reshape(tile, tile, filters, *rows),
            scratch,
        )
        first = part.start == 0
        added = dkernels if first else scratch("added to dkernels", dkernels.shape, dy)
        np.matmul(saved, dproducts.transpose(0, 2, 1), out=added)
        if not first:
            dkernels += added
        if dx is not None:
            dpoints = scratch("dpoints", saved.shape, dy)
            np.matmul(kernels.transpose(0, 2, 1), dproducts, out=dpoints)
            beyond = (part.stop + 1) * OUTPUTS
            target = dx[:, part.start * OUTPUTS : beyond]
            add_tiles(matrices.inputs.T, dpoints.reshape(tile, tile, channels, *rows), target, scratch)
    dsquares = on_both_sides(matrices.kernels.T, dkernels.reshape(tile, tile, -1), "dweight", scratch)
    dweight[...] = dsquares.reshape(*dweight.shape[2:], channels, filters).transpose(3, 2, 0, 1)


def add_tiles(matrix: Array, dpoints: Array, dx: Array, scratch: Scratch) -> None:
    """Turn the gradient of points into that of tiles, ``B X B^T``, and add these where they lie in the image.

    Neighbouring tiles overlap by r - 1 pixels. Cut into pieces of m pixels, a tile lies on a whole piece and
    on the first r - 1 pixels of the next.

    Parameters
    ----------
    matrix : array (t, t)
    dpoints : array (t, t, C, TY, TX, N)
    dx : array (C, m TY + m, m TX + m, N)
        Is added to.
    """
    tile, _, channels, down, across, batch = dpoints.shape
    overlap = tile - OUTPUTS
    if batch < ENOUGH_IMAGES:
        tiles = on_both_sides(matrix, dpoints.reshape(tile, tile, -1), "dtiles", scratch).reshape(
            dpoints.shape
        )
        tiles = tiles.transpose(2, 3, 0, 4, 1, 5)
        pieces = dx.reshape(channels, down + 1, OUTPUTS, across + 1, OUTPUTS, batch)
        pieces[:, :-1, :, :-1] += tiles[:, :, :OUTPUTS, :, :OUTPUTS]
        pieces[:, 1:, :overlap, :-1] += tiles[:, :, OUTPUTS:, :, :OUTPUTS]
        pieces[:, :-1, :, 1:, :overlap] += tiles[:, :, :OUTPUTS, :, OUTPUTS:]
        pieces[:, 1:, :overlap, 1:, :overlap] += tiles[:, :, OUTPUTS:, :, OUTPUTS:]
        return
    points = dpoints.transpose(0, 2, 3, 4, 1, 5)
    wide = scratch("wide", (tile, channels, down, across + 1, OUTPUTS, batch), dpoints)
    wide[:, :, :, -1] = 0
    np.matmul(matrix[:OUTPUTS], points, out=wide[:, :, :, :-1])
    beyond = scratch("beyond", (tile, channels, down, across, overlap, batch), dpoints)
    np.matmul(matrix[OUTPUTS:], points, out=beyond)
    wide[:, :, :, 1:, :overlap] += beyond
    tall = scratch("tall", (channels, down, tile, (across + 1) * OUTPUTS * batch), dpoints)
    np.matmul(matrix, wide.reshape(tile, channels, down, -1).transpose(1, 2, 0, 3), out=tall)
    rows = dx.reshape(channels, down + 1, OUTPUTS, -1)
    rows[:, :-1] += tall[:, :, :OUTPUTS]
    rows[:, 1:, :overlap] += tall[:, :, OUTPUTS:]
