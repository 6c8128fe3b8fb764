"""Every layer and loss in the configurations worth testing: one table for all who need one.

``minidl gradcheck`` prints a line for each, and `tests/contracts` holds each to the rules of a layer.
A layer of the library that is missing here fails the tests. Not imported by `minidl.layers`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minidl.gradcheck import GradientReport, check_layer, check_loss
from minidl.layers import (
    ELU,
    AvgPool2D,
    BatchNorm,
    Branches,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    Identity,
    L2Pool2D,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from minidl.layers.foreign import Foreign
from minidl.losses import MeanSquaredError, SigmoidCrossEntropy, SoftDice, SoftmaxCrossEntropy
from minidl.random import Seeds


class LayerCase(NamedTuple):
    """One configuration of a layer: how it is written, how it is made, and what it is fed."""

    label: str
    make: Callable[[], Any]
    input_shape: tuple[int, ...]

    @property
    def kind(self) -> str:
        """The layer's class name."""
        return re.split(r"\W", self.label, maxsplit=1)[0]

    def check(self, seed: int = 0, train: bool = True) -> GradientReport:
        """Check the layer's gradients."""
        return check_layer(self.make(), self.input_shape, seed=seed, train=train)


class LossCase(NamedTuple):
    """One configuration of a loss."""

    label: str
    make: Callable[[], Any]
    outputs_shape: tuple[int, ...]
    targets: Callable[[np.random.Generator], np.ndarray]
    probabilities: bool = False
    weighted: bool = False

    @property
    def kind(self) -> str:
        """The loss's class name."""
        return re.split(r"\W", self.label, maxsplit=1)[0]

    def outputs(self, generator: np.random.Generator) -> np.ndarray:
        """Return outputs the loss accepts: any numbers, or probabilities away from 0 and 1."""
        if self.probabilities:
            return generator.uniform(0.05, 0.95, self.outputs_shape)
        return generator.uniform(-2, 2, self.outputs_shape)

    def check(self, seed: int = 0) -> GradientReport:
        """Check the gradient of the loss."""
        generator = Seeds(seed).generator("targets")
        targets, outputs = self.targets(generator), self.outputs(generator)
        weights = generator.uniform(0.2, 3, len(outputs)) if self.weighted else None
        return check_loss(
            self.make(), self.outputs_shape, targets, seed=seed, outputs=outputs, weights=weights
        )


class Cube:
    """A student's layer: ``y = x^3`` with forward and backward and nothing else."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return the cube of every element."""
        self.x = x
        return x * x * x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Return ``3 x^2 dy``."""
        return 3 * self.x * self.x * dy


IMAGE = (2, 5, 6)
_sides = ((0, 1), (2, 0))

LAYERS: tuple[LayerCase, ...] = (
    LayerCase("Dense(4)", lambda: Dense(4), (3,)),
    LayerCase("Dense(1)", lambda: Dense(1), (5,)),
    LayerCase("Dense(3, bias=False)", lambda: Dense(3, bias=False), (3,)),
    LayerCase("Conv2D(3, 3)", lambda: Conv2D(3, 3), IMAGE),
    LayerCase("Conv2D(2, 1)", lambda: Conv2D(2, 1), (3, 3, 4)),
    LayerCase("Conv2D(2, 1, stride=2)", lambda: Conv2D(2, 1, stride=2), (2, 5, 4)),
    LayerCase("Conv2D(2, 2)", lambda: Conv2D(2, 2), (1, 4, 4)),
    LayerCase("Conv2D(2, (2, 4))", lambda: Conv2D(2, (2, 4)), IMAGE),
    LayerCase("Conv2D(2, (5, 6))", lambda: Conv2D(2, (5, 6)), IMAGE),
    LayerCase("Conv2D(2, 3, stride=2)", lambda: Conv2D(2, 3, stride=2), (2, 6, 7)),
    LayerCase("Conv2D(2, 2, stride=3)", lambda: Conv2D(2, 2, stride=3), (2, 7, 6)),
    LayerCase("Conv2D(2, (3, 2), stride=(1, 2))", lambda: Conv2D(2, (3, 2), stride=(1, 2)), IMAGE),
    LayerCase("Conv2D(2, 3, padding='same')", lambda: Conv2D(2, 3, padding="same"), IMAGE),
    LayerCase("Conv2D(2, 4, padding='same')", lambda: Conv2D(2, 4, padding="same"), IMAGE),
    LayerCase(
        "Conv2D(2, (4, 3), stride=2, padding='same')",
        lambda: Conv2D(2, (4, 3), stride=2, padding="same"),
        IMAGE,
    ),
    LayerCase("Conv2D(2, 3, padding=2)", lambda: Conv2D(2, 3, padding=2), (1, 3, 4)),
    LayerCase("Conv2D(2, 3, padding=(2, 1))", lambda: Conv2D(2, 3, padding=(2, 1)), (1, 4, 3)),
    LayerCase("Conv2D(2, 3, padding=((0, 1), (2, 0)))", lambda: Conv2D(2, 3, padding=_sides), (2, 4, 4)),
    LayerCase("Conv2D(9, 5, algorithm='winograd')", lambda: Conv2D(9, 5, algorithm="winograd"), (4, 8, 9)),
    LayerCase(
        "Conv2D(3, 5, padding='same', algorithm='winograd')",
        lambda: Conv2D(3, 5, padding="same", algorithm="winograd"),
        (2, 4, 6),
    ),
    LayerCase("Conv2D(2, 3, algorithm='winograd')", lambda: Conv2D(2, 3, algorithm="winograd"), (3, 6, 7)),
    LayerCase(
        "Conv2D(2, 5, stride=2, padding='same', algorithm='winograd')",
        lambda: Conv2D(2, 5, stride=2, padding="same", algorithm="winograd"),
        (2, 5, 6),
    ),
    LayerCase("Conv2D(4, 3, algorithm='rows')", lambda: Conv2D(4, 3, algorithm="rows"), (3, 5, 6)),
    LayerCase(
        "Conv2D(3, (2, 3), stride=2, padding='same', algorithm='rows')",
        lambda: Conv2D(3, (2, 3), stride=2, padding="same", algorithm="rows"),
        (2, 5, 6),
    ),
    LayerCase("Conv2D(2, 5, algorithm='patches')", lambda: Conv2D(2, 5, algorithm="patches"), (2, 6, 6)),
    LayerCase("Conv2D(2, 3, bias=False)", lambda: Conv2D(2, 3, bias=False), (2, 4, 4)),
    LayerCase("MaxPool2D(2)", lambda: MaxPool2D(2), (2, 4, 6)),
    LayerCase("MaxPool2D(1)", lambda: MaxPool2D(1), (2, 3, 3)),
    LayerCase("MaxPool2D(2) on odd sizes", lambda: MaxPool2D(2), (2, 5, 5)),
    LayerCase("MaxPool2D((3, 2))", lambda: MaxPool2D((3, 2)), (2, 6, 5)),
    LayerCase("MaxPool2D(3, stride=1)", lambda: MaxPool2D(3, stride=1), IMAGE),
    LayerCase(
        "MaxPool2D(3, stride=2, padding='same')", lambda: MaxPool2D(3, stride=2, padding="same"), IMAGE
    ),
    LayerCase("MaxPool2D(2, stride=3)", lambda: MaxPool2D(2, stride=3), (2, 7, 6)),
    LayerCase("MaxPool2D(2, stride=(1, 2))", lambda: MaxPool2D(2, stride=(1, 2)), IMAGE),
    LayerCase("MaxPool2D(3, padding=((0, 1), (2, 0)))", lambda: MaxPool2D(3, padding=_sides), IMAGE),
    LayerCase("AvgPool2D(2)", lambda: AvgPool2D(2), (2, 4, 6)),
    LayerCase("AvgPool2D((2, 3), stride=1)", lambda: AvgPool2D((2, 3), stride=1), IMAGE),
    LayerCase("AvgPool2D(2, stride=3)", lambda: AvgPool2D(2, stride=3), (2, 7, 6)),
    LayerCase(
        "AvgPool2D(3, stride=2, padding='same')", lambda: AvgPool2D(3, stride=2, padding="same"), IMAGE
    ),
    LayerCase(
        "AvgPool2D(3, stride=2, padding=1, count_padding=True)",
        lambda: AvgPool2D(3, stride=2, padding=1, count_padding=True),
        IMAGE,
    ),
    LayerCase("L2Pool2D(2)", lambda: L2Pool2D(2), (2, 4, 6)),
    LayerCase("L2Pool2D(2, mode='mean')", lambda: L2Pool2D(2, mode="mean"), (2, 4, 6)),
    LayerCase("L2Pool2D((3, 2), stride=1)", lambda: L2Pool2D((3, 2), stride=1), IMAGE),
    LayerCase(
        "L2Pool2D(3, stride=2, padding='same', mode='mean')",
        lambda: L2Pool2D(3, stride=2, padding="same", mode="mean"),
        IMAGE,
    ),
    LayerCase("L2Pool2D(3, padding=((0, 1), (2, 0)))", lambda: L2Pool2D(3, padding=_sides), IMAGE),
    LayerCase("GlobalAvgPool2D()", GlobalAvgPool2D, IMAGE),
    LayerCase("BatchNorm() on features", BatchNorm, (4,)),
    LayerCase("BatchNorm() on images", BatchNorm, (3, 2, 3)),
    LayerCase("BatchNorm(momentum=0.5, eps=0.1)", lambda: BatchNorm(momentum=0.5, eps=0.1), (3,)),
    LayerCase("Dropout(0.5)", lambda: Dropout(0.5), (20,)),
    LayerCase("Dropout(0.2, scaling='test')", lambda: Dropout(0.2, scaling="test"), (20,)),
    LayerCase("Dropout(0.3, seed=985772) on images", lambda: Dropout(0.3, seed=985772), IMAGE),
    LayerCase("Dropout(0)", lambda: Dropout(0), (3,)),
    LayerCase("Flatten()", Flatten, IMAGE),
    LayerCase("Reshape((3, 2, 2))", lambda: Reshape((3, 2, 2)), (12,)),
    LayerCase("Reshape((-1, 4)) on images", lambda: Reshape((-1, 4)), (2, 2, 4)),
    LayerCase("Sigmoid()", Sigmoid, (6,)),
    LayerCase("Tanh()", Tanh, (2, 3, 2)),
    LayerCase("ReLU()", ReLU, (6,)),
    LayerCase("ReLU() on images", ReLU, (2, 3, 2)),
    LayerCase("LeakyReLU()", LeakyReLU, (6,)),
    LayerCase("LeakyReLU(slope=0.3)", lambda: LeakyReLU(slope=0.3), (2, 3, 2)),
    LayerCase("ELU()", ELU, (6,)),
    LayerCase("ELU(alpha=0.5)", lambda: ELU(alpha=0.5), (2, 3, 2)),
    LayerCase("Softmax()", Softmax, (5,)),
    LayerCase("Identity()", Identity, (2, 3)),
    LayerCase("Foreign(Cube())", lambda: Foreign(Cube()), (4,)),
    LayerCase(
        "Sequential([Dense, BatchNorm, Tanh, Dropout, Dense])",
        lambda: Sequential([Dense(5), BatchNorm(), Tanh(), Dropout(0.4), Dense(3)]),
        (4,),
    ),
    LayerCase(
        "Sequential([Conv2D, MaxPool2D, ReLU, Flatten, Dense]), a lecture network",
        lambda: Sequential([Conv2D(3, 3), MaxPool2D(2), ReLU(), Flatten(), Dense(4)]),
        (1, 6, 6),
    ),
    LayerCase(
        "Sequential([Reshape, Conv2D, Tanh, Conv2D, BatchNorm, GlobalAvgPool2D, Dense])",
        lambda: Sequential(
            [
                Reshape((1, 5, 5)),
                Conv2D(2, 2),
                Sigmoid(),
                Conv2D(3, 3),
                BatchNorm(),
                GlobalAvgPool2D(),
                Dense(2),
            ]
        ),
        (25,),
    ),
    LayerCase(
        "Sequential with a Sequential and a student's layer inside",
        lambda: Sequential([Flatten(), Sequential([Dense(3), Cube()]), Softmax()]),
        (2, 2),
    ),
    LayerCase("Sequential([])", lambda: Sequential([]), (3,)),
    LayerCase("Residual(Dense)", lambda: Residual(Dense(4)), (4,)),
    LayerCase("Residual(Identity)", lambda: Residual(Identity()), (4,)),
    LayerCase(
        "Residual([Conv2D, BatchNorm, Tanh, Conv2D])",
        lambda: Residual(
            Sequential([Conv2D(2, 3, padding="same"), BatchNorm(), Tanh(), Conv2D(2, 3, padding=1)])
        ),
        (2, 3, 4),
    ),
    LayerCase(
        "Residual(Conv2D stride 2, shortcut=Conv2D 1x1 stride 2)",
        lambda: Residual(Conv2D(3, 3, stride=2, padding=1), shortcut=Conv2D(3, 1, stride=2)),
        (2, 4, 4),
    ),
    LayerCase("Branches([Dense, Dense]), two heads", lambda: Branches([Dense(2), Dense(3)]), (4,)),
    LayerCase(
        "Branches({'a': Dense, 'b': Tanh}, merge='concat')",
        lambda: Branches({"a": Dense(2), "b": Tanh()}, merge="concat"),
        (3,),
    ),
    LayerCase(
        "Branches([Conv2D 1x1, Conv2D 3x3, MaxPool2D], merge='concat')",
        lambda: Branches(
            [Conv2D(2, 1), Conv2D(3, 3, padding="same"), MaxPool2D(3, stride=1, padding="same")],
            merge="concat",
        ),
        (2, 4, 3),
    ),
    LayerCase("Branches([Identity, Identity])", lambda: Branches([Identity(), Identity()]), (3,)),
    LayerCase(
        "Sequential([Dense, Branches]), one encoder and two heads",
        lambda: Sequential([Dense(4), Tanh(), Branches({"digit": Dense(3), "thickness": Dense(1)})]),
        (5,),
    ),
)


def _labels(generator: np.random.Generator) -> np.ndarray:
    return generator.integers(0, 4, 5)


def _one_hot(generator: np.random.Generator) -> np.ndarray:
    return np.eye(4)[_labels(generator)]


def _soft(generator: np.random.Generator) -> np.ndarray:
    return generator.dirichlet(np.ones(4), 5)


def _unit(generator: np.random.Generator) -> np.ndarray:
    return generator.uniform(0, 1, (5, 4))


def _bits(generator: np.random.Generator) -> np.ndarray:
    return generator.integers(0, 2, (5, 4)).astype(float)


def _mask(generator: np.random.Generator) -> np.ndarray:
    return generator.integers(0, 3, (2, 3, 4))


_weights = (0.5, 1.0, 2.0, 4.0)

LOSSES: tuple[LossCase, ...] = (
    LossCase("SoftmaxCrossEntropy() with labels", SoftmaxCrossEntropy, (5, 4), _labels),
    LossCase("SoftmaxCrossEntropy() with one-hot targets", SoftmaxCrossEntropy, (5, 4), _one_hot),
    LossCase("SoftmaxCrossEntropy() with soft targets", SoftmaxCrossEntropy, (5, 4), _soft),
    LossCase(
        "SoftmaxCrossEntropy(class_weights)",
        lambda: SoftmaxCrossEntropy(class_weights=_weights),
        (5, 4),
        _labels,
    ),
    LossCase(
        "SoftmaxCrossEntropy(class_weights) with soft targets",
        lambda: SoftmaxCrossEntropy(class_weights=_weights),
        (5, 4),
        _soft,
    ),
    LossCase(
        "SoftmaxCrossEntropy(class_weights, weight_mean='weights')",
        lambda: SoftmaxCrossEntropy(class_weights=_weights, weight_mean="weights"),
        (5, 4),
        _labels,
    ),
    LossCase(
        "SoftmaxCrossEntropy(label_smoothing=0.1)",
        lambda: SoftmaxCrossEntropy(label_smoothing=0.1),
        (5, 4),
        _labels,
    ),
    LossCase(
        "SoftmaxCrossEntropy(label_smoothing=0.1, smoothing='others')",
        lambda: SoftmaxCrossEntropy(label_smoothing=0.1, smoothing="others"),
        (5, 4),
        _one_hot,
    ),
    LossCase(
        "SoftmaxCrossEntropy(class_weights, label_smoothing=0.2, weight_mean='weights')",
        lambda: SoftmaxCrossEntropy(class_weights=_weights, label_smoothing=0.2, weight_mean="weights"),
        (5, 4),
        _soft,
    ),
    LossCase(
        "SoftmaxCrossEntropy() with example weights", SoftmaxCrossEntropy, (5, 4), _labels, weighted=True
    ),
    LossCase(
        "SoftmaxCrossEntropy(class_weights, weight_mean='weights') with example weights",
        lambda: SoftmaxCrossEntropy(class_weights=_weights, weight_mean="weights"),
        (5, 4),
        _labels,
        weighted=True,
    ),
    LossCase(
        "SoftmaxCrossEntropy(label_smoothing=0.1) with example weights",
        lambda: SoftmaxCrossEntropy(label_smoothing=0.1),
        (5, 4),
        _soft,
        weighted=True,
    ),
    LossCase("SigmoidCrossEntropy()", SigmoidCrossEntropy, (5, 4), _bits),
    LossCase(
        "SigmoidCrossEntropy() with example weights", SigmoidCrossEntropy, (5, 4), _labels, weighted=True
    ),
    LossCase("SigmoidCrossEntropy() with labels", SigmoidCrossEntropy, (5, 4), _labels),
    LossCase(
        "SigmoidCrossEntropy(scale='examples') with soft targets",
        lambda: SigmoidCrossEntropy(scale="examples"),
        (5, 4),
        _unit,
    ),
    LossCase("MeanSquaredError()", MeanSquaredError, (5, 4), _unit),
    LossCase("MeanSquaredError() with example weights", MeanSquaredError, (5, 4), _unit, weighted=True),
    LossCase(
        "MeanSquaredError(scale='quadratic')", lambda: MeanSquaredError(scale="quadratic"), (5, 4), _one_hot
    ),
    LossCase("SoftDice()", SoftDice, (5, 4), _bits, probabilities=True),
    LossCase("SoftDice() on images", SoftDice, (2, 3, 3, 4), _mask, probabilities=True),
    LossCase(
        "SoftDice() on images, with example weights",
        SoftDice,
        (2, 3, 3, 4),
        _mask,
        probabilities=True,
        weighted=True,
    ),
    LossCase(
        "SoftDice(smooth=0.1, per='all')",
        lambda: SoftDice(smooth=0.1, per="all"),
        (5, 4),
        _unit,
        probabilities=True,
    ),
)
