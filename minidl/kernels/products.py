"""Matrix products cut so that BLAS is at its best.

A product of a thin matrix with a long one, which is what networks ask for at small batches, is not what
a BLAS is built for: packing the operands costs more than multiplying them. OpenBLAS, which NumPy's
wheels bring, has kernels without packing for products of at most a million multiplications. Cutting a
thin product into such pieces makes it up to twice as fast (docs/speed.md has the table); numpy.matmul
takes all the pieces in one call, as a stack.

The pieces change nothing but the order of the additions. On a GPU nothing is cut: there every call costs more
than such a product. While a graph is recorded, which cuBLAS cannot be part of, the products are minidl's own
(`minidl.kernels.gpu.gemm`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np

from minidl import parallel
from minidl.backend import Array, capturing, device_of, namespace
from minidl.kernels.gpu.gemm import gemm

SMALL_PRODUCT = 1_000_000  # multiplications; OpenBLAS 0.3, sgemm_small_matrix_permit
SHORTEST_COLUMNS = 256  # below these lengths the calls cost more than they save (measured)
SHORTEST_ROWS = 60
LARGEST_BATCH = 32
# Multiplications; below, waking another thread costs more than it saves (measured).
WORTH_SHARING = 20_000_000


@lru_cache(maxsize=1024)
def block_count(length: int, work: int, shortest: int) -> int:
    """Return into how many equal blocks to cut an axis.

    Parameters
    ----------
    length : int
        Size of the axis.
    work : int
        Multiplications for each of its elements.
    shortest : int
        The shortest block worth a call.

    Returns
    -------
    int
        The smallest number of blocks that divides `length` and keeps a block below `SMALL_PRODUCT`; 1 if
        there is none.
    """
    fewest = -(-length * work // SMALL_PRODUCT)
    for count in range(fewest, length // shortest + 1):
        if length % count == 0:
            return count
    return 1


def wide_product(a: Array, b: Array, out: Array) -> Array:
    """Return ``a @ b`` for a small `a` (P, Q) and a long `b` (Q, M), in `out` (P, M), cut along M."""
    (p, q), m = a.shape, b.shape[1]
    count = block_count(m, p * q, SHORTEST_COLUMNS) if isinstance(a, np.ndarray) else 1
    if count == 1:
        return _matmul(a, b, out)
    pieces = b.reshape(q, count, m // count).transpose(1, 0, 2)
    namespace(a).matmul(a, pieces, out=out.reshape(p, count, m // count).transpose(1, 0, 2))
    return out


def long_product(a: Array, b: Array) -> Array:
    """Return ``a @ b.T`` for two long matrices `a` (P, M) and `b` (Q, M), cut along M and added up."""
    (p, m), q = a.shape, b.shape[0]
    count = block_count(m, p * q, SHORTEST_COLUMNS) if isinstance(a, np.ndarray) else 1
    if count == 1:
        return _matmul(a, b.T, namespace(a).empty((p, q), a.dtype)) if capturing(a) else a @ b.T
    left = a.reshape(p, count, m // count).transpose(1, 0, 2)
    right = b.reshape(q, count, m // count).transpose(1, 2, 0)
    return (left @ right).sum(axis=0)


def dense_forward(x: Array, weight: Array, out: Array) -> Array:
    """Return ``x @ weight`` for x (N, D) and weight (D, K), in `out` (N, K), C-contiguous or its transpose.

    For small batches the weights are walked in blocks of rows, each times its part of `x`; for large ones
    the columns are shared among the threads of a `minidl.threads` block.
    """
    count = _row_blocks(x, weight)
    if count > 1:
        parts = namespace(x).ascontiguousarray(x).reshape(x.shape[0], count, -1).transpose(1, 0, 2)
        return (parts @ weight.reshape(count, -1, weight.shape[1])).sum(axis=0, out=out)
    if out.flags.c_contiguous:
        _shared(weight.shape[1], x, weight, lambda part: _matmul(x, weight[:, part], out[:, part]))
    else:
        _shared(weight.shape[1], x, weight, lambda part: _matmul(weight[:, part].T, x.T, out.T[part]))
    return out


def dense_backward_weight(x: Array, dy: Array, out: Array) -> Array:
    """Return ``x.T @ dy`` (D, K) in `out`."""
    return _matmul(x.T, dy, out)


def better_turned(dy: Array, weight: Array) -> bool:
    """Return whether the gradient of the input is computed faster as ``weight @ dy.T``, and then turned."""
    large = dy.shape[0] > LARGEST_BATCH and dy.shape[0] * weight.size > SMALL_PRODUCT
    return large and isinstance(dy, np.ndarray)


def dense_backward_input(dy: Array, weight: Array, out: Array) -> Array:
    """Return ``dy @ weight.T`` (N, D) in `out`, C-contiguous or its transpose, by blocks of the weights' rows.

    ``weight @ dy.T`` reads the large matrix as it lies in memory.
    """
    count = _row_blocks(dy, weight)
    if not isinstance(dy, np.ndarray):
        return _matmul(dy, weight.T, out) if out.flags.c_contiguous else _matmul(weight, dy.T, out.T).T
    batch, blocks = dy.shape[0], weight.reshape(count, -1, weight.shape[1])
    if count > 1:
        dy = np.ascontiguousarray(dy)
    if out.flags.c_contiguous:
        _matmul(dy, blocks.transpose(0, 2, 1), out.reshape(batch, count, -1).transpose(1, 0, 2))
    else:
        _matmul(blocks, dy.T, out.T.reshape(count, -1, batch))
    return out


def _matmul(a: Array, b: Array, out: Array) -> Array:
    return gemm(a, b, out) if capturing(a) else namespace(a).matmul(a, b, out=out)


def _row_blocks(x: Array, weight: Array) -> int:
    rows, units = weight.shape
    if x.shape[0] > LARGEST_BATCH or not isinstance(x, np.ndarray):
        return 1
    return block_count(rows, x.shape[0] * units, SHORTEST_ROWS)


def _shared(length: int, x: Array, weight: Array, work: Callable[[slice], Any]) -> None:
    """Call `work` for the whole range, or, if the product is large, for the part of each thread at once."""
    team = parallel.team()
    if team is None or x.shape[0] * weight.size < WORTH_SHARING or device_of(x) != "cpu":
        work(slice(0, length))
        return
    edges = [length * k // team.size for k in range(team.size + 1)]
    team.run([partial(work, slice(start, end)) for start, end in itertools.pairwise(edges)])


def stacked_product(a: Array, b: Array, out: Array, bias: Array | None = None) -> Array:
    """Return ``a[m] @ b[m] + bias[m][:, None]`` for every m, in `out`: a (M, P, Q), b (M, Q, R), bias (M, P)."""
    column = None if bias is None else bias[:, :, None]
    if capturing(a):
        return gemm(a, b, out, bias=column)
    namespace(a).matmul(a, b, out=out)
    if column is not None:
        out += column
    return out
