"""Tests of differences against numbers worked by hand, SciPy, and enumeration."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from minidl.errors import ConfigError, ShapeError
from minidl.evaluation import mcnemar
from minidl.evaluation.effects import effect_size, mean_interval, runs_needed
from minidl.evaluation.multiple import bonferroni, false_alarms, holm
from minidl.evaluation.significance import (
    paired_test,
    permutation_test,
    smallest_permutation_p,
    t_test,
)

A, B = [90.0, 91.0, 92.0], [92.0, 94.0, 96.0, 98.0]


def test_welch_by_hand():
    # Means 91 and 95; s_a^2 = 1, s_b^2 = 20/3. Standard error sqrt(1/3 + 5/3) = sqrt(2), t = 4/sqrt(2).
    # df = 2^2 / ((1/3)^2 / 2 + (5/3)^2 / 3) = 4 / (1/18 + 25/27) = 4 * 54 / 53.
    found = t_test(A, B)
    assert (found.n_a, found.n_b, found.difference) == (3, 4, 4.0)
    assert found.statistic == pytest.approx(4 / math.sqrt(2))
    assert found.df == pytest.approx(216 / 53)
    assert found.p_value == pytest.approx(2 * stats.t.sf(4 / math.sqrt(2), 216 / 53))
    half = stats.t.ppf(0.975, 216 / 53) * math.sqrt(2)
    assert (found.low, found.high) == pytest.approx((4 - half, 4 + half))


def test_student_by_hand():
    # Pooled variance (2 * 1 + 3 * 20/3) / 5 = 22/5, standard error sqrt(22/5 * (1/3 + 1/4)) = sqrt(77/30).
    found = t_test(A, B, variances="equal")
    assert found.test == "Student's t-test"
    assert (found.statistic, found.df) == pytest.approx((4 / math.sqrt(77 / 30), 5))


@pytest.mark.parametrize("seed", range(4))
def test_t_tests_agree_with_scipy(seed):
    generator = np.random.default_rng(seed)
    a, b = generator.normal(97, 0.1, 6), generator.normal(97.1, 0.3, 6)
    for found, expected in [
        (t_test(a, b), stats.ttest_ind(b, a, equal_var=False)),
        (t_test(a, b, variances="equal"), stats.ttest_ind(b, a)),
        (paired_test(a, b), stats.ttest_rel(b, a)),
    ]:
        interval = expected.confidence_interval(0.95)
        assert (found.statistic, found.p_value, found.df, found.low, found.high) == pytest.approx(
            (expected.statistic, expected.pvalue, expected.df, interval.low, interval.high), rel=1e-9
        )


def test_erratum_23_students_test_raises_false_alarms_where_variances_differ():
    # No difference, but the smaller group scatters four times as much. Welch keeps to 5 %, Student does not.
    generator = np.random.default_rng(0)
    draws = [(generator.normal(0, 4, 4), generator.normal(0, 1, 16)) for _ in range(200)]
    welch = np.mean([t_test(a, b).p_value < 0.05 for a, b in draws])
    student = np.mean([t_test(a, b, variances="equal").p_value < 0.05 for a, b in draws])
    assert welch < 0.09
    assert student > 0.2


def test_pairs_show_what_scatter_hides():
    # Differences 1, 2, 3: mean 2, sd 1, t = 2 sqrt(3). Unpaired the runs scatter by 10 points.
    a = np.array([70.0, 80.0, 90.0])
    found = paired_test(a, np.add(a, [1, 2, 3]))
    assert (found.statistic, found.df) == pytest.approx((2 * math.sqrt(3), 2))
    assert found.p_value < 0.08 < 0.8 < t_test(a, np.add(a, [1, 2, 3])).p_value


def by_enumeration(a, b):
    """The share of all ways to deal the runs that differ at least as much, either way."""
    both, seen = np.concatenate([a, b]), abs(np.mean(b) - np.mean(a))
    ways = list(itertools.combinations(range(len(both)), len(a)))
    means = [(both[list(way)].mean(), np.delete(both, list(way)).mean()) for way in ways]
    return np.mean([abs(y - x) >= seen - 1e-9 for x, y in means])


@pytest.mark.parametrize(("shift", "ties"), [(0.0, False), (1.5, False), (1.0, True)])
def test_permutations_agree_with_enumeration(shift, ties):
    generator = np.random.default_rng(1)
    a, b = generator.normal(size=4), generator.normal(size=4) + shift
    if ties:
        a, b = np.round(a), np.round(b)
    assert permutation_test(a, b).p_value == pytest.approx(by_enumeration(a, b))


def test_paired_permutations_by_hand():
    # Of the 2^4 ways to exchange within pairs only "none" and "all" are as extreme: p = 2/16.
    assert permutation_test([1, 2, 3, 4], [2, 4, 6, 8], paired=True).p_value == pytest.approx(2 / 16)


def test_drawn_permutations_come_near_the_exact_ones_and_repeat():
    generator = np.random.default_rng(2)
    a, b = generator.normal(size=7), generator.normal(0.8, 1, size=7)
    drawn = permutation_test(a, b, resamples=2000, seed=3)
    assert drawn.p_value == pytest.approx(permutation_test(a, b).p_value, abs=0.03)
    assert permutation_test(a, b, resamples=2000, seed=3) == drawn


@pytest.mark.parametrize(
    ("n", "paired", "expected"), [(2, False, 2 / 6), (3, False, 0.1), (5, False, 2 / 252), (5, True, 1 / 16)]
)
def test_few_runs_allow_no_small_permutation_p(n, paired, expected):
    # The clearest difference there can be.
    found = permutation_test(np.arange(n), 100 + np.arange(n), paired=paired)
    assert found.p_value == pytest.approx(expected)
    assert smallest_permutation_p(n, n, paired=paired) == pytest.approx(expected)


def test_mcnemar_with_edwards_correction_by_hand():
    # 5 against 15: (|5 - 15| - 1)^2 / 20 = 4.05. The chi-squared tail is that of a normal beyond sqrt(4.05).
    a = np.arange(20) < 5
    found = mcnemar(a, ~a, method="corrected")
    assert found.p_value == pytest.approx(2 * stats.norm.sf(math.sqrt(4.05)))
    assert mcnemar(a, ~a).p_value == pytest.approx(stats.binomtest(5, 20).pvalue)
    even = np.arange(20) < 10
    assert mcnemar(even, ~even, method="corrected").p_value > 0.8
    with pytest.raises(ConfigError, match="'exact' or 'corrected', got 'chi'"):
        mcnemar(a, a, method="chi")


# Degenerate samples ------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [t_test, paired_test, permutation_test])
@pytest.mark.parametrize(
    ("a", "why"),
    [
        ([1.0, math.nan, 2.0], "run 1 of A is nan"),
        ([1.0, 2.0, math.inf], "run 2 of A is inf"),
        ([1.0], "A has 1 run and needs at least two"),
        ([], "A has no runs"),
        (["1", "2"], "expected numbers"),
    ],
)
def test_bad_samples_are_refused_in_a_sentence(function, a, why):
    with pytest.raises(ConfigError, match=why):
        function(a, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("function", [t_test, paired_test, permutation_test])
def test_a_table_is_no_sample(function):
    with pytest.raises(ShapeError, match=r"\(2, 2\), expected \(runs,\)"):
        function(np.eye(2), [1.0, 2.0])


def test_samples_without_scatter():
    still, other = [97.1] * 5, [98.12] * 5
    with pytest.raises(ConfigError, match="no scatter"):
        t_test(still, other)
    with pytest.raises(ConfigError, match="same in every pair"):
        paired_test([97.1, 97.2, 97.3], [97.3, 97.4, 97.5])
    assert permutation_test(still, other).p_value == pytest.approx(2 / 252)
    assert permutation_test(still, still).p_value == 1
    # One constant group is a sample like others, its variance is 0: t = 1 / sqrt(1/3).
    found = t_test([1, 1, 1], [1, 2, 3])
    assert (found.statistic, found.df) == pytest.approx((math.sqrt(3), 2))


def test_pairs_and_options_are_checked():
    with pytest.raises(ShapeError, match="A has 3 runs and B 4"):
        paired_test(A, B)
    with pytest.raises(ShapeError, match="in pairs"):
        permutation_test(A, B, paired=True)
    with pytest.raises(ConfigError, match="'unequal'"):
        t_test(A, B, variances="same")
    with pytest.raises(ConfigError, match="between 0 and 1, got 95"):
        t_test(A, B, confidence=95)
    with pytest.raises(ConfigError, match="resamples"):
        permutation_test(A, B, resamples=0)


# Several tests -----------------------------------------------------------------------------------


def test_corrections_by_hand():
    p = [0.01, 0.04, 0.03, 0.5]
    np.testing.assert_allclose(bonferroni(p), [0.04, 0.16, 0.12, 1.0])
    # In order: 4 * 0.01, 3 * 0.03, then 2 * 0.04 = 0.08, which may not fall below 0.09; 1 * 0.5.
    np.testing.assert_allclose(holm(p), [0.04, 0.09, 0.09, 0.5])
    assert holm([]).shape == (0,)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        holm([0.1, math.nan])


def test_holm_rejects_what_its_definition_rejects():
    # Holm: compare the smallest with alpha / n, the next with alpha / (n - 1), ... and stop at the first miss.
    generator = np.random.default_rng(0)
    for _ in range(200):
        p = generator.random(6) ** 3
        rejected = np.zeros(6, dtype=bool)
        for step, index in enumerate(np.argsort(p)):
            if p[index] > 0.05 / (6 - step):
                break
            rejected[index] = True
        np.testing.assert_array_equal(holm(p) <= 0.05, rejected)
        assert (holm(p) <= bonferroni(p) + 1e-15).all()


def test_erratum_20_the_bonferroni_bound_needs_no_independence():
    # FAU: "the total risk is n alpha", under independence. It is a bound: ten independent tests at 5 % have
    # 1 - 0.95^10 = 0.401, ten times the same test 0.05, and neither is more than 0.5.
    found = false_alarms(0.05, 10)
    assert found == (0.5, pytest.approx(0.4013, abs=5e-5))
    generator = np.random.default_rng(0)
    independent = generator.random((4000, 10))
    same = np.repeat(independent[:, :1], 10, axis=1)
    # The union bound is reached by tests that exclude each other: 1 of 10 gives the alarm.
    shared = (independent[:, :1] + np.arange(10) / 10) % 1
    risks = [np.mean((p < 0.05).any(axis=1)) for p in (independent, same, shared)]
    assert risks == pytest.approx([0.401, 0.05, 0.5], abs=0.025)
    corrected = [np.mean((10 * p < 0.05).any(axis=1)) for p in (independent, same, shared)]
    assert max(corrected) < 0.06
    with pytest.raises(ConfigError):
        false_alarms(0.05, 0)


# Sizes -------------------------------------------------------------------------------------------


def test_effect_size_by_hand():
    # Pooled sd sqrt(22/5), 7 runs: g = (1 - 3 / (4 * 5 - 1)) * 4 / sqrt(4.4).
    assert effect_size(A, B) == pytest.approx((1 - 3 / 19) * 4 / math.sqrt(4.4))
    assert effect_size([1.0], B) is None
    assert effect_size([97.1] * 3, [97.2] * 3) is None


def test_interval_of_a_mean_by_hand():
    # t of 2 degrees of freedom at 97.5 % is 4.3027; s / sqrt(n) = 1 / sqrt(3).
    assert mean_interval(A) == pytest.approx(
        (91 - 4.30265 / math.sqrt(3), 91 + 4.30265 / math.sqrt(3)), abs=1e-5
    )
    for bad in ([1.0], [1.0, math.nan]):
        with pytest.raises(ConfigError, match="two finite numbers"):
            mean_interval(bad)


@pytest.mark.parametrize(
    ("effect", "runs"), [(0.2, 394), (0.5, 64), (0.8, 26), (1.0, 17), (-1.0, 17), (1e5, 2)]
)
def test_runs_needed_are_cohens(effect, runs):
    # Cohen 1988, table 2.4.1: two groups, two-sided 5 %, power 80 %: 393, 64 and 26 (393 by his rounding).
    assert runs_needed(effect, 1.0) == runs


def test_runs_needed_ends():
    assert runs_needed(1e-4, 1.0) is None
    assert runs_needed(0.0, 1.0) is None
    with pytest.raises(ConfigError, match="sd > 0"):
        runs_needed(1.0, 0.0)
