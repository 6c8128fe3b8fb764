"""The layers: one protocol, forward and backward, each written out."""

from minidl.layers.activations import ELU, Identity, LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from minidl.layers.base import Layer, Parameter
from minidl.layers.containers import Branches, Residual, Sequential
from minidl.layers.conv import Conv2D
from minidl.layers.dense import Dense
from minidl.layers.dropout import Dropout
from minidl.layers.folding import fold_batchnorm
from minidl.layers.norm import BatchNorm
from minidl.layers.pooling import AvgPool2D, GlobalAvgPool2D, L2Pool2D, MaxPool2D
from minidl.layers.reshape import Flatten, Reshape

__all__ = [
    "ELU",
    "AvgPool2D",
    "BatchNorm",
    "Branches",
    "Conv2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2D",
    "Identity",
    "L2Pool2D",
    "Layer",
    "LeakyReLU",
    "MaxPool2D",
    "Parameter",
    "ReLU",
    "Reshape",
    "Residual",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "fold_batchnorm",
]
