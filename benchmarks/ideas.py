"""What each idea of the engine is worth, measured alone: the table of docs/speed.md.

    python -m benchmarks.ideas [--batch 128]

The shapes are those of the lecture's two convolutions (5x5, 1 to 20 channels on 28x28 and 20 to 40 on
12x12) and its largest dense layer. BLAS has one thread. Both forms of an idea are timed in turn in one
process; the ratio is plain form / idea.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from benchmarks import machine
from minidl.blocks import blocks
from minidl.kernels import convolution, cpu, products
from minidl.layers import Conv2D, MaxPool2D, Sequential
from minidl.parallel import available_cores, threads

Work = Callable[[], Any]


def paired(plain: Work, idea: Work, rounds: int = 40) -> tuple[float, float]:
    """Return the median microseconds of two functions called in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 3):
        for work, seconds in zip((plain, idea), times, strict=True):
            start = time.perf_counter()
            work()
            if number >= 3:
                seconds.append(time.perf_counter() - start)
    return statistics.median(times[0]) * 1e6, statistics.median(times[1]) * 1e6


def report(name: str, plain: Work, idea: Work) -> None:
    """Time and print one line."""
    before, after = paired(plain, idea)
    print(f"{name:<66} {before:9.0f} {after:9.0f} {before / after:7.2f}", flush=True)


def memory_order(rng: np.random.Generator, batch: int) -> None:
    """Channels-last against batch-last memory, for what is not a product."""
    for label, channels, size, out in (("first", 1, 28, 24), ("second", 20, 12, 8)):
        last = rng.standard_normal((batch, size, size, channels), dtype=np.float32)
        first = rng.standard_normal((channels, size, size, batch), dtype=np.float32)
        n, h, w, c = last.strides
        windows = as_strided(last, (batch, out, out, 5, 5, channels), (n, h, w, h, w, c))
        col_last = np.empty(windows.shape, np.float32)
        col_first = np.empty((channels, 5, 5, out, out, batch), np.float32)
        report(
            f"memory order: patches of the {label} convolution",
            partial(np.copyto, col_last, windows),
            partial(cpu.im2col, first, (5, 5), (1, 1), out=col_first),
        )

    def scatter_last() -> None:
        last.fill(0)
        for i in range(5):
            for j in range(5):
                last[:, i : i + 8, j : j + 8] += col_last[:, :, :, i, j]

    report("memory order: col2im of the second", scatter_last, lambda: cpu.col2im(col_first, (1, 1), out=first))


def separate_and_fused(rng: np.random.Generator, batch: int) -> None:
    """Convolution, then pooling; and both in one step."""
    model = Sequential([Conv2D(20, 5), MaxPool2D(2)])
    model.build((1, 28, 28))
    x = rng.standard_normal((batch, 1, 28, 28), dtype=np.float32)
    dy = rng.standard_normal((batch, 20, 12, 12), dtype=np.float32)
    conv, pool = model.layers

    def separate() -> None:
        pool.forward(conv.forward(x, train=True), train=True)
        conv.backward_parameters(pool.backward(dy))

    def fused() -> None:
        model.forward(x, train=True)
        model.backward_parameters(dy)

    report("first convolution with its pooling in one step, both passes", separate, fused)


def cut_products(rng: np.random.Generator, batch: int) -> None:
    """Thin products in one piece, and cut below a million multiplications."""

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32)

    kernels, col, y = normal(20, 25), normal(25, 576 * batch), normal(20, 576 * batch)
    report("cut: kernels times patches, first convolution",
           lambda: np.matmul(kernels, col, out=y), lambda: products.wide_product(kernels, col, out=y))  # fmt: skip
    report("cut: its weight gradient", lambda: y @ col.T, lambda: products.long_product(y, col))
    small = 10
    x, dy, weight = normal(small, 1000), normal(small, 1000), normal(1000, 1000)
    out, dx = normal(small, 1000), normal(1000, small)
    report("cut: dense 1000 to 1000 at batch 10, forward",
           lambda: np.matmul(x, weight, out=out), lambda: products.dense_forward(x, weight, out=out))  # fmt: skip
    report("cut and W dy^T rather than dy W^T: its input gradient", lambda: np.matmul(dy, weight.T, out=out),
           lambda: products.dense_backward_input(dy, weight, out=dx))  # fmt: skip


def row_distance(rng: np.random.Generator) -> None:
    """Rows a power of two apart, and not."""
    width = 4096
    weight, y = rng.standard_normal((40, 500), dtype=np.float32), np.empty((40, width), np.float32)
    even = rng.standard_normal((500, width), dtype=np.float32)
    odd = rng.standard_normal((500, width + convolution.ROW_GAP), dtype=np.float32)[:, :width]
    report("rows not a power of two apart: second convolution, 64 images",
           lambda: np.matmul(weight, even, out=y), lambda: np.matmul(weight, odd, out=y))  # fmt: skip


def blocked_update(rng: np.random.Generator) -> None:
    """``w -= lr * g`` on a million numbers at once, and in pieces."""
    w, g = (rng.standard_normal((1000, 1000), dtype=np.float32) for _ in range(2))

    def at_once() -> None:
        np.subtract(w, 1e-6 * g, out=w)

    def in_pieces() -> None:
        for piece, gradient in blocks(w, g):
            piece -= 1e-6 * gradient

    report("SGD on a million weights in pieces that fit the cache", at_once, in_pieces)


def shards(rng: np.random.Generator, batch: int) -> None:
    """Both convolutions on one thread, and on all cores."""
    x = rng.standard_normal((batch, 1, 28, 28), dtype=np.float32)
    dy = rng.standard_normal((batch, 40, 4, 4), dtype=np.float32)
    model = Sequential([Conv2D(20, 5), MaxPool2D(2), Conv2D(40, 5), MaxPool2D(2)])
    model.build((1, 28, 28))

    def step() -> None:
        model.forward(x, train=True)
        model.backward_parameters(dy)

    medians = []
    for count in (1, available_cores()):
        with threads(count):
            medians.append(paired(step, step)[0])
    print(f"{f'parts of the batch on {available_cores()} threads, both convolutions':<66} "
          f"{medians[0]:9.0f} {medians[1]:9.0f} {medians[0] / medians[1]:7.2f}")  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ideas", description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128)
    batch = parser.parse_args().batch
    rng = np.random.default_rng(0)
    print(machine.headline(machine.describe(("numpy",))))
    print(f"batch {batch}, medians of 40 in microseconds, BLAS on one thread")
    print(f"{'idea':<66} {'plain':>9} {'idea':>9} {'ratio':>7}")
    with threads(1):
        memory_order(rng, batch)
        separate_and_fused(rng, batch)
        cut_products(rng, batch)
        row_distance(rng)
        blocked_update(rng)
    shards(rng, batch)


if __name__ == "__main__":
    main()
