"""Pooling and batch normalisation a few channels at a time: blocks and threads change nothing."""

import numpy as np
import pytest

from minidl import AvgPool2D, BatchNorm, L2Pool2D, MaxPool2D, parallel, threads
from minidl.kernels import cpu, reference

LAYERS = {
    "max 3x3 stride 2": lambda: MaxPool2D(3, stride=2),
    "max 2x2": lambda: MaxPool2D(2),
    "max same": lambda: MaxPool2D(3, stride=1, padding="same"),
    "average 2x2": lambda: AvgPool2D(2),
    "average same": lambda: AvgPool2D(3, stride=2, padding="same"),
    "L2 mean": lambda: L2Pool2D(2, padding=1, mode="mean"),
    "batch norm": BatchNorm,
}


def outcome(make, x, dy_seed=1):
    layer = make()
    layer.build(x.shape[1:], rng=0, dtype=x.dtype)
    y = layer.forward(x, train=True).copy()
    dy = np.random.default_rng(dy_seed).standard_normal(y.shape).astype(x.dtype)
    dx = layer.backward(dy).copy()
    return [y, dx, *(parameter.grad for _, parameter in layer.named_parameters())]


@pytest.fixture(scope="module")
def images():
    values = np.random.default_rng(0).standard_normal((7, 8, 9, 5)).astype(np.float32)  # (C, H, W, N)
    return values.transpose(3, 0, 1, 2)


@pytest.mark.parametrize("name", LAYERS)
def test_the_size_of_the_blocks_does_not_matter(name, images, monkeypatch):
    results = []
    for block in (1, 3 * 8 * 9 * 5, 10**9):  # one channel, three of seven, all
        monkeypatch.setattr(parallel, "BLOCK", block)
        results.append(outcome(LAYERS[name], images))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=0, atol=2e-6 * np.abs(two).max())


@pytest.mark.parametrize("name", LAYERS)
def test_threads_change_no_bit(name, images, monkeypatch):
    monkeypatch.setattr(parallel, "WORTH_SHARING_PASSES", 1)
    monkeypatch.setattr(parallel, "BLOCK", 1)
    alone = outcome(LAYERS[name], images)
    for count in (2, 3):
        with threads(count):
            for one, two in zip(outcome(LAYERS[name], images), alone, strict=True):
                np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", LAYERS)
def test_memory_order_does_not_matter(name, images):
    for one, two in zip(
        outcome(LAYERS[name], images), outcome(LAYERS[name], np.ascontiguousarray(images)), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=0, atol=2e-6 * np.abs(two).max())


@pytest.mark.parametrize(
    ("kernel", "stride"), [(1, 1), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (4, 2), (5, 2)]
)
@pytest.mark.parametrize("size", [9, 10, 11])
def test_maxima_along_one_axis_send_the_gradient_to_the_first(kernel, stride, size):
    rng = np.random.default_rng(size)
    x = rng.integers(0, 3, (4, size, 2)).astype(float)  # many ties
    count = (size - kernel) // stride + 1
    y, out = np.empty((4, count, 2)), np.full(x.shape, np.nan)
    cpu.reduce_windows(np.maximum, x, 1, kernel, stride, out=y)
    dy = rng.standard_normal(y.shape)
    expected = np.zeros(x.shape)
    for a in range(count):
        window = x[:, stride * a : stride * a + kernel]
        first = window.argmax(axis=1)
        for c in range(4):
            for n in range(2):
                expected[c, stride * a + first[c, n], n] += dy[c, a, n]
    np.testing.assert_allclose(
        cpu.max_windows_backward(x, y, dy, 1, kernel, stride, out), expected, atol=1e-14
    )
    sums = np.zeros(x.shape)
    for a in range(count):
        sums[:, stride * a : stride * a + kernel] += dy[:, a : a + 1]
    out.fill(np.nan)
    np.testing.assert_allclose(cpu.add_windows_backward(dy, 1, kernel, stride, out), sums, atol=1e-14)


def test_overlapping_windows_agree_with_the_loops():
    x = np.random.default_rng(0).integers(0, 4, (2, 3, 7, 8)).astype(float)
    layer = MaxPool2D(3, stride=2, padding=1)
    layer.build(x.shape[1:], dtype=np.float64)
    y = layer.forward(x, train=True)
    padding = ((1, 1), (1, 1))
    np.testing.assert_array_equal(y, reference.max_pool(x, (3, 3), (2, 2), padding))
    dy = np.random.default_rng(1).standard_normal(y.shape)
    wanted = reference.max_pool_backward(x, dy, (3, 3), (2, 2), padding)
    np.testing.assert_allclose(layer.backward(dy), wanted, atol=1e-14)


def test_a_large_mean_costs_the_variance_no_digits():
    x = (1000 + np.random.default_rng(0).standard_normal((32, 3, 16, 16))).astype(np.float32)
    layer = BatchNorm()
    layer.build(x.shape[1:])
    y = layer.forward(x, train=True)
    exact = x.astype(np.float64)
    exact = (exact - exact.mean(axis=(0, 2, 3), keepdims=True)) / exact.std(axis=(0, 2, 3), keepdims=True)
    np.testing.assert_allclose(y, exact, rtol=0, atol=2e-4)  # x itself is rounded to 3e-5


def test_the_input_is_left_alone(images):
    for make in LAYERS.values():
        before = images.copy()
        outcome(make, images)
        np.testing.assert_array_equal(images, before)


def test_blocks_cover_every_row_once():
    for count, numbers in ((1, 10), (7, parallel.BLOCK // 3), (5, 10 * parallel.BLOCK), (0, 4)):
        seen = []
        parallel.in_blocks(seen.append, count, numbers)
        assert [row for part in seen for row in range(part.start, part.stop)] == list(range(count))
    with threads(3):
        seen = []
        parallel.in_blocks(seen.append, 10, parallel.WORTH_SHARING_PASSES)
    assert sorted(row for part in seen for row in range(part.start, part.stop)) == list(range(10))
