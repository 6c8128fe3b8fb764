"""Look into a network without disturbing it: every layer's output and gradient on a few examples.

The training network is not run: it reuses its arrays from step to step and runs some of its layers
fused. What is run is a twin, layer by layer, that shares the weights and owns everything else, in
evaluation mode. So no random number is drawn, no running average moves, and no gradient changes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minidl.backend import Array, to_cpu
from minidl.data.resident import moved
from minidl.layers import (
    AvgPool2D,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    Identity,
    L2Pool2D,
    Layer,
    MaxPool2D,
    Reshape,
    Sequential,
)
from minidl.layers.foreign import Foreign
from minidl.training.evaluate import model_device

# They pass on what they are given, or a part of it.
PASSING = (AvgPool2D, Dropout, Flatten, GlobalAvgPool2D, Identity, L2Pool2D, MaxPool2D, Reshape)


class LayerView(NamedTuple):
    """What a layer did on the probe.

    Attributes
    ----------
    name : str
        Dotted path and class, such as ``"2 ReLU"``.
    layer : Layer
        The twin of the layer.
    output : numpy.ndarray
        Shape (N, …).
    gradient : numpy.ndarray or None
        Of the mean loss with respect to `output`; None for what lies below the lowest layer that
        learns, and without targets.
    """

    name: str
    layer: Any
    output: np.ndarray
    gradient: np.ndarray | None


class View(NamedTuple):
    """What a network did on the probe.

    Attributes
    ----------
    layers : list of LayerView
        In the order of the forward pass. Pooling, dropout (off in evaluation mode) and reshaping only
        pass on what they are given, and are left out.
    gradients : dict of str to numpy.ndarray
        Of the mean loss, by the parameter's dotted name.
    loss : float or None
    """

    layers: list[LayerView]
    gradients: dict[str, np.ndarray]
    loss: float | None


def look_inside(model: Any, x: Array, loss: Any = None, targets: Any = None) -> View:
    """Send examples forward and the loss's gradient backward through a twin of the network.

    Parameters
    ----------
    model : Layer
        Built. It is left as it is, to the bit.
    x : array, shape (N, *input_shape)
    loss : loss, optional
        Without it there are no gradients. What its `forward` kept for `backward` is overwritten.
    targets : array, optional

    Returns
    -------
    View
    """
    device = model_device(model)
    x, targets = moved(x, device), None if targets is None else moved(targets, device)
    twin = twin_of(model)
    outputs: dict[str, Array] = {}
    gradients: dict[str, Array] = {}
    layers = {}
    for path, layer in twin.named_layers():
        if not layer.children() and not isinstance(layer, PASSING):
            layers[path] = layer
            _record(path, layer, outputs, gradients)
    value = None
    with np.errstate(all="ignore"):
        y = twin.forward(x)
        if loss is not None and targets is not None:
            own = [(parameter, parameter.grad) for parameter in _parameters_of(loss)]
            value = float(loss.forward(y, targets))
            twin.backward_parameters(loss.backward())
            for parameter, grad in own:
                parameter.grad = grad
    return View(
        [
            LayerView(
                f"{path} {_kind(layers[path])}".strip(),
                layers[path],
                to_cpu(output),
                to_cpu(gradients[path]) if path in gradients else None,
            )
            for path, output in outputs.items()
            if not isinstance(output, tuple)
        ],
        {path: to_cpu(p.grad) for path, p in twin.named_parameters() if p.grad is not None},
        value,
    )


def twin_of(layer: Any) -> Any:
    """Return a copy of a built network that shares its weights and buffers and nothing else that changes."""
    twin = copy.copy(layer)
    if isinstance(layer, Foreign):
        # A student's layer may keep anything anywhere. Its weights are shared all the same.
        shared = {id(p.value): p.value for p in layer.parameters.values()}
        twin.layer = copy.deepcopy(layer.layer, shared)
    else:
        twin.parameters = {name: copy.copy(parameter) for name, parameter in layer.parameters.items()}
    for parameter in twin.parameters.values():
        parameter.grad = None
    twin._cache, twin._workspace = None, {}
    for name, value in list(vars(twin).items()):
        if not name.startswith("_"):
            setattr(twin, name, _twins(value))
    if isinstance(twin, Sequential):
        twin.fused = False
        twin.plan()
    return twin


def _twins(value: Any) -> Any:
    if isinstance(value, Layer):
        return twin_of(value)
    if isinstance(value, list) and any(isinstance(item, Layer) for item in value):
        return [_twins(item) for item in value]
    if isinstance(value, dict) and any(isinstance(item, Layer) for item in value.values()):
        return {name: _twins(item) for name, item in value.items()}
    return value


def _record(path: str, layer: Any, outputs: dict[str, Array], gradients: dict[str, Array]) -> None:
    """Make a layer of the twin leave its output and its output's gradient in the dictionaries."""
    forward = layer.forward

    def recording_forward(x: Array, train: bool = False) -> Array:
        outputs[path] = forward(x, train)
        return outputs[path]

    def recording(backward: Callable[[Array], Any]) -> Callable[[Array], Any]:
        def recording_backward(dy: Array) -> Any:
            gradients[path] = dy
            return backward(dy)

        return recording_backward

    layer.forward = recording_forward
    layer.backward, layer.backward_parameters = (
        recording(layer.backward),
        recording(layer.backward_parameters),
    )


def _kind(layer: Any) -> str:
    return type(layer.layer if isinstance(layer, Foreign) else layer).__name__


def _parameters_of(loss: Any) -> list[Any]:
    named_parameters = getattr(loss, "named_parameters", None)
    return [] if named_parameters is None else [parameter for _, parameter in named_parameters()]
