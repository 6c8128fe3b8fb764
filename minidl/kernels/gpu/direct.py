"""A first convolution, with the pooling and activation after it, without patches.

Where windows are small, as with the single channel of a grey picture, the product is so little work that its
preparation costs more. Here one kernel goes from the images to pooled, biased and activated outputs, and one
from the outputs' gradient to that of the weights. Max-pooling helps twice: it leaves one in P^2 outputs to
store, and since only winners have a gradient, one in P^2 products to add up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.gpu.activation import FUNCTIONS, activate
from minidl.kernels.gpu.launch import Kernel
from minidl.kernels.gpu.pool import windows

# Numbers in a window of a convolution with pooling, C (KH+PH-1) (KW+PW-1), up to which this pays (a guess).
LARGEST_WINDOW = 64

DIRECT = """int channels, int height, int width, int batch, int oh, int ow,
    int kh, int kw, int ph, int pw, int top, int left"""


def _candidates(x: np.ndarray, numbers: tuple[int, ...]) -> np.ndarray:
    """Return the patch of every candidate of every pooling window, (C, KH, KW, PH PW, OH, OW, N)."""
    channels, height, width, batch, oh, ow, kh, kw, ph, pw, top, left = numbers
    geometry = (height, width, batch, oh * ph, ow * pw, kh, kw, 1, 1, top, left)
    parts = windows(x, geometry, 0).reshape(channels, kh, kw, oh, ph, ow, pw, batch)
    return parts.transpose(0, 1, 2, 4, 6, 3, 5, 7).reshape(channels, kh, kw, ph * pw, oh, ow, batch)


def _conv_pool(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    y: np.ndarray,
    winners: np.ndarray,
    size: int,
    kind: int,
    parameter: float,
    *numbers: int,
) -> None:
    """``y = f(max over the window of (W * x) + b)``, and which element of the window it was."""
    sums = np.tensordot(weight, _candidates(x, numbers), axes=((1, 2, 3), (0, 1, 2)))
    largest = sums.max(axis=1)
    winners.reshape(largest.shape)[...] = sums.argmax(axis=1)
    if bias is not None:
        largest = largest + bias[:, None, None, None]
    y.reshape(size)[...] = activate(kind, parameter, largest).reshape(size)


conv_pool = Kernel(
    "conv_pool",
    FUNCTIONS
    + r"""
// A thread has one pooled output: it computes the convolution at the PH PW places of the window and keeps the
// largest. Neighbours have neighbouring n: their pixels lie side by side, and they have the same filter, so
// that a weight is read once for all 32. The pixels that the places share come from the cache.
extern "C" __global__ void conv_pool(
    const real* x, const real* weight, const real* bias, real* y, uint8* winners,
    int size, int kind, real parameter, DIRECT) {
    FOR_EACH(k, size) {
        uint32 rest = k;
        int n = take(rest, batch), ox = take(rest, ow), oy = take(rest, oh), f = rest;
        real largest = 0;
        int winner = -1;
        for (int p = 0; p < ph * pw; p++) {
            int first_row = oy * ph + p / pw - top, first_column = ox * pw + p % pw - left;
            const real* w = weight + f * channels * kh * kw;
            real sum = 0;
            for (int c = 0; c < channels; c++) {
                for (int i = 0; i < kh; i++) {
                    int row = first_row + i;
                    if (row < 0 || row >= height) { w += kw; continue; }
                    for (int j = 0; j < kw; j++, w++) {
                        int column = first_column + j;
                        if (column < 0 || column >= width) continue;
                        sum += *w * x[((c * height + row) * width + column) * batch + n];
                    }
                }
            }
            if (winner < 0 || sum > largest || (sum != sum && largest == largest)) {
                largest = sum;
                winner = p;
            }
        }
        winners[k] = winner;
        y[k] = activate(kind, parameter, bias ? largest + bias[f] : largest);
    }
}
""".replace("DIRECT", DIRECT),
    _conv_pool,
)


def _conv_pool_weights(
    x: np.ndarray, dy: np.ndarray, winners: np.ndarray, dw: np.ndarray, *numbers: int
) -> None:
    """``dW = sum over the windows of dy times the patch that won``."""
    _, _, _, batch, oh, ow, _, _, ph, pw, _, _ = numbers
    won = winners.reshape(-1, 1, oh, ow, batch) == np.arange(ph * pw)[:, None, None, None]
    spread = dy.reshape(-1, 1, oh, ow, batch) * won
    dw[...] = np.tensordot(spread, _candidates(x, numbers), axes=((1, 2, 3, 4), (3, 4, 5, 6)))


conv_pool_weights = Kernel(
    "conv_pool_weights",
    r"""
// A block has one weight (f, c, i, j). Its threads walk the pooled outputs of filter f, neighbours side by
// side, look up which place of the window won, and add dy times the pixel that the weight met there. The 256
// sums are then added in pairs, as in sum_rows.
extern "C" __global__ void conv_pool_weights(
    const real* x, const real* dy, const uint8* winners, real* dw, DIRECT) {
    __shared__ real partial[256];
    uint32 rest = blockIdx.x;
    int j = take(rest, kw), i = take(rest, kh), c = take(rest, channels), f = rest;
    int outputs = oh * ow * batch;
    real sum = 0;
    for (uint32 k = threadIdx.x; k < uint32(outputs); k += 256) {
        uint32 place = k;
        int n = take(place, batch), ox = take(place, ow), oy = place;
        int winner = winners[f * outputs + k];
        int row = oy * ph + winner / pw + i - top, column = ox * pw + winner % pw + j - left;
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        sum += dy[f * outputs + k] * x[((c * height + row) * width + column) * batch + n];
    }
    partial[threadIdx.x] = sum;
    __syncthreads();
    for (int half = 128; half > 0; half /= 2) {
        if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) dw[blockIdx.x] = partial[0];
}
""".replace("DIRECT", DIRECT),
    _conv_pool_weights,
)


# What layers call ---------------------------------------------------------------------------------


def applies(layer: Any) -> bool:
    """Return whether a convolution with its pooling is run without patches."""
    conv, pool = layer.conv, layer.pool
    (kh, kw), (ph, pw) = conv.kernel, pool.kernel
    disjoint = pool.stride == pool.kernel and pool.pixels == ((0, 0), (0, 0))
    window = layer.input_shape[0] * (kh + ph - 1) * (kw + pw - 1)
    return bool(conv.stride == (1, 1) and disjoint and window <= LARGEST_WINDOW)


def sizes(layer: Any, batch: int) -> tuple[int, ...]:
    """Return the numbers of `DIRECT`."""
    conv = layer.conv
    (top, _), (left, _) = conv.pixels
    return (
        *conv.input_shape, batch, *layer.output_shape[1:], *conv.kernel, *layer.pool.kernel, top, left
    )  # fmt: skip
