"""Cut a trained network: give it another head, or use what is below as a feature extractor."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import Array
from minidl.errors import ConfigError
from minidl.expressions import suggestion
from minidl.freezing import require_built
from minidl.layers import Dense, Sequential
from minidl.random import Seeds
from minidl.training.evaluate import BATCH_SIZE, model_device, model_dtype, predict


def replace_head(
    model: Sequential,
    head: Sequence[Any],
    *,
    after: str | None = None,
    rng: int | Seeds | np.random.Generator = 0,
) -> Sequential:
    """Return a new network: the trained body of `model`, and a fresh head on top of it.

    The body is a copy, so that training the new network leaves the old one as it is. Its weights,
    buffers, frozen flags and learning-rate factors come along; its layers keep their names.

    Parameters
    ----------
    model : Sequential
        Built.
    head : sequence of layers
        Unbuilt, such as ``[Dense(5)]``.
    after : str, optional
        The last layer that is kept, by name, such as ``"7"``; ``"0.3"`` cuts inside the `Sequential` that
        is layer 0. By default everything before the last `Dense` is kept.
    rng : int, Seeds or numpy.random.Generator
        For the initial weights of the head and the masks of dropout layers.

    Returns
    -------
    Sequential
        Built for the same input, on the same device, with the same type.

    Raises
    ------
    ConfigError
        If `after` is no layer at which a `Sequential` can be cut, or nothing would be kept.
    StateError
        If `model` has not been built.

    Examples
    --------
    >>> from minidl.layers import ReLU
    >>> old = Sequential([Dense(100), ReLU(), Dense(10)])
    >>> old.build((784,))
    (10,)
    >>> new = replace_head(old, [Dense(5)])
    >>> [type(layer).__name__ for layer in new.layers], new.output_shape
    (['Dense', 'ReLU', 'Dense'], (5,))
    """
    require_built(model, "replace_head")
    names = _before_last_dense(model) if after is None else str(after).split(".")
    body = _cut(model, names, ".".join(names))
    new = Sequential([*copy.deepcopy(body.layers), *head])
    # Building draws new weights for all; the names of the body's layers are the same before and after.
    new.build(model.input_shape, rng, model_dtype(model))
    if (device := model_device(model)) != "cpu":
        new.to(device)
    _take_over(new, body)
    return new


def feature_extractor(model: Sequential, upto: str | None = None) -> Sequential:
    """Return a copy of the network that ends after a layer.

    Parameters
    ----------
    model : Sequential
        Built.
    upto : str, optional
        As `after` of `replace_head`: by default the input of the last `Dense` comes out.

    Raises
    ------
    ConfigError, StateError
        As `replace_head`.
    """
    return replace_head(model, [], after=upto)


def extract(
    model: Sequential,
    images: Array,
    *,
    upto: str | None = None,
    batch_size: int = BATCH_SIZE,
    scale: float = 1 / 255,
) -> np.ndarray:
    """Return the features of many images, for another classifier.

    Parameters
    ----------
    model : Sequential
        Built. It is run in evaluation mode.
    images : array, shape (N, ...), uint8 or float
    upto : str, optional
        The layer whose output is wanted; by default the input of the last `Dense`.
    batch_size, scale
        As in `minidl.training.predict`.

    Returns
    -------
    numpy.ndarray, shape (N, D)
        Feature maps are flattened.

    Examples
    --------
    With scikit-learn::

        classifier = LogisticRegression().fit(extract(model, train.images), train.labels)
        classifier.score(extract(model, validation.images), validation.labels)
    """
    features = predict(feature_extractor(model, upto), images, batch_size=batch_size, scale=scale)
    return np.ascontiguousarray(features).reshape(len(features), -1)


def _before_last_dense(model: Any) -> list[str]:
    """Return the path of the layer below the last dense one, as a list of names."""
    layers = getattr(model, "layers", [])
    places = [index for index, layer in enumerate(layers) if isinstance(layer, Dense)]
    if not places or places[-1] == 0:
        raise ConfigError(
            "replace_head: there is no Dense layer with something below it among the layers of the model; "
            "say where to cut: after='3'"
        )
    return [str(places[-1] - 1)]


def _cut(model: Any, names: list[str], whole: str) -> Sequential:
    """Return the layers of a `Sequential` up to and including the one of that path, not copied."""
    if not isinstance(model, Sequential):
        raise ConfigError(
            f"replace_head: cannot cut at {whole!r}: only a Sequential can be cut, not a {type(model).__name__}"
        )
    name, *inside = names
    known = [known for known, _ in model.children()]
    if name not in known:
        raise ConfigError(f"replace_head: there is no layer {whole!r} to cut after{suggestion(name, known)}")
    index = known.index(name)
    kept = model.layers[: index + 1]
    if inside:
        kept = [*kept[:-1], _cut(kept[-1], inside, whole)]
    return Sequential(kept)


def _take_over(new: Any, body: Any) -> None:
    """Copy the state of the layers that `body` has, names being the same."""
    own, learned = new.state_dict(), body.state_dict()
    for name, array in learned.items():
        own[name][...] = array
    flags = dict(body.named_parameters())
    for name, parameter in new.named_parameters():
        if name in flags:
            parameter.frozen, parameter.lr_factor = flags[name].frozen, flags[name].lr_factor
