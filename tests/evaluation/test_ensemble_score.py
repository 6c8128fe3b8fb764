"""Votes and what independence would have bought: enumeration, simulation, and the lecture's anchor."""

import itertools

import numpy as np
import pytest
from scipy.stats import binom

from minidl.errors import ConfigError, ShapeError
from minidl.evaluation import hard_vote, majority_error
from minidl.evaluation.ensemble import average_weights, independent_members, vote_curve, wrong_counts
from minidl.evaluation.ensemble_score import ensemble_score


def one_hot(predictions, classes=10):
    return np.eye(classes)[predictions]


def test_wrong_counts_are_the_binomial_for_equal_rates():
    np.testing.assert_allclose(wrong_counts(np.full(5, 0.2)), binom.pmf(range(6), 5, 0.2), rtol=1e-12)
    # The lecture's anchor: a majority of five networks at 99.6 % would be wrong 6.4e-7 of the time.
    assert wrong_counts(np.full(5, 0.004))[3:].sum() == pytest.approx(6.4e-7, rel=0.01)
    assert wrong_counts(np.full(5, 0.004))[3:].sum() == pytest.approx(majority_error(5, 0.004))


def test_wrong_counts_by_enumeration_for_unequal_rates():
    rates = np.array([0.1, 0.5, 0.0, 0.9])
    expected = np.zeros(5)
    for wrong in itertools.product([0, 1], repeat=4):
        expected[sum(wrong)] += np.prod(np.where(wrong, rates, 1 - rates))
    np.testing.assert_allclose(wrong_counts(rates), expected, atol=1e-15)
    for bad in ([], [0.5, 1.5], [[0.1]], [np.nan]):
        with pytest.raises(ConfigError, match="one error rate"):
            wrong_counts(bad)


def test_correlated_members_count_like_few():
    assert independent_members(5, 0.4) == pytest.approx(5 / 2.6)
    assert (independent_members(5, 0.0), independent_members(5, 1.0)) == (5, 1)
    # By simulation: the mean of five numbers of variance 1 with a common part of variance 0.4.
    generator = np.random.default_rng(0)
    common, own = generator.normal(size=(40_000, 1)), generator.normal(size=(40_000, 5))
    mean = (np.sqrt(0.4) * common + np.sqrt(0.6) * own).mean(axis=1)
    assert 1 / mean.var() == pytest.approx(independent_members(5, 0.4), rel=0.03)
    with pytest.raises(ConfigError):
        independent_members(5, -0.5)
    with pytest.raises(ConfigError):
        independent_members(5, float("nan"))


def test_networks_that_do_err_independently_keep_the_promise():
    # Two classes, so that networks which are wrong agree.
    generator = np.random.default_rng(1)
    labels = generator.integers(2, size=20_000)
    predictions = np.where(generator.random((5, 20_000)) < 0.2, 1 - labels, labels)
    found = ensemble_score(one_hot(predictions, 2), labels)
    assert found.promised == pytest.approx(0.0579, abs=0.002)
    assert found.hard_errors / 20_000 == pytest.approx(found.promised, abs=0.005)
    assert found.hard_errors == found.counts[3:].sum()
    np.testing.assert_allclose(found.counts, found.independent_counts, atol=250)
    assert abs(found.mean_correlation) < 0.02
    assert found.counts_like == pytest.approx(5, abs=0.3)


def test_copies_of_one_network_gain_nothing():
    generator = np.random.default_rng(2)
    labels = generator.integers(10, size=1000)
    one = np.where(generator.random(1000) < 0.1, (labels + 1) % 10, labels)
    found = ensemble_score(one_hot(np.stack([one] * 5)), labels)
    wrong = int((one != labels).sum())
    assert (found.hard_errors, found.soft_errors, found.member_errors.tolist()) == (wrong, wrong, [wrong] * 5)
    assert (found.mean_correlation, found.counts_like) == pytest.approx((1, 1))
    assert found.counts.tolist() == [1000 - wrong, 0, 0, 0, 0, wrong]
    assert found.promised < 0.02 and found.against_best.p_value == 1
    np.testing.assert_array_equal(found.agreement, 1)


def test_by_hand():
    # Six images of class 0. Wrong: network 0 on {0, 1}, 1 on {1, 2}, 2 on {1}. Only image 1 has a majority.
    predictions = np.zeros((3, 6), dtype=int)
    predictions[0, [0, 1]] = predictions[1, [1, 2]] = predictions[2, 1] = 1
    found = ensemble_score(one_hot(predictions, 2), np.zeros(6, dtype=int))
    assert found.member_errors.tolist() == [2, 2, 1]
    assert found.counts.tolist() == [3, 2, 0, 1]
    assert (found.hard_errors, found.soft_errors) == (1, 1)
    # With p = 5/18: 3 p^2 (1 - p) + p^3. Each with its own: two or three of 1/3, 1/3, 1/6.
    p = 5 / 18
    assert found.promised == pytest.approx(3 * p**2 * (1 - p) + p**3)
    assert found.promised_each == pytest.approx((1 * 5 + 2 * 2 * 1 + 1) / 54)
    np.testing.assert_allclose(found.agreement, [[1, 4 / 6, 5 / 6], [4 / 6, 1, 5 / 6], [5 / 6, 5 / 6, 1]])


def test_perfect_networks_have_no_correlation():
    labels = np.arange(10)
    found = ensemble_score(one_hot(np.stack([labels, labels])), labels)
    assert (found.mean_correlation, found.counts_like, found.soft_errors) == (None, None, 0)


def test_nonsense_is_refused():
    labels = np.zeros(4, dtype=int)
    with pytest.raises(ShapeError, match="at least two networks"):
        ensemble_score(np.zeros((1, 4, 2)), labels)
    with pytest.raises(ShapeError, match="networks, examples, classes"):
        ensemble_score(np.zeros((3, 5, 2)), labels)
    bad = np.full((3, 4, 2), 0.5)
    bad[1, 2, 0] = np.nan
    with pytest.raises(ConfigError, match="network 1 answers with NaN"):
        ensemble_score(bad, labels)


def test_the_curve_is_the_mean_over_groups():
    generator = np.random.default_rng(3)
    labels = generator.integers(3, size=200)
    predictions = np.where(generator.random((5, 200)) < 0.3, generator.integers(3, size=(5, 200)), labels)
    errors = (predictions != labels).mean()
    triples = [
        (hard_vote(predictions[list(c)]) != labels).mean() for c in itertools.combinations(range(5), 3)
    ]
    whole = (hard_vote(predictions) != labels).mean()
    np.testing.assert_allclose(vote_curve(predictions, labels, [1, 3, 5]), [errors, np.mean(triples), whole])
    with pytest.raises(ConfigError, match="a vote of 6 among 5"):
        vote_curve(predictions, labels, [6])


def test_average_of_weights_by_hand():
    first = {"w": np.array([1.0, 2.0], np.float32), "batches": np.array(7)}
    second = {"w": np.array([3.0, 6.0], np.float32), "batches": np.array(9)}
    found = average_weights(iter([first, second]))
    np.testing.assert_array_equal(found["w"], [2, 4])
    assert (found["w"].dtype, found["batches"]) == (np.float32, 7)
    np.testing.assert_array_equal(first["w"], [1, 2])
    with pytest.raises(ShapeError, match="different layers"):
        average_weights([first, {"w": np.zeros(3)}])
    with pytest.raises(ConfigError, match="no networks"):
        average_weights([])
