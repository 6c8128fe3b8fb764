"""What a training step on a GPU needs besides the network: its batch, and the sums of its results.

The images of a whole data set fit a GPU many times over, so they stay there, as bytes. A batch is then
nothing but a list of places: where in all those bytes each image begins, or the window of it that is shown, for
images that are kept with a border and moved.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.kernels.gpu.launch import Kernel


def _next_batch(
    pixels: Any, targets: Any, grid: Any, order: Any, corners: Any, rates: Any, position: Any, x: Any, y: Any,
    rate: Any, step: int, groups: int, batch: int, size: int, factor: Any, offset: Any,
) -> None:  # fmt: skip
    """``x[n] = factor * pixels[corner_n + grid] - offset``, ``y[n] = targets[order_n]``, ``rate = rates[here]``."""
    here = int(position[0]) + step
    examples = groups * batch
    chosen = slice(here * examples, (here + 1) * examples)
    gathered = np.multiply(pixels[corners.reshape(-1)[chosen, None] + grid], factor, dtype=x.dtype)
    if offset:
        gathered -= offset
    x.reshape(groups, size, batch)[...] = gathered.reshape(groups, batch, size).transpose(0, 2, 1)
    y[...] = targets[order.reshape(-1)[chosen]]
    rate[0] = rates[here]


next_batch = Kernel(
    "next_batch",
    """
// Batch number position + step of the epoch. The position lies in memory and the step in the recorded graph:
// a graph of many steps, launched again and again, walks through the epoch without a word from the host.
extern "C" __global__ void next_batch(
    const uint8* pixels, const int64* targets, const int64* grid, const int64* order, const int64* corners,
    const real* rates, const int64* position, real* x, int64* y, real* rate,
    int step, int groups, int batch, int size, real factor, real offset) {
    const int64 here = position[0] + step;
    const int examples = groups * batch;
    order += here * examples;
    corners += here * examples;
    FOR_EACH (e, examples * size) {
        // Batch last in memory: (groups, size, batch).
        const int n = e / (size * batch) * batch + e % batch, p = e / batch % size;
        const real value = real(pixels[corners[n] + grid[p]]) * factor;
        x[e] = offset != real(0) ? value - offset : value;
    }
    FOR_EACH (n, examples) y[n] = targets[order[n]];
    if (blockIdx.x == 0 && threadIdx.x == 0) rate[0] = rates[here];
}
""",
    _next_batch,
)


def _tally(
    outputs: Any, labels: Any, loss: Any, loss_sum: Any, correct: Any, groups: int, batch: int, classes: int
) -> None:
    """``loss_sum += batch * loss``; ``correct += examples whose largest output is at the label``."""
    loss_sum.reshape(-1)[...] += loss.reshape(-1) * batch
    hits = outputs.reshape(groups, batch, classes).argmax(axis=2) == labels.reshape(groups, batch)
    correct.reshape(-1)[...] += hits.sum(axis=1)


tally = Kernel(
    "tally",
    """
// One block for each network of a group of networks, which is usually one.
extern "C" __global__ void tally(
    const real* outputs, const int64* labels, const real* loss, real* loss_sum, int64* correct,
    int groups, int batch, int classes) {
    __shared__ int hits[256];
    const int group = blockIdx.x;
    int mine = 0;
    for (int n = threadIdx.x; n < batch; n += 256) {
        const real* row = outputs + (int64(group) * batch + n) * classes;
        int best = 0;
        // The first of equals, and a NaN above everything, as argmax has it.
        for (int k = 1; k < classes; ++k)
            if (row[best] == row[best] && !(row[k] <= row[best])) best = k;
        mine += best == labels[int64(group) * batch + n];
    }
    hits[threadIdx.x] = mine;
    __syncthreads();
    for (int half = 128; half > 0; half /= 2) {
        if (threadIdx.x < half) hits[threadIdx.x] += hits[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        correct[group] += hits[0];
        loss_sum[group] += loss[group] * real(batch);
    }
}
""",
    _tally,
)


KERNELS = (next_batch, tally)
