"""Two ways to turn a convolution into matrix products, both in batch-last memory (C, H, W, N).

*By patches*: every KH x KW patch becomes a column, one product does the rest: the text-book form.

*With pooling*: a convolution followed by P x P max-pooling looks at windows of (KH + P - 1) x (KW + P - 1)
pixels, P apart. Each such window becomes one column, and the kernel, placed at P x P positions inside it,
gives the P x P outputs that the pooling compares, as P x P long contiguous blocks. For few channels, as in
a first convolution, this copies less, and the pooling, slow on scattered neighbours, becomes a maximum of
a few long vectors.

Letters: N images, C channels, H W height and width, F filters, KH KW kernel, S stride, OH OW output,
P (PH PW) pool size. `dy` is the gradient of y. `minidl.kernels.reference` has the loops to compare with.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minidl.backend import Array, namespace
from minidl.kernels.cpu import Pair, add_patches, im2col
from minidl.kernels.cpu import windows as overlapping
from minidl.kernels.products import long_product, wide_product

Scratch = Callable[[str, tuple[int, ...], Any], Array]  # (name, shape, array of the type wanted)

# Numbers in a window, C (KH+PH-1) (KW+PW-1), up to which convolving with pooling pays. Larger products are
# limited by the multiplications, and the zeros around the placed kernels cost more than the rest saves.
LARGEST_POOLED_WINDOW = 64
CACHED = 250_000  # numbers that stay in the cache of a core beside what else is worked on: 1 MB of float32
CRITICAL_STRIDE = 2048  # bytes; rows a multiple of it apart share places in the cache
ROW_GAP = 48  # numbers to put between such rows


# By patches ---------------------------------------------------------------------------------------


def patches(image: Array, kernel: Pair, stride: Pair, size: Pair, scratch: Scratch) -> Array:
    """Return all patches as a matrix (C KH KW, OH OW N); `size` is (OH, OW)."""
    col = _matrix("col", (image.shape[0], *kernel), (*size, image.shape[3]), image, scratch)
    im2col(image, kernel, stride, out=col.reshape(image.shape[0], *kernel, *size, image.shape[3]))
    return col


def convolve_patches(col: Array, weight: Array, out: Array) -> None:
    """``out = W col``: weight (F, C, KH, KW), out (F, OH OW N)."""
    wide_product(weight.reshape(weight.shape[0], -1), col, out=out)


def patches_weight_gradient(col: Array, dy: Array, out: Array) -> None:
    """``dW = dy col^T``: dy (F, OH OW N), out (F, C, KH, KW)."""
    # (col dy^T)^T rather than dy col^T: BLAS prefers the result with more rows than columns.
    out.reshape(out.shape[0], -1)[...] = long_product(col, dy).T


def patches_input_gradient(dy: Array, weight: Array, stride: Pair, out: Array, scratch: Scratch) -> None:
    """``dx = col2im(W^T dy)``: dy (F, OH, OW, N), out (C, H, W, N), a few rows at a time.

    The patches of these rows are still in the cache when they are added to the image.
    """
    (filters, count, width, batch), (_, channels, kh, kw) = dy.shape, weight.shape
    turned = weight.reshape(filters, -1).T
    step = count
    if isinstance(dy, np.ndarray):  # a GPU has no such cache, and each call costs more
        step = max(1, CACHED // (len(turned) * width * batch))
    out.fill(0)
    for start in range(0, count, step):
        part = dy[:, start : start + step]
        rows, top = part.shape[1], start * stride[0]
        dcol = _matrix("dcol", weight.shape[1:], part.shape[1:], dy, scratch)
        wide_product(turned, part.reshape(filters, -1), out=dcol)
        patches = dcol.reshape(channels, kh, kw, *part.shape[1:])
        add_patches(patches, stride, out[:, top : top + (rows - 1) * stride[0] + kh])


def _matrix(
    name: str, rows: tuple[int, ...], columns: tuple[int, ...], like: Array, scratch: Scratch
) -> Array:
    """Return a scratch matrix whose rows do not start a power of two apart.

    Caches place an address by its lower bits. If the rows of a matrix are, say, 16 KiB apart, all start in
    the same place and push each other out; a product with it takes up to a third longer.
    """
    width = math.prod(columns)
    gap = ROW_GAP if width * like.dtype.itemsize % CRITICAL_STRIDE == 0 else 0
    return scratch(name, (math.prod(rows), width + gap), like)[:, :width]


# With pooling -------------------------------------------------------------------------------------


def pooled_windows(image: Array, kernel: Pair, pool: Pair, size: Pair, scratch: Scratch) -> Array:
    """Return the windows that pooled outputs depend on, (C (KH+PH-1) (KW+PW-1), OH OW N).

    `size` is (OH, OW) after pooling. The image is first sorted by row and column modulo P: one pixel of all
    windows then lies side by side in memory, and is copied in long runs.
    """
    channels, height, width, batch = image.shape
    (kh, kw), (ph, pw), (oh, ow) = kernel, pool, size
    window = (channels, kh + ph - 1, kw + pw - 1)
    matrix = _matrix("windows", window, (oh, ow, batch), image, scratch)
    col = matrix.reshape(*window, oh, ow, batch)
    if not isinstance(image, np.ndarray):  # a GPU copies scattered numbers as fast, and each call costs more
        col[...] = overlapping(image, window[1:], pool)
        return matrix
    sorted_shape = (channels, ph, pw, -(-height // ph), -(-width // pw), batch)
    by_phase = scratch("by phase", sorted_shape, image)
    for p in range(ph):
        for q in range(pw):
            part = image[:, p::ph, q::pw]
            by_phase[:, p, q, : part.shape[1], : part.shape[2]] = part
    for s in range(kh + ph - 1):
        for t in range(kw + pw - 1):
            top, left = s // ph, t // pw
            col[:, s, t] = by_phase[:, s % ph, t % pw, top : top + oh, left : left + ow]
    return matrix


def placed_kernels(weight: Array, pool: Pair) -> Array:
    """Return the kernels at the P x P positions inside the windows, (PH PW F, C (KH+PH-1) (KW+PW-1))."""
    filters, channels, kh, kw = weight.shape
    ph, pw = pool
    placed = namespace(weight).zeros((ph, pw, filters, channels, kh + ph - 1, kw + pw - 1), weight.dtype)
    for p in range(ph):
        for q in range(pw):
            placed[p, q, :, :, p : p + kh, q : q + kw] = weight
    return placed.reshape(ph * pw * filters, -1)


def collect_kernels(dplaced: Array, pool: Pair, out: Array) -> None:
    """Add up the gradient of `placed_kernels` into `out`, (F, C, KH, KW)."""
    filters, channels, kh, kw = out.shape
    ph, pw = pool
    dplaced = dplaced.reshape(ph, pw, filters, channels, kh + ph - 1, kw + pw - 1)
    out.fill(0)
    for p in range(ph):
        for q in range(pw):
            out += dplaced[p, q, :, :, p : p + kh, q : q + kw]


def convolve_and_pool(
    placed: Array, windows: Array, positions: int, out: Array, winners: Array, scratch: Scratch
) -> None:
    """Compute the outputs that a pooling window compares, and keep the largest and which one it was.

    Parameters
    ----------
    placed : array, shape (P F, D)
        From `placed_kernels`, with P = PH PW `positions`.
    windows : array, shape (D, M)
        From `pooled_windows`.
    out : array, shape (F, M)
        Receives the maxima.
    winners : array of uint8, shape (F, M)
        Receives the number of the first position that has the maximum.
    """
    for part in _column_blocks(placed.shape[0], windows.shape[1]):
        candidates = scratch("candidates", (placed.shape[0], part.stop - part.start), windows)
        wide_product(placed, windows[:, part], out=candidates)
        candidates = candidates.reshape(positions, -1, candidates.shape[1])
        largest = candidates.max(axis=0, out=out[:, part])
        # The winner's number is that of the positions before it, all of which differ from the maximum.
        smaller = (candidates[:-1] != largest).view(winners.dtype)
        winner = winners[:, part]
        winner[...] = smaller[0]
        for before, now in itertools.pairwise(smaller):
            now &= before
            winner += now


def convolve_and_pool_backward(
    placed: Array, windows: Array, winners: Array, dy: Array, dwindows: Array | None, scratch: Scratch
) -> Array:
    """Return the gradient of `placed`; put that of `windows` into `dwindows` unless it is None.

    `dy` (F, M) goes to the winning position of every window, zero to the others.
    """
    xp = namespace(windows)
    positions = placed.shape[0] // dy.shape[0]
    numbers = xp.arange(positions, dtype=winners.dtype)[:, None, None]
    dplaced = xp.zeros(placed.shape, placed.dtype)
    for part in _column_blocks(placed.shape[0], windows.shape[1]):
        dcandidates = scratch("candidates", (placed.shape[0], part.stop - part.start), windows)
        wins = winners[:, part] == numbers
        shared = dcandidates.reshape(wins.shape)
        shared[...] = wins  # then multiplied in place: a product of floats and truth values takes longer
        shared *= dy[:, part]
        dplaced += dcandidates @ windows[:, part].T
        if dwindows is not None:
            xp.matmul(placed.T, dcandidates, out=dwindows[:, part])
    return dplaced


def _column_blocks(rows: int, columns: int) -> list[slice]:
    """Return equal ranges of columns, so narrow that a matrix of so many rows stays in the cache."""
    count = -(-rows * columns // CACHED)
    edges = [columns * k // count for k in range(count + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]
