"""The test labels of MNIST that people think are wrong, and what a result is worth without them.

C. Northcutt, A. Athalye, J. Mueller, Pervasive Label Errors in Test Sets Destabilize Machine Learning
Benchmarks, NeurIPS 2021 (arXiv:2103.14749), had five crowd workers each look at test images whose label a
network doubted. Listed here are the 15 images of MNIST's test set on which fewer than three of the five
agreed with the given label; the votes, for that label, the network's guess or neither, are those of the file
``mturk/mnist_mturk.json`` in the repository cleanlab/label-errors (Apache 2.0). Five workers are evidence,
not truth. Only images the network doubted were judged, so there may be more errors.

An error rate of 0.2 % is 20 images, so 15 doubtful labels decide between records. A network that agrees with
all the labels as given has learned some of the mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minidl.errors import DataError, ShapeError

TEST_IMAGES = 10_000


@dataclass(frozen=True)
class Doubt:
    """One test image whose label is doubted.

    Attributes
    ----------
    index : int
        Position in the test file, from 0.
    given, guess : int
        The published label, and the class a network trained on other images would give it.
    for_given, for_guess, for_neither : int
        Votes of the five workers.
    """

    index: int
    given: int
    guess: int
    for_given: int
    for_guess: int
    for_neither: int

    @property
    def corrected(self) -> bool:
        """Whether most workers chose the guess."""
        return self.for_guess >= 3


MNIST_DOUBTS = (
    Doubt(947, 8, 9, 0, 5, 0),
    Doubt(1621, 0, 6, 2, 3, 0),
    Doubt(1901, 9, 4, 2, 3, 0),
    Doubt(2130, 4, 9, 2, 2, 1),
    Doubt(2462, 2, 0, 0, 4, 1),
    Doubt(2597, 5, 3, 0, 4, 1),
    Doubt(2654, 6, 1, 0, 2, 3),
    Doubt(3520, 6, 4, 2, 0, 3),
    Doubt(3558, 5, 0, 1, 4, 0),
    Doubt(5937, 5, 3, 1, 3, 1),
    Doubt(6651, 0, 6, 0, 5, 0),
    Doubt(6783, 1, 6, 2, 3, 0),
    Doubt(8527, 4, 9, 2, 2, 1),
    Doubt(9679, 6, 3, 2, 0, 3),
    Doubt(9729, 5, 6, 2, 3, 0),
)


class LabelVersion(NamedTuple):
    """One way to deal with the doubts.

    Attributes
    ----------
    name : str
        "original", "corrected" or "removed".
    labels : (10000,) int64 array
    kept : (10000,) boolean array
        Which images are counted.
    """

    name: str
    labels: np.ndarray
    kept: np.ndarray


def label_versions(labels: np.ndarray) -> list[LabelVersion]:
    """Return the labels as published, with those 10 corrected that have a majority, and without all 15.

    Of the 15, most workers chose the guess for 10, neither for 3, and nothing has a majority for 2.

    Parameters
    ----------
    labels : (10000,) integer array
        Of the test set of MNIST, in the order of its file.

    Raises
    ------
    ShapeError, DataError
        If these are not MNIST's test labels in their order.
    """
    labels = np.asarray(labels)
    if labels.shape != (TEST_IMAGES,):
        raise ShapeError(
            f"label_versions: labels have shape {labels.shape}, expected ({TEST_IMAGES},), the test labels of MNIST"
        )
    for doubt in MNIST_DOUBTS:
        if labels[doubt.index] != doubt.given:
            raise DataError(
                f"label_versions: label {doubt.index} is {labels[doubt.index]}, but {doubt.given} in MNIST's test "
                "set; give its labels in the order of the file"
            )
    corrected = labels.copy()
    for doubt in MNIST_DOUBTS:
        if doubt.corrected:
            corrected[doubt.index] = doubt.guess
    every = np.ones(TEST_IMAGES, dtype=bool)
    undoubted = every.copy()
    undoubted[[doubt.index for doubt in MNIST_DOUBTS]] = False
    return [
        LabelVersion("original", labels, every),
        LabelVersion("corrected", corrected, every),
        LabelVersion("removed", labels, undoubted),
    ]
