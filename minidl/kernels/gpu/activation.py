"""Bias and activation in one launch, and their gradients in one.

A matrix of activations has its channels along the columns (a dense layer, (N, K) in memory) or along the
rows (a convolution in batch-last memory, (F, OH OW N)). Forward, one kernel serves both. Backward, the
gradient of the bias is a sum over all examples: over the columns or over the rows, each with its own way
to share the additions among threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.kernels.gpu.launch import Kernel, memory_order, same_order

IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU = range(6)

FUNCTIONS = """
// One number says which activation; all threads take the same way, so the choice costs nothing.
__device__ inline real activate(int kind, real parameter, real x) {
    switch (kind) {
        case 1: return real(0.5) * (tanh(real(0.5) * x) + real(1));       // sigmoid
        case 2: return tanh(x);
        case 3: return x < real(0) ? real(0) : x;                         // ReLU; NaN stays NaN
        case 4: return x < real(0) ? parameter * x : x;                   // leaky ReLU
        case 5: return x < real(0) ? parameter * expm1(x) : x;            // ELU
        default: return x;
    }
}

// The derivative, from the output.
__device__ inline real slope(int kind, real parameter, real y) {
    switch (kind) {
        case 1: return y * (real(1) - y);
        case 2: return real(1) - y * y;
        case 3: return y > real(0) ? real(1) : real(0);
        case 4: return y > real(0) ? real(1) : parameter;
        case 5: return y > real(0) ? real(1) : y + parameter;
        default: return real(1);
    }
}
"""


def activate(kind: int, parameter: float, x: np.ndarray) -> np.ndarray:
    """The twin of the function of this name in `FUNCTIONS`."""
    if kind == SIGMOID:
        return 0.5 * (np.tanh(0.5 * x) + 1)
    if kind == TANH:
        return np.tanh(x)
    if kind == RELU:
        return np.maximum(x, 0)
    if kind == LEAKY_RELU:
        return np.where(x < 0, parameter * x, x)
    if kind == ELU:
        return np.where(x < 0, parameter * np.expm1(np.minimum(x, 0)), x)
    return x


def slope(kind: int, parameter: float, y: np.ndarray) -> Any:
    """The twin of the function of this name in `FUNCTIONS`."""
    if kind == SIGMOID:
        return y * (1 - y)
    if kind == TANH:
        return 1 - y * y
    if kind == RELU:
        return np.where(y > 0, y.dtype.type(1), 0)
    if kind == LEAKY_RELU:
        return np.where(y > 0, y.dtype.type(1), parameter)
    if kind == ELU:
        return np.where(y > 0, 1, y + parameter)
    return y.dtype.type(1)


def _bias_activation(
    x: np.ndarray, bias: np.ndarray | None, y: np.ndarray, size: int, inner: int, kind: int, parameter: float
) -> None:
    """``y = f(x + b)``."""
    shifted = x.reshape(size)
    if bias is not None:
        shifted = (x.reshape(-1, bias.size, inner) + bias[:, None]).reshape(size)
    y.reshape(size)[...] = activate(kind, parameter, shifted)


bias_activation = Kernel(
    "bias_activation",
    FUNCTIONS
    + r"""
// y = f(x + b). x and y may be the same array. The bias of element i is number (i / inner) % count:
// inner = 1 for channels along the columns, inner = row length for channels along the rows (count rows).
extern "C" __global__ void bias_activation(
    const real* x, const real* bias, real* y, int size, int inner, int count, int kind, real parameter) {
    FOR_EACH(i, size) {
        real shifted = bias ? x[i] + bias[i / uint32(inner) % uint32(count)] : x[i];
        y[i] = activate(kind, parameter, shifted);
    }
}
""",
    lambda x, bias, y, size, inner, count, kind, parameter: _bias_activation(
        x, bias, y, size, inner, kind, parameter
    ),
)


def _activation_gradient(
    y: np.ndarray, dy: np.ndarray, dx: np.ndarray, size: int, kind: int, parameter: float
) -> None:
    """``dx = dy f'``."""
    dx.reshape(size)[...] = (dy * slope(kind, parameter, y)).reshape(size)


activation_gradient = Kernel(
    "activation_gradient",
    FUNCTIONS
    + r"""
extern "C" __global__ void activation_gradient(
    const real* y, const real* dy, real* dx, int size, int kind, real parameter) {
    FOR_EACH(i, size) dx[i] = dy[i] * slope(kind, parameter, y[i]);
}
""",
    _activation_gradient,
)


def _gradient_matrix(
    y: np.ndarray | None,
    dy: np.ndarray,
    dx: np.ndarray | None,
    shape: tuple[int, int],
    kind: int,
    parameter: float,
) -> np.ndarray:
    """Return ``dy f'`` as a matrix, and put it into dx where there is one; without y, dy itself."""
    d = dy.reshape(shape)
    if y is not None:
        d = d * slope(kind, parameter, y.reshape(shape))
    if dx is not None:
        dx.reshape(shape)[...] = d
    return d


def _sum_rows(
    y: np.ndarray | None,
    dy: np.ndarray,
    dx: np.ndarray | None,
    sums: np.ndarray,
    rows: int,
    columns: int,
    kind: int,
    parameter: float,
) -> None:
    """``dx = dy f'``; ``sums = dx summed along each row``. Without y, dx = dy, and it need not be kept."""
    d = _gradient_matrix(y, dy, dx, (rows, columns), kind, parameter)
    sums.reshape(rows)[...] = d.sum(axis=1)


sum_rows = Kernel(
    "sum_rows",
    FUNCTIONS
    + r"""
// One block for each row. Its 256 threads walk the row side by side, each adding up every 256th element,
// then the 256 sums are added in pairs: 128, 64, ... 1. The order never changes, so neither does the result.
extern "C" __global__ void sum_rows(
    const real* y, const real* dy, real* dx, real* sums, int rows, int columns, int kind, real parameter) {
    __shared__ real partial[256];
    uint32 row = blockIdx.x, start = row * columns;
    real sum = 0;
    for (uint32 k = threadIdx.x; k < uint32(columns); k += 256) {
        real d = y ? dy[start + k] * slope(kind, parameter, y[start + k]) : dy[start + k];
        if (dx) dx[start + k] = d;
        sum += d;
    }
    partial[threadIdx.x] = sum;
    __syncthreads();  // all have written before any reads
    for (int half = 128; half > 0; half /= 2) {
        if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
        __syncthreads();  // outside the if: every thread of the block has to come here
    }
    if (threadIdx.x == 0) sums[row] = partial[0];
}
""",
    _sum_rows,
)


def _sum_columns(
    y: np.ndarray | None,
    dy: np.ndarray,
    dx: np.ndarray | None,
    sums: np.ndarray,
    rows: int,
    columns: int,
    kind: int,
    parameter: float,
) -> None:
    """``dx = dy f'``; ``sums = dx summed along each column``. Without y, dx = dy, and it need not be kept."""
    d = _gradient_matrix(y, dy, dx, (rows, columns), kind, parameter)
    sums.reshape(columns)[...] = d.sum(axis=0)


sum_columns = Kernel(
    "sum_columns",
    FUNCTIONS
    + r"""
// One block of 32 x 8 threads for each 32 columns: 32 neighbours in x read 32 neighbouring columns of a row,
// in one piece; the 8 in y take every 8th row. Then the first of the 8 adds up their sums.
extern "C" __global__ void sum_columns(
    const real* y, const real* dy, real* dx, real* sums, int rows, int columns, int kind, real parameter) {
    __shared__ real partial[8][32];
    uint32 column = blockIdx.x * 32 + threadIdx.x;
    real sum = 0;
    if (column < columns) {  // no return: threads without a column have to come to the barrier, too
        for (uint32 row = threadIdx.y; row < uint32(rows); row += 8) {
            uint32 k = row * columns + column;
            real d = y ? dy[k] * slope(kind, parameter, y[k]) : dy[k];
            if (dx) dx[k] = d;
            sum += d;
        }
    }
    partial[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < columns) {
        for (int slice = 1; slice < 8; slice++) sum += partial[slice][threadIdx.x];
        sums[column] = sum;
    }
}
""",
    _sum_columns,
    block=(32, 8, 1),
)


# What layers call ---------------------------------------------------------------------------------


def code(layer: Any) -> tuple[int, float] | None:
    """Return the number and the parameter of an activation layer; None for any other layer."""
    # By name: the layers import this file.
    kinds = {"Identity": IDENTITY, "Sigmoid": SIGMOID, "Tanh": TANH, "ReLU": RELU}
    kind = type(layer).__name__
    if type(layer).__module__ != "minidl.layers.activations":
        return None
    if kind == "LeakyReLU":
        return LEAKY_RELU, layer.slope
    if kind == "ELU":
        return ELU, layer.alpha
    return (kinds[kind], 0.0) if kind in kinds else None


def forward(layer: Any, x: Array, train: bool) -> Array:
    """The forward pass of an activation layer."""
    y = layer._output_like(x, train)
    flat = memory_order(y)
    given = memory_order(in_order_of(y, x, y))
    bias_activation(x.size, given, None, flat, x.size, 1, 1, *_code(layer))
    layer._cache = y
    return y


def backward(layer: Any, dy: Array) -> Array:
    """The backward pass of an activation layer."""
    y = layer._saved(dy)
    dx = layer._scratch_like("dx", y)
    dy = in_order_of(y, dy, dx)
    activation_gradient(y.size, memory_order(y), memory_order(dy), memory_order(dx), y.size, *_code(layer))
    return dx


def in_order_of(y: Array, dy: Array, space: Array) -> Array:
    """Return dy in the memory order of y, which has no gaps: itself, or a copy in `space`, which has that order."""
    if same_order(y, dy):
        return dy
    space[...] = dy
    return space


def through(
    y: Array, dy: Array, activation: tuple[int, float], dz: Array, sums: Array, channels: str
) -> Array:
    """Return the gradient before an activation, and sum it for the bias, in one launch.

    Parameters
    ----------
    y, dy : C-contiguous array, two axes
        Output of the activation, and its gradient.
    activation : (int, float)
        From `code`. For the identity, dy itself is returned.
    dz : array
        To write the gradient to.
    sums : array
        Receives the gradient of the bias.
    channels : {"rows", "columns"}
        Along which axis the channels, each with its bias, are numbered.
    """
    rows, columns = dy.shape
    given = (None, dy, None) if activation[0] == IDENTITY else (y, dy, dz)
    if channels == "rows":
        sum_rows((rows,), *given, sums, rows, columns, *activation)
    else:
        sum_columns((-(-columns // 32),), *given, sums, rows, columns, *activation)
    return dy if activation[0] == IDENTITY else dz


def _code(layer: Any) -> tuple[int, float]:
    found = code(layer)
    assert found is not None
    return found
