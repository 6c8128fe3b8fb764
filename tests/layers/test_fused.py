"""What a Sequential runs as one layer gives what the separate layers give."""

import numpy as np
import pytest

from minidl import layers as L
from minidl import parallel
from minidl.layers import shards
from minidl.layers.fused import ConvMaxPool, fuse
from minidl.layers.shards import Shards

CASES = {
    "5x5 and 2x2, as in the lecture": ([L.Conv2D(3, 5), L.MaxPool2D(2)], (1, 12, 12)),
    "two channels, rectangular": ([L.Conv2D(3, (2, 3)), L.MaxPool2D((2, 2))], (2, 9, 8)),
    "3x3 pooling that leaves a rest": ([L.Conv2D(2, 3), L.MaxPool2D(3)], (1, 10, 12)),
    "1x2 pooling, same padding": ([L.Conv2D(4, 3, padding="same"), L.MaxPool2D((1, 2))], (1, 6, 6)),
    "odd image, asymmetric padding": ([L.Conv2D(2, 4, padding=((1, 0), (2, 1))), L.MaxPool2D(2)], (1, 7, 9)),
    "no bias": ([L.Conv2D(3, 3, bias=False), L.MaxPool2D(2)], (1, 6, 6)),
    "activation before pooling": ([L.Conv2D(3, 3), L.Tanh(), L.MaxPool2D(2), L.Sigmoid()], (1, 8, 8)),
}


def outcome(chain, x, dy):
    """Return output, dx and parameter gradients of a chain of layers, run one by one."""
    y = x
    for layer in chain:
        y = layer.forward(y, train=True)
    y = y.copy()
    for layer in reversed(chain):
        dy = layer.backward(dy)
    gradients = [p.grad.copy() for layer in chain for p in layer.parameters.values()]
    return [y, dy.copy(), *gradients]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_fused_steps_agree_with_the_layers_they_stand_for(name, dtype, tolerance):
    layers, input_shape = CASES[name]
    model = L.Sequential(layers)
    model.build(input_shape, rng=1, dtype=dtype)
    steps = fuse(model.layers)
    assert isinstance(steps[0], ConvMaxPool) and len(steps) == len(layers) - 1
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, *input_shape)).astype(dtype)
    dy = rng.standard_normal((5, *model.output_shape)).astype(dtype)
    if steps[0].conv.bias:
        steps[0].conv.parameters["bias"].value[...] = rng.standard_normal(steps[0].conv.filters)
    plain = outcome(model.layers, x, dy)
    fused = outcome(steps, x, dy)
    for found, wanted in zip(fused, plain, strict=True):
        assert found.dtype == dtype and found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * 10)


def test_ties_go_to_the_first_in_reading_order_as_in_the_pooling_layer():
    model = L.Sequential([L.Conv2D(1, 1, bias=False), L.MaxPool2D(2)])
    model.build((1, 2, 2), dtype=np.float64)
    model.layers[0].parameters["weight"].value[...] = 1.0
    # Every one of the 16 patterns of the larger and the smaller value; the first larger one wins.
    x = np.array([[bits >> k & 1 for k in range(4)] for bits in range(16)], float).reshape(16, 1, 2, 2)
    model.forward(x, train=True)
    dx = model.backward(np.ones((16, 1, 1, 1))).reshape(16, 4)
    assert np.array_equal(dx.argmax(axis=1), x.reshape(16, 4).argmax(axis=1))
    assert np.array_equal(dx.sum(axis=1), np.ones(16))


@pytest.mark.parametrize(
    "chain",
    [
        [L.Conv2D(3, 5, stride=2), L.MaxPool2D(2)],
        [L.Conv2D(3, 5), L.MaxPool2D(3, stride=2)],
        [L.Conv2D(3, 5), L.MaxPool2D(2, padding=1)],
        [L.Conv2D(3, 5), L.AvgPool2D(2)],
        [L.Conv2D(3, 5), L.Softmax(), L.MaxPool2D(2)][:1],
    ],
)
def test_what_does_not_fit_stays_as_it_is(chain):
    model = L.Sequential(chain)
    model.build((1, 16, 16))
    assert fuse(model.layers) == model.layers


def test_many_channels_are_not_fused_because_it_does_not_pay():
    model = L.Sequential([L.Conv2D(3, 5), L.MaxPool2D(2)])
    model.build((20, 12, 12))
    assert fuse(model.layers) == model.layers


THREADED = {
    "one run": (lambda: [L.Conv2D(4, 5), L.MaxPool2D(2), L.ReLU(), L.Flatten(), L.Dense(3)], 1),
    "normalised": (
        lambda: [L.BatchNorm(), L.Conv2D(4, 3), L.BatchNorm(), L.ReLU(), L.Conv2D(3, 3), L.ReLU(), L.BatchNorm(),
                 L.MaxPool2D(2), L.Dropout(0.2), L.Flatten(), L.Dense(3)],
        2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", THREADED)
def test_a_network_learns_the_same_weights_on_two_threads(kind, monkeypatch):
    layers, runs = THREADED[kind]
    used = []
    forward = Shards.forward
    monkeypatch.setattr(
        Shards, "forward", lambda self, x, train: (used.append(self), forward(self, x, train))[1]
    )
    monkeypatch.setattr(shards, "SMALLEST_SHARD", 20)

    def trained(count):
        model = L.Sequential(layers())
        model.build((1, 12, 12), rng=0, dtype=np.float64)
        rng = np.random.default_rng(2)
        with parallel.threads(count):
            for _ in range(5):
                model.forward(rng.standard_normal((40, 1, 12, 12)), train=True)
                model.backward_parameters(rng.standard_normal((40, 3)))
                for _, parameter in model.named_parameters():
                    parameter.value -= 0.01 * parameter.grad
        return model.state_dict()

    one = trained(1)
    assert not used
    two = trained(2)
    assert len(used) == 5 * runs and len(set(map(id, used))) == runs
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-10, atol=1e-12)


def test_a_convolution_that_looks_at_the_whole_batch_is_not_cut():
    class Centred(L.Conv2D):
        per_example = False

        def forward(self, x, train=False):
            return super().forward(x - x.mean(axis=0), train)

    def answer(count):
        model = L.Sequential([Centred(2, 3)])
        model.build((1, 6, 6), rng=0, dtype=np.float64)
        with parallel.threads(count):
            return model.forward(np.random.default_rng(0).standard_normal((128, 1, 6, 6)), train=True)

    np.testing.assert_allclose(answer(2), answer(1), rtol=1e-12, atol=1e-12)
