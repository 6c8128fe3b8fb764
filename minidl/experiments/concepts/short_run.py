"""Training a small network for a demonstration: the loop, without run folder, schedule or progress bar."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader, Split
from minidl.errors import ConfigError
from minidl.initializers import He, Initializer
from minidl.layers import Dense, Flatten, Layer, ReLU, Sequential
from minidl.optimizers import Optimizer
from minidl.random import Seeds
from minidl.regularizers import Regularizer

LOST = 1e8  # a loss from which no training comes back


def dense_network(
    hidden: Sequence[int],
    classes: int,
    *,
    activation: Callable[[], Layer] = ReLU,
    init: Initializer | None = None,
    bias: Initializer | None = None,
) -> Sequential:
    """Return a network of dense layers for images, not yet built.

    Parameters
    ----------
    hidden : sequence of int
        Units of the hidden layers; none makes softmax regression.
    classes : int
    activation : callable
        Makes the layer after each hidden one.
    init, bias : Initializer, optional
        Of all weights (default: `He`) and of all biases (default: zero).
    """
    weight = init or He()
    layers: list[Layer] = [Flatten()]
    for units in hidden:
        layers += [Dense(units, weight_init=weight, bias_init=bias), activation()]
    return Sequential([*layers, Dense(classes, weight_init=weight, bias_init=bias)])


def short_run(
    model: Layer,
    loss: Any,
    optimizer: Optimizer,
    loader: Loader,
    steps: int,
    *,
    regularizers: Sequence[Regularizer] = (),
    look: Callable[[int], None] | None = None,
    every: int = 1,
) -> np.ndarray:
    """Train a built model and return the loss of each batch, without penalties, before the step on it.

    Parameters
    ----------
    model : Layer
    loss : loss object
    optimizer : Optimizer
    loader : Loader
        Its epochs follow one another until the steps are done.
    steps : int
    regularizers : sequence of Regularizer
    look : callable, optional
        Called with the number of steps done: before the first, and after every `every` of them.
    every : int

    Returns
    -------
    (steps,) float64 array
        From the first loss on that is not finite or above 1e8, where training ends, infinity.
    """
    parameters = list(model.named_parameters())
    losses = np.full(steps, math.inf)
    done = epoch = 0
    if look is not None:
        look(0)
    with np.errstate(all="ignore"):  # some trainings are meant to diverge
        while done < steps:
            for x, y in loader.epoch(epoch):
                value = float(loss.forward(model.forward(x, train=True), y))
                if not value <= LOST:
                    return losses
                losses[done] = value
                model.backward_parameters(loss.backward())
                for regularizer in regularizers:
                    regularizer.add_gradient(parameters)
                optimizer.step(parameters)
                done += 1
                if look is not None and done % every == 0:
                    look(done)
                if done == steps:
                    break
            epoch += 1
    return losses


def first_images(data: DataSet, count: int, needed: int, demo: str) -> Split:
    """Return the first `count` training images, or all there are.

    Raises
    ------
    ConfigError
        If there are fewer than `needed`.
    """
    if len(data.train) < needed:
        raise ConfigError(
            f"the demonstration {demo!r} needs at least {needed:,} training images, got {len(data.train):,} of "
            f"{data.title}; take more"
        )
    return data.train.subset(min(count, len(data.train)))


def validation_images(data: DataSet, count: int) -> Split:
    """Return the first `count` validation images, or all there are."""
    return data.validation.subset(min(count, len(data.validation)))


def seeds_of(demo: str, seed: int) -> Seeds:
    """Return the node of the seed tree that a demonstration draws from."""
    return Seeds(seed).child("demo").child(demo)
