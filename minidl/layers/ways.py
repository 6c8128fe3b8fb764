"""The ways a convolution layer computes on a CPU; `minidl.kernels` has the arithmetic of each.

A way has two functions: ``forward`` fills y, (F, OH, OW, N), and returns what ``backward`` wants to see again;
``backward`` sets the gradient of the kernels and returns that of the input, (N, C, H, W), or None if it
is not wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minidl.backend import Array
from minidl.kernels import convolution, phases, rows, winograd
from minidl.kernels import cpu as kernels

if TYPE_CHECKING:
    from minidl.layers.conv import Conv2D


class ByPatches:
    """Every patch a column of a matrix: ``y = W col``, ``dW = dy col^T``, ``dx = col2im(W^T dy)``."""

    @staticmethod
    def forward(layer: Conv2D, x: Array, y: Array) -> Any:
        image = layer.padded(x, layer._scratch)
        col = convolution.patches(image, layer.kernel, layer.stride, y.shape[1:3], layer._scratch)
        convolution.convolve_patches(col, layer.parameters["weight"].value, y.reshape(layer.filters, -1))
        if layer.bias:
            y += layer.parameters["bias"].value[:, None, None, None]
        return col

    @staticmethod
    def backward(layer: Conv2D, col: Any, dy: Array, wants_input: bool) -> Array | None:
        weight, flat = layer.parameters["weight"], dy.reshape(layer.filters, -1)
        convolution.patches_weight_gradient(col, flat, weight.grad)
        if not wants_input:
            return None
        dx = layer._scratch("dx", _padded_shape(layer, dy), dy)
        convolution.patches_input_gradient(dy, weight.value, layer.stride, dx, layer._scratch)
        return _cropped(layer, dx)


class ByRows:
    """Every row of outputs a product with a few rows of the image, put down once for each column of the kernel."""

    @staticmethod
    def forward(layer: Conv2D, x: Array, y: Array) -> Any:
        image = kernels.images_innermost(x)
        moved = rows.moved_rows(image, layer.kernel, layer.stride, layer.pixels, y.shape[1:3], layer._scratch)
        weight, bias = layer.parameters["weight"].value, _bias(layer)
        rows.convolve(moved, weight, bias, layer.stride[0], y.reshape(*y.shape[:2], -1))
        return moved

    @staticmethod
    def backward(layer: Conv2D, moved: Any, dy: Array, wants_input: bool) -> Array | None:
        weight, scratch = layer.parameters["weight"], layer._scratch
        rows.weight_gradient(moved, dy.reshape(*dy.shape[:2], -1), layer.stride[0], weight.grad)
        if not wants_input:
            return None
        if rows.scatters(layer.input_shape[0], layer.filters, layer.kernel, layer.stride):
            dx = scratch("dx", _padded_shape(layer, dy), dy)
            convolution.patches_input_gradient(dy, weight.value, layer.stride, dx, scratch)
            return _cropped(layer, dx)
        dx = scratch("dx", (*layer.input_shape, dy.shape[3]), dy)
        rows.input_gradient(dy, weight.value, layer.pixels, dx, scratch)
        return kernels.from_batch_last(dx)


class ByTiles:
    """Minimal filtering: kernels of 3x3 and 5x5, stride 1."""

    @staticmethod
    def forward(layer: Conv2D, x: Array, y: Array) -> Any:
        image, scratch = kernels.images_innermost(x), layer._scratch
        image = winograd.covered(image, layer.pixels, layer.kernel[0], y.shape[1:3], scratch)
        kernel_points = winograd.kernel_points(layer.parameters["weight"].value, scratch)
        return winograd.convolve(image, kernel_points, _bias(layer), y, scratch), kernel_points

    @staticmethod
    def backward(layer: Conv2D, saved: Any, dy: Array, wants_input: bool) -> Array | None:
        points, kernel_points = saved
        dx = _covered(layer.input_shape[0], dy, "dx", layer._scratch) if wants_input else None
        winograd.gradients(points, kernel_points, dy, layer.parameters["weight"].grad, dx, layer._scratch)
        return None if dx is None else _cropped(layer, dx)


class ByPhases:
    """Minimal filtering of four images of half the size: kernels of 5x5, stride 2."""

    @staticmethod
    def forward(layer: Conv2D, x: Array, y: Array) -> Any:
        sorted_ = phases.sorted_kernels(layer.parameters["weight"].value)
        tiles, size = winograd.tiles_for(y.shape[1:3]), sorted_.shape[2]
        pixels = tuple(count * winograd.OUTPUTS + size - 1 for count in tiles)
        image = phases.sorted_image(kernels.images_innermost(x), _corner(layer), pixels, layer._scratch)
        kernel_points = winograd.kernel_points(sorted_, layer._scratch)
        return winograd.convolve(image, kernel_points, _bias(layer), y, layer._scratch), kernel_points

    @staticmethod
    def backward(layer: Conv2D, saved: Any, dy: Array, wants_input: bool) -> Array | None:
        points, kernel_points = saved
        weight, scratch = layer.parameters["weight"], layer._scratch
        size = -(-layer.kernel[0] // phases.STRIDE)
        dkernels = scratch("sorted dW", (*kernel_points.shape[1:], size, size), dy)
        dphases = _covered(kernel_points.shape[2], dy, "sorted dx", scratch) if wants_input else None
        winograd.gradients(points, kernel_points, dy, dkernels, dphases, scratch)
        phases.collect_kernels(dkernels, weight.grad)
        if dphases is None:
            return None
        dx = scratch("dx", (*layer.input_shape, dy.shape[3]), dy)
        phases.collect_image(dphases, _corner(layer), dx)
        return kernels.from_batch_last(dx)


def _covered(channels: int, dy: Array, name: str, scratch: convolution.Scratch) -> Array:
    """Return a scratch array for the gradient of the image that `winograd.gradients` fills."""
    down, across = winograd.tiles_for(dy.shape[1:3])
    pixels = (down + 1) * winograd.OUTPUTS, (across + 1) * winograd.OUTPUTS
    return scratch(name, (channels, *pixels, dy.shape[3]), dy)


def _corner(layer: Conv2D) -> tuple[int, int]:
    return layer.pixels[0][0], layer.pixels[1][0]


def _bias(layer: Conv2D) -> Array | None:
    return layer.parameters["bias"].value if layer.bias else None


def _padded_shape(layer: Conv2D, dy: Array) -> tuple[int, ...]:
    channels, height, width = layer.input_shape
    return channels, height + sum(layer.pixels[0]), width + sum(layer.pixels[1]), dy.shape[3]


def _cropped(layer: Conv2D, dx: Array) -> Array:
    """Return the gradient of a padded image (C, >= H + top, >= W + left, N) without its border, (N, C, H, W)."""
    (_, height, width), (top, left) = layer.input_shape, _corner(layer)
    return kernels.from_batch_last(dx[:, top : top + height, left : left + width])
