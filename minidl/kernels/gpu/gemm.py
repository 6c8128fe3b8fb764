"""Matrix products for a GPU, written out: ``out = f(alpha a b + beta out + bias)``.

cuBLAS is hard to beat on large matrices, but it cannot be recorded into a CUDA graph through CuPy, it cannot
add a bias or take a sigmoid on the way, and the thin products of small batches leave most of a GPU idle in
it. The kernels here do all three. How they work, in the order one would invent it:

*One thread for each output* would read a row of `a` and a column of `b` from memory, 2 K numbers for K
multiplications. Memory delivers perhaps a fiftieth of what that needs.

*A tile in shared memory.* The threads of a block compute a rectangle of outputs, a **tile**, together. They
fetch a slice of the rows and columns it needs into memory on the chip that all of them see, then every number
fetched is used by a whole row or column of the tile: 64 times, for tiles of 64 x 64.

*Several outputs for each thread.* Shared memory, too, is slower than arithmetic. A thread that computes 4 x 4
outputs reads 4 + 4 numbers into registers and multiplies 16 times with them.

*Shares of the sum.* A product of 10 rows has a handful of tiles for 132 multiprocessors. If the inner length K
is long, it is cut: each block adds up its share of K and writes it to a place of its own, and a second kernel
adds the shares in order. (Adding into one place by atomic operations would save the second kernel, and give
other bits in every run.)

A transposed matrix is the same memory with its strides exchanged, so one kernel does all four products
``a b``, ``a^T b``, ``a b^T``, ``a^T b^T``: it takes the strides of everything. Which threads fetch which
numbers follows from them: neighbours in the block should read neighbours in memory.

The sizes of tiles and shares below are reasoned, not measured.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, namespace
from minidl.errors import ShapeError
from minidl.kernels.gpu.activation import IDENTITY, activate
from minidl.kernels.gpu.gemm_text import GEMM_SHARES, GEMM_THIN, GEMM_TILE
from minidl.kernels.gpu.launch import Kernel, memory_order

TILE = 64  # rows and columns of outputs of a block of `gemm_tile`
THIN_ROWS, THIN_COLUMNS = 16, 32  # the same of `gemm_thin`
BLOCKS = 264  # two for each multiprocessor of an H100: fewer, and the sum is cut into shares
SHORTEST_SHARE = 64  # multiplications of each output that a block should have to do at least


def _product_line(
    a: Any, b: Any, out: Any, bias: Any, parts: Any, items: int, m: int, n: int, k: int, shares: int,
    alpha: Any, beta: Any, activation: int, parameter: Any, *strides: int,
) -> None:  # fmt: skip
    left = _viewed(a, (items, m, k), strides[0:3])
    right = _viewed(b, (items, k, n), strides[3:6])
    if parts is None:
        _finish_line(np.matmul(left, right), out, bias, (alpha, beta, activation, parameter), strides[6:])
        return
    length = -(-k // shares)
    for share, target in enumerate(parts.reshape(shares, items, m, n)):
        part = slice(share * length, min(k, (share + 1) * length))
        np.matmul(left[:, :, part], right[:, part], out=target)


def _shares_line(
    parts: Any, out: Any, bias: Any, items: int, m: int, n: int, shares: int,
    alpha: Any, beta: Any, activation: int, parameter: Any, *strides: int,
) -> None:  # fmt: skip
    total = parts.reshape(shares, items, m, n).sum(axis=0)
    _finish_line(total, out, bias, (alpha, beta, activation, parameter), strides)


def _finish_line(total: Any, out: Any, bias: Any, numbers: tuple[Any, Any, int, Any], strides: Any) -> None:
    # f(alpha sum + beta out + bias)
    alpha, beta, activation, parameter = numbers
    old = _viewed(out, total.shape, strides[0:3])
    y = alpha * total
    if beta:
        y += beta * old
    if bias is not None:
        y += _viewed(bias, total.shape, strides[3:6])
    old[...] = activate(activation, parameter, y)


def _viewed(x: Any, shape: tuple[int, ...], strides: Any) -> Any:
    """Return memory as matrices, the way the kernels see it; strides in numbers, not bytes."""
    flat = x.reshape(-1)
    return np.lib.stride_tricks.as_strided(flat, shape, tuple(int(s) * flat.itemsize for s in strides))


gemm_tile = Kernel("gemm_tile", GEMM_TILE, _product_line, fused=False)
gemm_thin = Kernel("gemm_thin", GEMM_THIN, _product_line, fused=False)
gemm_shares = Kernel("gemm_shares", GEMM_SHARES, _shares_line, fused=False)
KERNELS = (gemm_tile, gemm_thin, gemm_shares)


def gemm(
    a: Array,
    b: Array,
    out: Array,
    *,
    alpha: float = 1.0,
    beta: float = 0.0,
    bias: Array | None = None,
    activation: tuple[int, float] = (IDENTITY, 0.0),
) -> Array:
    """Compute ``out = activation(alpha a b + beta out + bias)`` and return `out`.

    Parameters
    ----------
    a : array, shape (M, K) or (Z, M, K)
    b : array, shape (K, N) or (Z, K, N)
        Views may be transposed or cut out of larger matrices: nothing is copied. A matrix without Z is shared by
        all products of a stack.
    out : array, shape (M, N) or (Z, M, N)
        Must not overlap `a` or `b`.
    alpha, beta : float
        With ``beta=0`` what was in `out` is not read; ``alpha=-lr, beta=1`` is a step of gradient descent.
    bias : array, optional
        Of a shape that broadcasts to that of `out`.
    activation : (int, float)
        Of `minidl.kernels.gpu.activation.code`.

    Raises
    ------
    ShapeError
        If the shapes do not fit each other.
    """
    items, (m, n), k = _checked(a, b, out, bias)
    if (out.strides[-1] > out.strides[-2] and n > 1 and m > 1) or n <= THIN_ROWS < m:
        # The transposed product, (a b)^T = b^T a^T: neighbouring threads then write to neighbouring
        # places, or the thin side is that of the rows.
        a, b, out, bias = _turned(b), _turned(a), _turned(out), _turned_bias(bias, out.ndim)
        m, n = n, m
        gemm_into(a, b, out, bias, items, (m, n, k), (alpha, beta, *activation))
        return _turned(out)
    gemm_into(a, b, out, bias, items, (m, n, k), (alpha, beta, *activation))
    return out


def gemm_into(
    a: Array, b: Array, out: Array, bias: Array | None, items: int, sizes: tuple[int, int, int],
    finish: tuple[float, float, int, float],
) -> None:  # fmt: skip
    """Launch the kernels for checked operands."""
    m, n, k = sizes
    if m <= THIN_ROWS:
        kernel, tiles = gemm_thin, (-(-n // THIN_COLUMNS), -(-m // THIN_ROWS))
    else:
        kernel, tiles = gemm_tile, (-(-n // TILE), -(-m // TILE))
    shares = share_count(items * tiles[0] * tiles[1], k)
    places = (*_strides(out, 3), *_bias_strides(bias, out))
    parts = None if shares == 1 else namespace(out).empty((shares, items, m, n), out.dtype)
    memory = None if bias is None else _memory(bias)
    target = (_memory(out), memory) if parts is None else (None, None)
    kernel(
        (*tiles, items * shares), _memory(a), _memory(b), *target, parts, items, m, n, k, shares,
        *finish, *_strides(a, 3), *_strides(b, 3), *places,
    )  # fmt: skip
    if parts is not None:
        gemm_shares(items * m * n, parts, _memory(out), memory, items, m, n, shares, *finish, *places)


def share_count(blocks: int, k: int) -> int:
    """Return into how many shares to cut a sum of `k` products, for a grid of `blocks` tiles."""
    return max(1, min(-(-BLOCKS // blocks), k // SHORTEST_SHARE))


def _checked(a: Array, b: Array, out: Array, bias: Array | None) -> tuple[int, tuple[int, int], int]:
    fits = all(2 <= x.ndim <= 3 for x in (a, b, out)) and a.shape[-1] == b.shape[-2]
    fits = fits and tuple(out.shape[-2:]) == (a.shape[-2], b.shape[-1]) and a.dtype == b.dtype == out.dtype
    items = out.shape[0] if fits and out.ndim == 3 else 1
    fits = fits and all(x.ndim == 2 or x.shape[0] == items for x in (a, b))
    if not fits or 0 in (*a.shape, *b.shape):
        raise ShapeError(
            f"gemm: cannot multiply {tuple(a.shape)} {a.dtype} by {tuple(b.shape)} {b.dtype} into "
            f"{tuple(out.shape)} {out.dtype}; expected (M, K) by (K, N) into (M, N), or stacks of these"
        )
    if bias is not None and (
        bias.ndim > out.ndim
        or any(s not in (1, t) for s, t in zip(bias.shape[::-1], out.shape[::-1], strict=False))
    ):
        raise ShapeError(f"gemm: a bias of shape {bias.shape} does not fit outputs of {out.shape}")
    return items, (out.shape[-2], out.shape[-1]), a.shape[-1]


def _turned(x: Array) -> Array:
    return x.T if x.ndim == 2 else x.transpose(0, 2, 1)


def _turned_bias(bias: Array | None, dimensions: int) -> Array | None:
    if bias is None:
        return None
    return _turned(bias.reshape((1,) * (dimensions - bias.ndim) + tuple(bias.shape)))


def _strides(x: Array, dimensions: int) -> tuple[int, ...]:
    """Return strides in numbers for (item, row, column); 0 along an axis that is not there."""
    size = x.dtype.itemsize
    return (0,) * (dimensions - x.ndim) + tuple(stride // size for stride in x.strides)


def _bias_strides(bias: Array | None, out: Array) -> tuple[int, ...]:
    if bias is None:
        return (0, 0, 0)
    own = _strides(bias, 3)
    lengths = (1,) * (3 - bias.ndim) + tuple(bias.shape)
    return tuple(0 if length == 1 else stride for stride, length in zip(own, lengths, strict=True))


def _memory(x: Array) -> Array:
    """Return the memory of an array from its first number on, contiguous: the kernels know the strides."""
    ordered = memory_order(x)
    if ordered is not None:
        return ordered
    span = (
        1
        + sum((length - 1) * stride for length, stride in zip(x.shape, x.strides, strict=True))
        // x.dtype.itemsize
    )
    return namespace(x).lib.stride_tricks.as_strided(x, (span,), (x.dtype.itemsize,))
