"""Fold batch normalisation into the layer before it."""

from __future__ import annotations

import copy
from typing import Any

from minidl.backend import namespace
from minidl.errors import StateError
from minidl.layers.base import Layer, Parameter
from minidl.layers.containers import Branches, Residual, Sequential
from minidl.layers.conv import Conv2D
from minidl.layers.dense import Dense
from minidl.layers.norm import BatchNorm


def fold_batchnorm(model: Layer) -> Any:
    """Return a copy of `model` for test time in which every BatchNorm after a Dense or Conv2D is gone.

    At test time a batch normalisation is a fixed affine map of each feature, so it can be part of the layer
    before it (lecture AAR: "zero overhead at test-time: can be fused with conv!")::

        W' = gamma / sqrt(running_var + eps) * W
        b' = gamma / sqrt(running_var + eps) * (b - running_mean) + beta

    Parameters
    ----------
    model : Layer
        A built network. It is not changed. Containers inside it are searched too; a BatchNorm that follows
        anything else stays.

    Returns
    -------
    Layer
        Built, equal to `model` in evaluation within rounding.

    Raises
    ------
    StateError
        If `model` has not been built.
    """
    if model.output_shape is None:
        raise StateError("fold_batchnorm: the model has no parameters yet; call build(input_shape) first")
    folded = copy.deepcopy(model)
    _fold_inside(folded)
    return folded


def _fold_inside(layer: Any) -> None:
    if isinstance(layer, Sequential):
        kept: list[Any] = []
        for child in layer.layers:
            _fold_inside(child)
            if isinstance(child, BatchNorm) and kept and isinstance(kept[-1], Dense | Conv2D):
                _absorb(kept[-1], child)
            else:
                kept.append(child)
        layer.layers = kept
        layer.plan()
    elif isinstance(layer, Residual | Branches):
        for _, child in layer.children():
            _fold_inside(child)


def _absorb(layer: Any, norm: BatchNorm) -> None:
    gamma, beta = norm.parameters["gamma"].value, norm.parameters["beta"].value
    mean, var = norm.buffers["running_mean"], norm.buffers["running_var"]
    scale = gamma / namespace(var).sqrt(var + norm.eps)
    weight = layer.parameters["weight"]
    # The output axis is the last of Dense's (in, out) and the first of Conv2D's (out, in, kh, kw).
    weight.value = weight.value * (scale if isinstance(layer, Dense) else scale[:, None, None, None])
    weight.grad = None
    bias = layer.parameters["bias"].value if layer.bias else 0
    layer.bias = True
    layer.parameters["bias"] = Parameter(scale * (bias - mean) + beta, decay=False)
