"""The mean and the standard deviation of a set of images, for zero-centred inputs (AAR)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.errors import DataError

BLOCK = 1000  # images converted at once; the rest stays bytes


def mean_and_std(images: Any, scale: float = 1 / 255) -> tuple[float, float]:
    """Return mean and standard deviation of all pixels, in units of the network's inputs.

    Take them from the training images and use them for every split: ``Loader(…, mean=mean, std=std)``
    standardises the training, `Trainer` the validation with the same numbers. The 50,000 training images
    of MNIST have 0.1310 and 0.3085.

    Parameters
    ----------
    images : numpy.ndarray or ExpandedShifts
        Shape (N, ...), bytes or floats.
    scale : float
        Factor from grey levels to inputs, that of the loader.

    Raises
    ------
    DataError
        If there is no image, or all pixels are alike, which no factor brings to a deviation of 1.
    """
    count, total, squares = 0, 0.0, 0.0
    # From a first guess of the mean, so that large numbers do not cancel; exact enough for bytes anyway.
    guess = float(np.mean(images[:BLOCK], dtype=np.float64)) if len(images) else 0.0
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK].astype(np.float64).reshape(-1)
        block -= guess
        count += block.size
        total += float(block.sum())
        squares += float(block.dot(block))
    if not count:
        raise DataError("mean_and_std: there are no images; give at least one")
    mean = total / count
    variance = squares / count - mean * mean
    if not variance > 1e-12 * max(1.0, guess * guess):
        raise DataError(
            f"mean_and_std: all pixels are {guess + mean:g} or not numbers, so the images cannot be standardised"
        )
    return (guess + mean) * scale, math.sqrt(variance) * abs(scale)
