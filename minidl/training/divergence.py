"""Why did the loss become NaN? Find the first array that is not finite and say what to do."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, namespace, to_cpu
from minidl.errors import DivergenceError

CURES = (
    "try a learning rate 3 to 10 times smaller, then check that the inputs are scaled to about [0, 1] "
    "and that the initial weights fit the fan-in, or clip the gradient"
)


def check_finite(value: float, model: Any, inputs: Array, where: str = "", lr: float | None = None) -> None:
    """Raise a `DivergenceError` with a diagnosis if a loss is NaN or infinite.

    Call it in a hand-written loop between ``loss.forward`` and ``model.backward``: one step later
    the NaN has spread through every weight and nothing can be told any more.

    Parameters
    ----------
    value : float or 0-d array
        The loss.
    model : Layer
    inputs : array, shape (N, ...)
        The batch that gave this loss.
    where : str
        Which step this was, such as ``"epoch 3, batch 17"``.
    lr : float, optional
        The learning rate.

    Raises
    ------
    DivergenceError
        Naming the step, the learning rate, the first array that is not finite, the largest weight,
        and the usual cures.
    """
    value = float(value)
    if np.isfinite(value):
        return
    at = f" in {where}" if where else ""
    rate = "" if lr is None else f" at learning rate {lr:.4g}"
    raise DivergenceError(
        f"the training loss became {value}{at}{rate}: {_first_culprit(model, inputs)}; "
        f"{_largest_weight(model)}; {CURES}"
    )


def _first_culprit(model: Any, inputs: Array) -> str:
    """Say which array is the first, in the order of the forward pass, that is not finite."""
    if not _finite(inputs):
        return "the batch itself holds values that are not finite, so the data are at fault"
    # Weights first, all of them: a NaN in any weight came from an earlier update and is the cause of
    # whatever the activations show.
    for path, parameter in model.named_parameters():
        if not _finite(parameter.value):
            return f"the first array that is not finite is the parameter {path}"
    with np.errstate(all="ignore"):
        culprit, _ = _replay(model, "", inputs)
    return culprit or "every weight and activation is finite, so the loss or its targets are at fault"


def _replay(layer: Any, path: str, x: Array) -> tuple[str, Array]:
    """Run the forward pass layer by layer; return the first culprit ("" if none) and the output."""
    steps = getattr(layer, "layers", None)
    if steps is None:
        y = layer.forward(x, train=True)
        if not _finite(y):
            kind = f"layer {path} ({type(layer).__name__})" if path else type(layer).__name__
            return f"the first array that is not finite is the output of {kind}", y
        return "", y
    for index, child in enumerate(steps):
        culprit, x = _replay(child, f"{path}.{index}" if path else str(index), x)
        if culprit:
            return culprit, x
    return "", x


def _largest_weight(model: Any) -> str:
    largest, name = 0.0, ""
    for path, parameter in model.named_parameters():
        finite = np.abs(to_cpu(parameter.value))
        finite = finite[np.isfinite(finite)]
        if finite.size and float(finite.max()) >= largest:
            largest, name = float(finite.max()), path
    return f"the largest finite weight is {largest:.3g}, in {name}" if name else "no weight is finite"


def _finite(x: Any) -> bool:
    if isinstance(x, tuple):  # a network with several heads
        return all(_finite(part) for part in x)
    return bool(namespace(x).isfinite(x).all())
