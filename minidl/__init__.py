"""minidl: a small deep-learning framework on NumPy, written to be read.

The names below are what a training loop needs. Importing them needs NumPy alone. Data sets are in
`minidl.data`, the `Trainer` in `minidl.training`, pictures in `minidl.plots`; initializers and
schedules keep their module's name in front, because both have a `Constant`.
"""

from minidl import initializers, schedules
from minidl._version import __version__
from minidl.errors import MinidlError
from minidl.gradcheck import GradientReport, check_layer, check_loss, check_model
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
    Layer,
    LeakyReLU,
    MaxPool2D,
    Parameter,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    fold_batchnorm,
)
from minidl.losses import MeanSquaredError, SigmoidCrossEntropy, SoftDice, SoftmaxCrossEntropy
from minidl.optimizers import SGD, Adagrad, Adam, AdamW, Momentum, Nesterov, RMSProp
from minidl.parallel import threads
from minidl.random import Seeds
from minidl.regularizers import L1, L2

__all__ = [
    "__version__",
    # networks
    "Sequential",
    "Residual",
    "Branches",
    # layers
    "Layer",
    "Parameter",
    "Dense",
    "Conv2D",
    "MaxPool2D",
    "AvgPool2D",
    "L2Pool2D",
    "GlobalAvgPool2D",
    "BatchNorm",
    "fold_batchnorm",
    "Dropout",
    "Flatten",
    "Reshape",
    "Sigmoid",
    "Tanh",
    "ReLU",
    "LeakyReLU",
    "ELU",
    "Softmax",
    "Identity",
    # losses
    "SoftmaxCrossEntropy",
    "SigmoidCrossEntropy",
    "MeanSquaredError",
    "SoftDice",
    # optimizers and regularizers
    "SGD",
    "Momentum",
    "Nesterov",
    "Adagrad",
    "RMSProp",
    "Adam",
    "AdamW",
    "L1",
    "L2",
    # modules
    "initializers",
    "schedules",
    # checking
    "GradientReport",
    "check_layer",
    "check_loss",
    "check_model",
    # the rest
    "Seeds",
    "threads",
    "MinidlError",
]
