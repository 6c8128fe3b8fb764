"""The reference of this exercise and the library compute the same."""

import numpy as np

from minidl.evaluation import confusion_matrix
from minidl.kernels import reference
from minidl.targets import one_hot


def agree_on_tables(submission, rng):
    labels, predictions = rng.integers(0, 6, size=(2, 40))
    np.testing.assert_array_equal(submission.call("one_hot", labels, 6), one_hot(labels, 6))
    found = submission.call("confusion_matrix", labels, predictions, 6)
    np.testing.assert_array_equal(found, confusion_matrix(predictions, labels, 6))


def agree_on_patches(submission, rng):
    """A convolution is the sum of every patch times the kernel."""
    images, kernel = rng.normal(size=(2, 6, 5)), rng.normal(size=(3, 2))
    ours = reference.conv2d(
        images[:, np.newaxis], kernel[np.newaxis, np.newaxis], np.zeros(1), (1, 1), ((0, 0), (0, 0))
    )
    theirs = (submission.call("patches", images, 3, 2) * kernel).sum(axis=(3, 4))
    np.testing.assert_allclose(theirs, ours[:, 0], rtol=1e-9, atol=1e-12)
