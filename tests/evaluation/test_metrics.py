"""Metrics and significance against hand-worked numbers, scikit-learn and SciPy."""

import math

import numpy as np
import pytest
from scipy.stats import binom, norm
from sklearn.metrics import accuracy_score
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

from minidl.errors import ConfigError, ShapeError
from minidl.evaluation import (
    McNemar,
    accuracy,
    confusion_matrix,
    error_indices,
    mcnemar,
    wilson_interval,
)

LABELS = np.array([0, 1, 2, 2, 1])
PREDICTIONS = np.array([0, 2, 2, 1, 1])


def some_labels(n=500, k=10):
    generator = np.random.default_rng(3)
    return generator.integers(k, size=n), generator.integers(k, size=n)


def test_accuracy_by_hand():
    assert accuracy(PREDICTIONS, LABELS) == 3 / 5


def test_accuracy_agrees_with_scikit_learn():
    predictions, labels = some_labels()
    assert accuracy(predictions, labels) == pytest.approx(accuracy_score(labels, predictions), abs=1e-15)


def test_a_column_of_labels_is_refused_instead_of_compared_pairwise():
    with pytest.raises(ShapeError, match=r"\(5,\) and labels \(5, 1\)"):
        accuracy(PREDICTIONS, LABELS[:, None])


@pytest.mark.parametrize("function", [accuracy, error_indices, confusion_matrix, mcnemar])
def test_empty_and_unequal_arrays_are_refused(function):
    empty = np.array([], dtype=np.int64)
    with pytest.raises(ShapeError):
        function(empty, empty)
    with pytest.raises(ShapeError):
        function(LABELS, LABELS[:-1])


def test_error_indices_by_hand():
    np.testing.assert_array_equal(error_indices(PREDICTIONS, LABELS), [1, 3])


def test_confusion_matrix_has_true_classes_in_rows():
    # The only 1 that is missed (example 1) is called 2; the only 2 that is missed (example 3) is called 1.
    np.testing.assert_array_equal(confusion_matrix(PREDICTIONS, LABELS), [[1, 0, 0], [0, 1, 1], [0, 1, 1]])
    np.testing.assert_array_equal(confusion_matrix(np.array([1]), np.array([0])), [[0, 1], [0, 0]])


def test_confusion_matrix_agrees_with_scikit_learn():
    predictions, labels = some_labels()
    expected = sklearn_confusion_matrix(labels, predictions, labels=range(12))
    np.testing.assert_array_equal(confusion_matrix(predictions, labels, 12), expected)


@pytest.mark.parametrize(("predictions", "wrong"), [([0, 3], 3), ([-1, 0], -1)])
def test_confusion_matrix_names_a_class_out_of_range(predictions, wrong):
    with pytest.raises(ConfigError, match=f"class {wrong} "):
        confusion_matrix(np.array(predictions), np.array([0, 1]), 3)


@pytest.mark.parametrize(("correct", "n"), [(9967, 10_000), (0, 50), (50, 50), (357, 360)])
def test_wilson_interval_agrees_with_its_formula(correct, n):
    # (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    z, p = norm.ppf(0.975), correct / n
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = wilson_interval(correct, n)
    assert low == pytest.approx((centre - half) / (1 + z * z / n), abs=1e-12)
    assert high == pytest.approx((centre + half) / (1 + z * z / n), abs=1e-12)
    assert 0 <= low <= p <= high <= 1


def test_wilson_interval_widens_with_confidence():
    low95, high95 = wilson_interval(90, 100)
    low99, high99 = wilson_interval(90, 100, 0.99)
    assert low99 < low95 < high95 < high99


@pytest.mark.parametrize(("correct", "n"), [(-1, 10), (11, 10), (0, 0)])
def test_wilson_interval_refuses_impossible_counts(correct, n):
    with pytest.raises(ConfigError):
        wilson_interval(correct, n)


def test_mcnemar_by_hand():
    # A alone is right 1 time, B alone 5 times. Of 6 fair coins, at most one or at least five heads:
    # 2 (C(6,0) + C(6,1)) / 2^6 = 14/64 = 0.21875.
    a = np.array([1, 0, 0, 0, 0, 0, 1, 1, 0], dtype=bool)
    b = np.array([0, 1, 1, 1, 1, 1, 1, 1, 0], dtype=bool)
    assert mcnemar(a, b) == McNemar(both_right=2, only_a=1, only_b=5, both_wrong=1, p_value=14 / 64)


def test_mcnemar_is_symmetric_and_agrees_with_the_binomial():
    generator = np.random.default_rng(0)
    a, b = generator.random(2000) < 0.97, generator.random(2000) < 0.99
    forth, back = mcnemar(a, b), mcnemar(b, a)
    assert (forth.only_a, forth.only_b) == (back.only_b, back.only_a)
    fewer, total = min(forth.only_a, forth.only_b), forth.only_a + forth.only_b
    assert forth.p_value == pytest.approx(2 * binom.cdf(fewer, total, 0.5), rel=1e-9)
    assert forth.p_value == pytest.approx(back.p_value, rel=1e-12)


def test_mcnemar_of_equal_classifiers_is_one():
    same = np.array([True, False, True])
    assert mcnemar(same, same).p_value == 1.0
