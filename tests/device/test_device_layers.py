"""Every layer on the fake device: the numbers of the CPU, no transfer, a stated number of launches."""

from __future__ import annotations

import numpy as np
import pytest

import minidl.layers  # all of them
from minidl.layers.base import Layer
from minidl.layers.catalogue import LAYERS
from tests.device.checks import fused_or_not, kernels, library, require_clean
from tests.device.parity import built, check_layer_parity, check_slopes, examples, moved

# Launches of one forward and one backward pass in training, as the plain layers and with fused kernels. The
# largest of the layer's configurations in the catalogue counts.
BUDGET = {
    "AvgPool2D": (24, 4),
    "BatchNorm": (42, 42),
    "Branches": (76, 26),
    "Conv2D": (42, 9),
    "Dense": (5, 5),
    "Dropout": (3, 3),
    "ELU": (10, 2),
    "Flatten": (1, 1),
    "Foreign": (5, 5),
    "GlobalAvgPool2D": (3, 3),
    "Identity": (0, 0),
    "L2Pool2D": (28, 28),
    "LeakyReLU": (6, 2),
    "MaxPool2D": (38, 4),
    "ReLU": (3, 2),
    "Reshape": (1, 1),
    "Residual": (96, 64),
    "Sequential": (90, 66),
    "Sigmoid": (7, 2),
    "Softmax": (9, 9),
    "Tanh": (4, 2),
}
every_layer = pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.label)


def test_no_layer_is_missing_from_the_tables():
    assert set(BUDGET) == {case.kind for case in LAYERS}
    public = {name for name in library(Layer) if hasattr(minidl.layers, name)}
    assert public <= set(BUDGET)


@kernels
@every_layer
def test_numbers_are_those_of_the_cpu(device, case, kernels):
    with fused_or_not(kernels):
        check_layer_parity(case, "fake", np.float64)


@every_layer
def test_slopes_on_the_device(device, case):
    check_slopes(case, "fake")


@kernels
@every_layer
def test_no_transfer_and_few_launches(device, case, kernels):
    """In float32, after a first step that may bring constants to the device."""
    x, dy = (moved(value, "fake") for value in examples(case, np.float32))
    layer = built(case, np.float32).to("fake")

    def both_passes() -> None:
        layer.forward(x, train=True)
        layer.backward(dy)

    def the_rest() -> None:
        layer.forward(x, train=True)
        layer.backward_parameters(dy)
        layer.forward(x)

    with fused_or_not(kernels):
        seen = require_clean(both_passes)
        require_clean(the_rest)
    assert seen.count <= BUDGET[case.kind][kernels], dict(seen.launches)
