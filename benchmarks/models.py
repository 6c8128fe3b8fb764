"""The networks of the benchmark: a rung of the ladder, and its twins in PyTorch and DeZero with the same weights.

A twin is made from the minidl network layer by layer, so they cannot drift apart: the same
architecture in the same order (convolution, pooling, activation, as the lecture has it).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np

from minidl import layers
from minidl.data import Split
from minidl.experiments.ladder import CLASSES, INPUT_SHAPE, build_model
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD

LEARNING_RATE = 0.01


def minidl_model(rung: str, seed: int = 0) -> layers.Sequential:
    """Return a rung of the lecture's ladder, built for MNIST in float32."""
    model = build_model(rung, "lecture")
    model.build(INPUT_SHAPE, rng=seed)
    return model


def torch_twin(model: layers.Sequential) -> Any:
    """Return a ``torch.nn.Sequential`` with the layers of `model` and copies of its weights."""
    import torch

    return torch.nn.Sequential(*(_torch_layer(layer) for layer in model.layers))


def import_dezero() -> Any:
    """Return the package DeZero. Version 0.0.13 names ``numpy.int``, gone since NumPy 1.24, while it is imported."""
    with mock.patch.object(np, "int", int, create=True):
        import dezero
    return dezero


def dezero_twin(model: layers.Sequential) -> Any:
    """Return a ``dezero.models.Sequential`` with the layers of `model` and copies of its weights."""
    Sequential = import_dezero().models.Sequential
    return Sequential(*(_dezero_layer(layer) for layer in model.layers))


def training_step(model: layers.Sequential) -> Callable[[np.ndarray, np.ndarray], Any]:
    """Return a training step as a minidl user writes it: takes a batch, returns the loss."""
    loss, optimizer = SoftmaxCrossEntropy(), SGD(lr=LEARNING_RATE)
    parameters = list(model.named_parameters())

    def step(x: np.ndarray, y: np.ndarray) -> Any:
        value = loss.forward(model.forward(x, train=True), y)
        model.backward_parameters(loss.backward())
        optimizer.step(parameters)
        return value

    return step


def training_flops(model: layers.Sequential) -> int:
    """Return the useful operations of one training step for one example.

    Forward, the gradient of the weights and the gradient of the input cost the same number of
    multiplications and additions each; the first layer with weights needs no input gradient.
    """
    weighted = [layer.flops() for _, layer in model.named_layers() if getattr(layer, "parameters", None)]
    return 3 * sum(weighted) - weighted[0]


def random_batches(batch: int, count: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return `count` batches of noise: x (batch, 1, 28, 28) float32 in [0, 1), y (batch,) int64."""
    rng = np.random.default_rng(seed)
    return [
        (rng.random((batch, *INPUT_SHAPE), dtype=np.float32), rng.integers(0, CLASSES, batch))
        for _ in range(count)
    ]


def noise_split(images: int, rng: np.random.Generator) -> Split:
    """Return so many images of noise as MNIST would be: uint8 (images, 1, 28, 28), and labels."""
    pixels = rng.integers(0, 256, (images, *INPUT_SHAPE), dtype=np.uint8)
    return Split(pixels, rng.integers(0, CLASSES, images))


def _torch_layer(layer: Any) -> Any:
    from torch import nn

    match layer:
        case layers.Sequential():
            return torch_twin(layer)
        case layers.Dense():
            weight = layer.parameters["weight"].value  # (in, out); PyTorch has (out, in)
            return _with_weights(nn.Linear(*weight.shape), layer, weight.T)
        case layers.Conv2D():
            weight = layer.parameters["weight"].value
            filters, channels, height, width = weight.shape
            twin = nn.Conv2d(channels, filters, (height, width))
            return _same_shape(_with_weights(twin, layer, weight), layer)
        case layers.MaxPool2D():
            return _same_shape(nn.MaxPool2d(2), layer)
        case layers.Dropout():
            return nn.Dropout(layer.p)
    plain = {
        layers.Sigmoid: nn.Sigmoid,
        layers.Tanh: nn.Tanh,
        layers.ReLU: nn.ReLU,
        layers.Flatten: nn.Flatten,
        layers.Identity: nn.Identity,
    }
    if type(layer) not in plain:
        raise ValueError(f"the benchmark's twin has no layer for {type(layer).__name__}")
    return plain[type(layer)]()


def _dezero_layer(layer: Any) -> Any:
    from dezero import functions
    from dezero.layers import Conv2d, Linear

    match layer:
        case layers.Dense():
            inputs, units = layer.parameters["weight"].value.shape  # DeZero has (in, out) as well
            return _with_dezero_weights(Linear(units, in_size=inputs), layer)
        case layers.Conv2D():
            filters, channels, height, width = layer.parameters["weight"].value.shape
            twin = Conv2d(filters, (height, width), in_channels=channels)
            return _same_dezero_shape(_with_dezero_weights(twin, layer), layer)
        case layers.MaxPool2D():
            return _same_dezero_shape(lambda x: functions.pooling(x, 2, 2), layer)
        case layers.Dropout():
            return lambda x: functions.dropout(x, layer.p)
    plain = {
        layers.Sigmoid: functions.sigmoid,
        layers.Tanh: functions.tanh,
        layers.ReLU: functions.relu,
        layers.Flatten: functions.flatten,
    }
    if type(layer) not in plain:
        raise ValueError(f"the DeZero twin has no layer for {type(layer).__name__}")
    return plain[type(layer)]


def _same_dezero_shape(twin: Any, layer: Any) -> Any:
    found = tuple(twin(np.zeros((1, *layer.input_shape), np.float32)).shape[1:])
    if found != layer.output_shape:
        raise ValueError(f"{layer.name} gives {layer.output_shape}, its DeZero twin {found}")
    return twin


def _with_dezero_weights(twin: Any, layer: Any) -> Any:
    twin.W.data = np.array(layer.parameters["weight"].value)
    twin.b.data = np.array(layer.parameters["bias"].value)
    return twin


def _same_shape(twin: Any, layer: Any) -> Any:
    # The twin knows convolutions of stride 1 without padding and 2x2 pooling; others show here.
    import torch

    found = tuple(twin(torch.zeros(1, *layer.input_shape)).shape[1:])
    if found != layer.output_shape:
        raise ValueError(f"{layer.name} gives {layer.output_shape}, its twin for the benchmark {found}")
    return twin


def _with_weights(twin: Any, layer: Any, weight: np.ndarray) -> Any:
    import torch

    with torch.no_grad():
        twin.weight.copy_(torch.from_numpy(np.array(weight)))
        twin.bias.copy_(torch.from_numpy(np.array(layer.parameters["bias"].value)))
    return twin
