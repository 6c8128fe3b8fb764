"""Layers against PyTorch in float64, where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

import minidl.layers as L

torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
F = torch.nn.functional

CLOSE = {"rtol": 1e-10, "atol": 1e-11}


def _run(layer, x, train=True):
    """Return (y, dy, dx, gradients) of one of our layers."""
    y = layer.forward(x, train)
    dy = np.random.default_rng(9).normal(size=y.shape)
    dx = np.array(layer.backward(dy))
    return np.array(y), dy, dx, {name: p.grad for name, p in layer.parameters.items()}


def _compare(layer, input_shape, function, to_torch=None, train=True):
    """Build `layer`, run it and ``function(x, *parameters)`` of PyTorch, and compare all gradients."""
    layer.build(input_shape, 3, np.float64)
    generator = np.random.default_rng(4)
    for parameter in layer.parameters.values():
        parameter.value[...] = generator.normal(size=parameter.value.shape)
    x = generator.normal(size=(4, *input_shape))
    y, dy, dx, grads = _run(layer, x, train)

    their_x = torch.tensor(x, requires_grad=True)
    theirs = {name: torch.tensor(p.value, requires_grad=True) for name, p in layer.parameters.items()}
    their_y = function(their_x, **theirs)
    their_y.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, their_y.detach().numpy(), **CLOSE)
    np.testing.assert_allclose(dx, their_x.grad.numpy(), **CLOSE)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, theirs[name].grad.numpy(), **CLOSE, err_msg=name)


def test_dense():
    _compare(L.Dense(6), (5,), lambda x, weight, bias: x @ weight + bias)


@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        ({"kernel_size": 3}, {}),
        ({"kernel_size": (2, 4), "stride": (1, 2)}, {"stride": (1, 2)}),
        ({"kernel_size": 5, "stride": 3, "padding": 2}, {"stride": 3, "padding": 2}),
        ({"kernel_size": (3, 2), "padding": (2, 1)}, {"padding": (2, 1)}),
        ({"kernel_size": 3, "padding": "same"}, {"padding": "same"}),
    ],
)
def test_conv2d(options, theirs):
    _compare(L.Conv2D(4, **options), (3, 9, 8), lambda x, weight, bias: F.conv2d(x, weight, bias, **theirs))


def test_conv2d_same_with_an_even_kernel_pads_more_at_the_end_as_pytorch_does():
    # PyTorch would warn about the copy it makes, so the padding it documents is written out.
    def theirs(x, weight, bias):
        return F.conv2d(F.pad(x, (1, 2, 0, 1)), weight, bias)

    _compare(L.Conv2D(2, (2, 4), padding="same"), (2, 5, 6), theirs)


def test_conv2d_with_uneven_padding():
    def theirs(x, weight, bias):
        return F.conv2d(F.pad(x, (2, 0, 0, 1)), weight, bias, stride=2)  # left, right, top, bottom

    _compare(L.Conv2D(2, 3, stride=2, padding=((0, 1), (2, 0))), (2, 7, 6), theirs)


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(2, 2, 0), (3, 1, 1), ((3, 2), (2, 1), (1, 0)), (2, 3, 1), (3, 2, 1)]
)
def test_max_and_average_pooling(size, stride, padding):
    shape = (2, 7, 8)
    options = {"stride": stride, "padding": padding}
    _compare(L.MaxPool2D(size, **options), shape, lambda x: F.max_pool2d(x, size, **options))
    _compare(
        L.AvgPool2D(size, **options),
        shape,
        lambda x: F.avg_pool2d(x, size, count_include_pad=False, **options),
    )
    _compare(
        L.AvgPool2D(size, count_padding=True, **options),
        shape,
        lambda x: F.avg_pool2d(x, size, count_include_pad=True, **options),
    )


def test_l2_pooling():
    _compare(L.L2Pool2D((2, 3), stride=1), (2, 5, 6), lambda x: F.lp_pool2d(x, 2, (2, 3), stride=1))


def test_global_average_pooling():
    _compare(L.GlobalAvgPool2D(), (3, 4, 5), lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1))


@pytest.mark.parametrize("input_shape", [(5,), (3, 4, 5)])
@pytest.mark.parametrize("train", [True, False])
def test_batch_normalisation(input_shape, train):
    def theirs(x, gamma, beta):
        mean, var = torch.zeros(len(gamma)).double(), torch.ones(len(gamma)).double()
        return F.batch_norm(x, mean, var, gamma, beta, training=train, eps=1e-3)

    _compare(L.BatchNorm(eps=1e-3), input_shape, theirs, train=train)


def test_running_statistics_of_batch_normalisation_as_a_plain_mean():
    # momentum=None in PyTorch is the plain mean over batches, which is what ours is for ten batches.
    ours, theirs = L.BatchNorm(momentum=0.9), torch.nn.BatchNorm2d(3, momentum=None).double()
    ours.build((3, 2, 2), dtype=np.float64)
    for x in np.random.default_rng(0).normal(2, 3, (10, 4, 3, 2, 2)):
        ours.forward(x, train=True)
        theirs(torch.tensor(x))
        np.testing.assert_allclose(ours.buffers["running_mean"], theirs.running_mean.numpy(), rtol=1e-12)
        np.testing.assert_allclose(ours.buffers["running_var"], theirs.running_var.numpy(), rtol=1e-12)
    # From the eleventh on the old average counts nine tenths, as momentum=0.1 does in PyTorch.
    theirs.momentum = 0.1
    x = np.random.default_rng(1).normal(size=(4, 3, 2, 2))
    ours.forward(x, train=True)
    theirs(torch.tensor(x))
    np.testing.assert_allclose(ours.buffers["running_mean"], theirs.running_mean.numpy(), rtol=1e-12)
    np.testing.assert_allclose(ours.buffers["running_var"], theirs.running_var.numpy(), rtol=1e-12)


@pytest.mark.parametrize("input_shape", [(6,), (2, 3, 4)])
@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (L.Sigmoid, torch.sigmoid),
        (L.Tanh, torch.tanh),
        (L.ReLU, torch.relu),
        (lambda: L.LeakyReLU(0.1), lambda x: F.leaky_relu(x, 0.1)),
        (lambda: L.ELU(0.7), lambda x: F.elu(x, 0.7)),
    ],
    ids=["sigmoid", "tanh", "relu", "leaky_relu", "elu"],
)
def test_activations(layer, function, input_shape):
    _compare(layer(), input_shape, function)


def test_softmax():
    _compare(L.Softmax(), (6,), lambda x: torch.softmax(x, dim=1))


def test_the_lectures_network_with_its_weights():
    """Rung 2 of the lecture in small: every gradient of a whole network, and the transposed Dense weights."""
    model = L.Sequential(
        [
            *[L.Conv2D(3, 5), L.MaxPool2D(2), L.Sigmoid(), L.Conv2D(4, 3), L.MaxPool2D(2), L.Sigmoid()],
            *[L.Flatten(), L.Dense(7), L.Sigmoid(), L.Dense(10)],
        ]
    )
    model.build((1, 20, 20), 0, np.float64)
    nn = torch.nn
    theirs = nn.Sequential(
        *[
            nn.Conv2d(1, 3, 5),
            nn.MaxPool2d(2),
            nn.Sigmoid(),
            nn.Conv2d(3, 4, 3),
            nn.MaxPool2d(2),
            nn.Sigmoid(),
        ],
        *[nn.Flatten(), nn.Linear(36, 7), nn.Sigmoid(), nn.Linear(7, 10)],
    ).double()
    ours = dict(model.named_parameters())
    assert list(ours) == list(dict(theirs.named_parameters()))
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            value = ours[name].value
            parameter.copy_(torch.tensor(value.T if value.ndim == 2 else value))
    x = np.random.default_rng(0).normal(size=(5, 1, 20, 20))
    their_x = torch.tensor(x, requires_grad=True)
    y, their_y = model.forward(x, train=True), theirs(their_x)
    np.testing.assert_allclose(y, their_y.detach().numpy(), **CLOSE)
    dy = np.random.default_rng(1).normal(size=y.shape)
    their_y.backward(torch.tensor(dy))
    np.testing.assert_allclose(model.backward(dy), their_x.grad.numpy(), **CLOSE)
    for name, parameter in theirs.named_parameters():
        grad = parameter.grad.numpy()
        np.testing.assert_allclose(ours[name].grad, grad.T if grad.ndim == 2 else grad, **CLOSE, err_msg=name)
