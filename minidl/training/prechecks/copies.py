"""Copies for the checks to work on, so that what they are given keeps no trace of them.

Regularisation is off in every copy unless a check asks for it: dropout keeps every unit, label
smoothing and the optimizer's weight decay are zero.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from minidl.backend import to_cpu
from minidl.errors import ConfigError
from minidl.layers.base import Layer
from minidl.layers.dropout import Dropout
from minidl.layers.foreign import as_layer
from minidl.random import Seeds

Shape = tuple[int, ...]


def fresh_copy(model: Any, input_shape: Shape, seeds: Seeds, *, dtype: Any = None) -> Layer:
    """Return a copy of a model with new initial weights and without dropout, on the CPU.

    Parameters
    ----------
    model : Layer
        Built or not. Weights that an object of your own makes in its constructor stay as they are.
    input_shape : tuple of int
        Shape of one example.
    seeds : Seeds
        Where the initial weights come from.
    dtype : dtype, optional
        By default the model's own, float32 if it is not built.
    """
    twin = as_layer(copy.deepcopy(model))
    if twin.input_shape is not None:
        twin.to("cpu")
    _silence_dropout(twin)
    twin.build(tuple(input_shape), seeds, dtype or getattr(model, "dtype", None) or np.float32)
    return twin


def without_dropout(model: Layer) -> Layer:
    """Return a copy of a built model, with its weights, in which dropout keeps every unit."""
    twin = copy.deepcopy(model)
    _silence_dropout(twin)
    twin.to("cpu")  # forgets what earlier passes kept, and plans the containers anew
    return twin


def dropout_layers(model: Any) -> list[str]:
    """Return the paths of the layers that drop units."""
    if not isinstance(model, Layer):
        return []
    return [path for path, layer in model.named_layers() if isinstance(layer, Dropout) and layer.p > 0]


def plain_loss(loss: Any) -> Any:
    """Return a copy of a loss without label smoothing, under which no network reaches loss zero."""
    twin = copy.deepcopy(loss)
    if getattr(twin, "label_smoothing", 0):
        twin.label_smoothing = 0.0
    return twin


def plain_optimizer(optimizer: Any) -> Any:
    """Return a copy of an optimizer that remembers no steps and does not decay weights."""
    twin = copy.deepcopy(optimizer)
    if callable(getattr(twin, "load_state_dict", None)):
        twin.load_state_dict({"step": 0})
    if getattr(twin, "weight_decay", 0):
        twin.weight_decay = 0.0
    return twin


def as_inputs(images: Any, scale: float, dtype: Any = np.float32) -> np.ndarray:
    """Return images as a network receives them: bytes times `scale`, numbers as they are; a new array."""
    images = to_cpu(images)
    x = np.array(images, dtype=dtype)
    if images.dtype == np.uint8:
        x *= scale
    return x


def spread(labels: np.ndarray, count: int, seeds: Seeds) -> np.ndarray:
    """Return `count` indices, drawn at random, with the classes as evenly as they are there.

    Parameters
    ----------
    labels : array, shape (N,)
        Integers; of anything else any examples are taken.
    count : int
        At most N come back.
    seeds : Seeds
    """
    order = seeds.generator("examples").permutation(len(labels))
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        return order[:count]
    # The first of every class, then the second of every class, …
    ranks = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        ranks[members] = np.arange(len(members))
    return order[np.argsort(ranks[order], kind="stable")][:count]


def require_examples(images: Any, labels: Any) -> None:
    """Raise a `ConfigError` unless there is at least one example and a label for each."""
    if len(images) != len(labels) or len(labels) == 0:
        raise ConfigError(
            f"a check before training needs at least one example and a label for each, got {len(images)} "
            f"images and {len(labels)} labels"
        )


def _silence_dropout(model: Layer) -> None:
    for _, layer in model.named_layers():
        if isinstance(layer, Dropout):
            # In place, because containers hold the layer itself.
            silent = Dropout(0.0)
            if layer.input_shape is not None:
                silent.build(layer.input_shape, 0, layer.dtype)
            silent.name = layer.name
            layer.__dict__.update(silent.__dict__)
