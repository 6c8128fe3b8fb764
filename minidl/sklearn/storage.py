"""Fitted estimators in files: safetensors with JSON in the header, never a pickle.

The arrays are those of a checkpoint (`minidl.training.checkpoint`): ``model/<path>``,
``optimizer/<name>``. Everything else is JSON: the class, the parameters, what a `fit` has learned besides.
Layers and optimizers are written as the calls that make them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minidl._version import __version__
from minidl.errors import CheckpointError, ConfigError, MinidlError
from minidl.experiments import vocabulary
from minidl.random import Seeds
from minidl.sklearn.settings import Recipe
from minidl.sklearn.source import source
from minidl.training.checkpoint import capture, read_checkpoint, restore, write_checkpoint

KEY = "estimator"
# What `fit` learns besides the network and the optimizer, where an estimator has it.
LEARNED = (
    "classes_", "feature_names_in_", "n_features_in_", "n_iter_", "history_", "target_mean_", "target_scale_",
    "_columns", "_seed", "_sigmoid",
)  # fmt: skip


def save(estimator: Any, path: str | Path) -> None:
    """Write a fitted estimator; see `NeuralNet.save`."""
    name = type(estimator).__name__
    tensors, state = capture(estimator.network_, estimator._optimizer, {})
    state[KEY] = {
        "class": name,
        "version": __version__,
        "parameters": {
            option: _plain(f"{name}: {option}", _storable(estimator, option, value))
            for option, value in estimator.get_params(deep=False).items()
        },
        "recipe": {
            option: _plain(f"{name}: {option}", value) for option, value in vars(estimator._recipe).items()
        },
        "dtype": estimator.network_.dtype.name,
        "learned": {
            key: _plain(f"{name}: {key}", vars(estimator)[key]) for key in LEARNED if key in vars(estimator)
        },
    }
    write_checkpoint(path, tensors, state)


def load(kind: type, path: str | Path) -> Any:
    """Read a fitted estimator; see `NeuralNet.load`."""
    tensors, state = read_checkpoint(path)
    found = state.get(KEY)
    if not isinstance(found, dict) or found.get("class") != kind.__name__:
        holds = found.get("class") if isinstance(found, dict) else "the checkpoint of a training"
        raise CheckpointError(f"{path}: expected a saved {kind.__name__}, found {holds}")
    try:
        estimator = kind(**{key: _read(value) for key, value in found["parameters"].items()})
        learned = {key: _read(value) for key, value in found["learned"].items() if key in LEARNED}
        vars(estimator).update(learned)
        recipe = Recipe(**{key: _read(value) for key, value in found["recipe"].items()})
        outputs = len(learned["classes_"] if "classes_" in learned else learned["target_mean_"])
        network = recipe.network(
            kind.__name__, learned["n_features_in_"], outputs, f"{outputs} outputs", Seeds(0),
            np.dtype(found["dtype"]),
        )  # fmt: skip
        optimizer = recipe.new_optimizer(kind.__name__)
        restore(network, optimizer, {}, tensors, state)
    except MinidlError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: version {__version__} of minidl cannot read this {kind.__name__}, which version "
            f"{found.get('version')} wrote ({error})"
        ) from None
    estimator.network_, estimator._optimizer, estimator._recipe = network, optimizer, recipe
    return estimator


def _storable(estimator: Any, option: str, value: Any) -> Any:
    """Return a parameter, or what stands for it in a file: a generator's place is taken by the seed it gave."""
    is_generator = option == "random_state" and not (value is None or isinstance(value, int | np.integer))
    return estimator._seed if is_generator else value


def _plain(what: str, value: Any) -> Any:
    """Return what JSON can hold; what it has no form for becomes a dictionary of one entry that names its kind."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return {"array": [value.dtype.str, _plain(what, value.item())]}
    if isinstance(value, list):
        return [_plain(what, item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_plain(what, item) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[_plain(what, key), _plain(what, item)] for key, item in value.items()]}
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufUO" or not all(_is_plain(item) for item in value.ravel().tolist()):
            raise ConfigError(
                f"{what}: an array of {value.dtype} cannot be written to a file; use numbers or text"
            )
        return {"array": [value.dtype.str, value.tolist()]}
    return {"call": source(what, value, _vocabulary(what.split()[-1]))}


def _vocabulary(option: str) -> dict[str, Any]:
    kinds = {
        "optimizer": vocabulary.optimizers, "schedule": vocabulary.schedules, "loss": vocabulary.losses
    }  # fmt: skip
    return kinds.get(option, vocabulary.layers)()


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return [_read(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tuple":
        return tuple(_read(item) for item in content)
    if kind == "dict":
        return {_read(key): _read(item) for key, item in content}
    if kind == "array":
        dtype, items = content
        array = np.array(items, dtype=np.dtype(dtype))
        return array if array.ndim else array[()]
    if kind == "call":
        return content
    raise ValueError(f"unknown kind {kind!r}")
