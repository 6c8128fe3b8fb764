"""Intervals and tests over the folds of a cross-validation."""

import numpy as np
import pytest
from scipy import stats

from minidl.errors import ConfigError, ShapeError
from minidl.evaluation import fold_interval, fold_test, paired_test
from minidl.evaluation.comparison import DIFFERENT, NOT_SHOWN, TOO_FEW, compare
from minidl.evaluation.crossval import CrossValidation
from minidl.evaluation.wording import sentence


def test_an_interval_by_hand():
    # Mean 2, s = 1, n = k = 3: standard error sqrt(1/3 + 1/2), t of two degrees of freedom 4.3027.
    expected = (2 - 4.302653 * np.sqrt(5 / 6), 2 + 4.302653 * np.sqrt(5 / 6))
    assert fold_interval([1.0, 2.0, 3.0], 3) == pytest.approx(expected)
    assert CrossValidation(np.array([[0.0, 2.0], [2.0, 2.0], [4.0, 2.0]])).interval() == pytest.approx(
        expected
    )
    # Three of ten folds: sqrt(1/3 + 1/9).
    low, high = fold_interval([1.0, 2.0, 3.0], 10, confidence=0.9)
    assert (high - low) / 2 == pytest.approx(2.919986 * np.sqrt(4 / 9))


def test_a_difference_by_hand():
    # Differences 1, 2, 3, 4, 5: mean 3, variance 2.5; t = 3 / sqrt(2.5 (1/5 + 1/4)).
    a = np.array([10.0, 30.0, 20.0, 50.0, 40.0])
    found = fold_test(a, a + np.arange(1, 6), 5)
    statistic = 3 / np.sqrt(2.5 * 0.45)
    assert (found.difference, found.statistic, found.df) == (3, pytest.approx(statistic), 4)
    assert found.p_value == pytest.approx(2 * stats.t.sf(statistic, 4))
    assert (found.low, found.high) == pytest.approx(
        (3 - 2.7764451 * 3 / statistic, 3 + 2.7764451 * 3 / statistic)
    )
    other = fold_test(a + np.arange(1, 6), a, 5)
    assert (other.statistic, other.p_value) == pytest.approx((-found.statistic, found.p_value))


def test_false_alarms():
    # Scores of k folds that are correlated by 1/k, and no difference: the correction is exact for these.
    k, trials, generator = 5, 400, np.random.default_rng(3)
    shared = generator.normal(size=(trials, 1))
    differences = np.sqrt(1 / k) * shared + np.sqrt(1 - 1 / k) * generator.normal(size=(trials, k))
    zero = np.zeros(k)
    plain = sum(paired_test(zero, each).p_value < 0.05 for each in differences) / trials
    corrected = sum(fold_test(zero, each, k).p_value < 0.05 for each in differences) / trials
    assert plain > 0.10 and 0.025 < corrected < 0.08


def test_a_comparison_over_folds():
    a = np.array([97.1, 97.2, 97.0, 97.15, 97.05])
    found = compare({"A": a, "B": np.add(a, [0.1, 0.3, 0.05, 0.4, 0.25])}, test="folds", folds=5)
    (pair,) = found.pairs
    assert (pair.verdict, pair.needed) == (NOT_SHOWN, None)
    assert "5 folds each" in sentence(found, pair) and "seed" not in sentence(found, pair)
    (pair,) = compare({"A": a, "B": np.add(a, [0.5, 0.6, 0.5, 0.4, 0.5])}, test="folds", folds=5).pairs
    assert pair.verdict == DIFFERENT
    found = compare({"A": a[:2], "B": np.add(a[:2], [0.5, 0.6])}, test="folds", folds=2)
    assert found.pairs[0].verdict == TOO_FEW
    assert "two folds hardly show how much the difference changes from fold to fold" in sentence(
        found, found.pairs[0]
    )


def test_nonsense_is_refused():
    with pytest.raises(ConfigError, match="whole number of at least 3, got 2"):
        fold_interval([1.0, 2.0, 3.0], 2)
    with pytest.raises(ShapeError, match="A has 3 runs and B 2"):
        fold_test([1.0, 2.0, 3.0], [1.0, 2.0], 3)
    with pytest.raises(ConfigError, match="folds belongs to test='folds', got test='folds' and folds=None"):
        compare({"A": [1.0, 2.0], "B": [2.0, 4.0]}, test="folds")
    with pytest.raises(ConfigError, match="folds belongs to test='folds', got test='welch' and folds=5"):
        compare({"A": [1.0, 2.0], "B": [2.0, 4.0]}, folds=5)
