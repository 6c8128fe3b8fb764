"""fold_batchnorm: the network without its batch normalisations computes the same at test time."""

from __future__ import annotations

import numpy as np
import pytest

import minidl.layers as L
from minidl.errors import StateError


def _trained(model, input_shape, dtype=np.float64):
    """Build and give every parameter and running statistic a value of its own."""
    model.build(input_shape, 0, dtype)
    generator = np.random.default_rng(1)
    for _, parameter in model.named_parameters():
        parameter.value[...] = generator.uniform(0.5, 1.5, parameter.value.shape)
    for k in range(3):
        model.forward(generator.normal(k, 2, (8, *input_shape)).astype(dtype), train=True)
    return model


def _kinds(model):
    return [type(layer).__name__ for _, layer in model.named_layers()]


def test_by_hand():
    # y = 3x + 1, then gamma 2, beta 5, mean 4, var 12, eps 4: scale 2 / sqrt(16) = 1/2.
    # W' = 3/2, b' = (1 - 4)/2 + 5 = 3.5. At x = 2: 3 + 3.5 = 6.5 = (7 - 4)/4 * 2 + 5.
    model = L.Sequential([L.Dense(1), L.BatchNorm(eps=4)])
    model.build((1,), dtype=np.float64)
    for path, value in {"0.weight": 3, "0.bias": 1, "1.gamma": 2, "1.beta": 5}.items():
        dict(model.named_parameters())[path].value[...] = value
    model.layers[1].buffers["running_mean"][...] = 4
    model.layers[1].buffers["running_var"][...] = 12
    folded = L.fold_batchnorm(model)
    assert {path: p.value.item() for path, p in folded.named_parameters()} == {"0.weight": 1.5, "0.bias": 3.5}
    assert model.forward(np.array([[2.0]])) == folded.forward(np.array([[2.0]])) == 6.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_with_every_place_for_a_batch_norm(dtype):
    block = L.Residual(L.Sequential([L.Conv2D(3, 3, padding=1), L.BatchNorm(), L.Tanh()]))
    paths = L.Branches(
        [L.Sequential([L.Conv2D(2, 1), L.BatchNorm()]), L.Sequential([L.Tanh(), L.BatchNorm()])],
        merge="concat",
    )
    model = _trained(
        L.Sequential(
            [
                *[L.Conv2D(3, 3, bias=False), L.BatchNorm(), L.ReLU(), block, paths, L.Flatten()],
                *[L.Dense(4, bias=False), L.BatchNorm(), L.BatchNorm(), L.Sigmoid(), L.BatchNorm()],
            ]
        ),
        (1, 6, 6),
        dtype,
    )
    before = {path: array.copy() for path, array in model.state_dict().items()}
    folded = L.fold_batchnorm(model)
    # What follows no Dense or Conv2D stays: after Tanh and after Sigmoid.
    assert _kinds(folded).count("BatchNorm") == 2 and _kinds(model).count("BatchNorm") == 7
    x = np.random.default_rng(2).normal(size=(5, 1, 6, 6)).astype(dtype)
    y = folded.forward(x)
    assert y.dtype == dtype and not np.array_equal(y[0], y[1])
    np.testing.assert_allclose(y, model.forward(x), rtol=2e-5 if dtype == np.float32 else 1e-12, atol=1e-6)
    for path, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[path])


def test_a_folded_network_can_be_trained_further():
    folded = L.fold_batchnorm(
        _trained(L.Sequential([L.Dense(3, bias=False), L.BatchNorm(), L.Dense(2)]), (4,))
    )
    y = folded.forward(np.ones((2, 4)), train=True)
    folded.backward(np.ones_like(y))
    assert [path for path, _ in folded.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert [p.decay for _, p in folded.named_parameters()] == [True, False, True, False]
    assert all(parameter.grad is not None for _, parameter in folded.named_parameters())


def test_a_network_that_is_not_built_is_refused():
    with pytest.raises(StateError, match=r"call build\(input_shape\) first"):
        L.fold_batchnorm(L.Sequential([L.Dense(3), L.BatchNorm()]))
