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

Arrays are in batch-last memory, (C, H, W, N). Letters as in `minidl.kernels.convolution`; besides, r is the
size of the kernel, m = 4 that of a tile's outputs, t = m + r - 1 that of its inputs, P = t t the number of
points, and L = TY TX N that of the tiles.

References
----------
Winograd 1980, *Arithmetic complexity of computations*; Lavin and Gray 2016, *Fast algorithms for
convolutional neural networks*.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minidl.backend import Array
from minidl.kernels.cpu import Pair
from minidl.kernels.products import SHORTEST_COLUMNS, block_count

Scratch = Callable[[str, tuple[int, ...], Any], Array]  # (name, shape, array of the type wanted)

OUTPUTS = 4  # m
# Where the polynomials are evaluated, besides infinity. Small numbers and their inverses lose the least to rounding.
POINTS = {3: (0.0, 1.0, -1.0, 0.5, -2.0), 5: (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)}


class Transforms(NamedTuple):
    """The three matrices for kernels of one size."""

    inputs: np.ndarray  # B^T, (t, t)
    kernels: np.ndarray  # G, (t, r)
    outputs: np.ndarray  # A^T, (m, t)


def applies(kernel: Pair, stride: Pair) -> bool:
    """Return whether there are transforms for a convolution."""
    return kernel[0] == kernel[1] and kernel[0] in POINTS and stride == (1, 1)


def pays(channels: int, filters: int, kernel: Pair, stride: Pair) -> bool:
    """Return whether a convolution is faster this way than by patches (measured: docs/speed.md).

    A 5x5 kernel saves up to 25 / 4 of the multiplications, a 3x3 kernel 9 / 2.25, which the transforms use up.
    """
    return kernel == (5, 5) and applies(kernel, stride) and channels >= 4 and filters >= 8


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


def both_ways(matrix: Array, tiles: Array, name: str, scratch: Scratch) -> Array:
    """Apply a transform to the columns and to the rows of tiles: ``M X M^T``.

    Parameters
    ----------
    matrix : (a, b) array
    tiles : (b, b, K) array
        K tiles, the numbers that have the same place in them side by side.
    name : str
        For the scratch array that is returned.

    Returns
    -------
    (a, a, K) array
    """
    (a, b), count = matrix.shape, tiles.shape[2]
    parts = block_count(count, a * b, SHORTEST_COLUMNS)
    cut = (parts, count // parts)
    half = scratch(f"{name}, half way", (a, b, count), tiles)
    whole = scratch(name, (a, a, count), tiles)
    pieces, halves, wholes = tiles.reshape(b, b, *cut), half.reshape(a, b, *cut), whole.reshape(a, a, *cut)
    np.matmul(matrix, pieces.transpose(1, 2, 0, 3), out=halves.transpose(1, 2, 0, 3))
    np.matmul(matrix, halves.transpose(0, 2, 1, 3), out=wholes.transpose(0, 2, 1, 3))
    return whole


def tiles_for(size: Pair) -> Pair:
    """Return how many tiles, (TY, TX), cover an output of `size`; the last ones may stick out."""
    return -(-size[0] // OUTPUTS), -(-size[1] // OUTPUTS)


def input_points(image: Array, kernel: int, size: Pair, scratch: Scratch) -> Array:
    """Return ``B^T d B`` for all tiles of an image (C, H, W, N): (P, C, L)."""
    channels, height, width, batch = image.shape
    (down, across), tile = tiles_for(size), OUTPUTS + kernel - 1
    covered = (channels, down * OUTPUTS + kernel - 1, across * OUTPUTS + kernel - 1, batch)
    if image.shape != covered:
        wider = scratch("wider", covered, image)
        wider.fill(0)
        wider[:, :height, :width] = image
        image = wider
    c, h, w, n = image.strides
    overlapping = np.lib.stride_tricks.as_strided(
        image, (tile, tile, channels, down, across, batch), (h, w, c, OUTPUTS * h, OUTPUTS * w, n)
    )
    tiles = scratch("tiles", overlapping.shape, image)
    tiles[...] = overlapping
    matrix = transforms(kernel, image.dtype).inputs
    return both_ways(matrix, tiles.reshape(tile, tile, -1), "points", scratch).reshape(tile**2, channels, -1)


def kernel_points(weight: Array, scratch: Scratch) -> Array:
    """Return ``G g G^T`` for all kernels (F, C, r, r): (P, F, C)."""
    filters, channels, size, _ = weight.shape
    kernels = np.ascontiguousarray(weight.transpose(2, 3, 0, 1)).reshape(size, size, -1)
    points = both_ways(transforms(size, weight.dtype).kernels, kernels, "kernel points", scratch)
    return points.reshape(-1, filters, channels)


def convolve(points: Array, kernels: Array, out: Array, scratch: Scratch) -> None:
    """Multiply at every point, add up over the channels, interpolate.

    Parameters
    ----------
    points : array (P, C, L)
        From `input_points`.
    kernels : array (P, F, C)
        From `kernel_points`.
    out : array (F, OH, OW, N)
    """
    filters, height, width, batch = out.shape
    down, across = tiles_for((height, width))
    products = scratch("products", (*kernels.shape[:2], points.shape[2]), points)
    np.matmul(kernels, points, out=products)
    tile = round(len(points) ** 0.5)
    matrix = transforms(tile - OUTPUTS + 1, points.dtype).outputs
    tiles = both_ways(matrix, products.reshape(tile, tile, -1), "outputs", scratch)
    tiles = tiles.reshape(OUTPUTS, OUTPUTS, filters, down, across, batch).transpose(2, 3, 0, 4, 1, 5)
    whole = out
    if (height, width) != (down * OUTPUTS, across * OUTPUTS):
        whole = scratch("sticking out", (filters, down * OUTPUTS, across * OUTPUTS, batch), points)
    whole.reshape(tiles.shape)[...] = tiles
    if whole is not out:
        out[...] = whole[:, :height, :width]


def gradient_points(dy: Array, kernel: int, scratch: Scratch) -> Array:
    """Return ``A dy A^T``, the gradient of the products: dy (F, OH, OW, N), result (P, F, L)."""
    filters, height, width, batch = dy.shape
    (down, across), tile = tiles_for((height, width)), OUTPUTS + kernel - 1
    if (height, width) != (down * OUTPUTS, across * OUTPUTS):
        whole = scratch("dy", (filters, down * OUTPUTS, across * OUTPUTS, batch), dy)
        whole.fill(0)
        whole[:, :height, :width] = dy
        dy = whole
    tiles = scratch("dy tiles", (OUTPUTS, OUTPUTS, filters, down, across, batch), dy)
    tiles[...] = dy.reshape(filters, down, OUTPUTS, across, OUTPUTS, batch).transpose(2, 4, 0, 1, 3, 5)
    matrix = transforms(kernel, dy.dtype).outputs.T
    products = both_ways(matrix, tiles.reshape(OUTPUTS, OUTPUTS, -1), "dproducts", scratch)
    return products.reshape(tile**2, filters, -1)


def weight_gradient(points: Array, dproducts: Array, out: Array, scratch: Scratch) -> None:
    """``dW = G^T [dproducts points^T] G``: out (F, C, r, r)."""
    filters, channels, size, _ = out.shape
    tile = OUTPUTS + size - 1
    dkernels = np.matmul(points, dproducts.transpose(0, 2, 1)).reshape(tile, tile, -1)
    dweight = both_ways(transforms(size, out.dtype).kernels.T, dkernels, "dkernels", scratch)
    out[...] = dweight.reshape(size, size, channels, filters).transpose(3, 2, 0, 1)


def input_gradient(dproducts: Array, kernels: Array, size: Pair, scratch: Scratch) -> Array:
    """Return the gradient of the image, (C, >= H, >= W, N): beyond H and W it is that of added zeros.

    Neighbouring tiles overlap by r - 1 pixels. In blocks of m x m pixels, a tile lies on a whole block
    and on the first r - 1 rows and columns of the next ones: four additions put all tiles in place.
    """
    channels, (down, across) = kernels.shape[2], tiles_for(size)
    batch = dproducts.shape[2] // (down * across)
    dpoints = scratch("dpoints", (len(kernels), channels, dproducts.shape[2]), dproducts)
    np.matmul(kernels.transpose(0, 2, 1), dproducts, out=dpoints)
    tile = round(len(kernels) ** 0.5)
    matrix = transforms(tile - OUTPUTS + 1, dproducts.dtype).inputs.T
    dtiles = both_ways(matrix, dpoints.reshape(tile, tile, -1), "dtiles", scratch)
    dtiles = dtiles.reshape(tile, tile, channels, down, across, batch).transpose(2, 3, 0, 4, 1, 5)
    dx = scratch("dx", (channels, down + 1, OUTPUTS, across + 1, OUTPUTS, batch), dproducts)
    dx.fill(0)
    here, beyond = slice(0, OUTPUTS), slice(OUTPUTS, tile)
    for y, rows in enumerate((here, beyond)):
        for x, columns in enumerate((here, beyond)):
            part = dtiles[:, :, rows, :, columns]
            dx[:, y : y + down, : part.shape[2], x : x + across, : part.shape[4]] += part
    return dx.reshape(channels, (down + 1) * OUTPUTS, (across + 1) * OUTPUTS, batch)
