"""Precision, recall and F1, by hand and against scikit-learn."""

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.evaluation import confusion_matrix
from minidl.evaluation.classes import class_scores


def test_by_hand():
    # Class 0: 6 right of 8 true, 10 called so: precision 6/10, recall 6/8, F1 12/18.
    first, second, third = class_scores(np.array([[6, 2, 0], [4, 8, 0], [0, 0, 0]]))
    assert first == (8, pytest.approx(0.6), pytest.approx(0.75), pytest.approx(12 / 18))
    assert second == (12, pytest.approx(0.8), pytest.approx(8 / 12), pytest.approx(16 / 22))
    assert third == (0, None, None, None)


def test_a_class_that_is_never_called_or_never_there():
    never_called, never_there = class_scores(np.array([[0, 3], [0, 0]]))
    assert never_called == (3, None, 0.0, 0.0)
    assert never_there == (0, 0.0, None, 0.0)


def test_against_scikit_learn():
    from sklearn.metrics import precision_recall_fscore_support

    generator = np.random.default_rng(0)
    labels = generator.integers(5, size=400)
    predictions = np.where(generator.random(400) < 0.7, labels, generator.integers(5, size=400))
    expected = precision_recall_fscore_support(labels, predictions)
    scores = class_scores(confusion_matrix(predictions, labels))
    for row, (precision, recall, f1, support) in zip(scores, zip(*expected, strict=True), strict=True):
        assert row == (support, pytest.approx(precision), pytest.approx(recall), pytest.approx(f1))


def test_the_matrix_must_be_square():
    with pytest.raises(ShapeError, match=r"shape \(2, 3\), expected \(K, K\)"):
        class_scores(np.zeros((2, 3), int))
