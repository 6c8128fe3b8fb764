"""A dense layer and the activation after it: a product and one launch, backward two products and one launch."""

from __future__ import annotations

from typing import Any

from minidl.backend import Array, capturing, namespace
from minidl.kernels import cpu, products
from minidl.kernels.gpu.activation import bias_activation, in_order_of, through
from minidl.kernels.gpu.gemm import gemm
from minidl.kernels.gpu.launch import memory_order


def forward(layer: Any, x: Array, train: bool, activation: tuple[int, float]) -> Array:
    """The forward pass of `Dense`, then the activation.

    Parameters
    ----------
    layer : Dense
    x : array, shape (N, D)
    train : bool
    activation : (int, float)
        From `minidl.kernels.gpu.activation.code`.
    """
    bias = layer.parameters["bias"].value if layer.bias else None
    if capturing(x):  # the product is minidl's own, and does the rest on the way
        y = gemm(x, layer.parameters["weight"].value, layer.room(x, train), bias=bias, activation=activation)
        layer._cache = x, y
        return y
    y = layer.product(x, train)
    flat: Any = memory_order(y)
    inner = 1 if y.flags.c_contiguous else y.shape[0]  # batch-last memory: the units along the rows
    bias_activation(flat.size, flat, bias, flat, flat.size, inner, layer.units, *activation)
    layer._cache = x, y
    return y


def backward(
    layer: Any, dy: Array, activation: tuple[int, float], *, input_gradient: bool = True
) -> Array | None:
    """Set the gradients of the parameters; return that of the input if it is wanted."""
    x, y = layer._saved(dy)
    dz = layer._scratch_like("dz", y)
    dy = in_order_of(y, dy, dz)
    sums = layer._scratch("db", (layer.units,), y)
    channels = "columns" if y.flags.c_contiguous else "rows"
    flat = through(memory_order(y), memory_order(dy), activation, memory_order(dz), sums, channels)
    dz = flat if y.flags.c_contiguous else flat.T
    if layer.bias:
        layer.parameters["bias"].grad = sums
    weight = layer.parameters["weight"]
    space = layer._scratch("dW", weight.value.shape, x)
    weight.grad = products.dense_backward_weight(x, dz, out=space)
    if not input_gradient:
        return None
    turned = cpu.is_batch_last(x)
    dx = layer._scratch("dx", x.shape[::-1], x).T if turned else layer._scratch("dx", x.shape, x)
    products.dense_backward_input(dz, weight.value, out=dx)
    return dx if turned else namespace(x).ascontiguousarray(dx)
