"""What kernel sizes, strides and paddings mean, checked once for convolution and pooling."""

from __future__ import annotations

from typing import Any

from minidl.errors import ConfigError, ShapeError
from minidl.kernels.cpu import Padding, Pair, output_size
from minidl.layers.base import Shape

PaddingOption = str | int | tuple[Any, Any]


def pair(name: str, option: str, value: Any, minimum: int = 1) -> Pair:
    """Return ``(value, value)`` for an integer and the value itself for a pair of integers.

    Raises
    ------
    ConfigError
        Names the layer and the option.
    """
    both = (value, value) if isinstance(value, int) else value
    if (
        isinstance(both, bool)
        or not isinstance(both, tuple | list)
        or len(both) != 2
        or not all(isinstance(size, int) and not isinstance(size, bool) and size >= minimum for size in both)
    ):
        raise ConfigError(
            f"{name}: {option} must be an integer of at least {minimum} or a pair of them, got {value!r}"
        )
    return both[0], both[1]


def check_padding(name: str, padding: Any) -> None:
    """Raise a `ConfigError` unless `padding` is one of the forms `resolve_padding` takes."""
    if padding in ("valid", "same"):
        return
    if isinstance(padding, str):
        raise ConfigError(f"{name}: padding must be 'valid', 'same' or numbers of pixels, got {padding!r}")
    if (
        isinstance(padding, tuple | list)
        and len(padding) == 2
        and any(isinstance(side, tuple | list) for side in padding)
    ):
        for side in padding:
            pair(name, "padding", side, minimum=0)
    else:
        pair(name, "padding", padding, minimum=0)


def resolve_padding(padding: Any, image: Pair, kernel: Pair, stride: Pair) -> Padding:
    """Return ((top, bottom), (left, right)) in pixels.

    Parameters
    ----------
    padding : "valid", "same", int, (vertical, horizontal) or ((top, bottom), (left, right))
        "same" makes the output ``ceil(size / stride)`` pixels; what cannot be split evenly goes to the
        bottom and the right, as in TensorFlow and PyTorch.
    image, kernel, stride : (int, int)
    """
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        sides = []
        for size, k, s in zip(image, kernel, stride, strict=True):
            total = max((-(-size // s) - 1) * s + k - size, 0)
            sides.append((total // 2, total - total // 2))
        return sides[0], sides[1]
    if isinstance(padding, int):
        return (padding, padding), (padding, padding)
    vertical, horizontal = padding
    if isinstance(vertical, int):
        return (vertical, vertical), (horizontal, horizontal)
    return (vertical[0], vertical[1]), (horizontal[0], horizontal[1])


def sliding_shape(name: str, input_shape: Shape, kernel: Pair, stride: Pair, padding: Padding) -> Pair:
    """Return (OH, OW), after checking that `input_shape` is (C, H, W) and that the kernel fits.

    Raises
    ------
    ShapeError
        Names the layer and both sizes.
    """
    require_images(name, input_shape)
    _, height, width = input_shape
    oh = output_size(height, kernel[0], stride[0], padding[0])
    ow = output_size(width, kernel[1], stride[1], padding[1])
    if oh < 1 or ow < 1:
        raise ShapeError(
            f"{name}: a {kernel[0]}x{kernel[1]} window does not fit into images of {height}x{width} "
            f"with padding {padding}; use a smaller window or padding='same'"
        )
    return oh, ow


def require_images(name: str, input_shape: Shape) -> None:
    """Raise a `ShapeError` unless `input_shape` is (C, H, W)."""
    if len(input_shape) != 3:
        raise ShapeError(
            f"{name}: expected inputs of shape (channels, height, width), got {input_shape}; "
            "put Reshape((channels, height, width)) before it"
        )
