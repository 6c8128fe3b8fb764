"""The same work on the CPU and on a device, compared: what the tests of the fake device and of a real one share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minidl.backend import device_of, namespace, to_cpu, to_device
from minidl.data import Loader, Split
from minidl.layers import BatchNorm, Dense, Dropout, Flatten, ReLU, Sequential
from minidl.layers.base import Layer, Parameter
from minidl.layers.catalogue import LayerCase
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD, Adagrad, Adam, AdamW, Momentum, Nesterov, RMSProp
from minidl.regularizers import L2
from minidl.schedules import Cosine
from minidl.training import Trainer

BATCH = 5
# float64: other orders of summation. float32: the same, and a device's own exp and tanh.
TOLERANCE = {np.float64: {"rtol": 1e-10, "atol": 1e-10}, np.float32: {"rtol": 2e-4, "atol": 2e-5}}

OPTIMIZERS = {
    "SGD": lambda: SGD(0.1),
    "SGD decay": lambda: SGD(0.1, weight_decay=0.01),
    "SGD clip_norm": lambda: SGD(0.1, clip_norm=0.5),
    "SGD clip_value": lambda: SGD(0.1, clip_value=0.1),
    "Momentum": lambda: Momentum(0.1),
    "Momentum inside": lambda: Momentum(0.1, form="inside"),
    "Nesterov": lambda: Nesterov(0.1),
    "Nesterov lookahead": lambda: Nesterov(0.1, form="lookahead"),
    "Nesterov slide": lambda: Nesterov(0.1, form="slide"),
    "Adagrad": lambda: Adagrad(),
    "Adagrad inside": lambda: Adagrad(eps_inside=True),
    "RMSProp": lambda: RMSProp(),
    "RMSProp inside": lambda: RMSProp(eps_inside=True),
    "Adam": lambda: Adam(),
    "Adam inside": lambda: Adam(eps_inside=True),
    "Adam uncorrected": lambda: Adam(bias_correction=False),
    "AdamW": lambda: AdamW(clip_norm=1.0),
}
SHAPES = {"a.weight": (7, 5), "a.bias": (5,), "b.weight": (7, 5), "b.bias": (5,)}


def close(found: Any, expected: Any, dtype: Any) -> None:
    np.testing.assert_allclose(to_cpu(found), expected, **TOLERANCE[dtype])


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else [value]


def moved(value: Any, device: str) -> Any:
    return (
        tuple(to_device(x, device) for x in value) if isinstance(value, tuple) else to_device(value, device)
    )


# Layers ---------------------------------------------------------------------------------------------


def built(case: LayerCase, dtype: Any) -> Layer:
    layer = case.make()
    layer.build(case.input_shape, rng=0, dtype=dtype)
    return layer


def examples(case: LayerCase, dtype: Any) -> tuple[np.ndarray, Any]:
    """Return inputs, and a gradient for what the layer makes of them."""
    generator = np.random.default_rng(3)
    x = generator.uniform(-1, 1, (BATCH, *case.input_shape)).astype(dtype)
    y = built(case, dtype).forward(x, train=True)
    dy = tuple(generator.uniform(-1, 1, each.shape).astype(dtype) for each in as_list(y))
    return x, dy if isinstance(y, tuple) else dy[0]


def both_passes(layer: Layer, x: Any, dy: Any) -> list[Any]:
    y = [each + 0 for each in as_list(layer.forward(x, train=True))]
    dx = layer.backward(dy)
    return [*y, dx, *(parameter.grad for _, parameter in layer.named_parameters())]


def check_layer_parity(case: LayerCase, device: str, dtype: Any) -> None:
    """Two steps, so that what is kept from one to the next is seen as well, and a pass in evaluation mode."""
    x, dy = examples(case, dtype)
    host, there = built(case, dtype), built(case, dtype).to(device)
    for _ in range(2):
        expected = both_passes(host, x, dy)
        found = both_passes(there, to_device(x, device), moved(dy, device))
        for a, b in zip(expected, found, strict=True):
            assert device_of(b) == device and b.dtype == dtype
            close(b, a, dtype)
    for a, b in zip(as_list(host.forward(x)), as_list(there.forward(to_device(x, device))), strict=True):
        close(b, a, dtype)
    for (_, a), (_, b) in zip(host.named_buffers(), there.named_buffers(), strict=True):
        close(b, a, dtype)


def check_slopes(case: LayerCase, device: str) -> None:
    """The gradients of input and parameters on the device, against central differences taken there in float64.

    Each array is moved along one random direction; with ``f = sum(dy y)`` the slope must be ``sum(grad d)``.
    """
    x, dy = examples(case, np.float64)
    x, dy, layer = to_device(x, device), moved(dy, device), built(case, np.float64).to(device)
    *_, dx = as_list(layer.forward(x, train=False)), layer.backward(dy)
    arrays = [(x, dx + 0)] + [(p.value, p.grad + 0) for _, p in layer.named_parameters()]
    xp, generator, h = namespace(x), np.random.default_rng(1), 1e-6

    def objective() -> float:
        pairs = zip(as_list(layer.forward(x, train=False)), as_list(dy), strict=True)
        return sum(float((y * each).sum()) for y, each in pairs)

    for array, gradient in arrays:
        direction = xp.asarray(generator.normal(size=array.shape))
        saved, values = array.copy(), []
        for sign in (1, -1):
            array[...] = saved + sign * h * direction
            values.append(objective())
        array[...] = saved
        slope = float((gradient * direction).sum())
        assert (values[0] - values[1]) / (2 * h) == pytest.approx(slope, rel=1e-5, abs=1e-7)


# Losses and optimizers ------------------------------------------------------------------------------


def loss_arguments(case: Any, dtype: Any) -> list[np.ndarray]:
    generator = np.random.default_rng(5)
    targets = case.targets(generator)
    targets = targets if targets.dtype.kind in "iu" else targets.astype(dtype)
    given = [case.outputs(generator).astype(dtype), targets]
    if case.weighted:
        given.append(generator.uniform(0.2, 3, len(given[0])).astype(dtype))
    return given


def check_loss_parity(case: Any, device: str, dtype: Any) -> None:
    arguments = loss_arguments(case, dtype)
    host, there = case.make(), case.make()
    for _ in range(2):
        expected, value = host.forward(*arguments), there.forward(*(to_device(x, device) for x in arguments))
        assert device_of(value) == device and value.shape == () and value.dtype == dtype
        close(value, expected, dtype)
        close(there.backward(), host.backward(), dtype)


def parameters(dtype: Any, device: str) -> list[tuple[str, Parameter]]:
    generator = np.random.default_rng(2)
    return [
        (
            name,
            Parameter(to_device(generator.normal(size=shape).astype(dtype), device), decay="weight" in name),
        )
        for name, shape in SHAPES.items()
    ]


def set_gradients(named: list[tuple[str, Parameter]], seed: int) -> None:
    generator = np.random.default_rng(seed)
    for _, parameter in named:
        value = generator.normal(size=parameter.value.shape).astype(parameter.value.dtype)
        parameter.grad = to_device(value, device_of(parameter.value))


def check_optimizer_parity(label: str, device: str, dtype: Any) -> None:
    host, there = OPTIMIZERS[label](), OPTIMIZERS[label]()
    on_host, on_device = parameters(dtype, "cpu"), parameters(dtype, device)
    for seed in range(3):
        for optimizer, named in ((host, on_host), (there, on_device)):
            optimizer.lr = 0.1 / (seed + 1)
            optimizer.prepare(named)
            set_gradients(named, seed)
            optimizer.step(named)
    for (_, a), (_, b) in zip(on_host, on_device, strict=True):
        close(b.value, a.value, dtype)
    for each in (host, there):
        each.flush_denormals()
    state = there.state_dict()
    for name, x in host.state_dict().items():
        if "/" in name and hasattr(x, "shape"):
            close(state[name], x, dtype)
        else:
            assert state[name] == x


# Trainings ------------------------------------------------------------------------------------------


def digits(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return images that a network can learn: class k has a bright row k."""
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 10, count)
    images = generator.integers(0, 100, (count, 1, 12, 12), dtype=np.uint8)
    images[np.arange(count), 0, labels] += 120
    return images, labels


def small_network(device: str = "cpu") -> Sequential:
    model = Sequential([Flatten(), Dense(24, bias=False), BatchNorm(), ReLU(), Dropout(0.2), Dense(10)])
    model.build((1, 12, 12), rng=4)
    model.to(device)
    return model


def fit(device: str, epochs: int = 3, **options: Any) -> Trainer:
    images, labels = digits()
    loader = Loader(images, labels, 10, seeds=5, mean=0.2, std=0.3, **options.pop("loader", {}))
    settings = {"regularizers": [L2(1e-3)], "schedule": Cosine(0.1), "progress": False, **options}
    optimizer = settings.pop("optimizer", Momentum)(0.1)
    trainer = Trainer(small_network(device), SoftmaxCrossEntropy(), optimizer, **settings)
    trainer.fit(loader, epochs, Split(*digits(30)), resume="run_dir" in options)
    return trainer


def assert_alike(host: Trainer, there: Trainer) -> None:
    for a, b in zip(host.history, there.history, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            assert b[name] == pytest.approx(a[name], rel=5e-4), name
    for (name, a), b in zip(host.model.state_dict().items(), there.model.state_dict().values(), strict=True):
        np.testing.assert_allclose(to_cpu(b), to_cpu(a), rtol=1e-3, atol=1e-5, err_msg=name)
