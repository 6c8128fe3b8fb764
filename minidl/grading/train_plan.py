"""The table ``[train]`` of ``exercise.toml``: which classes of the student take the place of which of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from minidl.grading.table import Table

Argument = str | float


@dataclass(frozen=True)
class LayerPlan:
    """A class of the student that stands in for one of our layers.

    Attributes
    ----------
    name : str
        The student's class.
    arguments : tuple of str or number
        Arguments of its constructor. A number is passed on; a text is the name of an attribute of our layer
        ("units", "kernel_size"), or "inputs" (features or channels that come in) or "input_shape".
    parameters : mapping of str to (str, str)
        Name of our parameter to the student's attributes for the array and its gradient.
    forward, backward : str
        Names of the methods. A second positional argument of forward gets True while training.
    mode : str
        Attribute that is set to True while training and False otherwise, or "".
    """

    name: str
    arguments: tuple[Argument, ...] = ()
    parameters: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    forward: str = "forward"
    backward: str = "backward"
    mode: str = ""


@dataclass(frozen=True)
class LossPlan:
    """A class of the student that stands in for the softmax cross-entropy, as the mean over the batch.

    Attributes
    ----------
    name : str
    forward, backward : str
        ``forward(outputs, targets)`` returns the loss, ``backward()`` the gradient of the outputs; backward
        gets the targets if it takes an argument.
    targets : {"labels", "one-hot"}
    """

    name: str
    forward: str = "forward"
    backward: str = "backward"
    targets: str = "labels"


@dataclass(frozen=True)
class OptimizerPlan:
    """A class of the student that stands in for the optimizer.

    Attributes
    ----------
    name : str
    arguments : tuple of str or number
        As for a layer; a text is the name of an attribute of our optimizer ("lr").
    method : str
        ``method(parameter, gradient)`` changes the parameter in place, or returns the new one. Every
        parameter has an object of its own.
    """

    name: str
    arguments: tuple[Argument, ...] = ()
    method: str = "update"


@dataclass(frozen=True)
class TrainPlan:
    """How ``minidl exercise train`` trains.

    Attributes
    ----------
    model : str
        A model as text, as in ``minidl train --model``; or "" if there is a rung.
    rung : str
        A network of the progression; or "" if there is a model.
    layers : mapping of str to LayerPlan
        By the name of our layer.
    loss : LossPlan or None
    optimizer : OptimizerPlan or None
    update : str
        Our optimizer, as text.
    epochs, images, batch_size : int
        Small enough for about a minute on two cores with the reference.
    """

    model: str = ""
    rung: str = ""
    layers: Mapping[str, LayerPlan] = field(default_factory=dict)
    loss: LossPlan | None = None
    optimizer: OptimizerPlan | None = None
    update: str = "SGD(lr=0.5)"
    epochs: int = 3
    images: int = 10_000
    batch_size: int = 32

    @classmethod
    def read(cls, table: Table) -> TrainPlan:
        """Read the table ``[train]``.

        Raises
        ------
        ConfigError
            If a key is missing, unknown or has a value that makes no sense.
        """
        table.only("model", "rung", "layers", "loss", "optimizer", "update", "epochs", "images", "batch_size")
        model, rung = table.text("model", ""), table.text("rung", "")
        if bool(model) == bool(rung):
            table.refuse("model", "given, or a rung of the progression in its place, and not both")
        layers = table.table("layers")
        return cls(
            model=model,
            rung=rung,
            layers={name: _layer(layers.table(name), name) for name in layers.keys()},
            loss=_loss(table.table("loss")) if table.get("loss") is not None else None,
            optimizer=_optimizer(table.table("optimizer")) if table.get("optimizer") is not None else None,
            update=table.text("update", cls.update),
            epochs=table.whole("epochs", cls.epochs, least=1),
            images=table.whole("images", cls.images, least=1),
            batch_size=table.whole("batch_size", cls.batch_size, least=1),
        )

    def classes_for(self, layers: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the student's classes that take part in a network with layers of these names."""
        there = set(layers)
        plans = [
            *(plan for name, plan in self.layers.items() if name in there),
            *(plan for plan in (self.loss, self.optimizer) if plan),
        ]
        return tuple(dict.fromkeys(plan.name for plan in plans))


def _layer(table: Table, ours: str) -> LayerPlan:
    table.only("class", "arguments", "parameters", "forward", "backward", "mode")
    parameters = table.table("parameters")
    pairs = {}
    for name in parameters.keys():
        pair = parameters.texts(name)
        if len(pair) != 2:
            parameters.refuse(name, "two names: the attribute of the array and that of its gradient")
        pairs[name] = (pair[0], pair[1])
    return LayerPlan(
        name=table.text("class", ours),
        arguments=_arguments(table),
        parameters=pairs,
        forward=table.text("forward", "forward"),
        backward=table.text("backward", "backward"),
        mode=table.text("mode", ""),
    )


def _loss(table: Table) -> LossPlan:
    table.only("class", "forward", "backward", "targets")
    targets = table.text("targets", "labels")
    if targets not in ("labels", "one-hot"):
        table.refuse("targets", "'labels' or 'one-hot'")
    return LossPlan(
        table.text("class"), table.text("forward", "forward"), table.text("backward", "backward"), targets
    )


def _optimizer(table: Table) -> OptimizerPlan:
    table.only("class", "arguments", "method")
    return OptimizerPlan(table.text("class"), _arguments(table), table.text("method", "update"))


def _arguments(table: Table) -> tuple[Argument, ...]:
    values = table.get("arguments") or []
    good = isinstance(values, list) and all(isinstance(v, str | int | float) for v in values)
    if not good:
        table.refuse("arguments", "a list of names and numbers")
    return tuple(values)
