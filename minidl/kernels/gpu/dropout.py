"""Dropout masks on the device, the same as on the CPU, bit for bit.

The generator is Philox 4x64-10 (Salmon et al. 2011, *Parallel random numbers: as easy as 1, 2, 3*), NumPy's
`numpy.random.Philox`. It has no state that one number hands to the next: block number b of the random words
is a function of b and a key, ten rounds of multiplying and mixing. So any thread can compute any part of any
mask. Four words of 64 bits are sixteen numbers of 16 bits, one for each of sixteen units.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, launcher
from minidl.kernels.gpu.activation import in_order_of
from minidl.kernels.gpu.counters import Counter
from minidl.kernels.gpu.launch import Kernel, memory_order

UNITS = 16  # that one block of Philox decides about
BLOCK_UNITS = 256 * UNITS  # that a block of threads does

PHILOX = """
// One block of Philox 4x64-10: counter and key to four random words.
__device__ inline void philox(uint64* counter, uint64 key0, uint64 key1) {
    const uint64 multiplier0 = 0xD2E7470EE14C6C93ULL, multiplier1 = 0xCA5A826395121157ULL;
    for (int round = 0; round < 10; round++) {
        uint64 high0 = __umul64hi(multiplier0, counter[0]), low0 = multiplier0 * counter[0];
        uint64 high1 = __umul64hi(multiplier1, counter[2]), low1 = multiplier1 * counter[2];
        counter[0] = high1 ^ counter[1] ^ key0;
        counter[1] = low1;
        counter[2] = high0 ^ counter[3] ^ key1;
        counter[3] = low0;
        key0 += 0x9E3779B97F4A7C15ULL;  // the golden ratio and the root of 3, as in the paper
        key1 += 0xBB67AE8584CAA73BULL;
    }
}
"""


def _dropout(
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray,
    key0: int,
    key1: int,
    number: np.ndarray,
    size: int,
    batch: int,
    examples_first: int,
    threshold: int,
    scale: float,
) -> None:
    """``y = x * kept * scale``; 16 bits decide about a unit, in batch-last order. `mask` gets one bit each."""
    # NumPy adds one to the counter before it makes a block, so the first is made from a one.
    counter = np.array([0, int(number[0]), 0, 0], np.uint64)
    source = np.random.Philox(key=np.array([key0, key1], np.uint64), counter=counter)
    words: Any = source.random_raw(4 * -(-size // UNITS))
    kept = words.view(np.uint16)[:size] >= threshold
    bits = np.zeros(mask.size * UNITS, np.uint8)
    bits[:size] = kept
    mask[...] = np.packbits(bits, bitorder="little").view(np.uint16)
    gain = _arranged(kept, batch, examples_first) * x.dtype.type(scale)
    y.reshape(size)[...] = x.reshape(size) * gain


def _arranged(kept: np.ndarray, batch: int, examples_first: int) -> np.ndarray:
    """Return decisions, made in batch-last order, in the order of memory."""
    return kept.reshape(-1, batch).T.reshape(-1) if examples_first else kept


dropout = Kernel(
    "dropout",
    PHILOX
    + r"""
// 256 threads decide about 4096 units, sixteen each: first all compute their sixteen bits, then all walk the
// units, neighbours side by side. Units are counted with the batch last, whatever the order of memory, so
// that a unit's mask does not depend on it: for a matrix (N, D) in memory, unit u is at (u % N) * D + u / N.
extern "C" __global__ void dropout(
    const real* x, real* y, uint16* mask, uint64 key0, uint64 key1, const int64* number,
    int size, int batch, int examples_first, int threshold, real scale) {
    __shared__ uint16 decisions[256];
    uint32 block = blockIdx.x * 256 + threadIdx.x;
    uint64 words[4] = {block + 1, uint64(number[0]), 0, 0};
    philox(words, key0, key1);
    uint16 bits = 0;
    for (int u = 0; u < 16; u++) {
        bool inside = block * 16 + u < uint32(size);
        uint16 draw = uint16(words[u / 4] >> (16 * (u % 4)));
        if (inside && draw >= threshold) bits |= 1 << u;
    }
    decisions[threadIdx.x] = bits;
    if (block * 16 < uint32(size)) mask[block] = bits;
    __syncthreads();  // a thread needs decisions that others have made
    int features = size / batch;
    for (uint32 k = threadIdx.x; k < 4096; k += 256) {
        uint32 unit = blockIdx.x * 4096 + k;
        if (unit >= uint32(size)) break;
        uint32 place = examples_first ? unit % batch * features + unit / batch : unit;
        bool kept = decisions[k / 16] >> (k % 16) & 1;
        y[place] = kept ? x[place] * scale : real(0);
    }
}
""",
    _dropout,
    fused=False,  # an array library has no such generator
)


def _dropout_gradient(
    dy: np.ndarray,
    mask: np.ndarray,
    dx: np.ndarray,
    size: int,
    batch: int,
    examples_first: int,
    scale: float,
) -> None:
    """``dx = dy * kept * scale``."""
    kept = np.unpackbits(mask.view(np.uint8), bitorder="little")[:size]
    gain = _arranged(kept, batch, examples_first).astype(dy.dtype) * dy.dtype.type(scale)
    dx.reshape(size)[...] = dy.reshape(size) * gain


dropout_gradient = Kernel(
    "dropout_gradient",
    r"""
extern "C" __global__ void dropout_gradient(
    const real* dy, const uint16* mask, real* dx, int size, int batch, int examples_first, real scale) {
    int features = size / batch;
    FOR_EACH(place, size) {
        uint32 unit = examples_first ? place % features * batch + place / features : place;
        bool kept = mask[unit / 16] >> (unit % 16) & 1;
        dx[place] = kept ? dy[place] * scale : real(0);
    }
}
""",
    _dropout_gradient,
    fused=False,
)


# What the layer calls -----------------------------------------------------------------------------


def applies(x: Array) -> bool:
    """Return whether fused kernels run on the device of `x` and its memory is examples first, or batch last."""
    return launcher(x, fused=False) is not None and (x.flags.c_contiguous or _is_batch_last(x))


def forward(layer: Any, x: Array) -> Array:
    """The forward pass of `Dropout` while training."""
    key, counter = layer.next_counter()
    number = mask_counter(layer, x).count(int(counter[1]))
    y = layer._scratch_like("output", x)
    mask = layer._scratch("mask", (-(-x.size // UNITS),), x, "uint16")
    scale = 1.0 if layer.scaling == "test" else 1 / layer._keep
    examples_first = int(x.flags.c_contiguous)
    dropout(
        (-(-x.size // BLOCK_UNITS),), memory_order(x), memory_order(y), mask, int(key[0]), int(key[1]), number,
        x.size, x.shape[0], examples_first, layer._threshold, scale,
    )  # fmt: skip
    layer._cache = mask, y, examples_first, scale
    return y


def mask_counter(layer: Any, like: Array) -> Counter:
    """Return the number of the layer's mask, on the device of `like`."""
    place = layer._workspace.get("mask number")
    if place is None or type(place.array) is not type(like):
        place = layer._workspace["mask number"] = Counter(like)
    return place


def backward(layer: Any, dy: Array) -> Array:
    """The backward pass of `Dropout` after `forward`."""
    mask, y, examples_first, scale = layer._saved(dy)
    dx = layer._scratch_like("dx", y)
    dy = in_order_of(y, dy, dx)
    dropout_gradient(
        y.size, memory_order(dy), mask, memory_order(dx), y.size, y.shape[0], examples_first, scale
    )
    return dx


def _is_batch_last(x: Array) -> bool:
    return bool(x.transpose(*range(1, x.ndim), 0).flags.c_contiguous)
