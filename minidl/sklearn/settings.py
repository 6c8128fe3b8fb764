"""From the parameters of an estimator to the objects a training needs.

An estimator keeps its parameters as they were given, and every `fit` makes new objects from them: a
text is read (`minidl.expressions`), an object is copied. So a clone shares nothing with its original.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from minidl.errors import ConfigError
from minidl.experiments import vocabulary
from minidl.expressions import build, suggestion
from minidl.initializers import FanIn, He
from minidl.layers import (
    ELU,
    Dense,
    Dropout,
    Identity,
    Layer,
    LeakyReLU,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from minidl.layers.foreign import as_layer
from minidl.loss import Loss
from minidl.losses import SigmoidCrossEntropy, SoftmaxCrossEntropy
from minidl.optimizer import Optimizer

# The rectifiers halve the variance of what goes through them, and their weights start larger by He's rule.
ACTIVATIONS: Mapping[str, tuple[Callable[[], Layer], Callable[[], Any]]] = {
    "relu": (ReLU, He),
    "leaky_relu": (LeakyReLU, He),
    "elu": (ELU, He),
    "tanh": (Tanh, FanIn),
    "sigmoid": (Sigmoid, FanIn),
    "identity": (Identity, FanIn),
}


@dataclass(frozen=True)
class Recipe:
    """The parameters of an estimator that decide what its network computes and how its optimizer remembers.

    Kept from the beginning of a training, so that a later `set_params` cannot make a saved network
    another one.
    """

    hidden_layer_sizes: Any
    activation: Any
    dropout: Any
    model: Any
    optimizer: Any

    @classmethod
    def of(cls, estimator: Any) -> Recipe:
        """Return the present parameters of an estimator."""
        return cls(**{name: getattr(estimator, name) for name in cls.__dataclass_fields__})

    def network(self, name: str, inputs: int, outputs: int, needs: str, rng: Any, dtype: Any) -> Sequential:
        """Make the network and draw its initial weights.

        Parameters
        ----------
        name : str
            The estimator's class, for messages.
        inputs, outputs : int
            Features of an example, and numbers expected from the network.
        needs : str
            What the outputs are for: "3 classes".
        rng : Seeds
        dtype : {float32, float64}

        Raises
        ------
        ConfigError, ShapeError
            If the parameters give no network for these data.
        """
        network = self._hidden(name, outputs) if self.model is None else _given_model(name, self.model)
        network.build((inputs,), rng, dtype)
        if network.output_shape != (outputs,):
            raise ConfigError(
                f"{name}: the output of the model has shape {network.output_shape}, but there are {needs}; let it "
                f"end in Dense({outputs})"
            )
        if network.layers and isinstance(network.layers[-1], Softmax):
            raise ConfigError(
                f"{name}: the model ends in Softmax, which the loss applies itself; leave the layer out"
            )
        return network

    def new_optimizer(self, name: str) -> Optimizer:
        """Make the optimizer."""
        made = _made(f"{name}: optimizer", self.optimizer, vocabulary.optimizers(), Optimizer)
        if made.steps:
            raise ConfigError(
                f"{name}: the optimizer has taken {made.steps} steps elsewhere; give a new one, or a text"
            )
        return made

    def _hidden(self, name: str, outputs: int) -> Sequential:
        sizes = self.hidden_layer_sizes
        sizes = (sizes,) if isinstance(sizes, Integral) else sizes
        if isinstance(sizes, str) or not hasattr(sizes, "__iter__") or not all(map(_is_count, sizes)):
            raise ConfigError(
                f"{name}: hidden_layer_sizes must be integers >= 1, such as (100, 50), or () for none, got "
                f"{self.hidden_layer_sizes!r}"
            )
        if self.activation not in ACTIVATIONS:
            raise ConfigError(
                f"{name}: there is no activation {self.activation!r}{suggestion(str(self.activation), ACTIVATIONS)}"
            )
        activation, initializer = ACTIVATIONS[self.activation]
        if (
            isinstance(self.dropout, bool)
            or not isinstance(self.dropout, Real)
            or not 0 <= float(self.dropout) < 1
        ):
            raise ConfigError(f"{name}: dropout must be a number in [0, 1), got {self.dropout!r}")
        layers: list[Layer] = []
        for size in sizes:
            layers += [Dense(int(size), weight_init=initializer()), activation()]
            if self.dropout:
                layers.append(Dropout(float(self.dropout)))
        return Sequential([*layers, Dense(outputs)])


def make_loss(name: str, value: Any) -> SoftmaxCrossEntropy | SigmoidCrossEntropy:
    """Make the loss of a classifier.

    Raises
    ------
    ConfigError
        If it is neither a softmax nor a sigmoid cross-entropy: from others no probabilities follow.
    """
    loss = _made(f"{name}: loss", value, vocabulary.losses(), Loss)
    if not isinstance(loss, SoftmaxCrossEntropy | SigmoidCrossEntropy):
        raise ConfigError(
            f"{name}: loss must be a SoftmaxCrossEntropy or a SigmoidCrossEntropy, from whose outputs probabilities "
            f"follow, got {type(loss).__name__}"
        )
    return loss


def make_schedule(name: str, value: Any) -> Callable[[float], float] | None:
    """Make the schedule; None if there is none."""
    if value is None or (callable(value) and not isinstance(value, type)):
        return copy.deepcopy(value)
    return _made(f"{name}: schedule", value, vocabulary.schedules(), Callable)


def check_training(estimator: Any) -> None:
    """Check the parameters that are plain numbers.

    Raises
    ------
    ConfigError
        Names the first that makes no sense.
    """
    for option in ("batch_size", "epochs", "patience"):
        value = getattr(estimator, option)
        if not _is_count(value):
            raise ConfigError(f"{type(estimator).__name__}: {option} must be an integer >= 1, got {value!r}")
    for option, holds, expected in (
        ("l2", lambda value: 0 <= value < math.inf, "a finite number >= 0"),
        ("validation_fraction", lambda value: 0 < value < 1, "a number between 0 and 1"),
    ):
        value = getattr(estimator, option)
        if isinstance(value, bool) or not isinstance(value, Real) or not holds(float(value)):
            raise ConfigError(f"{type(estimator).__name__}: {option} must be {expected}, got {value!r}")


def _given_model(name: str, model: Any) -> Sequential:
    """Return a network of one's own as a new Sequential."""
    if isinstance(model, list | tuple):
        layers = [_layer(f"{name}: model[{index}]", item) for index, item in enumerate(model)]
        return Sequential(layers)
    whole = _layer(f"{name}: model", model)
    return whole if isinstance(whole, Sequential) else Sequential([whole])


def _layer(what: str, value: Any) -> Layer:
    if isinstance(value, str):
        return build(value, vocabulary.layers(), what)
    if isinstance(value, type) or not (hasattr(value, "forward") and hasattr(value, "backward")):
        raise ConfigError(
            f"{what} must be a layer, a text such as 'Dense(100)', or a list of these, got {value!r}"
        )
    return as_layer(copy.deepcopy(value))


def _made(what: str, value: Any, names: Mapping[str, Callable[..., Any]], kind: Any) -> Any:
    if isinstance(value, str):
        return build(value, names, what)
    if isinstance(value, type) or not isinstance(value, kind):
        example = next(iter(names))
        raise ConfigError(f"{what} must be a text such as '{example}()' or such an object, got {value!r}")
    return copy.deepcopy(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1
