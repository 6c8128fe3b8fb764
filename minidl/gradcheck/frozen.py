"""A layer that can be run again and again from the same state."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.errors import ConfigError
from minidl.gradcheck.differences import separated
from minidl.layers.base import Layer


class Run:
    """Runs a layer's forward pass from the same buffers and generator states every time."""

    def __init__(self, layer: Any, train: bool) -> None:
        self.layer = layer
        self.train = train
        self.buffers = [
            (owner, name, np.array(buffer))
            for owner in _layers(layer)
            for name, buffer in (getattr(owner, "buffers", None) or {}).items()
        ]
        generators = (getattr(owner, "generator", None) for owner in _layers(layer))
        self.generators = [
            (g, g.bit_generator.state) for g in generators if isinstance(g, np.random.Generator)
        ]

    def raw(self, x: np.ndarray) -> Any:
        """Return what forward returns, after putting buffers and generators back."""
        for owner, name, saved in self.buffers:
            owner.buffers[name][...] = saved
        for generator, state in self.generators:
            generator.bit_generator.state = state
        return _forward(self.layer, x, self.train)

    def outputs(self, x: np.ndarray) -> list[np.ndarray]:
        """Return copies of the outputs for a copy of `x`."""
        return [np.array(y) for y in as_list(self.raw(x.copy()))]

    def gradients(self) -> dict[str, np.ndarray | None]:
        """Return copies of the parameters' gradients by dotted path."""
        found = ((path, parameter.grad) for path, parameter in parameters_of(self.layer))
        return {path: None if grad is None else np.array(grad) for path, grad in found}


def twin_of(layer: Any) -> Any:
    """Return a deep copy on the CPU, in float64."""
    twin = copy.deepcopy(layer)
    if isinstance(twin, Layer) and twin.input_shape is not None:
        twin.to("cpu", np.float64)
    for path, parameter in parameters_of(twin):
        if not hasattr(parameter, "value") or not hasattr(parameter, "grad"):
            raise ConfigError(
                f"{type(layer).__name__}: parameters[{path!r}] must have the attributes value and grad, "
                f"as minidl.Parameter has; got {type(parameter).__name__}"
            )
        if parameter.value.dtype != np.float64:
            parameter.value = parameter.value.astype(np.float64)
    return twin


def randomize_state(layer: Any, shape: tuple[int, ...], generator: np.random.Generator) -> None:
    """Move every parameter by up to a half, and the buffers by a training pass."""
    for _, parameter in parameters_of(layer):
        parameter.value[...] += generator.uniform(-0.5, 0.5, parameter.value.shape)
    if any(getattr(owner, "buffers", None) for owner in _layers(layer)):
        _forward(layer, separated(shape, generator) * 1.5 + 0.5, True)


def _layers(layer: Any) -> Iterator[Any]:
    if isinstance(layer, Layer):
        for _, inner in layer.named_layers():
            yield inner
    else:
        yield layer


def parameters_of(layer: Any) -> list[tuple[str, Any]]:
    """Return (dotted path, parameter) of a layer of ours, or what a foreign one has in `parameters`."""
    if isinstance(layer, Layer):
        return list(layer.named_parameters())
    return list((getattr(layer, "parameters", None) or {}).items())


def _forward(layer: Any, x: np.ndarray, train: bool) -> Any:
    try:
        inspect.signature(layer.forward).bind(x, train)
    except TypeError:
        return layer.forward(x)
    return layer.forward(x, train)


def require_methods(thing: Any, name: str, *methods: str) -> None:
    """Raise a `ConfigError` that names the first missing method."""
    for method in methods:
        if not callable(getattr(thing, method, None)):
            raise ConfigError(f"{name}: a gradient check needs the method {method}, which it does not have")


def as_list(outputs: Any) -> list[Any]:
    """Return the outputs of several heads as a list, and a single output as a list of one."""
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def like(outputs: Any, arrays: list[np.ndarray]) -> Any:
    """Return `arrays` as a tuple if there are several outputs, else the one array."""
    return tuple(arrays) if isinstance(outputs, tuple | list) else arrays[0]
