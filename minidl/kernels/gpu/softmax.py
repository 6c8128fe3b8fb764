"""Softmax cross-entropy: the loss and its gradient in one launch.

Legend: N examples, K classes, z logits, p probabilities, t targets, w class weights, a example weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, launcher, namespace
from minidl.kernels.gpu.activation import IDENTITY, sum_rows
from minidl.kernels.gpu.launch import THREADS, Kernel


def _cross_entropy(
    z: np.ndarray,
    labels: np.ndarray,
    class_weights: np.ndarray | None,
    example_weights: np.ndarray | None,
    losses: np.ndarray,
    gradient: np.ndarray,
    sums: np.ndarray,
    examples: int,
    classes: int,
    on: float,
    off: float,
    scale: float,
) -> None:
    """``loss_n = -s a_n sum_k w_k t_nk log p_nk``; ``gradient = s a_n (p_nk sum_j w_j t_nj - w_k t_nk)``."""
    w = np.ones(classes, z.dtype) if class_weights is None else class_weights
    a = np.ones(examples, z.dtype) if example_weights is None else example_weights
    known = (labels >= 0) & (labels < classes)
    t = np.where(labels[:, None] == np.arange(classes), on, off).astype(z.dtype) * w
    t[~known] = np.nan
    t *= (a * z.dtype.type(scale))[:, None]
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    losses[...] = -(t * log_p).sum(axis=1)
    gradient[...] = np.exp(log_p) * t.sum(axis=1, keepdims=True) - t
    padded = np.zeros(sums.size * THREADS, z.dtype)
    padded[:examples] = losses
    sums[...] = padded.reshape(-1, THREADS).sum(axis=1)


cross_entropy = Kernel(
    "cross_entropy",
    r"""
// A thread has one example. Its K logits are read three times, from the cache but for the first: for the
// largest, for the sum of exponentials, and for the gradient. (For the ten classes of a digit; for thousands
// 32 threads would share an example.) The target is `on` at the label and `off` elsewhere. A label that is
// no class makes the loss NaN: there is no one to tell here.
extern "C" __global__ void cross_entropy(
    const real* z, const int64* labels, const real* class_weights, const real* example_weights,
    real* losses, real* gradient, real* sums, int examples, int classes, real on, real off, real scale) {
    __shared__ real partial[256];
    int n = blockIdx.x * 256 + threadIdx.x;
    real loss = 0;
    if (n < examples) {  // no return: the threads without an example have to come to the barrier, too
        const real* row = z + n * classes;
        real* slope = gradient + n * classes;
        int64 label = labels[n];
        real weight = example_weights ? scale * example_weights[n] : scale;
        if (label < 0 || label >= classes) weight = weight * nan("");

        real largest = row[0];
        for (int k = 1; k < classes; k++) largest = row[k] > largest || row[k] != row[k] ? row[k] : largest;
        real total = 0, mass = 0;
        for (int k = 0; k < classes; k++) {
            total += exp(row[k] - largest);
            mass += (k == label ? on : off) * (class_weights ? class_weights[k] : real(1));
        }
        real log_total = log(total);
        for (int k = 0; k < classes; k++) {
            real target = (k == label ? on : off) * (class_weights ? class_weights[k] : real(1));
            real log_p = row[k] - largest - log_total;
            loss -= weight * target * log_p;
            slope[k] = weight * (exp(log_p) * mass - target);
        }
        losses[n] = loss;
    }
    // The sum over the block; of a batch of up to 256 it is the loss.
    partial[threadIdx.x] = loss;
    __syncthreads();
    for (int half = 128; half > 0; half /= 2) {
        if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) sums[blockIdx.x] = partial[0];
}
""",
    _cross_entropy,
)


# What the loss calls ------------------------------------------------------------------------------


def applies(loss: Any, logits: Array, targets: Array) -> bool:
    """Return whether this batch is one for the kernel: integer labels, and a mean over the batch."""
    if launcher(logits) is None or logits.ndim != 2 or targets.dtype.kind not in "iu":
        return False
    if targets.shape != logits.shape[:1] or (loss.label_smoothing and logits.shape[1] < 2):
        return False
    return bool(loss.weight_mean == "batch")


def levels(loss: Any, classes: int) -> tuple[float, float]:
    """Return the target at the label and elsewhere: 1 and 0, or what label smoothing makes of them."""
    e = loss.label_smoothing
    if loss.smoothing == "uniform":
        return 1 - e + e / classes, e / classes
    return 1 - e, e / max(1, classes - 1)


def forward(loss: Any, logits: Array, labels: Array, weights: Array | None) -> Array:
    """Return the loss of a batch, as an array of no axes; keep its gradient for `backward`.

    Parameters
    ----------
    loss : SoftmaxCrossEntropy
    logits : C-contiguous array, shape (N, K)
    labels : array of int64, shape (N,)
    weights : array, shape (N,), optional
    """
    xp, (examples, classes) = namespace(logits), logits.shape
    losses, gradient = xp.empty(examples, logits.dtype), xp.empty(logits.shape, logits.dtype)
    blocks = -(-examples // THREADS)
    sums = xp.empty(blocks, logits.dtype)
    on, off = levels(loss, classes)
    cross_entropy(
        (blocks,), logits, labels, loss._weights_for(logits), weights, losses, gradient, sums,
        examples, classes, on, off, 1 / examples,
    )  # fmt: skip
    total = sums
    if blocks > 1:
        total = xp.empty(1, logits.dtype)
        sum_rows((1,), None, sums, None, total, 1, blocks, IDENTITY, 0.0)
    loss._cache = gradient
    return total.reshape(())
