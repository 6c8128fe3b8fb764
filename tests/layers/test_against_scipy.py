"""Layers against SciPy: independent code for the same definitions."""

from __future__ import annotations

import numpy as np
import pytest

import minidl.layers as L

signal = pytest.importorskip("scipy.signal", reason="SciPy is not installed: nothing to compare with")
special = pytest.importorskip("scipy.special", reason="SciPy is not installed: nothing to compare with")
ndimage = pytest.importorskip("scipy.ndimage", reason="SciPy is not installed: nothing to compare with")

CLOSE = {"rtol": 1e-11, "atol": 1e-12}


def _built(layer, input_shape):
    layer.build(input_shape, 2, np.float64)
    return layer, np.random.default_rng(3).normal(size=(3, *input_shape))


@pytest.mark.parametrize("kernel", [(3, 3), (2, 4), (5, 1)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_convolution_is_the_cross_correlation_of_scipy(kernel, padding):
    layer, x = _built(L.Conv2D(2, kernel, padding=padding), (3, 6, 7))
    weight, bias = layer.parameters["weight"].value, layer.parameters["bias"].value
    bias[...] = 0.5, -2
    if padding == "same":
        # What cannot be split evenly goes to the bottom and the right.
        extra = [((k - 1) // 2, k - 1 - (k - 1) // 2) for k in kernel]
        padded = np.pad(x, ((0, 0), (0, 0), *extra))
    else:
        padded = x
    wanted = np.array(
        [
            [
                sum(signal.correlate(padded[n, c], weight[f, c], "valid") for c in range(3)) + bias[f]
                for f in range(2)
            ]
            for n in range(3)
        ]
    )
    np.testing.assert_allclose(layer.forward(x), wanted, **CLOSE)


def test_gradient_of_the_input_is_the_full_convolution_of_scipy():
    layer, x = _built(L.Conv2D(2, (3, 2)), (2, 5, 6))
    weight = layer.parameters["weight"].value
    y = layer.forward(x, train=True)
    dy = np.random.default_rng(4).normal(size=y.shape)
    wanted = np.array(
        [
            [sum(signal.convolve(dy[n, f], weight[f, c], "full") for f in range(2)) for c in range(2)]
            for n in range(3)
        ]
    )
    np.testing.assert_allclose(layer.backward(dy), wanted, **CLOSE)


def test_gradient_of_the_weights_is_the_correlation_of_input_and_gradient():
    layer, x = _built(L.Conv2D(2, (3, 2)), (2, 5, 6))
    dy = np.random.default_rng(4).normal(size=layer.forward(x, train=True).shape)
    layer.backward(dy)
    wanted = np.array(
        [
            [sum(signal.correlate(x[n, c], dy[n, f], "valid") for n in range(3)) for c in range(2)]
            for f in range(2)
        ]
    )
    np.testing.assert_allclose(layer.parameters["weight"].grad, wanted, **CLOSE)


def test_overlapping_maximum_is_the_filter_of_scipy():
    layer, x = _built(L.MaxPool2D((3, 3), stride=1, padding="same"), (2, 6, 5))
    wanted = ndimage.maximum_filter(x, size=(1, 1, 3, 3), mode="constant", cval=-np.inf)
    np.testing.assert_array_equal(layer.forward(x), wanted)


def test_overlapping_mean_is_the_filter_of_scipy():
    layer, x = _built(L.AvgPool2D(3, stride=1, padding=1, count_padding=True), (2, 6, 5))
    wanted = ndimage.uniform_filter(x, size=(1, 1, 3, 3), mode="constant", cval=0.0)
    np.testing.assert_allclose(layer.forward(x), wanted, **CLOSE)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_and_softmax_of_extreme_numbers(dtype):
    x = np.array([[-1e4, -90.0, -1.0, 0.0, 2.0, 90.0, 1e4]], dtype)
    sigmoid, softmax = L.Sigmoid(), L.Softmax()
    sigmoid.build((7,), dtype=dtype)
    softmax.build((7,), dtype=dtype)
    tolerance = 4 * np.finfo(dtype).eps
    # (1 + tanh(x/2))/2 is exact to rounding of 1, not of the sigmoid: far left it is 0 within eps.
    np.testing.assert_allclose(sigmoid.forward(x), special.expit(x), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(softmax.forward(x), special.softmax(x, axis=1), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(softmax.forward(x).sum(axis=1), 1, rtol=tolerance)


def test_elu_of_small_numbers_keeps_their_digits():
    layer, _ = _built(L.ELU(), (3,))
    x = np.array([[-1e-12, -1e-6, -800.0]])
    np.testing.assert_allclose(layer.forward(x), [[np.expm1(-1e-12), np.expm1(-1e-6), -1.0]], rtol=1e-15)
