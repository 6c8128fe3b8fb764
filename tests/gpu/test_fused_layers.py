"""Networks, losses and optimizers with fused kernels against the CPU's: the same numbers to the last rounding.

The device is the fake one, which runs the kernels' NumPy lines; `test_kernels` shows that the CUDA text does
the same.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from minidl import backend
from minidl.errors import DeviceError
from minidl.kernels.gpu import activation
from minidl.layers import (
    ELU,
    AvgPool2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Identity,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
)
from minidl.layers.fused import Block
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD, Adagrad, Adam, AdamW, Momentum, Nesterov, RMSProp
from minidl.training.run_folder import describe
from tests.device.fake import LEDGER, fake_device, from_host
from tests.device.fake_array import FakeArray, raw
from tests.gpu.cuda_on_cpu import run_on_cpu

NETS = {
    "direct convolution": (
        (1, 8, 9),
        [Conv2D(2, (3, 2)), MaxPool2D(2), Sigmoid(), Flatten(), Dense(4), Tanh()],
    ),
    "small windows, strided": ((1, 9, 9), [Conv2D(2, 3, stride=2), ReLU(), MaxPool2D(2)]),
    "small windows, overlapping": ((1, 7, 7), [Conv2D(2, 3), MaxPool2D(3, stride=2), Tanh()]),
    "small windows, padded pool": ((1, 7, 7), [Conv2D(2, 3), MaxPool2D(2, padding=1), Tanh()]),
    "direct, padded": ((1, 6, 7), [Conv2D(2, (3, 2), padding=1), Tanh(), MaxPool2D((2, 3)), Flatten()]),
    "by patches": ((5, 8, 8), [Conv2D(4, 3), ReLU(), MaxPool2D(2), Conv2D(3, 2), LeakyReLU(0.2), Flatten()]),
    "stride and padding": (
        (2, 7, 9),
        [Conv2D(3, (3, 4), stride=(2, 1), padding="same"), ELU(0.5), Conv2D(2, 2, bias=False), Flatten()],
    ),
    "overlapping pools": (
        (3, 7, 7),
        [
            Conv2D(4, 3, bias=False),
            MaxPool2D(3, stride=2, padding=1),
            Tanh(),
            AvgPool2D(2, stride=1, padding=1),
        ],
    ),
    "no activation": ((9, 5, 5), [Conv2D(2, 3), MaxPool2D((3, 2)), Identity(), AvgPool2D((1, 1))]),
    "pools alone": ((2, 6, 5), [MaxPool2D(2, stride=1), AvgPool2D(2, count_padding=True, padding=1)]),
    "dense": ((7,), [Dense(5), Sigmoid(), Dense(6, bias=False), ELU(), Dense(3)]),
    "after pictures": ((2, 4, 3), [Flatten(), Dense(40), Tanh(), Dense(30), ReLU(), Dense(2)]),
}


@pytest.fixture(autouse=True)
def device():
    with fake_device() as ledger:
        yield ledger


@pytest.fixture(params=["line", "cuda"])
def runs(request, monkeypatch):
    """What a launch runs: the NumPy lines, or the CUDA text with the very grid that it was launched with."""
    if request.param == "line":
        return
    library = request.getfixturevalue("library")

    def launch(kernel, size, args):
        given = raw(args)
        written = tuple(argument.name for argument in kernel.arguments if argument.written)
        results = run_on_cpu(library, kernel, kernel.grid(size), given, updated=written)
        for argument, value in zip(kernel.arguments, given, strict=True):
            if argument.name in results:
                value[...] = results[argument.name].reshape(value.shape)

    known = backend._type_of(from_host(np.ones(1)))
    monkeypatch.setattr(backend, "_registered", [replace(known, launch=launch)])


def host(x: FakeArray) -> np.ndarray:
    return x._host


def networks(shape, layers, dtype=np.float64):
    """Return a network on the CPU and its twin on the device."""
    ours, theirs = (Sequential(copy.deepcopy(layers)) for _ in range(2))
    for model in (ours, theirs):
        model.build(shape, rng=3, dtype=dtype)
        for _, parameter in model.named_parameters():  # biases of zero would tell nothing
            parameter.value += np.random.default_rng(2).uniform(-0.3, 0.3, parameter.value.shape)
    return ours, theirs.to("fake")


def passes(model, x, dy):
    """Return outputs and all gradients, both of `backward` and of `backward_parameters`."""
    results = [model.forward(x, train=True), model.backward(dy)]
    results += [parameter.grad.copy() for _, parameter in model.named_parameters()]
    model.backward_parameters(dy)
    return [*results, *(parameter.grad for _, parameter in model.named_parameters()), model.forward(x)]


@pytest.mark.parametrize("batch", [1, 10, 128])
@pytest.mark.parametrize("name", NETS)
def test_networks_agree_with_the_cpu(name, batch, runs):
    shape, layers = NETS[name]
    ours, theirs = networks(shape, layers)
    rng = np.random.default_rng(batch)
    x = rng.standard_normal((batch, *shape))
    dy = rng.standard_normal((batch, *ours.output_shape))
    expected = passes(ours, x, dy)
    for arrange in (np.asarray, np.asfortranarray):
        there = from_host(arrange(x)), from_host(arrange(dy))
        with LEDGER.watched(float32_only=False) as seen:
            got = passes(theirs, *there)
        assert seen.transfers == []
        for mine, other in zip(got, expected, strict=True):
            np.testing.assert_allclose(host(mine), other, rtol=1e-10, atol=1e-10)
    with backend.plain():
        for mine, other in zip(passes(theirs, *there), expected, strict=True):
            np.testing.assert_allclose(host(mine), other, rtol=1e-10, atol=1e-10)


def test_a_convolution_takes_pooling_and_activation_with_it():
    shape, layers = NETS["by patches"]
    _, model = networks(shape, layers)
    assert [type(step) for step in model._steps] == [Block, Block, Flatten]
    x = from_host(np.ones((4, *shape)))
    model.forward(x, train=True)
    with LEDGER.watched(float32_only=False) as seen:
        model.forward(x, train=True)
    fused = seen.count
    with backend.plain(), LEDGER.watched(float32_only=False) as seen:
        model.forward(x, train=True)
    # Per convolution patches, product and what comes after it; and one copy to batch-last memory.
    assert fused == 7 < seen.count


def test_the_direct_convolution_is_one_launch_and_its_gradient_two():
    model = networks((1, 10, 10), [Conv2D(3, 5), MaxPool2D(2), ReLU()])[1]
    x = from_host(np.ones((1, 10, 10, 4))).transpose(3, 0, 1, 2)
    model.forward(x, train=True)
    with LEDGER.watched(float32_only=False) as seen:
        y = model.forward(x, train=True)
        model.backward_parameters(y)
    assert dict(seen.launches) == {"kernel conv_pool": 1, "kernel sum_rows": 1, "kernel conv_pool_weights": 1}


def test_moved_back_to_the_cpu_it_is_planned_for_the_cpu():
    _, model = networks(*NETS["dense"])
    assert any(isinstance(step, Block) for step in model._steps)
    model.to("cpu")
    assert not any(isinstance(step, Block) for step in model._steps)


def test_a_value_that_is_no_number_goes_through_to_the_loss():
    for layer in (Sigmoid(), Tanh(), ReLU(), LeakyReLU(), ELU(), MaxPool2D(2)):
        layer.build((1, 2, 2), dtype=np.float64)
        x = np.zeros((1, 1, 2, 2))
        x[0, 0, 1, 0] = np.nan
        assert np.isnan(host(layer.forward(from_host(x)))).any(), layer.name


@pytest.mark.parametrize("options", [{}, {"stride": 1}, {"pool_size": 3, "stride": 2, "padding": 1}])
def test_the_first_of_equal_maxima_gets_the_gradient(options):
    layers = [MaxPool2D(**options) for _ in range(2)]
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (6, 2, 7, 6)).astype(np.float64)
    for layer in layers:
        layer.build(x.shape[1:], dtype=np.float64)
    y = layers[0].forward(x)
    np.testing.assert_array_equal(host(layers[1].forward(from_host(x))), y)
    dy = rng.standard_normal(y.shape)
    got = host(layers[1].backward(from_host(dy)))
    np.testing.assert_allclose(got, layers[0].backward(dy), rtol=0, atol=1e-12)


def test_a_subclass_runs_its_own_code():
    class Doubled(Dense):
        def forward(self, x, train=False):
            return 2 * super().forward(x, train)

    ours, theirs = networks((3,), [Doubled(2), ReLU()])
    x = np.random.default_rng(0).standard_normal((4, 3))
    np.testing.assert_allclose(host(theirs.forward(from_host(x))), ours.forward(x), rtol=1e-12)


def test_a_kernel_does_not_run_on_arrays_of_the_cpu_nor_when_fused_kernels_are_off():
    x = np.ones(3)
    with pytest.raises(DeviceError, match="no fused kernels on 'cpu'"):
        activation.activation_gradient(3, x, x, x, 3, 1, 0.0)
    there = from_host(x)
    with backend.plain(), pytest.raises(DeviceError, match="no fused kernels on 'fake'"):
        activation.activation_gradient(3, there, there, there, 3, 1, 0.0)


# Loss -------------------------------------------------------------------------------------------------

LOSSES = {
    "plain": {},
    "uniform smoothing": {"label_smoothing": 0.1},
    "smoothing to others": {"label_smoothing": 0.2, "smoothing": "others"},
    "class weights": {"class_weights": [1, 2, 0.5, 3, 1], "label_smoothing": 0.1},
    "mean of the weights": {"class_weights": [1, 2, 0.5, 3, 1], "weight_mean": "weights"},
}


@pytest.mark.parametrize("batch", [1, 10, 300])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", LOSSES.values(), ids=LOSSES)
def test_cross_entropy_agrees_with_the_cpu(options, weighted, batch, runs):
    rng = np.random.default_rng(1)
    z, labels = 30 * rng.standard_normal((batch, 5)), rng.integers(0, 5, batch)
    weights = rng.uniform(0, 2, batch) if weighted else None
    ours, theirs = SoftmaxCrossEntropy(**options), SoftmaxCrossEntropy(**options)
    expected = ours.forward(z, labels, weights), ours.backward()
    there = None if weights is None else from_host(weights)
    z, labels = from_host(z), from_host(labels)
    theirs.forward(z, labels, there)  # puts the class weights in their place
    with LEDGER.watched(float32_only=False) as seen:
        got = theirs.forward(z, labels, there), theirs.backward()
    assert seen.transfers == []
    assert got[0].shape == ()
    np.testing.assert_allclose(host(got[0]), expected[0], rtol=1e-12)
    np.testing.assert_allclose(host(got[1]), expected[1], rtol=1e-10, atol=1e-12)


def test_cross_entropy_is_one_launch_and_a_label_that_is_no_class_gives_nan():
    loss, z = SoftmaxCrossEntropy(), from_host(np.zeros((3, 4), np.float32))
    with LEDGER.watched() as seen:
        loss.forward(z, from_host(np.array([0, 3, 1])))
        loss.backward()
    assert dict(seen.launches) == {"kernel cross_entropy": 1}
    for label in (-1, 4):
        assert np.isnan(host(loss.forward(z, from_host(np.array([0, label, 1])))))


# Optimizers -------------------------------------------------------------------------------------------

OPTIMIZERS = {
    "sgd": lambda **o: SGD(0.1, **o),
    "momentum": lambda **o: Momentum(0.1, 0.8, **o),
    "momentum inside": lambda **o: Momentum(0.1, 0.8, form="inside", **o),
    "nesterov": lambda **o: Nesterov(0.1, 0.8, **o),
    "nesterov lookahead": lambda **o: Nesterov(0.1, 0.8, form="lookahead", **o),
    "nesterov slide": lambda **o: Nesterov(0.1, 0.8, form="slide", **o),
    "adagrad": lambda **o: Adagrad(0.1, **o),
    "adagrad inside": lambda **o: Adagrad(0.1, eps=1e-3, eps_inside=True, **o),
    "rmsprop": lambda **o: RMSProp(0.01, 0.8, **o),
    "rmsprop inside": lambda **o: RMSProp(0.01, eps=1e-3, eps_inside=True, **o),
    "adam": lambda **o: Adam(0.01, **o),
    "adam inside": lambda **o: Adam(0.01, eps=1e-3, eps_inside=True, **o),
    "almost adam": lambda **o: Adam(0.01, bias_correction=False, **o),
    "adamw": lambda **o: AdamW(0.01, **{"weight_decay": 0.1, **o}),
}


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.3, "clip_norm": 0.5}], ids=["plain", "decay"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_agree_with_the_cpu(name, options, runs):
    """Five steps with a falling rate, a factor for one parameter, and another that is let go after two steps."""
    models = networks((6,), [Dense(5), Dense(3)])
    made = [OPTIMIZERS[name](**options) for _ in models]
    for model in models:
        parameters = dict(model.named_parameters())
        parameters["1.weight"].lr_factor, parameters["0.bias"].frozen = 0.5, True
    rng = np.random.default_rng(4)
    for step in range(5):
        gradients = {path: rng.standard_normal(p.value.shape) for path, p in models[0].named_parameters()}
        for model, optimizer, place in zip(models, made, (np.copy, from_host), strict=True):
            optimizer.lr = 0.1 / (1 + step)
            parameters = list(model.named_parameters())
            dict(parameters)["0.bias"].frozen = step < 2
            optimizer.prepare(parameters)
            for path, parameter in parameters:
                parameter.grad = place(gradients[path])
            optimizer.step(parameters)
    for (path, ours), (_, theirs) in zip(*(model.named_parameters() for model in models), strict=True):
        np.testing.assert_allclose(host(theirs.value), ours.value, rtol=1e-10, atol=1e-12, err_msg=path)
    ours, theirs = (optimizer.state_dict() for optimizer in made)
    assert ours.keys() == theirs.keys()
    assert ours["step"] == theirs["step"] == 5


def test_an_update_is_one_launch_for_all_parameters_and_no_transfer():
    _, model = networks((6,), [Dense(5), Dense(3)], np.float32)
    optimizer, parameters = Adam(0.01), list(model.named_parameters())
    for _, parameter in parameters:
        parameter.grad = from_host(np.ones(parameter.value.shape, np.float32))
    optimizer.step(parameters)
    with LEDGER.watched() as seen:
        optimizer.step(parameters)
    assert seen.transfers == []
    assert dict(seen.launches) == {"kernel adam": 1, "fill": 1}  # the number of the step


def test_more_parameters_than_a_launch_takes(runs):
    models = networks((3,), [Dense(2) for _ in range(6)])
    rng = np.random.default_rng(0)
    for (_, ours), (_, theirs) in zip(*(model.named_parameters() for model in models), strict=True):
        ours.grad = rng.standard_normal(ours.value.shape)
        theirs.grad = from_host(ours.grad)
    for model in models:
        Momentum(0.1).step(model.named_parameters())
    for (_, ours), (_, theirs) in zip(*(model.named_parameters() for model in models), strict=True):
        np.testing.assert_allclose(host(theirs.value), ours.value, rtol=1e-12)


def test_an_optimizer_of_ones_own_runs_its_own_formula():
    class Half(SGD):
        def update(self, w, g, lr):
            w -= 0.5 * lr * g

    _, model = networks((2,), [Dense(1, bias=False)])
    ((_, parameter),) = named = list(model.named_parameters())
    parameter.grad = from_host(np.ones((2, 1)))
    before = host(parameter.value).copy()
    Half(1.0).step(named)
    np.testing.assert_allclose(host(parameter.value), before - 0.5)


# Dropout ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1000,), (3, 5, 7)])
@pytest.mark.parametrize("batch", [1, 10, 33])
def test_dropout_masks_are_those_of_the_cpu_bit_for_bit(shape, batch, runs):
    layers = [Dropout(0.3, seed=5) for _ in range(2)]
    for layer in layers:
        layer.build(shape)
    x = np.random.default_rng(0).standard_normal((batch, *shape)).astype(np.float32)
    dy = np.random.default_rng(1).standard_normal(x.shape).astype(np.float32)
    turned = np.ascontiguousarray(x.transpose(*range(1, x.ndim), 0)).transpose(-1, *range(x.ndim - 1))
    for arranged in (x, turned, x):
        expected = layers[0].forward(x, train=True), layers[0].backward(dy)
        y = layers[1].forward(from_host(arranged), train=True)
        np.testing.assert_array_equal(host(y), expected[0])
        np.testing.assert_array_equal(host(layers[1].backward(from_host(dy))), expected[1])
    assert 0.6 < (expected[0] != 0).mean() < 0.8 or expected[0].size < 200


def test_what_an_optimizer_keeps_on_the_device_is_no_part_of_its_configuration():
    _, model = networks((2,), [Dense(1, bias=False)])
    ((_, parameter),) = named = list(model.named_parameters())
    parameter.grad = from_host(np.ones((2, 1)))
    optimizer = Adam(0.1)
    before = describe(optimizer)
    optimizer.step(named)
    assert describe(optimizer) == {**before, "steps": 1}
    assert "control" not in before
