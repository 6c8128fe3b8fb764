"""Every layer of the library, in every configuration of the catalogue, keeps every rule."""

from __future__ import annotations

import numpy as np
import pytest

import minidl.layers as L
from minidl import parallel
from minidl.errors import ConfigError, ShapeError
from minidl.kernels import reference
from minidl.layers import shards
from minidl.layers.catalogue import LAYERS, LOSSES
from tests.contracts import checks

IDS = [case.label for case in LAYERS]


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("check", checks.CHECKS, ids=[check.__name__ for check in checks.CHECKS])
@pytest.mark.parametrize("case", LAYERS, ids=IDS)
def test_rule(case, check, dtype):
    check(case.make, case.input_shape, dtype)


CONVOLUTIONAL = [case for case in LAYERS if case.kind == "Sequential" and "Conv2D" in case.label]


@pytest.mark.parametrize("check", checks.CHECKS, ids=[check.__name__ for check in checks.CHECKS])
@pytest.mark.parametrize("case", CONVOLUTIONAL, ids=[case.label for case in CONVOLUTIONAL])
def test_rule_on_two_threads(case, check, monkeypatch):
    pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed: minidl.threads needs it")
    monkeypatch.setattr(shards, "SMALLEST_SHARD", 1)
    with parallel.threads(2):
        check(case.make, case.input_shape, np.float32)


def test_no_layer_is_missing_from_the_table():
    assert checks.missing_from(LAYERS, checks.library_layers()) == []


def test_the_table_lists_no_case_twice_and_its_labels_tell_the_class():
    assert len(set(IDS)) == len(IDS)
    assert all(case.label.startswith(type(case.make()).__name__) for case in LAYERS)


@pytest.mark.parametrize("case", LOSSES, ids=[case.label for case in LOSSES])
def test_gradients_of_losses(case):
    report = case.check()
    report.raise_if_failed()
    assert report.error < 1e-6 and type(case.make()).__name__ == case.kind


# The fast kernels against the loops that define them.

WINDOWED = [case for case in LAYERS if case.kind in ("Conv2D", "MaxPool2D", "AvgPool2D", "L2Pool2D")]


def _by_loops(layer, x, dy):
    geometry = (layer.stride, layer.pixels)
    if isinstance(layer, L.Conv2D):
        weight = layer.parameters["weight"].value
        bias = layer.parameters["bias"].value if layer.bias else np.zeros(layer.filters, x.dtype)
        dx, dweight, dbias = reference.conv2d_backward(x, weight, dy, *geometry)
        found = {"y": reference.conv2d(x, weight, bias, *geometry), "dx": dx, "weight": dweight}
        return {**found, "bias": dbias} if layer.bias else found
    forward, backward, extra = {
        "MaxPool2D": (reference.max_pool, reference.max_pool_backward, ()),
        "AvgPool2D": (reference.avg_pool, reference.avg_pool_backward, ("count_padding",)),
        "L2Pool2D": (reference.l2_pool, reference.l2_pool_backward, ("mode",)),
    }[type(layer).__name__]
    options = [getattr(layer, name) for name in extra]
    return {
        "y": forward(x, layer.kernel, *geometry, *options),
        "dx": backward(x, dy, layer.kernel, *geometry, *options),
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("case", WINDOWED, ids=[case.label for case in WINDOWED])
def test_kernels_agree_with_the_loops(case, dtype):
    layer = checks.built(case.make, case.input_shape, dtype)
    x = checks.data(case.input_shape, dtype, batch=2)
    y = layer.forward(x, train=True)
    dy = checks.upstream(y)
    found = {"y": y.copy(), "dx": np.array(layer.backward(dy)), **checks.gradients(layer)}
    checks.assert_same(found, _by_loops(layer, x, dy), checks.TOLERANCE[np.dtype(dtype)], "from the loops")


@pytest.mark.parametrize("options", [{}, {"stride": 1}, {"stride": 2, "padding": "same"}, {"padding": 1}])
def test_ties_of_max_pooling_go_to_the_first_in_reading_order(options):
    # Small integers: nearly every window has ties, which the catalogue's inputs never have.
    x = np.random.default_rng(0).integers(0, 2, (3, 2, 6, 6)).astype(np.float64)
    layer = L.MaxPool2D(3 if options else 2, **options)
    layer.build((2, 6, 6), dtype=np.float64)
    dy = checks.upstream(layer.forward(x, train=True))
    wanted = reference.max_pool_backward(x, dy, layer.kernel, layer.stride, layer.pixels)
    np.testing.assert_allclose(layer.backward(dy), wanted, rtol=1e-12, atol=1e-12)


# What is wrong is said in a sentence that names the layer.

BAD_BUILDS = [
    (lambda: L.Dense(3), (2, 3), r"Dense: .*\(features,\).*\(2, 3\).*Flatten"),
    (lambda: L.Conv2D(3, 3), (5,), r"Conv2D: .*\(channels, height, width\).*\(5,\).*Reshape"),
    (lambda: L.Conv2D(3, 5), (1, 4, 9), r"Conv2D: a 5x5 window does not fit into images of 4x9"),
    (lambda: L.Conv2D(3, (2, 5), padding=1), (1, 4, 2), r"Conv2D: a 2x5 window .* 4x2"),
    (lambda: L.MaxPool2D(3), (1, 2, 5), r"MaxPool2D: a 3x3 window does not fit into images of 2x5"),
    (lambda: L.AvgPool2D(2), (4, 4), r"AvgPool2D: .*\(channels, height, width\).*\(4, 4\)"),
    (lambda: L.L2Pool2D(2), (4,), r"L2Pool2D: .*\(channels, height, width\).*\(4,\)"),
    (lambda: L.GlobalAvgPool2D(), (4,), r"GlobalAvgPool2D: .*\(channels, height, width\).*\(4,\)"),
    (lambda: L.BatchNorm(), (2, 3), r"BatchNorm: .*\(features,\) or \(channels, height, width\).*\(2, 3\)"),
    (lambda: L.Softmax(), (2, 3), r"Softmax: .*\(classes,\).*\(2, 3\)"),
    (lambda: L.Reshape((2, 4)), (9,), r"Reshape: cannot reshape \(9,\) .*\(2, 4\)"),
    (lambda: L.Reshape((2, -1)), (9,), r"Reshape: cannot reshape \(9,\) .*\(2, -1\)"),
    (lambda: L.Dense(3), (0,), r"Dense: every size in input_shape must be at least 1, got \(0,\)"),
    (lambda: L.ReLU(), 5, r"ReLU: input_shape must be a tuple of integers, got 5"),
    (lambda: L.Residual(L.Dense(3)), (4,), r"Residual: .*\(3,\).*\(4,\)"),
    (
        lambda: L.Branches([L.Flatten(), L.Identity()], merge="concat"),
        (2, 3, 3),
        r"Branches: .*\(18,\).*\(2, 3, 3\)",
    ),
    (lambda: L.Sequential([L.Conv2D(2, 3), L.Dense(3)]), (1, 5, 5), r"layer 1 \(Dense\): .*\(2, 3, 3\)"),
    (
        lambda: L.Sequential([L.Flatten(), L.Residual(L.Sequential([L.ReLU(), L.MaxPool2D(2)]))]),
        (1, 5, 5),
        r"layer 1\.body\.1 \(MaxPool2D\): .*\(25,\)",
    ),
]


@pytest.mark.parametrize(("make", "input_shape", "message"), BAD_BUILDS)
def test_a_shape_that_does_not_fit_is_refused_at_build(make, input_shape, message):
    with pytest.raises(ShapeError, match=message):
        make().build(input_shape)


BAD_OPTIONS = [
    (lambda: L.Dense(0), "units .*at least 1, got 0"),
    (lambda: L.Dense(2.5), "units .*got 2.5"),
    (lambda: L.Conv2D(0, 3), "filters .*got 0"),
    (lambda: L.Conv2D(1, 0), "kernel_size .*got 0"),
    (lambda: L.Conv2D(1, (3, 3, 3)), r"kernel_size .*got \(3, 3, 3\)"),
    (lambda: L.Conv2D(1, 3, stride=0), "stride .*got 0"),
    (lambda: L.Conv2D(1, 3, padding="full"), "padding .*'valid', 'same'.*got 'full'"),
    (lambda: L.Conv2D(1, 3, padding=-1), "padding .*got -1"),
    (lambda: L.Conv2D(1, 3, padding=((0, 1), (0, -1))), "padding .*"),
    (lambda: L.MaxPool2D("2"), "pool_size .*got '2'"),
    (lambda: L.MaxPool2D(2, stride=(1, 0)), r"stride .*got \(1, 0\)"),
    (lambda: L.AvgPool2D(2, padding="Same"), "padding .*got 'Same'"),
    (lambda: L.L2Pool2D(2, mode="root"), "mode .*'sum' or 'mean', got 'root'"),
    (lambda: L.MaxPool2D(2, padding=2).build((1, 4, 4)), "padding .*smaller than the pool size"),
    (lambda: L.BatchNorm(momentum=1.0), "momentum .*got 1.0"),
    (lambda: L.BatchNorm(eps=0), "eps .*got 0"),
    (lambda: L.Dropout(1.0), "p is the probability of dropping.*got 1.0"),
    (lambda: L.Dropout(-0.1), "p is the probability of dropping.*got -0.1"),
    (lambda: L.Dropout(0.5, scaling="inverted"), "scaling .*got 'inverted'"),
    (lambda: L.Reshape((2, 0)), r"sizes .*got \(2, 0\)"),
    (lambda: L.Reshape((-1, -1)), "at most one"),
    (lambda: L.LeakyReLU(1.5), "slope .*got 1.5"),
    (lambda: L.ELU(0.0), "alpha .*got 0.0"),
    (lambda: L.Branches([]), "at least one branch"),
    (lambda: L.Branches([L.ReLU()], merge="add"), "merge .*got 'add'"),
    (lambda: L.Sequential([object()]), "object: a layer needs the methods forward"),
    (lambda: L.Sequential([L.ReLU]), r"write ReLU\(\.\.\.\)"),
    (lambda: L.Sequential([relu := L.ReLU(), relu]), "the same layer object"),
    (lambda: L.Dense(2).build((2,), dtype=np.float16), "dtype must be float32 or float64, got float16"),
    (lambda: L.Dense(2).build((2,), rng=-1), "seed must be an integer >= 0, got -1"),
]


@pytest.mark.parametrize(("make", "message"), BAD_OPTIONS)
def test_an_option_that_makes_no_sense_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
