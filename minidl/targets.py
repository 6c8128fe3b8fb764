"""From what a data set calls the answer to what a loss computes with.

A loader hands out integer labels; most losses compare arrays. Everything here checks first, because
NumPy would broadcast a wrong shape and read a negative label from the end without a word.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, device_of, namespace
from minidl.errors import ConfigError, DeviceError, ShapeError


def one_hot(labels: Array, classes: int, dtype: Any = np.float32) -> Array:
    """Return 1 at the label and 0 elsewhere, with the classes along axis 1.

    Parameters
    ----------
    labels : integer array, shape (N, ...)
    classes : int
        K. A label outside 0..K-1 gives a row of zeros; `check_labels` finds those.
    dtype : dtype

    Returns
    -------
    array, shape (N, K, ...)
    """
    xp = namespace(labels)
    every = xp.arange(classes).reshape((classes,) + (1,) * (labels.ndim - 1))
    return (labels[:, None] == every).astype(dtype)


def check_labels(name: str, labels: Array, classes: int) -> Array:
    """Return integer labels as machine integers after checking that they lie in 0..classes-1.

    The range is checked on the CPU only: on a GPU reading the largest label would make the host wait
    for the device in every step.

    Raises
    ------
    ConfigError
        If a label is out of range; the message starts with `name`.
    """
    labels = labels.astype(np.intp, copy=False)
    # Seen as unsigned numbers, negative labels are huge: one maximum catches both ends.
    if isinstance(labels, np.ndarray) and labels.size and labels.view(np.uintp).max() >= classes:
        raise ConfigError(
            f"{name}: labels must lie between 0 and {classes - 1} for {classes} outputs, "
            f"got labels from {labels.min()} to {labels.max()}"
        )
    return labels


def check_outputs(name: str, outputs: Array, targets: Array) -> None:
    """Check that outputs are floating point and not empty, and targets an array on the same device."""
    here, there = device_of(outputs), device_of(targets)
    if here != there:
        raise DeviceError(
            f"{name}: the outputs are on {here!r} but the targets are on {there!r}; "
            f"move the targets with to_device(targets, {here!r})"
        )
    if outputs.dtype.kind != "f":
        raise ConfigError(f"{name}: outputs must be floating point, got {outputs.dtype}")
    if outputs.ndim < 2 or outputs.size == 0:
        raise ShapeError(
            f"{name}: expected outputs of shape (N, K) or (N, K, ...) with N and K at least 1, "
            f"got {outputs.shape}"
        )


def as_targets(name: str, outputs: Array, targets: Array) -> Array:
    """Return targets with the shape and type of the outputs.

    Parameters
    ----------
    name : str
        What an error message starts with.
    outputs : array, shape (N, K, ...)
    targets : array
        Of the shape of the outputs; or integer labels of shape (N, ...), which become one-hot along
        axis 1; or, where K = 1, values of shape (N, ...).

    Raises
    ------
    ShapeError, ConfigError, DeviceError
        If the targets fit in none of these ways.
    """
    check_outputs(name, outputs, targets)
    if targets.shape == outputs.shape:
        return targets.astype(outputs.dtype, copy=False)
    classes = outputs.shape[1]
    if targets.shape == outputs.shape[:1] + outputs.shape[2:]:
        if classes == 1:
            return targets[:, None].astype(outputs.dtype, copy=False)
        if targets.dtype.kind in "iu":
            return one_hot(check_labels(name, targets, classes), classes, outputs.dtype)
        raise ConfigError(
            f"{name}: labels must be integers, got {targets.dtype}; convert them with labels.astype(int)"
        )
    raise ShapeError(
        f"{name}: targets of shape {targets.shape} do not fit outputs of shape {outputs.shape}; "
        f"give the shape of the outputs or integer labels of shape {outputs.shape[:1] + outputs.shape[2:]}"
    )


def as_weights(name: str, outputs: Array, weights: Array | None) -> Array | None:
    """Return the weights of the examples in the type of the outputs; None stays None.

    Parameters
    ----------
    name : str
        What an error message starts with.
    outputs : array, shape (N, ...)
    weights : array of shape (N,) or None
        Finite numbers >= 0 (checked on the CPU only).

    Raises
    ------
    ShapeError, ConfigError, DeviceError
        If they do not fit.
    """
    if weights is None:
        return None
    here, there = device_of(outputs), device_of(weights)
    if here != there:
        raise DeviceError(
            f"{name}: the outputs are on {here!r} but the weights are on {there!r}; "
            f"move the weights with to_device(weights, {here!r})"
        )
    if weights.shape != outputs.shape[:1]:
        raise ShapeError(
            f"{name}: weights of shape {weights.shape} do not fit outputs of shape {outputs.shape}; "
            f"give one weight for each of the {outputs.shape[0]} examples"
        )
    if isinstance(weights, np.ndarray) and not (weights.min() >= 0 and weights.max() < np.inf):
        raise ConfigError(
            f"{name}: weights must be finite numbers >= 0, got values from {weights.min():g} to {weights.max():g}"
        )
    return weights.astype(outputs.dtype, copy=False)


def by_example(weights: Array, like: Array) -> Array:
    """Return weights of shape (N,) with as many axes as `like`, (N, 1, ...), to multiply with."""
    return weights.reshape(weights.shape + (1,) * (like.ndim - 1))


def require_unit_interval(name: str, what: str, values: Array) -> None:
    """Raise a `ConfigError` if values lie outside [0, 1] by more than rounding (checked on the CPU only)."""
    if isinstance(values, np.ndarray) and (values.min() < -1e-3 or values.max() > 1.001):
        raise ConfigError(
            f"{name}: {what} must lie in [0, 1], got values from {values.min():g} to {values.max():g}"
        )
