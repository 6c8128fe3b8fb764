"""Convolution by minimal filtering gives what convolution gives, to rounding."""

import numpy as np
import pytest

from minidl import Conv2D, threads
from minidl.errors import ConfigError
from minidl.kernels import winograd


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


def test_both_ways_transforms_columns_and_rows():
    rng = np.random.default_rng(0)
    matrix, tiles = rng.standard_normal((6, 4)), rng.standard_normal((4, 4, 2000))
    found = winograd.both_ways(matrix, tiles, "tiles", scratch)
    np.testing.assert_allclose(found, np.einsum("ab,bcl,dc->adl", matrix, tiles, matrix), rtol=1e-12, atol=1e-12)


SHAPES = [
    # channels, filters, kernel, image, padding
    (20, 40, 5, (12, 12), "valid"),  # the lecture's second convolution
    (4, 8, 5, (9, 14), "valid"),  # tiles that stick out
    (4, 8, 5, (5, 5), "valid"),  # a single output
    (5, 8, 5, (6, 7), "same"),
    (3, 2, 3, (8, 8), "valid"),
    (2, 3, 3, (5, 9), ((0, 1), (2, 0))),
]


def twins(channels, filters, kernel, image, padding, dtype):
    """Return the same convolution by Winograd's way and by patches, an input and a gradient."""
    layers = []
    for algorithm in ("winograd", "patches"):
        layer = Conv2D(filters, kernel, padding=padding, algorithm=algorithm)
        layer.build((channels, *image), rng=4, dtype=dtype)
        layers.append(layer)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((7, channels, *image)).astype(dtype)
    dy = rng.standard_normal((7, *layers[0].output_shape)).astype(dtype)
    return layers, x, dy


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_both_algorithms_agree(shape, dtype, tolerance):
    (ours, plain), x, dy = twins(*shape, dtype)
    for _ in range(2):  # a second time, with the arrays of the first
        found, wanted = [], []
        for layer, results in ((ours, found), (plain, wanted)):
            results += [layer.forward(x, train=True).copy(), layer.backward(dy).copy()]
            results += [parameter.grad.copy() for _, parameter in layer.named_parameters()]
        for one, other in zip(found, wanted, strict=True):
            assert one.dtype == dtype
            np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


def test_rounding_is_that_of_float32_times_a_small_factor():
    (ours, plain), x, _ = twins(*SHAPES[0], np.float32)
    (_, plain64), _, _ = twins(*SHAPES[0], np.float64)
    exact = plain64.forward(x.astype(np.float64))
    error = (ours.forward(x) - exact).std() / exact.std()
    direct = (plain.forward(x) - exact).std() / exact.std()
    assert direct < error < 40 * direct
    assert error < 1e-5


def test_auto_takes_it_where_it_pays():
    def takes(channels, filters, kernel, **options):
        layer = Conv2D(filters, kernel, **options)
        layer.build((channels, 12, 12))
        return layer._takes_winograd(np.zeros((1, channels, 12, 12), np.float32))

    assert takes(20, 40, 5)
    assert not takes(1, 20, 5), "one channel: the transforms cost more than they save"
    assert not takes(20, 40, 3)
    assert not takes(20, 40, (5, 3))
    assert not takes(20, 40, 5, stride=2)
    assert not takes(20, 40, 5, algorithm="patches")
    assert takes(1, 1, 3, algorithm="winograd")


def test_threads_change_nothing_but_rounding():
    x = np.random.default_rng(0).standard_normal((64, 20, 12, 12)).astype(np.float32)
    layer = Conv2D(40, 5)
    layer.build((20, 12, 12))
    alone = layer.forward(x)
    with threads(2):
        assert np.array_equal(layer.forward(x), alone)


@pytest.mark.parametrize(("kernel", "stride"), [(4, 1), ((3, 5), 1), (5, 2), (7, 1)])
def test_asked_for_where_it_does_not_apply_it_is_refused(kernel, stride):
    with pytest.raises(ConfigError, match="algorithm='winograd' is for kernels of 3x3 or 5x5 at stride 1"):
        Conv2D(3, kernel, stride=stride, algorithm="winograd")


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(ConfigError, match="'auto', 'patches' or 'winograd', got 'fft'"):
        Conv2D(3, 3, algorithm="fft")
