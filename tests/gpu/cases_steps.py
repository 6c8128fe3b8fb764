"""Cases for the kernels of products, batches and stacked networks; `tests.gpu.cases` collects them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.kernels.gpu import batch, gemm, stacked
from tests.gpu.cases import Case, normal

# Stack, M, N, K, shares: nothing divides a tile or a share, and one that does.
PRODUCTS = [
    (gemm.gemm_thin, 1, 1, 1, 1, 1),
    (gemm.gemm_thin, 1, 10, 37, 70, 1),
    (gemm.gemm_thin, 3, 10, 33, 130, 2),
    (gemm.gemm_thin, 1, 16, 32, 64, 1),
    (gemm.gemm_tile, 1, 17, 65, 5, 1),
    (gemm.gemm_tile, 1, 64, 64, 32, 1),
    (gemm.gemm_tile, 2, 70, 20, 75, 3),
    (gemm.gemm_tile, 1, 66, 1, 20, 2),
]


def matrix(
    rng: Any, dtype: Any, items: int, rows: int, columns: int, turned: bool
) -> tuple[Any, tuple[int, ...]]:
    """Return memory of a stack of matrices, with a gap after each row, and its strides in numbers."""
    outer, inner = (columns, rows) if turned else (rows, columns)
    memory = normal(rng, dtype, items, outer, inner + 2)
    width = inner + 2
    return memory, (outer * width, 1, width) if turned else (outer * width, width, 1)


def product_cases() -> Iterator[Case]:
    for number, (kernel, items, m, n, k, shares) in enumerate(PRODUCTS):
        for turned in range(4):

            def make(rng, dtype, items=items, m=m, n=n, k=k, shares=shares, turned=turned, kernel=kernel):
                a, of_a = matrix(rng, dtype, items, m, k, bool(turned & 1))
                b, of_b = matrix(rng, dtype, items, k, n, bool(turned & 2))
                tile = (
                    (gemm.THIN_COLUMNS, gemm.THIN_ROWS)
                    if kernel is gemm.gemm_thin
                    else (gemm.TILE, gemm.TILE)
                )
                grid = (-(-n // tile[0]), -(-m // tile[1]), items * shares)
                bias, out, parts = normal(rng, dtype, items, n), np.empty((items, m, n), dtype), None
                if shares > 1:
                    bias, out, parts = None, None, np.empty((shares, items, m, n), dtype)
                return grid, (
                    a, b, out, bias, parts, items, m, n, k, shares, 0.5, 0.0, turned, 0.1, *of_a, *of_b,
                    m * n, n, 1, n, 0, 1,
                )  # fmt: skip

            yield Case(kernel, f"{number}-{turned}", make)

    def added(rng, dtype):
        a, b, out = normal(rng, dtype, 12, 40), normal(rng, dtype, 40, 20), normal(rng, dtype, 12, 20)
        strides = (0, 40, 1, 0, 20, 1, 0, 20, 1, 0, 0, 0)
        return (1, 1, 1), (a, b, out, None, None, 1, 12, 20, 40, 1, -0.1, 1.0, 0, 0.0, *strides)

    yield Case(gemm.gemm_thin, "added", added, updated=("out",))

    for shares, beta in ((2, 0.0), (5, 0.25)):

        def finished(rng, dtype, shares=shares, beta=beta):
            parts, out = normal(rng, dtype, shares, 3, 7, 11), normal(rng, dtype, 3, 7, 11)
            bias = normal(rng, dtype, 3, 7)
            return parts[0].size, (
                parts, out, bias, 3, 7, 11, shares, 0.5, beta, 5, 0.7, 77, 11, 1, 7, 1, 0
            )  # fmt: skip

        yield Case(gemm.gemm_shares, f"{shares}", finished, updated=("out",) if beta else ())


def batch_cases() -> Iterator[Case]:
    for groups, size, rows, offset in ((1, 10, 12, 0.0), (3, 4, 35, 0.3), (1, 1, 784, 0.1)):

        def make(rng, dtype, groups=groups, size=size, rows=rows, offset=offset):
            pixels = rng.integers(0, 256, 50 * rows + 900, dtype=np.uint8)
            grid = np.sort(rng.permutation(800)[:rows])
            order = rng.integers(0, 50, (6, groups * size))
            corners = order * rows + rng.integers(0, 90, order.shape)
            x, y = np.empty(groups * size * rows, dtype), np.empty(groups * size, np.int64)
            return x.size, (
                pixels, rng.integers(0, 10, 50), grid, order, corners, normal(rng, dtype, 6),
                np.array([3]), x, y, np.empty(1, dtype), 2, groups, size, rows, 1 / 255, offset,
            )  # fmt: skip

        yield Case(batch.next_batch, f"{groups}-{rows}", make)
    for groups, examples, classes in ((1, 10, 10), (5, 3, 4), (1, 300, 2), (2, 1, 1)):

        def tally(rng, dtype, groups=groups, examples=examples, classes=classes):
            outputs = rng.integers(-2, 3, (groups * examples, classes)).astype(dtype)  # many equal
            labels = rng.integers(0, classes, groups * examples)
            loss, sums = normal(rng, dtype, groups), normal(rng, dtype, groups)
            return (groups,), (
                outputs, labels, loss, sums, rng.integers(0, 99, groups), groups, examples, classes
            )  # fmt: skip

        yield Case(batch.tally, f"{groups}-{examples}-{classes}", tally, updated=("loss_sum", "correct"))


def stacked_cases() -> Iterator[Case]:
    for members, size in ((1, 16), (5, 30), (3, 4999)):

        def make(rng, dtype, members=members, size=size):
            keys = rng.integers(0, 2**63, (members, 2)).astype(np.uint64)
            grid = (-(-size // 4096), members)
            gain = np.empty((members, size), dtype)
            return grid, (gain, keys, np.array([2**40 + 7]), members, size, 20_000, 1.5)

        yield Case(stacked.dropout_gains, f"{members}-{size}", make)


CASES = [*product_cases(), *batch_cases(), *stacked_cases()]
