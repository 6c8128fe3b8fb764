"""Run a model over a whole data set in batches: predictions, loss, accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minidl.backend import Array, device_of, namespace, to_cpu, to_device
from minidl.errors import ConfigError, ShapeError

BATCH_SIZE = 500  # large enough for efficient matrix products, small enough for the caches


class Score(NamedTuple):
    """What `evaluate` returns.

    Attributes
    ----------
    loss : float
        Mean over the examples.
    accuracy : float or None
        Share of the examples whose largest output is at the target's class, in [0, 1]; None when
        the targets are not classes.
    """

    loss: float
    accuracy: float | None


def predict(model: Any, images: Array, *, batch_size: int = BATCH_SIZE, scale: float = 1 / 255) -> np.ndarray:
    """Return the network's outputs for many images, computed in batches and in evaluation mode.

    Parameters
    ----------
    model : Layer
    images : array, shape (N, ...), uint8 or float
        Bytes are multiplied by `scale`; floats are taken as they are.
    batch_size : int
        Examples computed at once; it bounds the memory and changes nothing else (up to rounding).
    scale : float
        Factor for bytes; the loader's default brings 0…255 to [0, 1].

    Returns
    -------
    numpy.ndarray, shape (N, K)
        The logits, in the model's dtype.

    Raises
    ------
    ShapeError
        If there is no image, or the images are neither bytes nor floats.
    """
    outputs: np.ndarray | None = None
    start = 0
    for x in _batches(model, images, batch_size, scale):
        batch = to_cpu(model.forward(x))
        if outputs is None:
            outputs = np.empty((len(images), *batch.shape[1:]), batch.dtype)
        # Copied at once: a layer may reuse the array it returned for the next batch.
        outputs[start : start + len(batch)] = batch
        start += len(batch)
    assert outputs is not None  # _batches refuses an empty set
    return outputs


def evaluate(
    model: Any, loss: Any, data: Any, *, batch_size: int = BATCH_SIZE, scale: float = 1 / 255
) -> Score:
    """Return the mean loss and the accuracy of a model on a data set, in evaluation mode.

    Parameters
    ----------
    model : Layer
    loss : loss object
        Its `forward` is called once per batch; whatever it kept for `backward` is overwritten.
    data : Split or Loader
        Anything with `images` and `labels`, or anything with ``epoch(0)`` that yields batches.
        Of a loader that has both, the batches are taken.
    batch_size, scale
        As in `predict`; a loader brings its own.

    Returns
    -------
    Score
        ``(loss, accuracy)``.
    """
    total, examples = 0.0, 0
    correct: int | None = 0
    for x, y in _labelled_batches(model, data, batch_size, scale):
        outputs = model.forward(x)
        total += float(loss.forward(outputs, y)) * len(x)
        hits = count_correct(outputs, y)
        correct = None if hits is None or correct is None else correct + int(hits)
        examples += len(x)
    if examples == 0:
        raise ShapeError("evaluate: the data set is empty, expected at least one example")
    return Score(total / examples, None if correct is None else correct / examples)


def count_correct(outputs: Array, targets: Array) -> Any:
    """Count the examples whose largest output is at the target's class.

    Parameters
    ----------
    outputs : array, shape (N, K, ...)
    targets : array, shape (N, ...) of class numbers, or (N, K, ...) one-hot or soft

    Returns
    -------
    int, or 0-d array on another device, or None
        For outputs with further axes (one class per pixel) the mean over these of the count. None
        if the targets are no classes: one output column, several heads, or shapes that do not fit.
    """
    if isinstance(outputs, tuple) or outputs.ndim < 2 or outputs.shape[1] < 2:
        return None
    if targets.ndim == outputs.ndim:
        targets = targets.argmax(axis=1)
    elif targets.dtype.kind not in "iu":
        return None
    guesses = outputs.argmax(axis=1)
    if guesses.shape != targets.shape:
        return None
    if guesses.ndim == 1:
        return namespace(outputs).count_nonzero(guesses == targets)
    return (guesses == targets).mean(axis=tuple(range(1, guesses.ndim))).sum()


def model_device(model: Any) -> str:
    """Return the device of the model's parameters; "cpu" if it has none."""
    for _, parameter in model.named_parameters():
        return device_of(parameter.value)
    return "cpu"


def model_dtype(model: Any) -> np.dtype:
    """Return the type of the model's parameters; float32 if it has none."""
    for _, parameter in model.named_parameters():
        return np.dtype(parameter.value.dtype)
    return np.dtype(np.float32)


def _labelled_batches(model: Any, data: Any, batch_size: int, scale: float) -> Iterator[tuple[Array, Array]]:
    if hasattr(data, "epoch"):
        yield from data.epoch(0)
        return
    if len(data.images) != len(data.labels):
        raise ShapeError(f"evaluate: got {len(data.images)} images but {len(data.labels)} labels")
    device = model_device(model)
    start = 0
    for x in _batches(model, data.images, batch_size, scale):
        yield x, to_device(data.labels[start : start + len(x)], device)
        start += len(x)


def _batches(model: Any, images: Array, batch_size: int, scale: float) -> Iterator[Array]:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ConfigError(f"batch_size must be an integer >= 1, got {batch_size!r}")
    if len(images) == 0:
        raise ShapeError("predict: there are no images, expected at least one")
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise ShapeError(f"predict: images must be uint8 or float, got {images.dtype}; convert them")
    device, dtype = model_device(model), model_dtype(model)
    for start in range(0, len(images), batch_size):
        x = to_device(images[start : start + batch_size], device)
        is_bytes = x.dtype == np.uint8
        x = x.astype(dtype, copy=False)
        if is_bytes:
            x *= scale
        yield x
