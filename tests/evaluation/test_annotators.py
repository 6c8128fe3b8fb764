"""Labels by several people: votes, means, and the entropy measure, worked by hand."""

import numpy as np
import pytest
from scipy.stats import entropy, mode

from minidl.errors import ConfigError, ShapeError
from minidl.evaluation.annotators import (
    histogram_entropies,
    machine_entropy,
    majority_vote,
    mean_labels,
    mixture_entropy,
    person_entropies,
    vote_counts,
)

# Three items, three people: all agree; two against one; one label missing and the rest in two camps.
LABELS = np.array([[1, 1, 1], [0, 2, 2], [0, -1, 1]])


def random_labels(seed=0):
    generator = np.random.default_rng(seed)
    truth = generator.integers(4, size=50)
    noise = generator.integers(4, size=(50, 5))
    return np.where(generator.random((50, 5)) < 0.7, truth[:, None], noise), truth


def test_votes_majority_and_mean():
    votes = vote_counts(LABELS, 3)
    np.testing.assert_array_equal(votes, [[0, 3, 0], [1, 0, 2], [1, 1, 0]])
    labels, tied, absolute = majority_vote(votes)
    np.testing.assert_array_equal(labels, [1, 2, 0])
    np.testing.assert_array_equal(tied, [False, False, True])
    np.testing.assert_array_equal(absolute, [True, True, False])
    np.testing.assert_allclose(mean_labels(votes), [[0, 1, 0], [1 / 3, 0, 2 / 3], [0.5, 0.5, 0]])
    many, _ = random_labels()
    np.testing.assert_array_equal(majority_vote(vote_counts(many, 4)).labels, mode(many, axis=1).mode)


def test_the_mixture_by_hand():
    # All others say 0. Deciding 0: the mixture is certain, 0 bits. Deciding 1: half and half, 1 bit.
    # Others half 0, half 1. Deciding 0: (3/4, 1/4), 2 - 3/4 log2 3 = 0.811 bits. Deciding 2: (1/4, 1/4, 1/2), 1.5.
    reference = np.array([[1, 0, 0], [1, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0]])
    found = mixture_entropy(reference, np.array([0, 1, 0, 2]))
    np.testing.assert_allclose(found, [0, 1, 2 - 0.75 * np.log2(3), 1.5], atol=1e-15)


def test_people_are_judged_against_the_others():
    # Items of person 0: others (1,1), decides 1: 0 bits. Others (2,2), decides 0: 1. Others (1), decides 0: 1.
    # Person 1: 0 bits; others (0, 2), decides 2: 0.811; no third label. Person 2: 0; others (0, 2), 2: 0.811; 1.
    camp = 2 - 0.75 * np.log2(3)
    np.testing.assert_allclose(person_entropies(LABELS, 3), [2 / 3, camp / 2, (camp + 1) / 3])


def test_against_a_slow_loop():
    labels, truth = random_labels()
    people, machine = np.zeros(5), 0.0
    for item, row in enumerate(labels):
        for person in range(5):
            reference = np.bincount(np.delete(row, person), minlength=4) / 4
            people[person] += entropy(0.5 * reference + 0.5 * np.eye(4)[row[person]], base=2) / 50
            machine += entropy(0.5 * reference + 0.5 * np.eye(4)[truth[item]], base=2) / 250
    np.testing.assert_allclose(person_entropies(labels, 4), people)
    assert machine_entropy(labels, truth, 4) == pytest.approx(machine)


def test_counts_of_votes_are_enough_for_the_means():
    labels, truth = random_labels()
    people, machine = histogram_entropies(vote_counts(labels, 4), truth)
    assert people == pytest.approx(person_entropies(labels, 4).mean())
    assert machine == pytest.approx(machine_entropy(labels, truth, 4))
    assert machine < people  # the truth agrees with noisy people better than they with each other


def test_a_person_alone_says_nothing():
    assert np.isnan(person_entropies(np.array([[1], [0]]), 2)).all()
    assert np.isnan(histogram_entropies(np.array([[1, 0]]), np.array([0]))).all()


def test_bad_input():
    with pytest.raises(ConfigError, match="item 1 has no label by anybody"):
        vote_counts(np.array([[0, 1], [-1, -1]]), 2)
    for labels in (LABELS + 1, LABELS - 1, LABELS.astype(float)):
        with pytest.raises(ConfigError, match="whole numbers from 0 to 2, or -1 for none"):
            vote_counts(labels, 3)
    with pytest.raises(ShapeError, match=r"shape \(3,\), expected \(items, people\)"):
        person_entropies(LABELS[0], 3)
    with pytest.raises(ConfigError, match="item 0 has no vote"):
        majority_vote(np.array([[0, 0]]))
    with pytest.raises(ConfigError, match="counts, whole numbers of 0 or more"):
        mean_labels(np.array([[0.5, 0.5]]))
    with pytest.raises(ShapeError, match=r"expected \(items, classes\)"):
        majority_vote(np.array([1, 2]))
    with pytest.raises(ConfigError, match="every row must be a distribution"):
        mixture_entropy(np.ones((2, 3)), np.array([0, 1]))
    for decisions in (np.array([0, 3, 1]), np.array([0.0, 1, 1])):
        with pytest.raises(ConfigError, match="decisions must be whole numbers from 0 to 2"):
            machine_entropy(LABELS, decisions, 3)
    with pytest.raises(ShapeError, match=r"shape \(2,\), expected \(3,\)"):
        machine_entropy(LABELS, np.array([0, 1]), 3)
