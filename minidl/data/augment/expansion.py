"""The lecture's 250,000 training images: every image five times, moved by one pixel.

This is the expansion of the rung "expanded data" (Nielsen, ch. 6, ``expand_mnist.py``): the original
and one copy moved in each of the four directions. 5 x 50,000 are 250,000; the lecture's first slide
says 350,000 (erratum 5). Nielsen shuffles the expanded set once, before training:
``Loader(ExpandedShifts(images), labels, batch_size, shuffle="once")``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minidl.data.augment.base import require_batch
from minidl.errors import ShapeError

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
    padded : numpy.ndarray
        The N images with their border, (N, C, H + 2, W + 2).
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
        require_batch("ExpandedShifts", images)
        count, channels, height, width = images.shape
        self.shape = (COPIES * count, channels, height, width)
        self.dtype = images.dtype
        self.padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
        self._windows = sliding_window_view(self.padded, (height, width), axis=(2, 3))

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
        image, row, column = self.places(indices)
        return self._windows[image, :, row, column]

    def places(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return which image of `padded`, and which row and column of it the window starts at, for each index."""
        image, shift = np.divmod(indices.astype(np.int64), COPIES)
        row, column = WINDOWS[shift].T
        return image, row, column

    def expand_labels(self, labels: np.ndarray) -> np.ndarray:
        """Return the labels of the 5 N images, given those of the N."""
        return np.repeat(labels, COPIES)
