"""A student's own layer among ours."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.errors import ConfigError, ShapeError
from minidl.layers.base import Layer, Parameter, Shape
from minidl.random import Seeds


class Foreign(Layer):
    """Wrap an object that has ``forward(x)`` and ``backward(dy)``, and perhaps more.

    What the object offers is used: ``forward(x, train)``, ``build(input_shape, rng, dtype)``, and
    ``parameters``, a dict of name to `Parameter`. Without `build`, its output shape is found by sending
    one example of zeros through it.

    Parameters
    ----------
    layer : object

    Raises
    ------
    ConfigError
        If `forward` or `backward` is missing.
    """

    def __init__(self, layer: Any) -> None:
        kind = type(layer).__name__
        for method in ("forward", "backward"):
            if not callable(getattr(layer, method, None)):
                raise ConfigError(
                    f"{kind}: a layer needs the methods forward(x) and backward(dy), {method} is missing"
                )
        self.layer = layer
        super().__init__()
        self.name = kind
        self._takes_train = _accepts_train(layer.forward)

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The wrapped layer's own parameters."""
        return getattr(self.layer, "parameters", None) or {}

    @parameters.setter
    def parameters(self, value: dict[str, Parameter]) -> None:
        # `Layer.build` starts from an empty dict; the wrapped layer's parameters are its own.
        pass

    def setup(self, input_shape: Shape, seeds: Seeds) -> Shape:
        if callable(getattr(self.layer, "build", None)):
            shape = tuple(self.layer.build(input_shape, seeds, self.dtype))
        else:
            shape = tuple(np.shape(self._call(np.zeros((1, *input_shape), self.dtype), False)))[1:]
        for name, parameter in self.parameters.items():
            if not isinstance(parameter, Parameter):
                raise ConfigError(
                    f"{self.name}: parameters[{name!r}] must be a minidl.Parameter, got {type(parameter).__name__}"
                )
        return shape

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        y = self._call(x, train)
        if self.output_shape is not None and tuple(y.shape) != (x.shape[0], *self.output_shape):
            raise ShapeError(
                f"{self.name}: forward returned shape {tuple(y.shape)} for an input of {tuple(x.shape)}; "
                f"expected {(x.shape[0], *self.output_shape)}"
            )
        self._cache = tuple(x.shape)
        return y

    def backward(self, dy: Array) -> Array:
        input_shape = self._saved(dy)
        dx = self.layer.backward(dy)
        if dx is None or tuple(dx.shape) != input_shape:
            got = "None" if dx is None else str(tuple(dx.shape))
            raise ShapeError(
                f"{self.name}: backward must return the gradient of the input, of shape {input_shape}, got {got}"
            )
        return dx

    def _call(self, x: Array, train: bool) -> Array:
        return self.layer.forward(x, train) if self._takes_train else self.layer.forward(x)


def _accepts_train(forward: Any) -> bool:
    parameters = list(inspect.signature(forward).parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) >= 2 or any(p.kind == p.VAR_POSITIONAL for p in parameters)


def as_layer(layer: Any) -> Layer:
    """Return `layer` itself if it is a `Layer`, else the object wrapped as one."""
    if isinstance(layer, type):
        raise ConfigError(f"expected a layer, got the class {layer.__name__}: write {layer.__name__}(...)")
    return layer if isinstance(layer, Layer) else Foreign(layer)
