"""Kernels for several networks trained side by side (`minidl.layers.stacked`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, device_of, to_device
from minidl.errors import StateError
from minidl.kernels.gpu.dropout import PHILOX, UNITS, mask_counter
from minidl.kernels.gpu.launch import THREADS, Kernel


def _dropout_gains(
    gain: Any, keys: Any, number: Any, members: int, size: int, threshold: int, scale: Any
) -> None:
    """``gain_m = kept_m * scale``, with the mask that member m would draw alone."""
    counter = np.array([0, int(number[0]), 0, 0], np.uint64)
    for row, key in zip(gain.reshape(members, size), keys.reshape(members, 2), strict=True):
        source: Any = np.random.Philox(key=key, counter=counter)
        kept = source.random_raw(4 * -(-size // UNITS)).view(np.uint16)[:size] >= threshold
        row[...] = kept * row.dtype.type(scale)


dropout_gains = Kernel(
    "dropout_gains",
    PHILOX
    + r"""
// blockIdx.y is the member. A thread decides about sixteen units of it, those of one block of Philox.
extern "C" __global__ void dropout_gains(
    real* gain, const uint64* keys, const int64* number, int members, int size, int threshold, real scale) {
    const int member = blockIdx.y;
    const int64 block = int64(blockIdx.x) * blockDim.x + threadIdx.x;
    if (block * 16 >= size || member >= members) return;
    uint64 words[4] = {uint64(block) + 1, uint64(number[0]), 0, 0};
    philox(words, keys[2 * member], keys[2 * member + 1]);
    for (int u = 0; u < 16; u++) {
        const uint16 draw = uint16(words[u / 4] >> (16 * (u % 4)));
        if (block * 16 + u < size) gain[int64(member) * size + block * 16 + u] = draw >= threshold ? scale : real(0);
    }
}
""",
    _dropout_gains,
)

KERNELS = (dropout_gains,)


def gains(layer: Any, x: Array) -> Array:
    """Return kept times scale of all members of a `StackedDropout`, in batch-last memory."""
    draws = [member.next_counter() for member in layer.members]
    if any(int(counter[1]) != int(draws[0][1][1]) for _, counter in draws):
        raise StateError(
            f"{layer.name}: the networks have drawn different numbers of masks; train them one by one"
        )
    keys = layer._workspace.get("keys")
    if keys is None or type(keys) is not type(x):
        host = np.array([key for key, _ in draws], np.uint64)
        keys = layer._workspace["keys"] = to_device(host, device_of(x))
    number = mask_counter(layer, x).count(int(draws[0][1][1]))
    gain = layer._scratch("gain", (*x.shape[1:], x.shape[0]), x)
    size, first = x.size // layer.count, layer.members[0]
    scale = 1.0 if first.scaling == "test" else 1 / first._keep
    grid = (-(-size // (UNITS * THREADS)), layer.count)
    dropout_gains(grid, gain, keys, number, layer.count, size, first._threshold, scale)
    return gain
