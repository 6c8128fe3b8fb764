"""The networks of the benchmark: a rung of the ladder, and its twin in PyTorch with the same weights.

The twin is made from the minidl network layer by layer, so the two cannot drift apart: the same
architecture in the same order (convolution, pooling, activation, as the lecture has it).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl import layers
from minidl.experiments.ladder import CLASSES, INPUT_SHAPE, build_model


def minidl_model(rung: str, seed: int = 0) -> layers.Sequential:
    """Return a rung of the lecture's ladder, built for MNIST in float32."""
    model = build_model(rung, "lecture")
    model.build(INPUT_SHAPE, rng=seed)
    return model


def torch_twin(model: layers.Sequential) -> Any:
    """Return a ``torch.nn.Sequential`` with the layers of `model` and copies of its weights."""
    import torch

    return torch.nn.Sequential(*(_torch_layer(layer) for layer in model.layers))


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
