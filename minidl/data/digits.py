"""Handwriting without a download: scikit-learn's 1,797 digits, brought to MNIST's format.

The digits are the test part of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin and
Kaynak, 1998): 8x8 counts of ink from 0 to 16. They come with scikit-learn, so a first run needs no
network. There are far fewer of them than in MNIST, they are smoother, and their writers are other
people: an accuracy on them says nothing about MNIST and is never printed as one.
"""

from __future__ import annotations

import numpy as np

from minidl.errors import ConfigError
from minidl.random import Seeds

TITLE = "scikit-learn digits (NOT MNIST)"
BOX = 20  # MNIST: the digit fits a 20x20 box …
SIDE = 28  # … which lies in a 28x28 image with the centre of mass of the ink in the middle
HELD_OUT_PER_CLASS = 30  # for validation and again for test; 10 classes give 300 and 300


def digits_arrays() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (images, labels) for training, validation and test: 1,197, 300 and 300 examples.

    Validation and test have 30 examples of every class, drawn once and for all; each part keeps the
    order of scikit-learn.

    Returns
    -------
    list of (numpy.ndarray, numpy.ndarray)
        Images of shape (N, 1, 28, 28), uint8; labels of shape (N,), int64.

    Raises
    ------
    ConfigError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ConfigError(
            "the data set 'digits' comes with scikit-learn, which is not installed: "
            "pip install scikit-learn"
        ) from None
    bunch = load_digits()
    images = to_mnist_format(bunch.images)[:, np.newaxis]
    labels = bunch.target.astype(np.int64)
    return [(images[chosen], labels[chosen]) for chosen in split_indices(labels)]


def to_mnist_format(images: np.ndarray) -> np.ndarray:
    """Bring 8x8 counts of ink to 28x28 grey levels, in the manner of MNIST.

    Enlarged to 20x20 by linear interpolation, placed in 28x28 so that the centre of mass of the ink
    is as near the middle as whole pixels allow.

    Parameters
    ----------
    images : numpy.ndarray
        Shape (N, 8, 8), 0 (paper) to 16 (ink).

    Returns
    -------
    numpy.ndarray
        Shape (N, 28, 28), uint8, 0 to 255.
    """
    enlarge = interpolation_matrix(images.shape[1], BOX)
    boxes = np.rint(enlarge @ images @ enlarge.T * (255 / 16)).astype(np.uint8)
    tops = _start(boxes.sum(axis=2))
    lefts = _start(boxes.sum(axis=1))
    result = np.zeros((len(boxes), SIDE, SIDE), np.uint8)
    inside = np.arange(BOX)
    rows = (tops[:, np.newaxis] + inside)[:, :, np.newaxis]
    columns = (lefts[:, np.newaxis] + inside)[:, np.newaxis, :]
    result[np.arange(len(boxes))[:, np.newaxis, np.newaxis], rows, columns] = boxes
    return result


def interpolation_matrix(size: int, target: int) -> np.ndarray:
    """Return the matrix that stretches `size` samples to `target` by linear interpolation.

    Pixels are areas: the middle of target pixel i lies at ``(i + 1/2) size / target - 1/2``. Beyond
    the middle of the first and last sample their value is kept.

    Returns
    -------
    numpy.ndarray
        Shape (target, size), float64; every row sums to 1.
    """
    position = np.clip((np.arange(target) + 0.5) * size / target - 0.5, 0, size - 1)
    # Sample j has weight 1 where the position is j, falling to 0 at its neighbours.
    return np.maximum(0, 1 - np.abs(position[:, np.newaxis] - np.arange(size)))


def split_indices(labels: np.ndarray) -> list[np.ndarray]:
    """Return the ascending indices of the training, validation and test examples."""
    generator = Seeds(0).generator("digits", "split")
    part = np.zeros(len(labels), np.int64)
    for label in range(10):
        members = generator.permutation(np.flatnonzero(labels == label))
        part[members[:HELD_OUT_PER_CLASS]] = 1
        part[members[HELD_OUT_PER_CLASS : 2 * HELD_OUT_PER_CLASS]] = 2
    return [np.flatnonzero(part == which) for which in range(3)]


def _start(profile: np.ndarray) -> np.ndarray:
    """Return where the box begins along one axis, from the ink per row or column of the box."""
    ink = profile.astype(np.float64)
    mass = ink @ np.arange(BOX) / ink.sum(axis=1)
    start = np.rint((SIDE - 1) / 2 - mass).astype(np.int64)
    return np.clip(start, 0, SIDE - BOX)
