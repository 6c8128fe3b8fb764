"""Precision, recall, F1 and specificity, class by class and averaged: by hand and against scikit-learn."""

import numpy as np
import pytest

from minidl.errors import ConfigError, ShapeError
from minidl.evaluation import accuracy, confusion_matrix, error_indices, wilson_interval
from minidl.evaluation.classes import (
    averaged_scores,
    class_intervals,
    class_scores,
    one_vs_rest,
    slide_f1,
)

# Class 0: 6 right of 8 true, 10 called so, 8 of the 12 others left alone: precision 6/10, recall 6/8,
# F1 12/18, specificity 8/12. Class 2 neither occurs nor is called.
MATRIX = np.array([[6, 2, 0], [4, 8, 0], [0, 0, 0]])


def test_by_hand():
    first, second, third = class_scores(MATRIX)
    assert first == (
        8,
        pytest.approx(0.6),
        pytest.approx(0.75),
        pytest.approx(12 / 18),
        pytest.approx(8 / 12),
    )
    assert second == (
        12,
        pytest.approx(0.8),
        pytest.approx(8 / 12),
        pytest.approx(16 / 22),
        pytest.approx(6 / 8),
    )
    assert third == (0, None, None, None, 1.0)
    assert [list(count) for count in one_vs_rest(MATRIX)] == [[6, 8, 0], [4, 2, 0], [2, 4, 0], [8, 6, 20]]


def test_a_class_that_is_never_called_or_never_there():
    never_called, never_there = class_scores(np.array([[0, 3], [0, 0]]))
    assert never_called == (3, None, 0.0, 0.0, None)
    assert never_there == (0, 0.0, None, 0.0, 0.0)


def random_case(seed, absent):
    generator = np.random.default_rng(seed)
    labels = generator.integers(5, size=400)
    predictions = np.where(generator.random(400) < 0.7, labels, generator.integers(5, size=400))
    if absent in ("true", "both"):
        labels = np.where(labels == 2, 1, labels)
    if absent in ("called", "both"):
        predictions = np.where(predictions == 2, 4, predictions)
    return predictions, labels


@pytest.mark.parametrize("absent", ["nothing", "true", "called", "both"])
def test_against_scikit_learn(absent):
    from sklearn.metrics import multilabel_confusion_matrix, precision_recall_fscore_support

    predictions, labels = random_case(0, absent)
    every = list(range(5))
    matrix = confusion_matrix(predictions, labels, 5)
    expected = precision_recall_fscore_support(labels, predictions, labels=every, zero_division=np.nan)
    tn, fp = multilabel_confusion_matrix(labels, predictions, labels=every)[:, 0].T
    scores = class_scores(matrix)
    columns = list(zip(*scores, strict=True))
    np.testing.assert_array_equal(columns[0], expected[3])
    for ours, theirs in zip(columns[1:], [*expected[:3], tn / (tn + fp)], strict=True):
        np.testing.assert_allclose(np.array(ours, dtype=float), theirs)
    for average in ("macro", "micro", "weighted"):
        theirs = precision_recall_fscore_support(
            labels, predictions, labels=every, average=average, zero_division=np.nan
        )
        ours = averaged_scores(matrix, average)
        np.testing.assert_allclose(ours[:3], theirs[:3], err_msg=average)
    weights = np.bincount(labels, minlength=5)
    assert averaged_scores(matrix, "weighted").specificity == pytest.approx(
        np.average(tn / (tn + fp), weights=weights)
    )
    assert averaged_scores(matrix, "weighted").recall == pytest.approx((predictions == labels).mean())
    assert averaged_scores(matrix, "micro").f1 == pytest.approx((predictions == labels).mean())


def test_averages_of_nothing():
    # One class only, all right: no example is of another class, so nothing is known of the specificity.
    assert averaged_scores(np.array([[5]]), "macro") == (1.0, 1.0, 1.0, None)
    assert averaged_scores(np.zeros((2, 2), int), "micro") == (None, None, None, None)


def test_intervals_are_wilson_s_of_each_share():
    first, _, third = class_intervals(MATRIX)
    assert first == (wilson_interval(6, 10), wilson_interval(6, 8), wilson_interval(8, 12))
    assert third == (None, None, wilson_interval(20, 20))
    assert class_intervals(MATRIX, 0.5)[0].recall == wilson_interval(6, 8, 0.5)


def test_the_f1_of_the_slide_is_another_thing():
    # 10 ill, 990 healthy; 8 ill and 99 healthy are called ill. Rates 0.8 and 0.9: 2 * 0.72 / 1.7 = 0.847.
    # F1 = 16 / (16 + 99 + 2) = 0.137.
    matrix = np.array([[891, 99], [2, 8]])
    assert slide_f1(matrix)[1] == pytest.approx(1.44 / 1.7)
    assert class_scores(matrix)[1].f1 == pytest.approx(16 / 117)
    assert slide_f1(MATRIX)[2] is None
    assert slide_f1(np.array([[0, 2], [3, 0]])) == [0.0, 0.0]


def test_scores_in_place_of_classes_are_refused():
    # NaN equals nothing: taken for a prediction, it would be an ordinary mistake.
    for function in (accuracy, error_indices, confusion_matrix):
        with pytest.raises(ConfigError, match="predictions must be classes, whole numbers, got float64"):
            function(np.array([np.nan, 1.0]), np.array([0, 1]))
        with pytest.raises(ConfigError, match="labels must be classes"):
            function(np.array([0, 1]), np.array([0.5, 1.0]))
    assert accuracy([0, 1, 1], [0, 1, 0]) == pytest.approx(2 / 3)


def test_bad_input():
    for function in (class_scores, class_intervals, averaged_scores, slide_f1):
        with pytest.raises(ShapeError, match=r"shape \(2, 3\), expected \(K, K\)"):
            function(np.zeros((2, 3), int))
    with pytest.raises(ConfigError, match="must be one of macro, micro, weighted, got 'mean'"):
        averaged_scores(MATRIX, "mean")
    with pytest.raises(ConfigError, match="confidence must lie between 0 and 1"):
        class_intervals(MATRIX, 95)
