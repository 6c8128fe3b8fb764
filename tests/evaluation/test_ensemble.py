"""Voting, averaging and independence against Counter, hand-worked numbers and the binomial sum."""

import math
from collections import Counter

import numpy as np
import pytest

from minidl.errors import ConfigError, ShapeError
from minidl.evaluation import error_correlation, hard_vote, majority_error, soft_vote


@pytest.mark.parametrize("members", [1, 2, 3, 4, 5, 6])
def test_hard_vote_is_most_common_of_a_counter(members):
    # Four classes and few members: most of the 3,000 examples are tied.
    predictions = np.random.default_rng(members).integers(4, size=(members, 3000))
    expected = [Counter(votes).most_common(1)[0][0] for votes in predictions.T.tolist()]
    np.testing.assert_array_equal(hard_vote(predictions), expected)


def test_hard_vote_ties_go_to_the_earliest_net_among_the_tied():
    # Net 0 votes for 9 alone; 7 and 3 have two votes each, and net 1 (for 7) comes before net 2.
    assert hard_vote(np.array([[9], [7], [3], [3], [7]])) == [7]


def test_hard_vote_keeps_the_dtype():
    assert hard_vote(np.zeros((3, 4), dtype=np.uint8)).dtype == np.uint8


@pytest.mark.parametrize("shape", [(5,), (0, 5), (2, 3, 4)])
def test_hard_vote_refuses_other_shapes(shape):
    with pytest.raises(ShapeError, match="networks, examples"):
        hard_vote(np.zeros(shape, dtype=np.int64))


def test_soft_vote_lets_a_sure_network_overrule_two_unsure_ones():
    # Means: class 0 (0.45 + 0.45 + 0.95) / 3 = 0.617; class 1 0.383. A hard vote would say 1.
    probabilities = np.array([[[0.45, 0.55]], [[0.45, 0.55]], [[0.95, 0.05]]])
    assert soft_vote(probabilities) == [0]
    assert hard_vote(probabilities.argmax(axis=2)) == [1]


def test_soft_vote_refuses_labels():
    with pytest.raises(ShapeError, match="networks, examples, classes"):
        soft_vote(np.zeros((5, 10)))


@pytest.mark.parametrize(
    ("members", "p", "expected"), [(5, 0.004, 6.4e-7), (3, 0.2, 0.104), (5, 0.2, 0.0579), (1, 0.3, 0.3)]
)
def test_majority_error_of_the_lecture(members, p, expected):
    assert majority_error(members, p) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("members", [1, 2, 5, 8, 21])
def test_majority_error_is_the_binomial_sum(members):
    p = 0.37
    total = sum(
        math.comb(members, k) * p**k * (1 - p) ** (members - k) for k in range(members + 1) if k > members / 2
    )
    assert majority_error(members, p) == pytest.approx(total, rel=1e-12)


def test_majority_error_falls_only_below_one_half():
    assert majority_error(101, 0.4) < majority_error(5, 0.4) < 0.4
    assert majority_error(101, 0.6) > majority_error(5, 0.6) > 0.6


@pytest.mark.parametrize(("members", "p"), [(0, 0.1), (3, -0.1), (3, 1.1)])
def test_majority_error_refuses_nonsense(members, p):
    with pytest.raises(ConfigError):
        majority_error(members, p)


def test_error_correlation_by_hand():
    # Of 8 zeros, net 0 misses {0, 1}, net 1 {0, 2}, net 2 {0, 1}: nets 0 and 2 agree (1). Nets 0 and 1:
    # covariance 1/8 - (2/8)(2/8) = 1/16, variances (2/8)(6/8) = 3/16 each: 1/3.
    predictions = np.zeros((3, 8), dtype=np.int64)
    predictions[0, [0, 1]] = predictions[1, [0, 2]] = 1
    predictions[2, [0, 1]] = 5
    correlation = error_correlation(predictions, np.zeros(8, dtype=np.int64))
    np.testing.assert_allclose(correlation, [[1, 1 / 3, 1], [1 / 3, 1, 1 / 3], [1, 1 / 3, 1]], atol=1e-12)


def test_error_correlation_is_undefined_for_a_perfect_network():
    labels = np.array([0, 1, 2])
    correlation = error_correlation(np.array([[0, 1, 2], [0, 1, 1]]), labels)
    np.testing.assert_allclose(correlation, [[np.nan, np.nan], [np.nan, 1.0]])


def test_error_correlation_refuses_labels_that_do_not_fit():
    with pytest.raises(ShapeError):
        error_correlation(np.zeros((2, 3), dtype=np.int64), np.zeros(4, dtype=np.int64))
