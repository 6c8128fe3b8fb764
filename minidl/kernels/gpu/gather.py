"""A batch from a data set that lives on the device, as bytes, in one launch.

50,000 images of 28 x 28 bytes are 39 MB; as floats they would be 157 MB, and a copy of each batch from the
host would cost more than the step. Only the images' numbers, in the order of the epoch, are needed here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, namespace
from minidl.kernels.gpu.launch import Kernel

TILE = 32


def _gather(
    flat: np.ndarray,
    corners: np.ndarray,
    grid: np.ndarray,
    labels: np.ndarray | None,
    order: np.ndarray | None,
    x: np.ndarray,
    chosen: np.ndarray | None,
    batch: int,
    pixels: int,
    scale: float,
    offset: float,
) -> None:
    """``x[p, n] = scale flat[corners[n] + grid[p]] - offset``, batch last; ``chosen[n] = labels[order[n]]``."""
    real = x.dtype.type
    x.reshape(pixels, batch)[...] = flat[grid[:, None] + corners] * real(scale) - real(offset)
    if labels is not None and chosen is not None and order is not None:
        chosen[...] = labels[order]


gather = Kernel(
    "gather",
    r"""
// A turned copy. Images lie pixel after pixel, the batch goes out image after image for each pixel: one of the
// two would be walked in strides. So 32 x 8 threads fetch a tile of 32 images and 32 pixels, neighbours along
// the pixels, into shared memory, and write it with neighbours along the images. A row of the tile has 36
// bytes, nine words: the bytes of a column then lie in different ones of the 32 banks of that memory.
extern "C" __global__ void gather(
    const uint8* flat, const int64* corners, const int64* grid, const int64* labels, const int64* order,
    real* x, int64* chosen, int batch, int pixels, real scale, real offset) {
    __shared__ uint8 tile[32][36];
    int first_pixel = blockIdx.x * 32, first_image = blockIdx.y * 32;
    for (int i = threadIdx.y; i < 32; i += 8) {
        int image = first_image + i, pixel = first_pixel + threadIdx.x;
        if (image < batch && pixel < pixels)
            tile[i][threadIdx.x] = flat[corners[image] + grid[pixel]];
    }
    __syncthreads();  // every thread writes out what others have fetched
    int image = first_image + threadIdx.x;
    for (int p = threadIdx.y; p < 32; p += 8) {
        int pixel = first_pixel + p;
        if (image < batch && pixel < pixels)
            x[pixel * batch + image] = scale * real(tile[threadIdx.x][p]) - offset;
    }
    if (chosen && blockIdx.x == 0 && threadIdx.y == 0 && image < batch)
        chosen[image] = labels[order[image]];
}
""",
    _gather,
    block=(TILE, 8, 1),
)


def batch(
    flat: Array,
    corners: Array,
    grid: Array,
    shape: tuple[int, ...],
    *,
    labels: Array | None = None,
    order: Array | None = None,
    scale: float = 1 / 255,
    offset: float = 0.0,
    dtype: Any = "float32",
) -> tuple[Array, Array | None]:
    """Return images, scaled, and their labels.

    Parameters
    ----------
    flat : uint8 array
        All pixels of all images; everything is on the device.
    corners : int64 array
        Where each image of the batch begins. Nobody checks that it is inside.
    grid : int64 array
        Where each pixel of an image lies, counted from there.
    shape : (C, H, W)
    labels : array, optional
        Of all images.
    order : int64 array, optional
        With `labels`: the numbers of the images of the batch.
    scale, offset : float
        ``x = scale pixel - offset``.
    dtype : {"float32", "float64"}

    Returns
    -------
    x : array, shape (N, *shape), in batch-last memory
    chosen : int64 array, shape (N,), or None
        None without labels, and where they are not integers, one for each image.
    """
    xp, count, pixels = namespace(flat), corners.size, grid.size
    x = xp.empty((*shape, count), dtype)
    if labels is None or labels.ndim != 1 or labels.dtype != np.int64:
        labels = order = chosen = None
    else:
        chosen = xp.empty(count, "int64")
    blocks = (-(-pixels // TILE), -(-count // TILE))
    gather(blocks, flat, corners, grid, labels, order, x, chosen, count, pixels, scale, offset)
    return x.transpose(x.ndim - 1, *range(x.ndim - 1)), chosen
