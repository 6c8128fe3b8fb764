"""What each kernel is tried with: sizes that divide by nothing, batches of 1, 10 and 128, strides, padding, ties.

`CASES` has every kernel of `minidl.kernels.gpu` (a test sees to it). The tables of other test files of this
folder may add theirs: a list of `Case`, named here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.kernels.gpu import activation, conv, counters, direct, dropout, gather, optimizers, pool, softmax
from minidl.kernels.gpu.launch import Kernel

Rng = np.random.Generator
Launch = tuple[Any, tuple[Any, ...]]  # size and arguments


@dataclass(frozen=True)
class Case:
    """One way to launch a kernel.

    Parameters
    ----------
    kernel : Kernel
    label : str
    make : callable
        From a generator and a type to (size, arguments).
    updated : tuple of str
        Arrays whose old content counts. All others that are written must be written whole.
    """

    kernel: Kernel
    label: str
    make: Callable[[Rng, Any], Launch]
    updated: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kernel.name}-{self.label}"


def normal(rng: Rng, dtype: Any, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(dtype)


def levels(rng: Rng, dtype: Any, *shape: int) -> np.ndarray:
    """Few different numbers, so that a maximum is often there twice."""
    return rng.integers(-2, 3, shape).astype(dtype)


# Activations ------------------------------------------------------------------------------------------

KINDS = [(0, 0.0), (1, 0.0), (2, 0.0), (3, 0.0), (4, 0.1), (5, 1.5)]


def activation_cases() -> Iterator[Case]:
    for kind, parameter in KINDS:
        for inner, count, outer, biased in ((1, 7, 10, True), (37, 5, 1, True), (1, 1, 300, False)):
            size = inner * count * outer

            def forward(
                rng, dtype, kind=kind, parameter=parameter, inner=inner, count=count, size=size, b=biased
            ):
                bias = normal(rng, dtype, count) if b else None
                x, y = 3 * normal(rng, dtype, size), np.empty(size, dtype)
                return size, (x, bias, y, size, inner, count, kind, parameter)

            yield Case(activation.bias_activation, f"{kind}-{size}", forward)

        def backward(rng, dtype, kind=kind, parameter=parameter):
            y, dy = levels(rng, dtype, 301), normal(rng, dtype, 301)
            return 301, (y, dy, np.empty(301, dtype), 301, kind, parameter)

        yield Case(activation.activation_gradient, str(kind), backward)
    for kernel, along in ((activation.sum_rows, 0), (activation.sum_columns, 1)):
        many = 128 if along else 9
        for rows, columns, kind in ((1, 1, 0), (3, 700, 3), (10, 33, 1), (many, 31, 2), (8, 256, 5)):
            for kept in (True, False):
                grid = (rows,) if along == 0 else (-(-columns // 32),)

                def summed(
                    rng, dtype, rows=rows, columns=columns, kind=kind, kept=kept, grid=grid, along=along
                ):
                    y, dy = (normal(rng, dtype, rows, columns) for _ in range(2))
                    sums = np.empty((rows, columns)[along], dtype)
                    given = (y, dy, np.empty_like(dy)) if kept else (None, dy, None)
                    return grid, (*given, sums, rows, columns, kind, 0.7)

                yield Case(kernel, f"{rows}x{columns}-{kept}", summed)


# Windows ----------------------------------------------------------------------------------------------

# channels, height, width, batch, kernel, stride, (top, bottom), (left, right)
WINDOWS = [
    (1, 9, 9, 10, (5, 5), (1, 1), (0, 0), (0, 0)),
    (3, 7, 6, 1, (3, 2), (2, 1), (1, 1), (0, 1)),
    (2, 5, 7, 13, (2, 2), (2, 2), (0, 0), (0, 0)),
    (1, 4, 4, 128, (2, 3), (1, 2), (1, 0), (2, 1)),
    (2, 8, 7, 3, (2, 2), (3, 4), (0, 0), (1, 1)),
    (2, 6, 5, 2, (3, 3), (1, 1), (1, 1), (1, 1)),
]


def window_cases() -> Iterator[Case]:
    for channels, h, w, batch, (kh, kw), (sh, sw), (top, bottom), (left, right) in WINDOWS:
        oh, ow = (h + top + bottom - kh) // sh + 1, (w + left + right - kw) // sw + 1
        geometry = (h, w, batch, oh, ow, kh, kw, sh, sw, top, left)
        image, windows = (channels, h, w, batch), (channels, oh, ow, batch)
        col = (channels * kh * kw, oh * ow * batch)
        pixels, outputs, patches = (int(np.prod(shape)) for shape in (image, windows, col))
        label = f"{kh}x{kw}-batch{batch}"

        def gathered(rng, dtype, g=geometry, image=image, col=col, size=patches):
            return size, (normal(rng, dtype, *image), np.empty(col, dtype), size, *g)

        def scattered(rng, dtype, g=geometry, image=image, col=col, size=pixels):
            return size, (normal(rng, dtype, *col), np.empty(image, dtype), size, *g)

        def pooled(rng, dtype, g=geometry, image=image, windows=windows, size=outputs):
            bias = normal(rng, dtype, image[0]) if g[2] != 1 else None
            y, winners = np.empty(windows, dtype), np.empty(windows, np.uint8)
            kind = (1, 0.0) if g[2] == 10 else (4, 0.1)
            return size, (levels(rng, dtype, *image), bias, y, winners, size, *kind, *g)

        def unpooled(rng, dtype, g=geometry, image=image, windows=windows, size=pixels):
            winners = rng.integers(0, g[5] * g[6], windows).astype(np.uint8)
            return size, (normal(rng, dtype, *windows), winners, np.empty(image, dtype), size, *g)

        yield Case(conv.im2col, label, gathered)
        yield Case(conv.col2im, label, scattered)
        yield Case(pool.max_pool, label, pooled)
        yield Case(pool.max_pool_backward, label, unpooled)
        for padding in (0, 1):

            def averaged(rng, dtype, g=geometry, i=image, windows=windows, size=outputs, p=padding):
                return size, (normal(rng, dtype, *i), np.empty(windows, dtype), size, p, *g)

            def shared(rng, dtype, g=geometry, i=image, windows=windows, size=pixels, p=padding):
                return size, (normal(rng, dtype, *windows), np.empty(i, dtype), size, p, *g)

            yield Case(pool.average_pool, f"{label}-{padding}", averaged)
            yield Case(pool.average_pool_backward, f"{label}-{padding}", shared)


# filters, channels, height, width, batch, kernel, pool, (top, bottom), (left, right)
DIRECT = [
    (2, 1, 8, 9, 10, (3, 4), (2, 2), (0, 0), (0, 0)),
    (2, 2, 6, 7, 1, (3, 2), (2, 3), (1, 1), (1, 0)),
    (1, 1, 5, 4, 130, (2, 3), (2, 1), (0, 0), (1, 1)),
]


def direct_cases() -> Iterator[Case]:
    for filters, channels, h, w, batch, (kh, kw), (ph, pw), (top, bottom), (left, right) in DIRECT:
        oh, ow = (h + top + bottom - kh + 1) // ph, (w + left + right - kw + 1) // pw
        sizes = (channels, h, w, batch, oh, ow, kh, kw, ph, pw, top, left)
        image, outputs = (channels, h, w, batch), (filters, oh, ow, batch)
        weights, size = (filters, channels, kh, kw), filters * oh * ow * batch

        def forward(rng, dtype, s=sizes, i=image, o=outputs, f=weights, size=size):
            # Small whole numbers: sums are exact, and often equal.
            x, weight, bias = levels(rng, dtype, *i), levels(rng, dtype, *f), levels(rng, dtype, f[0])
            y, winners = np.empty(o, dtype), np.empty(o, np.uint8)
            bias = bias if s[3] != 1 else None
            return size, (x, weight, bias, y, winners, size, 2, 0.0, *s)

        def backward(rng, dtype, s=sizes, i=image, o=outputs, f=weights):
            winners = rng.integers(0, s[8] * s[9], o).astype(np.uint8)
            x, dy, dw = normal(rng, dtype, *i), normal(rng, dtype, *o), np.empty(f, dtype)
            return (dw.size,), (x, dy, winners, dw, *s)

        yield Case(direct.conv_pool, f"batch{batch}", forward)
        yield Case(direct.conv_pool_weights, f"batch{batch}", backward)


# Loss, optimizers, random numbers, data -----------------------------------------------------------------


def softmax_cases() -> Iterator[Case]:
    for examples, classes, on, off, weighted in (
        (1, 10, 1.0, 0.0, False),
        (10, 10, 0.91, 0.01, True),
        (300, 7, 0.9, 0.05, False),
        (513, 2, 1.0, 0.0, True),
    ):

        def make(rng, dtype, n=examples, k=classes, on=on, off=off, weighted=weighted):
            z, labels = 5 * normal(rng, dtype, n, k), rng.integers(0, k, n)
            w = rng.uniform(0.5, 2, k).astype(dtype) if weighted else None
            a = rng.uniform(0, 2, n).astype(dtype) if weighted else None
            blocks = -(-n // 256)
            out = np.empty(n, dtype), np.empty((n, k), dtype), np.empty(blocks, dtype)
            return (blocks,), (z, labels, w, a, *out, n, k, on, off, 1 / n)

        yield Case(softmax.cross_entropy, f"{examples}x{classes}", make)


def optimizer_cases() -> Iterator[Case]:
    def slots(rng: Rng, dtype: Any, sizes: tuple[int, ...], memory: int) -> tuple[Any, ...]:
        """Return one parameter for each size, and the slots that stay empty."""
        given: list[Any] = []
        for k, size in enumerate(sizes):
            squares = [rng.uniform(0, 1, size).astype(dtype) for _ in range(memory)] + [None] * (2 - memory)
            given += [normal(rng, dtype, size), normal(rng, dtype, size), *squares, size, k, 0.5 + k, 0.1 * k]
        return (*given, *(None, None, None, None, 0, 0, 0.0, 0.0) * (optimizers.SLOTS - len(sizes)))

    def rate(dtype: Any) -> np.ndarray:
        return np.array([0.03], dtype)

    for sizes in ((1,), (257, 1000, 3), (5,) * optimizers.SLOTS):
        grid = (-(-max(sizes) // 256), len(sizes))
        old = tuple(f"{name}{k}" for k in range(len(sizes)) for name in ("w", "first", "second"))

        def plain(rng, dtype, sizes=sizes, grid=grid):
            return grid, (rate(dtype), *slots(rng, dtype, sizes, 0))

        yield Case(optimizers.sgd, str(len(sizes)), plain, old)
        for form in range(3):

            def rolling(rng, dtype, sizes=sizes, grid=grid, form=form):
                return grid, (rate(dtype), 0.9, form, *slots(rng, dtype, sizes, 1))

            yield Case(optimizers.momentum, f"{len(sizes)}-form{form}", rolling, old)
        for inside in (0, 1):

            def scaled(rng, dtype, sizes=sizes, grid=grid, inside=inside):
                return (1, grid[1]), (rate(dtype), 0.9, 0.1, 1e-2, inside, *slots(rng, dtype, sizes, 1))

            def adam(rng, dtype, sizes=sizes, grid=grid, inside=inside):
                correct, steps = 1 - inside * (len(sizes) == 1), np.array([20 + inside])
                given = slots(rng, dtype, sizes, 2)
                return grid, (rate(dtype), steps, 0.9, 0.999, 1e-3, inside, correct, *given)

            yield Case(optimizers.scaled, f"{len(sizes)}-{inside}", scaled, old)
            yield Case(optimizers.adam, f"{len(sizes)}-{inside}", adam, old)


def dropout_cases() -> Iterator[Case]:
    for batch, features in ((1, 1), (10, 1000), (128, 33), (3, 5)):
        for examples_first in (0, 1):
            size = batch * features

            def forward(rng, dtype, size=size, batch=batch, first=examples_first):
                x, y = normal(rng, dtype, size), np.empty(size, dtype)
                mask, number = np.empty(-(-size // 16), np.uint16), np.array([5 + batch])
                key = [int(k) for k in rng.integers(0, 2**64, 2, np.uint64)]
                grid = (-(-size // 4096),)
                return grid, (x, y, mask, *key, number, size, batch, first, 26214, 1.7)

            def backward(rng, dtype, size=size, batch=batch, first=examples_first):
                mask = rng.integers(0, 2**16, -(-size // 16)).astype(np.uint16)
                return size, (normal(rng, dtype, size), mask, np.empty(size, dtype), size, batch, first, 1.7)

            yield Case(dropout.dropout, f"{batch}x{features}-{examples_first}", forward)
            yield Case(dropout.dropout_gradient, f"{batch}x{features}-{examples_first}", backward)


def gather_cases() -> Iterator[Case]:
    for batch, pixels, labelled in ((1, 1, True), (10, 49, True), (70, 40, False), (33, 64, True)):

        def make(rng, dtype, n=batch, pixels=pixels, labelled=labelled):
            flat, order = rng.integers(0, 256, 90 * (pixels + 5)).astype(np.uint8), rng.permutation(90)[:n]
            labels, chosen = (rng.integers(0, 10, 90), np.empty(n, np.int64)) if labelled else (None, None)
            corners, grid = order * (pixels + 5), np.sort(rng.choice(pixels + 5, pixels, replace=False))
            blocks = (-(-pixels // 32), -(-n // 32))
            given = (labels, order if labelled else None, np.empty((pixels, n), dtype), chosen)
            return blocks, (flat, corners, grid, *given, n, pixels, 1 / 255, 0.25)

        yield Case(gather.gather, f"{batch}x{pixels}", make)


def counter_cases() -> Iterator[Case]:
    yield Case(counters.advance, "by-3", lambda rng, dtype: (1, (np.array([2**40]), 3)), ("counter",))


CASES = [
    *activation_cases(),
    *window_cases(),
    *direct_cases(),
    *softmax_cases(),
    *optimizer_cases(),
    *dropout_cases(),
    *gather_cases(),
    *counter_cases(),
]
