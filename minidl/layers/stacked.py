"""Several networks of one architecture as a single network: members side by side, as groups of channels.

Five networks of a vote do the same work on different weights. One after another they take five times the launches,
each on arrays too small to fill a GPU. Side by side they take the launches of one: where a network has C channels,
the stack has M C, the members' one after another, and whatever treats channels one by one (pooling, activations) is
just that layer on more channels. Only layers whose outputs mix channels keep the members apart: their products are
stacks of M products.

Everything stays in batch-last memory (`minidl.kernels.cpu`), where M groups of channels are M contiguous blocks:
``(M C, H, W, N)``, ``(M D, N)``.

The members' own parameters become views of the stack's: an update of the stack is an update of every member, and
each of them can be evaluated and saved at any time, as if it had been trained alone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from minidl.backend import Array, launcher, namespace
from minidl.errors import ConfigError
from minidl.kernels import convolution, products
from minidl.kernels import cpu as kernels
from minidl.kernels.gpu import conv as fused_conv
from minidl.kernels.gpu import stacked as fused
from minidl.kernels.gpu.activation import IDENTITY, sum_rows
from minidl.kernels.gpu.pool import geometry_of
from minidl.layers.activations import ELU, Identity, LeakyReLU, ReLU, Sigmoid, Tanh
from minidl.layers.base import Layer, Parameter
from minidl.layers.containers import Sequential
from minidl.layers.conv import Conv2D
from minidl.layers.dense import Dense
from minidl.layers.dropout import Dropout
from minidl.layers.pooling import AvgPool2D, L2Pool2D, MaxPool2D
from minidl.layers.reshape import Flatten

BY_CHANNEL = (MaxPool2D, AvgPool2D, L2Pool2D, Flatten, Identity, Sigmoid, Tanh, ReLU, LeakyReLU, ELU)


def stack(models: Sequence[Sequential]) -> Sequential:
    """Return the network that runs all `models` side by side.

    Parameters
    ----------
    models : sequence of Sequential
        Built, of the same layers, on one device. Their parameters become views of the stack's.

    Returns
    -------
    Sequential
        Takes inputs (N, M C, H, W), or (N, M D), and returns (N, M K), in batch-last memory.

    Raises
    ------
    ConfigError
        If the models differ, or have a layer that cannot be stacked.
    """
    if not models or any(type(model) is not Sequential for model in models):
        raise ConfigError("stack: expected at least one network, each a Sequential")
    columns = list(zip(*(model.layers for model in models), strict=False))
    descriptions = [[_description(layer) for layer in model.layers] for model in models]
    if any(description != descriptions[0] for description in descriptions):
        raise ConfigError(
            "stack: the networks are not of one architecture; stack networks made by the same call"
        )
    for layer in models[0].layers:
        if type(layer) not in (Dense, Conv2D, Dropout, *BY_CHANNEL):
            raise ConfigError(
                f"stack: {layer.name} cannot be stacked; train these networks one after another"
            )
    stacked = Sequential([_stacked(members) for members in columns])
    stacked.dtype = models[0].dtype
    stacked.input_shape = _times(models[0].input_shape, len(models))
    stacked.output_shape = _times(models[0].output_shape, len(models))
    stacked.plan()
    return stacked


def _description(layer: Layer) -> tuple[type, dict[str, Any]]:
    """Return what two layers must have in common to be stacked: all options, and the shapes."""
    options = {
        key: value for key, value in vars(layer).items()
        if isinstance(value, int | float | str | tuple) and key not in ("name", "seed", "_batch", "_cache")
    }  # fmt: skip
    return type(layer), options


def _stacked(members: tuple[Layer, ...]) -> Layer:
    first = members[0]
    if isinstance(first, Dense):
        return StackedDense(members)
    if isinstance(first, Conv2D):
        return StackedConv2D(members)
    if isinstance(first, Dropout):
        return StackedDropout(members)
    wide = copy.copy(first)
    wide._cache, wide._workspace = None, {}
    wide.input_shape = _times(first.input_shape, len(members))
    wide.output_shape = _times(first.output_shape, len(members))
    return wide


def _times(shape: tuple[int, ...], members: int) -> tuple[int, ...]:
    return (members * shape[0], *shape[1:])


class _Stacked(Layer):
    """What the stacked layers share: the parameters of all members, each a view of one array."""

    def __init__(self, members: Sequence[Any]) -> None:
        super().__init__()
        first = members[0]
        self.members, self.count = list(members), len(members)
        self.name, self.dtype = f"{first.name} of {self.count} networks", first.dtype
        self.input_shape = _times(first.input_shape, self.count)
        self.output_shape = _times(first.output_shape, self.count)
        for key in first.parameters:
            self.parameters[key] = _stacked_parameter([member.parameters[key] for member in members])

    def _rows(self, x: Array) -> Array:
        """Return (N, features, ...) as one contiguous block of memory for each member: (M, features/M, ... N)."""
        flat = namespace(x).ascontiguousarray(x.reshape(x.shape[0], -1).T)
        return flat.reshape(self.count, -1, x.shape[0])

    def _bias(self, y: Array) -> Array | None:
        return self.parameters["bias"].value if "bias" in self.parameters else None

    def _bias_gradient(self, dy: Array) -> None:
        """Sum (M, K, n) over n."""
        if "bias" not in self.parameters:
            return
        sums = self.parameters["bias"].grad = self._scratch("db", dy.shape[:2], dy)
        if launcher(dy) is not None:
            sum_rows((sums.size,), None, dy, None, sums, sums.size, dy.shape[2], IDENTITY, 0.0)
        else:
            dy.sum(axis=2, out=sums)


def _stacked_parameter(parameters: list[Parameter]) -> Parameter:
    first = parameters[0]
    if any(p.frozen != first.frozen or p.lr_factor != first.lr_factor for p in parameters):
        raise ConfigError(
            "stack: a parameter is frozen, or has another learning rate, in some of the networks only"
        )
    whole = Parameter(namespace(first.value).stack([p.value for p in parameters]), first.decay)
    whole.frozen, whole.lr_factor = first.frozen, first.lr_factor
    for index, parameter in enumerate(parameters):
        parameter.value = whole.value[index]
    return whole


class StackedDense(_Stacked):
    """M dense layers: ``y_m = W_m^T x_m + b_m``, with x_m (D, N) and y_m (K, N).

    Backward: ``dW_m = x_m dy_m^T``, ``db_m`` the sum of dy_m over the batch, ``dx_m = W_m dy_m``.
    """

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        inputs = self._rows(x)
        y = self._output((self.output_shape[0], x.shape[0]), x, train)
        weight = self.parameters["weight"].value
        products.stacked_product(
            weight.transpose(0, 2, 1), inputs, y.reshape(self.count, -1, x.shape[0]), self._bias(y)
        )
        self._cache = inputs
        return y.T

    def backward(self, dy: Array) -> Array:
        self.backward_parameters(dy)
        inputs, gradient = self._cache, self._rows(dy)
        dx = self._scratch("dx", inputs.shape, dy)
        products.stacked_product(self.parameters["weight"].value, gradient, dx)
        return dx.reshape(-1, dy.shape[0]).T

    def backward_parameters(self, dy: Array) -> None:
        inputs, gradient = self._saved(dy), self._rows(dy)
        weight = self.parameters["weight"]
        weight.grad = self._scratch("dW", weight.value.shape, dy)
        products.stacked_product(inputs, gradient.transpose(0, 2, 1), weight.grad)
        self._bias_gradient(gradient)

    def flops(self) -> int:
        return sum(member.flops() for member in self.members)


class StackedConv2D(_Stacked):
    """M convolutions: as in `Conv2D` by patches, with a stack of M products in place of each."""

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        (_, *size), batch = self.output_shape, x.shape[0]
        y = self._output((*self.output_shape, batch), x, train)
        col = self._patches(x).reshape(self.count, -1, size[0] * size[1] * batch)
        products.stacked_product(self._matrix(), col, y.reshape(self.count, -1, col.shape[2]), self._bias(y))
        self._cache = col
        return kernels.from_batch_last(y)

    def backward(self, dy: Array) -> Array:
        self.backward_parameters(dy)
        col, gradient = self._cache, self._gradient(dy)
        dcol = self._scratch("dcol", col.shape, dy)
        products.stacked_product(self._matrix().transpose(0, 2, 1), gradient, dcol)
        return self._collected(dcol, dy.shape[0])

    def backward_parameters(self, dy: Array) -> None:
        col, gradient = self._saved(dy), self._gradient(dy)
        weight = self.parameters["weight"]
        weight.grad = self._scratch("dW", weight.value.shape, dy)
        out = weight.grad.reshape(self.count, self.members[0].filters, -1)
        products.stacked_product(gradient, col.transpose(0, 2, 1), out)
        self._bias_gradient(gradient)

    def _matrix(self) -> Array:
        weight = self.parameters["weight"].value
        return weight.reshape(self.count, weight.shape[1], -1)

    def _gradient(self, dy: Array) -> Array:
        return kernels.to_batch_last(dy).reshape(self.count, self.members[0].filters, -1)

    def _patches(self, x: Array) -> Array:
        conv, (channels, *_), (_, oh, ow) = self.members[0], self.input_shape, self.output_shape
        if launcher(x) is None:
            return convolution.patches(self._padded(x), conv.kernel, conv.stride, (oh, ow), self._scratch)
        rows, columns = channels * conv.kernel[0] * conv.kernel[1], oh * ow * x.shape[0]
        col = self._scratch("col", (rows, columns), x)
        image = kernels.to_batch_last(x)
        fused_conv.im2col(col.size, image, col, col.size, *geometry_of(conv, x.shape[0]))
        return col

    def _padded(self, x: Array) -> Array:
        image, pixels = kernels.to_batch_last(x), self.members[0].pixels
        if pixels == ((0, 0), (0, 0)):
            return image
        return kernels.pad(image, pixels, 0, out=self._scratch("padded", self._padded_shape(x.shape[0]), x))

    def _padded_shape(self, batch: int) -> tuple[int, ...]:
        (top, bottom), (left, right) = self.members[0].pixels
        channels, height, width = self.input_shape
        return channels, height + top + bottom, width + left + right, batch

    def _collected(self, dcol: Array, batch: int) -> Array:
        """Return col2im as (N, M C, H, W)."""
        conv, (channels, height, width) = self.members[0], self.input_shape
        if launcher(dcol) is not None:
            dx = self._scratch("dx", (channels, height, width, batch), dcol)
            fused_conv.col2im(dx.size, dcol, dx, dx.size, *geometry_of(conv, batch))
            return kernels.from_batch_last(dx)
        dx = self._scratch("dx", self._padded_shape(batch), dcol)
        columns = dcol.reshape(channels, *conv.kernel, *self.output_shape[1:], batch)
        kernels.col2im(columns, conv.stride, out=dx)
        (top, _), (left, _) = conv.pixels
        return kernels.from_batch_last(dx[:, top : top + height, left : left + width])

    def flops(self) -> int:
        return sum(member.flops() for member in self.members)


class StackedDropout(_Stacked):
    """M dropout layers, each with the masks it would draw alone."""

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        first, xp = self.members[0], namespace(x)
        if not train:
            self._cache = first._keep if first.scaling == "test" else 1.0
            return xp.multiply(x, self._cache)
        if launcher(x) is not None:
            gain = fused.gains(self, x)
        else:
            gain = self._scratch("gain", (*x.shape[1:], x.shape[0]), x)
            scale = 1.0 if first.scaling == "test" else 1 / first._keep
            width = x.shape[1] // self.count
            for index, member in enumerate(self.members):
                part = slice(index * width, (index + 1) * width)
                kept = member._kept(x[:, part])
                xp.multiply(kept.transpose(*range(1, kept.ndim), 0), x.dtype.type(scale), out=gain[part])
        self._cache = gain = gain.transpose(-1, *range(gain.ndim - 1))
        return xp.multiply(x, gain, out=self._scratch_like("output", gain))

    def backward(self, dy: Array) -> Array:
        gain = self._saved(dy)
        if isinstance(gain, float):
            return dy * gain
        return namespace(dy).multiply(dy, gain, out=self._scratch_like("dx", gain))
