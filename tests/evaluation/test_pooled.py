"""McNemar's test over several networks of each kind, in which an image counts once."""

import itertools

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.evaluation.pooled import pooled_mcnemar
from minidl.evaluation.significance import mcnemar


def test_with_one_network_of_each_it_is_mcnemars_test():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.random((2, 60)) < [[0.9], [0.8]]
        known, found = mcnemar(a, b), pooled_mcnemar(a[None], b[None])
        assert found.p_value == pytest.approx(known.p_value, abs=1e-12)
        assert (found.more_a, found.more_b) == (known.only_a, known.only_b)
        assert found.difference == pytest.approx(b.mean() - a.mean())


@pytest.mark.parametrize("networks", [(3, 3), (2, 5), (4, 1)])
def test_against_every_pattern_of_signs(networks):
    """Nine images: all 512 patterns by hand."""
    rng = np.random.default_rng(1)
    for _ in range(5):
        a, b = (rng.random((count, 9)) < share for count, share in zip(networks, (0.5, 0.7), strict=True))
        d = b.mean(axis=0) - a.mean(axis=0)
        sums = np.array([np.dot(signs, d) for signs in itertools.product([-1, 1], repeat=9)])
        assert pooled_mcnemar(a, b).p_value == pytest.approx((np.abs(sums) >= abs(d.sum()) - 1e-9).mean())


def test_copies_of_the_networks_prove_nothing_more():
    rng = np.random.default_rng(2)
    a, b = rng.random((2, 200)) < [[0.85], [0.92]]
    once, copied = pooled_mcnemar(a[None], b[None]), pooled_mcnemar(np.tile(a, (5, 1)), np.tile(b, (5, 1)))
    assert copied == once
    # What counting every network's images as its own would claim:
    assert mcnemar(np.tile(a, 5), np.tile(b, 5)).p_value < once.p_value / 10


def test_a_false_alarm_is_as_rare_as_it_says():
    """Images of very different difficulty, five networks a side, no difference: p < 0.1 in a tenth of the cases."""
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(400):
        ease = rng.random(150)
        a, b = rng.random((2, 5, 150)) < ease
        alarms += pooled_mcnemar(a, b).p_value < 0.1
    assert 20 < alarms < 60  # 40 expected, standard deviation 6


def test_by_hand():
    """Two networks against one: image 1 both right against wrong, image 2 one of two against right."""
    a, b = np.array([[0, 1, 1, 0]], bool), np.array([[1, 0, 1, 0], [1, 1, 1, 0]], bool)
    # d = 1, -1/2: sums of ±1 ±1/2 are ±3/2 and ±1/2, all at least as far as 1/2.
    found = pooled_mcnemar(a, b)
    assert (found.difference, found.more_a, found.more_b, found.p_value) == (0.125, 1, 1, 1.0)
    all_for_b = pooled_mcnemar(np.zeros((1, 5), bool), np.ones((2, 5), bool))
    assert all_for_b.p_value == 2 / 2**5 and all_for_b.difference == 1.0
    assert pooled_mcnemar(a, a).p_value == 1.0


@pytest.mark.parametrize("shapes", [((4,), (4,)), ((2, 4), (2, 5)), ((0, 4), (2, 4)), ((2, 0), (2, 0))])
def test_arrays_that_do_not_fit(shapes):
    with pytest.raises(ShapeError, match="networks, N"):
        pooled_mcnemar(*(np.ones(shape, bool) for shape in shapes))
