"""More training images from the same data: shifts, rotations, scalings.

`ExpandedShifts` is the expansion of the lecture's rung "expanded data" (Nielsen, `expand_mnist.py`):
every image five times, as it is and moved by one pixel in the four directions. It stores no images;
the other classes change each batch as it is drawn, differently in every epoch.

An augmentation is a callable ``augment(images, generator) -> images`` on uint8 batches of shape
(n, C, H, W). Pixels that come in from outside are 0, background.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minidl.errors import ConfigError, ShapeError

COPIES = 5
# Position of the 28x28 window in the image with its border of one pixel, as (row, column): reading
# one row further up moves the content down. Order: original, down, up, right, left.
WINDOWS = np.array([(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)])


class ExpandedShifts:
    """Five times as many images, each shift made when it is asked for.

    Image ``5 i + k`` is image `i` as it is (k = 0) or moved by one pixel down (1), up (2), right (3),
    left (4); what leaves the picture is lost, what enters is 0. 50,000 images of MNIST become
    250,000 in the memory of one copy with a border, 45 MB instead of 196.

    Parameters
    ----------
    images : numpy.ndarray
        Shape (N, C, H, W), usually uint8.

    Attributes
    ----------
    shape : tuple of int
        (5 N, C, H, W).
    dtype : numpy.dtype
        That of `images`.

    Examples
    --------
    >>> view = ExpandedShifts(np.eye(3, dtype=np.uint8).reshape(1, 1, 3, 3))
    >>> len(view)
    5
    >>> view[[1]][0, 0]             # moved down
    array([[0, 0, 0],
           [1, 0, 0],
           [0, 1, 0]], dtype=uint8)
    """

    def __init__(self, images: np.ndarray) -> None:
        _require_batch("ExpandedShifts", images)
        count, channels, height, width = images.shape
        self.shape = (COPIES * count, channels, height, width)
        self.dtype = images.dtype
        padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
        self._windows = sliding_window_view(padded, (height, width), axis=(2, 3))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: Any) -> np.ndarray:
        """Return the images at `indices` (integers in a list or array, or a slice): (n, C, H, W)."""
        if isinstance(indices, slice):
            indices = np.arange(*indices.indices(len(self)))
        indices = np.asarray(indices)
        if indices.ndim != 1 or not (indices.size == 0 or np.issubdtype(indices.dtype, np.integer)):
            raise ShapeError(
                "ExpandedShifts: index with a one-dimensional list or array of integers or a slice, got "
                f"{indices.dtype} of shape {indices.shape}"
            )
        if indices.size and not -len(self) <= indices.min() <= indices.max() < len(self):
            raise IndexError(f"ExpandedShifts: index beyond the {len(self):,} images")
        image, shift = np.divmod(indices.astype(np.int64), COPIES)
        row, column = WINDOWS[shift].T
        return self._windows[image, :, row, column]

    def expand_labels(self, labels: np.ndarray) -> np.ndarray:
        """Return the labels of the 5 N images, given those of the N."""
        return np.repeat(labels, COPIES)


class RandomShift:
    """Move every image by a whole number of pixels, up to `pixels` along each axis.

    Parameters
    ----------
    pixels : int
        All ``(2 pixels + 1)**2`` moves are equally likely.
    """

    def __init__(self, pixels: int) -> None:
        if isinstance(pixels, bool) or not isinstance(pixels, int) or pixels < 0:
            raise ConfigError(f"RandomShift: pixels must be an integer >= 0, got {pixels!r}")
        self.pixels = pixels

    def __call__(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return the moved images: shape (n, C, H, W) and dtype as given."""
        _require_batch("RandomShift", images)
        p = self.pixels
        rows, columns = generator.integers(0, 2 * p + 1, (2, len(images)))
        padded = np.pad(images, ((0, 0), (0, 0), (p, p), (p, p)))
        windows = sliding_window_view(padded, images.shape[2:], axis=(2, 3))
        return windows[np.arange(len(images)), :, rows, columns]

    def __repr__(self) -> str:
        return f"RandomShift({self.pixels})"


class RandomAffine:
    """Rotate, scale and move every image about its middle, with linear interpolation.

    With ``A = s [[cos a, -sin a], [sin a, cos a]]`` on (row, column), c the middle of the image and t
    the shift, the content at x moves to ``A (x - c) + c + t``: it is turned by `a` counter-clockwise
    as seen on the screen and enlarged by `s`.

    Parameters
    ----------
    rotation : float
        Largest angle, in degrees; uniform in ± rotation.
    scale : float
        Largest change of size, as a fraction; the factor is uniform in 1 ± scale.
    shift : float
        Largest move along each axis, in pixels, not only whole ones; uniform in ± shift.

    Notes
    -----
    Needs SciPy. The whole batch is sampled in one call of `scipy.ndimage.map_coordinates`: the images
    lie below each other in one tall picture, with a border of background around each.
    """

    def __init__(self, rotation: float = 0.0, scale: float = 0.0, shift: float = 0.0) -> None:
        for name, value in (("rotation", rotation), ("scale", scale), ("shift", shift)):
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"RandomAffine: {name} must be a number >= 0, got {value!r}")
        if scale >= 1:
            raise ConfigError(f"RandomAffine: scale is a fraction below 1 (0.1 for ± 10 %), got {scale!r}")
        self.rotation, self.scale, self.shift = rotation, scale, shift

    def __call__(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return the changed images: shape (n, C, H, W) and dtype as given."""
        return warp(images, *self.draw(len(images), generator))

    def draw(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw `count` transformations.

        Returns
        -------
        matrices : numpy.ndarray
            A, shape (count, 2, 2), float64.
        shifts : numpy.ndarray
            t as (rows, columns), shape (count, 2), float64.
        """
        angle = np.deg2rad(generator.uniform(-self.rotation, self.rotation, count))
        size = generator.uniform(1 - self.scale, 1 + self.scale, count)
        shifts = generator.uniform(-self.shift, self.shift, (count, 2))
        cos, sin = size * np.cos(angle), size * np.sin(angle)
        # Rows count downwards: with y = -row, counter-clockwise on the screen has this sign.
        matrices = np.stack([cos, -sin, sin, cos], axis=1).reshape(count, 2, 2)
        return matrices, shifts

    def __repr__(self) -> str:
        return f"RandomAffine(rotation={self.rotation}, scale={self.scale}, shift={self.shift})"


def warp(images: np.ndarray, matrices: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Move the content at x of every image to ``A (x - c) + c + t``, c being the image's middle.

    Parameters
    ----------
    images : numpy.ndarray
        Shape (n, C, H, W). Integers are rounded to the nearest in the result.
    matrices : numpy.ndarray
        A, shape (n, 2, 2), invertible, in (row, column) order.
    shifts : numpy.ndarray
        t, shape (n, 2), in pixels.

    Returns
    -------
    numpy.ndarray
        Shape and dtype of `images`.
    """
    from scipy.ndimage import map_coordinates

    _require_batch("RandomAffine", images)
    count, channels, height, width = images.shape
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    # Where each pixel of the result comes from: x = A⁻¹ (x' - c - t) + c.
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij")).reshape(2, -1)
    target = grid[np.newaxis] - (middle + shifts)[:, :, np.newaxis]
    rows, columns = np.moveaxis(np.linalg.inv(matrices) @ target + middle[:, np.newaxis], 1, 0)
    # One pixel of background around each image, and no reading beyond it: outside all is 0.
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    columns = np.clip(columns, -1, width) + 1
    rows = np.clip(rows, -1, height) + 1
    result = np.empty_like(images, order="C")
    for channel in range(channels):
        tall = padded[:, channel].reshape(count * (height + 2), width + 2)
        below = rows + np.arange(count)[:, np.newaxis] * (height + 2)
        values = map_coordinates(tall, [below, columns], output=np.float32, order=1, mode="nearest")
        if np.issubdtype(images.dtype, np.integer):
            values = np.rint(values)
        result[:, channel] = values.reshape(count, height, width)
    return result


def _require_batch(name: str, images: np.ndarray) -> None:
    if images.ndim != 4:
        raise ShapeError(f"{name}: expected images of shape (N, channels, height, width), got {images.shape}")
