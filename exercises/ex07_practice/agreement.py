"""The reference of this exercise and the library compute the same."""

import numpy as np

import minidl
from minidl.data import Loader
from minidl.data.resample import OverSampling, inverse_frequency
from minidl.evaluation.classes import averaged_scores, class_scores
from minidl.evaluation.metrics import confusion_matrix
from minidl.training.lr_finder import lr_range_test


def close(actual, expected):
    """Compare with the library."""
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


def agree_metrics(submission, rng):
    labels, predictions = rng.integers(0, 5, size=(2, 60))
    labels[labels == 3] = 2  # a class without examples
    matrix = confusion_matrix(predictions, labels, 5)
    close(submission.call("confusion_matrix", labels, predictions, 5), matrix)
    right = [
        [getattr(score, name) or 0 for score in class_scores(matrix)]
        for name in ("precision", "recall", "f1")
    ]
    close(submission.call("class_scores", matrix), right)
    close(submission.call("balanced_accuracy", matrix), averaged_scores(matrix).recall)


def agree_imbalance(submission, rng):
    labels = rng.permutation(np.repeat(np.arange(4), rng.integers(1, 12, size=4)))
    close(submission.call("class_weights", labels, 4), inverse_frequency(labels))
    found = np.bincount(submission.call("oversample", labels, submission.generator(0)), minlength=len(labels))
    right = np.bincount(OverSampling(labels).indices(0, np.random.default_rng(0)), minlength=len(labels))
    for label in range(4):  # how often the examples of a class come; which of them once more, is drawn
        close(np.sort(found[labels == label]), np.sort(right[labels == label]))


def agree_range_test(submission, rng):
    model = minidl.Sequential([minidl.Flatten(), minidl.Dense(3)])
    model.build((1, 2, 2), rng=0)
    images = rng.integers(0, 256, size=(40, 1, 2, 2)).astype(np.uint8)
    loader = Loader(images, images.mean(axis=(1, 2, 3)).astype(np.int64) // 86, 8, seeds=0)
    test = lr_range_test(model, minidl.SoftmaxCrossEntropy(), minidl.SGD(0.1), loader, steps=12)
    close(submission.call("smooth", test.losses), test.smoothed)
