"""Reading images between and beyond their pixels: linear interpolation, five ways to go on at the edge."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.data.augment.base import grey_level, is_number
from minidl.errors import ConfigError

# The five fill modes of AAR by the names of numpy.pad, with what scipy.ndimage calls the same thing.
# SciPy's "reflect" is NumPy's "symmetric", its "wrap" is none of these, and its "constant" fades out
# less than a pixel beyond the edge.
FILLS = {
    "constant": "grid-constant",  # v v v | a b c d | v v v   (v a given grey level)
    "edge": "nearest",  #           a a a | a b c d | d d d
    "reflect": "mirror",  #         d c b | a b c d | c b a
    "symmetric": "reflect",  #      c b a | a b c d | d c b
    "wrap": "grid-wrap",  #         b c d | a b c d | a b c
}


def require_fill(name: str, fill: Any, value: Any) -> None:
    """Raise a `ConfigError` that begins with `name` if the fill mode or its grey level makes no sense."""
    if fill not in FILLS:
        raise ConfigError(f"{name}: fill must be one of {', '.join(FILLS)}, got {fill!r}")
    if not is_number(value):
        raise ConfigError(f"{name}: value must be a grey level, got {value!r}")
    if value and fill != "constant":
        raise ConfigError(f"{name}: value={value!r} is the grey level of fill='constant', not of {fill!r}")


def pad(images: np.ndarray, width: int, fill: str, value: float) -> np.ndarray:
    """Return the images (n, C, H, W) with a border of `width` pixels."""
    borders = ((0, 0), (0, 0), (width, width), (width, width))
    if fill != "constant":
        return np.pad(images, borders, mode=fill)  # type: ignore[call-overload]  # any of numpy.pad's modes
    return np.pad(images, borders, constant_values=grey_level("the value of fill='constant'", value, images))


def sample(
    images: np.ndarray, rows: np.ndarray, columns: np.ndarray, fill: str = "constant", value: float = 0
) -> np.ndarray:
    """Read every image at fractional positions, by linear interpolation between the four neighbours.

    The whole batch takes one call of `scipy.ndimage.map_coordinates` per channel: the images lie below
    each other in one tall picture. SciPy's own modes see only the outer edge of that picture, so
    positions outside an image are folded back into it beforehand.

    Parameters
    ----------
    images : numpy.ndarray
        Shape (n, C, H, W).
    rows, columns : numpy.ndarray
        Shape (n, H W), float64: where each pixel of the result is read.
    fill : str
        One of `FILLS`.
    value : float
        Grey level of ``fill="constant"``.

    Returns
    -------
    numpy.ndarray
        Shape and dtype of `images`; integers are rounded to the nearest.
    """
    from scipy.ndimage import map_coordinates

    count, channels, height, width = images.shape
    # One pixel around each image is the neighbour of what lies just beyond the edge.
    padded = pad(images, 1, fill, value)
    columns = fold(columns, width, fill) + 1
    rows = fold(rows, height, fill) + 1
    below = rows + np.arange(count)[:, np.newaxis] * (height + 2)
    result = np.empty_like(images, order="C")
    for channel in range(channels):
        tall = padded[:, channel].reshape(count * (height + 2), width + 2)
        values = map_coordinates(tall, [below, columns], output=np.float32, order=1, mode="nearest")
        if np.issubdtype(images.dtype, np.integer):
            values = np.rint(values)
        result[:, channel] = values.reshape(count, height, width)
    return result


def fold(positions: np.ndarray, size: int, fill: str) -> np.ndarray:
    """Return equivalent positions in [-1, size], the image with a border of one pixel.

    Parameters
    ----------
    positions : numpy.ndarray
        Along one axis, 0 being the middle of the first pixel.
    size : int
        Pixels along this axis.
    fill : str
        One of `FILLS`.
    """
    if fill in ("constant", "edge"):
        return np.clip(positions, -1, size)
    if fill == "wrap":
        return np.mod(positions, size)
    if fill == "symmetric":  # a mirror on the outer side of the last pixel
        around = np.mod(positions + 0.5, 2 * size)
        return np.minimum(around, 2 * size - around) - 0.5
    if size == 1:
        return np.zeros_like(positions)
    around = np.mod(positions, 2 * size - 2)  # "reflect": a mirror in the middle of the last pixel
    return np.minimum(around, 2 * size - 2 - around)
