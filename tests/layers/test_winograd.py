"""Convolution by minimal filtering gives what convolution gives, to rounding."""

import numpy as np
import pytest

from minidl import Conv2D, threads
from minidl.errors import ConfigError
from minidl.kernels import phases, winograd
from minidl.layers.ways import ByPhases, ByTiles


def scratch(name, shape, like):
    return np.empty(shape, like.dtype)


@pytest.mark.parametrize("size", [3, 5])
def test_one_dimension_by_its_definition(size):
    rng = np.random.default_rng(size)
    d, g = rng.standard_normal(4 + size - 1), rng.standard_normal(size)
    matrices = winograd.transforms(size, np.float64)
    y = matrices.outputs @ ((matrices.kernels @ g) * (matrices.inputs @ d))
    expected = [sum(g[i] * d[a + i] for i in range(size)) for a in range(4)]
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    assert len(matrices.inputs) == 4 + size - 1, "as many multiplications as inputs, not 4 times the kernel"


def test_a_kernel_of_one_is_evaluated_to_its_values():
    # The polynomial 1 + 2 z + 4 z^2 at 0, 1, -1, 1/2, -2 is 1, 7, 3, 3, 13, and its last coefficient is 4.
    points = winograd.transforms(3, np.float64).kernels @ np.array([1.0, 2.0, 4.0])
    scale = winograd.transforms(3, np.float64).kernels[:, 0]  # the first column of the powers is one
    np.testing.assert_allclose(points[:5] / scale[:5], [1, 7, 3, 3, 13], rtol=1e-14)


def test_squares_are_transformed_on_both_sides():
    rng = np.random.default_rng(0)
    matrix, squares = rng.standard_normal((6, 4)), rng.standard_normal((4, 4, 2000))
    found = winograd.on_both_sides(matrix, squares, "squares", scratch)
    np.testing.assert_allclose(
        found, np.einsum("ab,bcl,dc->adl", matrix, squares, matrix), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("batch", [3, winograd.ENOUGH_IMAGES])
def test_points_are_the_transformed_tiles(batch):
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, 10, 14, batch))  # 2 x 3 tiles of 6 x 6 pixels, 4 apart
    matrix, points = rng.standard_normal((6, 6)), np.empty((6, 6, 2, 2, 3, batch))
    winograd.to_points(matrix, image, points, scratch)
    for y in range(2):
        for x in range(3):
            tile = image[:, 4 * y : 4 * y + 6, 4 * x : 4 * x + 6]
            expected = np.einsum("ab,cbdn,ed->aecn", matrix, tile, matrix)
            np.testing.assert_allclose(points[:, :, :, y, x], expected, rtol=1e-12, atol=1e-12)


def test_blocks_cover_all_rows_of_tiles_and_fit_the_cache(monkeypatch):
    monkeypatch.setattr(winograd, "CACHED", 1000)
    assert winograd.blocks((7, 5), 100) == [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 7)]
    assert winograd.blocks((2, 5), 1000) == [slice(0, 1), slice(1, 2)], "one row at least"


SHAPES = [
    # channels, filters, kernel, image, padding
    (20, 40, 5, (12, 12), "valid"),  # the lecture's second convolution
    (4, 8, 5, (9, 14), "valid"),  # tiles that stick out
    (4, 8, 5, (5, 5), "valid"),  # a single output
    (5, 8, 5, (6, 7), "same"),
    (3, 2, 3, (8, 8), "valid"),
    (2, 3, 3, (5, 9), ((0, 1), (2, 0))),
]


STRIDED = [
    # 5x5 at stride 2
    (3, 4, 5, (9, 11), 2),
    (2, 3, 5, (8, 8), "same"),
    (2, 3, 5, (12, 7), "valid"),  # the last column is looked at by no output
    (2, 3, 5, (12, 8), "valid"),  # the last row and column
    (2, 3, 5, (10, 12), ((3, 0), (1, 4))),
    (2, 3, 5, (5, 5), "valid"),  # a single output
    (2, 3, 5, (6, 6), 7),  # more padding than the kernel reaches over
]


def twins(channels, filters, kernel, image, padding, dtype, batch=7, stride=1):
    """Return the same convolution by Winograd's way and by patches, an input and a gradient."""
    layers = []
    for algorithm in ("winograd", "patches"):
        layer = Conv2D(filters, kernel, stride=stride, padding=padding, algorithm=algorithm)
        layer.build((channels, *image), rng=4, dtype=dtype)
        layers.append(layer)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((batch, channels, *image)).astype(dtype)
    dy = rng.standard_normal((batch, *layers[0].output_shape)).astype(dtype)
    return layers, x, dy


def assert_twins_agree(ours, plain, x, dy, tolerance):
    for _ in range(2):  # a second time, with the arrays of the first
        found, wanted = [], []
        for layer, results in ((ours, found), (plain, wanted)):
            results += [layer.forward(x, train=True).copy(), layer.backward(dy).copy()]
            results += [parameter.grad.copy() for _, parameter in layer.named_parameters()]
        for one, other in zip(found, wanted, strict=True):
            assert one.dtype == x.dtype
            np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_both_algorithms_agree(shape, dtype, tolerance):
    (ours, plain), x, dy = twins(*shape, dtype)
    assert_twins_agree(ours, plain, x, dy, tolerance)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batch", [2, winograd.ENOUGH_IMAGES])
def test_they_agree_in_many_blocks(shape, batch, monkeypatch):
    monkeypatch.setattr(winograd, "CACHED", 1)  # every row of tiles is a block
    (ours, plain), x, dy = twins(*shape, np.float64, batch)
    assert_twins_agree(ours, plain, x, dy, 1e-12)


@pytest.mark.parametrize("shape", STRIDED)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_stride_two_agrees(shape, dtype, tolerance):
    (ours, plain), x, dy = twins(*shape, dtype, stride=2)
    assert_twins_agree(ours, plain, x, dy, tolerance)


@pytest.mark.parametrize("batch", [2, winograd.ENOUGH_IMAGES])
def test_stride_two_agrees_in_many_blocks(batch, monkeypatch):
    monkeypatch.setattr(winograd, "CACHED", 1)
    (ours, plain), x, dy = twins(2, 3, 5, (21, 19), "same", np.float64, batch, stride=2)
    assert_twins_agree(ours, plain, x, dy, 1e-12)


def test_an_image_is_sorted_by_even_and_odd_rows_and_columns():
    # 3 x 3 pixels with a zero row and two zero columns before them:
    #   . . . . .
    #   . . 1 2 3
    #   . . 4 5 6
    #   . . 7 8 9
    image = np.arange(1.0, 10).reshape(1, 3, 3, 1)
    found = phases.sorted_image(image, (1, 2), (2, 3), lambda name, shape, like: np.full(shape, np.nan))
    expected = [
        [[0, 0, 0], [0, 4, 6]],
        [[0, 0, 0], [0, 5, 0]],
        [[0, 1, 3], [0, 7, 9]],
        [[0, 2, 0], [0, 8, 0]],
    ]
    np.testing.assert_array_equal(found[..., 0], expected)
    back = np.full(image.shape, np.nan)
    phases.collect_image(found, (1, 2), back)
    np.testing.assert_array_equal(back, image)


def test_part_of_a_larger_batch_and_images_in_c_order_are_taken_as_they_are():
    (ours, plain), x, _ = twins(*SHAPES[3], np.float64, 40)
    whole = plain.forward(x)
    last = np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    np.testing.assert_allclose(ours.forward(last[10:20]), whole[10:20], rtol=0, atol=1e-12 * abs(whole).max())
    np.testing.assert_allclose(ours.forward(x[10:20]), whole[10:20], rtol=0, atol=1e-12 * abs(whole).max())


def test_rounding_is_that_of_float32_times_a_small_factor():
    (ours, plain), x, _ = twins(*SHAPES[0], np.float32)
    (_, plain64), _, _ = twins(*SHAPES[0], np.float64)
    exact = plain64.forward(x.astype(np.float64))
    error = (ours.forward(x) - exact).std() / exact.std()
    direct = (plain.forward(x) - exact).std() / exact.std()
    assert direct < error < 40 * direct
    assert error < 1e-5


def test_auto_takes_it_where_it_pays():
    def takes(channels, filters, kernel, batch=10, **options):
        layer = Conv2D(filters, kernel, **options)
        layer.build((channels, 12, 12))
        return layer._way(np.zeros((batch, channels, 12, 12), np.float32)) in (ByTiles, ByPhases)

    assert takes(20, 40, 5)
    assert not takes(1, 20, 5), "one channel: the transforms cost more than they save"
    assert not takes(20, 40, 3)
    assert takes(20, 40, 3, batch=64)
    assert not takes(12, 40, 3, batch=64)
    assert takes(32, 40, 3)
    assert not takes(20, 40, (5, 3))
    assert takes(20, 40, 5, stride=2, batch=64)
    assert not takes(20, 40, 5, stride=2), "too few images"
    assert not takes(4, 40, 5, stride=2, batch=64)
    assert not takes(20, 40, 5, algorithm="patches")
    assert not takes(20, 40, 5, algorithm="rows")
    assert takes(1, 1, 3, algorithm="winograd")


def test_threads_change_nothing_but_rounding():
    x = np.random.default_rng(0).standard_normal((64, 20, 12, 12)).astype(np.float32)
    layer = Conv2D(40, 5)
    layer.build((20, 12, 12))
    alone = layer.forward(x)
    with threads(2):
        assert np.array_equal(layer.forward(x), alone)


@pytest.mark.parametrize(("kernel", "stride"), [(4, 1), ((3, 5), 1), (3, 2), (5, (1, 2)), (5, 3), (7, 1)])
def test_asked_for_where_it_does_not_apply_it_is_refused(kernel, stride):
    with pytest.raises(
        ConfigError, match="algorithm='winograd' is for kernels of 3x3 or 5x5 at stride 1 and"
    ):
        Conv2D(3, kernel, stride=stride, algorithm="winograd")


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(ConfigError, match="'auto', 'patches', 'rows' or 'winograd', got 'fft'"):
        Conv2D(3, 3, algorithm="fft")
