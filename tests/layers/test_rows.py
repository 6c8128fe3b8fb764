"""Convolution by rows gives what convolution by patches gives."""

import numpy as np
import pytest

from minidl import Conv2D, Sequential, threads
from minidl.kernels import reference, rows
from minidl.layers.ways import ByPatches, ByRows


def scratch(name, shape, like):
    return np.full(shape, np.nan, like.dtype)


def test_rows_hold_the_image_once_for_each_column_of_the_kernel():
    # Pixels 1 2 3 / 4 5 6 of one channel and one image, a border of one, kernel width 2, every second output.
    image = np.arange(1.0, 7).reshape(1, 2, 3, 1)
    found = rows.shifted_rows(image, (-1, -1), (4, 2), 2, 2, "rows", scratch)
    first, second = [[0, 0], [0, 2], [0, 5], [0, 0]], [[0, 0], [1, 3], [4, 6], [0, 0]]
    np.testing.assert_array_equal(found, np.stack([first, second], axis=1)[:, :, np.newaxis])


def test_rows_far_outside_the_image_are_zero():
    image = np.ones((2, 3, 3, 4))
    for corner in ((9, 0), (-9, 0), (0, 9), (0, -9)):
        assert not rows.shifted_rows(image, corner, (2, 5), 3, 1, "rows", scratch).any()


def test_a_band_is_the_patch_matrix_of_one_row_and_shares_memory_with_the_next():
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, 6, 5, 3))
    moved = rows.moved_rows(image, (3, 2), (2, 1), ((0, 0), (0, 0)), (2, 4), scratch)
    found = rows.bands(moved, 3, 2, 2)[:, 0]
    for h in range(2):
        for i in range(3):
            for j in range(2):
                for c in range(2):
                    row = (i * 2 + j) * 2 + c
                    np.testing.assert_array_equal(found[h, row].reshape(4, 3), image[c, 2 * h + i, j : j + 4])
    assert np.shares_memory(found, moved)


def test_rows_a_power_of_two_apart_get_a_gap():
    image = np.zeros((1, 3, 10, 64), np.float32)
    moved = rows.moved_rows(image, (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 8), scratch)
    assert moved.shape[3] == 512
    assert moved.strides[2] % rows.CRITICAL_STRIDE != 0


SHAPES = [
    # channels, filters, kernel, stride, image, padding, batch
    (3, 4, 3, 1, (8, 9), "same", 5),  # the image's gradient from the rows of dy
    (1, 8, 3, 1, (8, 9), "same", 5),  # scattered
    (3, 4, (3, 5), (2, 3), (9, 11), "same", 5),
    (2, 3, (2, 4), 1, (6, 7), ((0, 1), (2, 0)), 5),
    (2, 3, 3, 1, (5, 5), 4, 5),  # more padding than the kernel reaches over
    (4, 3, 5, 1, (5, 5), "valid", 5),  # a single output
    (2, 3, 1, 2, (5, 4), "valid", 5),  # a stride that passes over pixels
    (3, 3, 2, 3, (9, 9), "valid", 5),
    (4, 5, 3, 1, (4, 16), "same", 64),  # products in pieces, rows with a gap
]


@pytest.mark.parametrize(
    ("channels", "filters", "kernel", "stride", "image", "padding", "batch"), SHAPES, ids=map(str, SHAPES)
)
@pytest.mark.parametrize("cached", [1, rows.CACHED])
def test_rows_and_patches_agree(
    channels, filters, kernel, stride, image, padding, batch, cached, monkeypatch
):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((batch, channels, *image))
    results = {}
    for algorithm in ("patches", "rows"):
        if algorithm == "rows":  # the patches all at once, the rows in blocks
            monkeypatch.setattr(rows, "CACHED", cached)
            monkeypatch.setattr("minidl.kernels.convolution.CACHED", cached)
        layer = Conv2D(filters, kernel, stride=stride, padding=padding, algorithm=algorithm)
        layer.build((channels, *image), rng=4, dtype=np.float64)
        dy = np.random.default_rng(2).standard_normal((batch, *layer.output_shape))
        layer.parameters["bias"].value[:] = np.arange(1, filters + 1)
        for _ in range(2):  # a second time, with the arrays of the first
            found = [layer.forward(x, train=True).copy(), layer.backward(dy).copy()]
            found += [parameter.grad.copy() for _, parameter in layer.named_parameters()]
            layer.backward_parameters(dy)
            found += [parameter.grad.copy() for _, parameter in layer.named_parameters()]
        results[algorithm] = found
    for one, other in zip(results["rows"], results["patches"], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-13 * max(1, np.abs(other).max()))


def test_rows_agree_with_the_loops():
    rng = np.random.default_rng(3)
    layer = Conv2D(3, 3, padding=1, algorithm="rows")
    layer.build((2, 4, 5), rng=0, dtype=np.float64)
    x = rng.standard_normal((2, 2, 4, 5))
    weight, bias = (layer.parameters[name].value for name in ("weight", "bias"))
    expected = reference.conv2d(x, weight, bias, (1, 1), ((1, 1), (1, 1)))
    np.testing.assert_allclose(layer.forward(x), expected, rtol=0, atol=1e-13)


def test_float32_is_off_by_rounding_alone():
    x = np.random.default_rng(0).standard_normal((32, 8, 12, 12))
    by_rows, exact = Conv2D(16, 3, padding=1, algorithm="rows"), Conv2D(16, 3, padding=1, algorithm="patches")
    by_rows.build((8, 12, 12), rng=0)
    exact.build((8, 12, 12), rng=0, dtype=np.float64)
    exact.load_state_dict(by_rows.state_dict())
    y = by_rows.forward(x.astype(np.float32))
    assert y.dtype == np.float32
    wanted = exact.forward(x)
    assert np.abs(y - wanted).max() < 1e-6 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("channels", "kernel", "batch", "way"),
    [
        (3, 3, 64, ByRows),
        (3, 3, 1, ByPatches),  # 12 columns: too few for a product of their own
        (3, 1, 64, ByPatches),  # nothing to put down twice
        (64, 4, 64, ByPatches),  # the copies do not matter
    ],
)
def test_auto_takes_rows_where_they_pay(channels, kernel, batch, way):
    layer = Conv2D(8, kernel, padding="same")
    layer.build((channels, 12, 12))
    assert layer._way(np.zeros((batch, channels, 12, 12), np.float32)) is way


def test_threads_change_nothing_but_rounding():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 3, 16, 16)).astype(np.float32)
    model = Sequential([Conv2D(8, 3, padding=1)])
    model.build((3, 16, 16))
    dy = rng.standard_normal((64, 8, 16, 16)).astype(np.float32)

    def outcome():
        found = [model.forward(x, train=True).copy(), model.backward(dy).copy()]
        return found + [parameter.grad.copy() for _, parameter in model.named_parameters()]

    alone = outcome()
    with threads(2):
        for one, other in zip(outcome(), alone, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=2e-6 * np.abs(other).max())
