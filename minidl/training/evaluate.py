"""Run a model over a whole data set in batches: predictions, loss, accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from minidl.backend import Array, device_of, namespace, to_cpu, to_device
from minidl.data.resident import on_device
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


def predict(
    model: Any,
    images: Array,
    *,
    batch_size: int = BATCH_SIZE,
    scale: float = 1 / 255,
    mean: float = 0.0,
    std: float = 1.0,
) -> Any:
    """Return the network's outputs for many images, computed in batches and in evaluation mode.

    Parameters
    ----------
    model : Layer
    images : array, shape (N, ...), uint8 or float
        Bytes become ``(images * scale - mean) / std``; floats are taken as they are.
    batch_size : int
        Examples computed at once; it bounds the memory and changes nothing else (up to rounding).
    scale : float
        Factor for bytes; the loader's default brings 0…255 to [0, 1].
    mean, std : float
        For bytes: what the loader of the training subtracted and divided by, after `scale`
        (`input_scaling`).

    Returns
    -------
    numpy.ndarray, shape (N, K)
        The logits, in the model's dtype. Of a model with several heads a tuple of such arrays; the main
        head is the first.

    Raises
    ------
    ShapeError
        If there is no image, or the images are neither bytes nor floats.
    """
    outputs: tuple[np.ndarray, ...] = ()
    several, start = False, 0
    for x in _batches(model, images, batch_size, (scale, mean, std)):
        result = model.forward(x)
        several = isinstance(result, tuple)
        heads = [to_cpu(head) for head in (result if several else (result,))]
        if not outputs:
            outputs = tuple(np.empty((len(images), *head.shape[1:]), head.dtype) for head in heads)
        # Copied at once: a layer may reuse the array it returned for the next batch.
        for whole, head in zip(outputs, heads, strict=True):
            whole[start : start + len(head)] = head
        start += len(x)
    return outputs if several else outputs[0]


def evaluate(
    model: Any,
    loss: Any,
    data: Any,
    *,
    batch_size: int = BATCH_SIZE,
    scale: float = 1 / 255,
    mean: float = 0.0,
    std: float = 1.0,
) -> Score:
    """Return the mean loss and the accuracy of a model on a data set, in evaluation mode.

    Parameters
    ----------
    model : Layer
    loss : loss object
        Its `forward` is called once per batch; whatever it kept for `backward` is overwritten.
    data : Split or Loader
        Anything with `images` and `labels`, or anything with ``epoch(0)`` that yields batches.
        Of a loader that has both, the batches are taken. For several heads `labels` is a tuple or
        dictionary of arrays, as the loss takes them.
    batch_size, scale, mean, std
        As in `predict`; a loader brings its own.

    Returns
    -------
    Score
        ``(loss, accuracy)``. With several heads the accuracy of the main one, the loss's first task.
    """
    total: Any = 0.0
    correct: Any = 0
    examples = 0
    # Elsewhere the sums stay on the device until the end: reading them would make the host wait for every batch.
    on_host = model_device(model) == "cpu"
    for x, y in _labelled_batches(model, data, batch_size, (scale, mean, std)):
        outputs = model.forward(x)
        value = loss.forward(outputs, y)
        total += (float(value) if on_host else value) * len(x)
        hits = count_correct(*main_task(loss, outputs, y))
        if hits is None or correct is None:
            correct = None
        else:
            correct += int(hits) if on_host else hits
        examples += len(x)
    if examples == 0:
        raise ShapeError("evaluate: the data set is empty, expected at least one example")
    return Score(float(total) / examples, None if correct is None else float(correct) / examples)


def input_scaling(loader: Any) -> dict[str, Any]:
    """Return the `scale`, `mean` and `std` that make inputs of bytes as `loader` does.

    ``evaluate(model, loss, split, **input_scaling(loader))`` shows the model what it was trained on:
    another split is standardised with the numbers of the training data, never with its own.
    """
    return {
        "scale": getattr(loader, "scale", 1 / 255),
        "mean": getattr(loader, "mean", 0.0),
        "std": getattr(loader, "std", 1.0),
    }


def count_correct(outputs: Array, targets: Array) -> Any:
    """Count the examples whose largest output is at the target's class.

    The class of a soft target is the one with the largest share, the first of equals: of an image mixed
    from 40 % cat and 60 % dog, "dog" is right. The training accuracy under mixup is that share; it stays
    below 100 % by nature and is not to be compared with the validation accuracy.

    Parameters
    ----------
    outputs : array, shape (N, K, ...)
    targets : array, shape (N, ...) of class numbers, or (N, K, ...) one-hot or soft

    Returns
    -------
    int, or 0-d array on another device, or None
        For outputs with further axes (one class per pixel) the mean over these of the count. None
        if the targets are no classes: one output column, several heads, shapes that do not fit, or numbers
        that are no shares of one whole, as in a regression with several targets (looked at on the CPU alone:
        on a GPU it would make the host wait).
    """
    if isinstance(outputs, tuple) or outputs.ndim < 2 or outputs.shape[1] < 2:
        return None
    if targets.ndim == outputs.ndim:
        if isinstance(targets, np.ndarray) and not _shares(targets):
            return None
        targets = targets.argmax(axis=1)
    elif targets.dtype.kind not in "iu":
        return None
    guesses = outputs.argmax(axis=1)
    if guesses.shape != targets.shape:
        return None
    if guesses.ndim == 1:
        return namespace(outputs).count_nonzero(guesses == targets)
    return (guesses == targets).mean(axis=tuple(range(1, guesses.ndim))).sum()


def _shares(targets: np.ndarray) -> bool:
    """Return whether the numbers of every example, (N, K, ...), are shares of one whole."""
    return bool((targets >= 0).all() and (abs(targets.sum(axis=1, dtype=np.float64) - 1) < 1e-3).all())


def main_task(loss: Any, outputs: Any, targets: Any) -> tuple[Any, Any]:
    """Return the outputs and targets that accuracy is counted on.

    Of several heads these are those of the main task, which a loss over heads knows
    (`minidl.multitask.MultiTaskLoss.main`); otherwise the ones given.
    """
    main = getattr(loss, "main", None)
    return (outputs, targets) if main is None else main(outputs, targets)


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


def _labelled_batches(
    model: Any, data: Any, batch_size: int, scaling: tuple[float, float, float]
) -> Iterator[tuple[Array, Array]]:
    device = model_device(model)
    if hasattr(data, "epoch"):
        yield from on_device(data, device).epoch(0)
        return
    for column in _columns(data.labels):
        if len(data.images) != len(column):
            raise ShapeError(f"evaluate: got {len(data.images)} images but {len(column)} labels")
    start = 0
    for x in _batches(model, data.images, batch_size, scaling):
        yield x, _rows(data.labels, slice(start, start + len(x)), device)
        start += len(x)


def _columns(labels: Any) -> list[Array]:
    """Return the arrays of the labels: one, or one for each head."""
    if isinstance(labels, Mapping):
        return list(labels.values())
    return list(labels) if isinstance(labels, tuple) else [labels]


def _rows(labels: Any, rows: slice, device: str) -> Any:
    if isinstance(labels, Mapping):
        return {name: to_device(column[rows], device) for name, column in labels.items()}
    if isinstance(labels, tuple):
        return tuple(to_device(column[rows], device) for column in labels)
    return to_device(labels[rows], device)


def _batches(
    model: Any, images: Array, batch_size: int, scaling: tuple[float, float, float]
) -> Iterator[Array]:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ConfigError(f"batch_size must be an integer >= 1, got {batch_size!r}")
    if len(images) == 0:
        raise ShapeError("predict: there are no images, expected at least one")
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise ShapeError(f"predict: images must be uint8 or float, got {images.dtype}; convert them")
    device, dtype = model_device(model), model_dtype(model)
    scale, mean, std = scaling
    for start in range(0, len(images), batch_size):
        x = to_device(images[start : start + batch_size], device)
        is_bytes = x.dtype == np.uint8
        x = x.astype(dtype, copy=False)
        if is_bytes:
            x *= scale / std
            if mean:
                x -= mean / std
        yield x
