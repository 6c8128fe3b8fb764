"""Training a copy for a moment, on the same few batches over and over."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.initializers import Constant, FanIn
from minidl.layers import Conv2D, Dense
from minidl.layers.base import Layer
from minidl.layers.foreign import as_layer
from minidl.training.evaluate import count_correct

Batches = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Trace:
    """How a short training went.

    Attributes
    ----------
    losses : list of float
        Mean loss of every pass.
    accuracy : float or None
        Of the last pass, measured while training; None where targets are no classes.
    reached : bool
        Whether loss and accuracy reached their goals.
    """

    losses: list[float]
    accuracy: float | None
    reached: bool

    @property
    def passes(self) -> int:
        """Passes made."""
        return len(self.losses)

    @property
    def finite(self) -> bool:
        """Whether the loss stayed a number."""
        return math.isfinite(self.losses[-1])

    @property
    def falling(self) -> bool:
        """Whether the last tenth of the passes still lowered the loss by 5 % or more."""
        if not self.finite:
            return False
        earlier = self.losses[-1 - max(1, len(self.losses) // 10)] if len(self.losses) > 1 else math.inf
        return self.losses[-1] < 0.95 * earlier


def fit(model: Layer, loss: Any, optimizer: Any, batches: Batches, passes: int, goal: float) -> Trace:
    """Train until every example is right and the loss is at most `goal`, or the passes are over.

    All of it changes `model` and `optimizer`: give copies. Loss and accuracy are those of the forward
    passes of the training itself.
    """
    parameters = list(model.named_parameters())
    losses: list[float] = []
    accuracy: float | None = None
    examples = sum(len(x) for x, _ in batches)
    with np.errstate(all="ignore"):
        for _ in range(passes):
            total, correct = 0.0, 0
            accuracy = None
            for x, y in batches:
                optimizer.prepare(parameters)
                outputs = model.forward(x, True)
                total += float(loss.forward(outputs, y)) * len(x)
                hits = count_correct(outputs, y)
                correct += 0 if hits is None else int(hits)
                model.backward(loss.backward())
                optimizer.step(parameters)
            losses.append(total / examples)
            accuracy = None if hits is None else correct / examples
            if not math.isfinite(total):
                break
            if losses[-1] <= goal and accuracy in (None, 1.0):
                return Trace(losses, accuracy, True)
    return Trace(losses, accuracy, False)


def standard_start(model: Any) -> Layer | None:
    """Return a copy, not built, whose weights start with deviation 1/sqrt(n_in) and whose biases start at 0.

    None if no layer has weights to start.
    """
    standard = as_layer(copy.deepcopy(model))
    weighted = [layer for _, layer in standard.named_layers() if isinstance(layer, Dense | Conv2D)]
    for layer in weighted:
        layer.weight_init, layer.bias_init = FanIn(), Constant(0.0)
    return standard if weighted else None


def widened(model: Any, factor: int) -> Layer | None:
    """Return a copy, not built, with `factor` times the units and filters in all but the output layer.

    None if there is no layer to widen.
    """
    wide = as_layer(copy.deepcopy(model))
    sized = [layer for _, layer in wide.named_layers() if isinstance(layer, Dense | Conv2D)][:-1]
    for layer in sized:
        if isinstance(layer, Dense):
            layer.units *= factor
        else:
            layer.filters *= factor
    return wide if sized else None
