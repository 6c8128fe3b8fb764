"""Reading images between and beyond their pixels: linear interpolation, five ways to go on at the edge."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.data.augment.base import grey_level, is_number
from minidl.errors import ConfigError

# The five fill modes of AAR by the names of numpy.pad, with what scipy.ndimage calls the same thing (the tests
# compare). SciPy's "reflect" is NumPy's "symmetric", its "wrap" is none of these, and its "constant" fades out
# less than a pixel beyond the edge.
FILLS = {
    "constant": "grid-constant",  # v v v | a b c d | v v v   (v a given grey level)
    "edge": "nearest",  #           a a a | a b c d | d d d
    "reflect": "mirror",  #         d c b | a b c d | c b a
    "symmetric": "reflect",  #      c b a | a b c d | d c b
    "wrap": "grid-wrap",  #         b c d | a b c d | a b c
}
_TOGETHER = 32  # images


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

    With f and g the fractions of a position (i + f, j + g) between the pixels::

        (1 - f) ((1 - g) p[i, j] + g p[i, j+1]) + f ((1 - g) p[i+1, j] + g p[i+1, j+1])

    in float32, a few images at a time, so that what belongs to them stays in the processor's cache (four
    times as fast as `scipy.ndimage.map_coordinates`: docs/speed.md).

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
    count, channels, height, width = images.shape
    # One pixel around each image is the neighbour of what lies just beyond the edge; one more row and column
    # below and to the right, since a position on the border itself has a neighbour too, with weight zero.
    padded = np.zeros((count, channels, height + 3, width + 3), np.float32)
    padded[:, :, :-1, :-1] = pad(images, 1, fill, value)
    result = np.empty_like(images, order="C")
    for first in range(0, count, _TOGETHER):
        some = slice(first, first + _TOGETHER)
        y, x = fold(rows[some], height, fill) + 1, fold(columns[some], width, fill) + 1
        top, left = y.astype(np.intp), x.astype(np.intp)
        f, g = (y - top).astype(np.float32), (x - left).astype(np.float32)
        image = np.arange(len(y))[:, np.newaxis]
        for channel in range(channels):
            pixels = padded[some].reshape(-1)
            place = ((image * channels + channel) * (height + 3) + top) * (width + 3) + left
            below = pixels[width + 3 :]
            upper = _between(pixels.take(place), pixels[1:].take(place), g)
            lower = _between(below.take(place), below[1:].take(place), g)
            values = _between(upper, lower, f)
            if images.dtype.kind in "iu":
                np.rint(values, out=values)
            result[some, channel] = values.reshape(-1, height, width)
    return result


def _between(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return ``a + weight (b - a)``; both may be overwritten."""
    b -= a
    b *= weight
    a += b
    return a


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
