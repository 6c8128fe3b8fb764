"""Resampling against class imbalance: samplers, SMOTE, augmented copies, class weights."""

from __future__ import annotations

import numpy as np
import pytest

from minidl.data import (
    BalancedSampling,
    Loader,
    OverSampling,
    UnderSampling,
    augment_classes,
    inverse_frequency,
    smote,
)
from minidl.errors import ConfigError, DataError
from minidl.losses import SoftmaxCrossEntropy
from minidl.random import Seeds

# 7 of class 0, 3 of class 1, 2 of class 5, mixed.
LABELS = np.array([0, 1, 0, 0, 5, 0, 1, 0, 0, 5, 1, 0])
SAMPLERS = (UnderSampling, OverSampling, BalancedSampling)


def drawn(sampler, epoch=0, seed=0):
    return sampler.indices(epoch, Seeds(seed).generator("sample", str(epoch)))


def per_class(indices):
    return {label: int((LABELS[indices] == label).sum()) for label in (0, 1, 5)}


# Samplers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        (UnderSampling(LABELS), {0: 2, 1: 2, 5: 2}),
        (UnderSampling(LABELS, 3), {0: 3, 1: 3, 5: 2}),  # it never adds
        (OverSampling(LABELS), {0: 7, 1: 7, 5: 7}),
        (OverSampling(LABELS, 3), {0: 7, 1: 3, 5: 3}),  # it never removes
        (BalancedSampling(LABELS, 4), {0: 4, 1: 4, 5: 4}),
        (BalancedSampling(LABELS), {0: 4, 1: 4, 5: 4}),  # sqrt(2 * 7) = 3.74
    ],
)
def test_how_many_of_each_class(sampler, expected):
    for epoch in range(5):
        indices = drawn(sampler, epoch)
        assert indices.dtype == np.int64 and len(indices) == len(sampler) == sum(expected.values())
        assert per_class(indices) == sampler.counts == expected


def test_under_sampling_takes_a_fresh_subset_each_epoch_and_comes_round_to_all():
    sampler = UnderSampling(LABELS)
    epochs = [drawn(sampler, epoch) for epoch in range(30)]
    for indices in epochs:
        assert len(set(indices.tolist())) == len(indices)  # none twice
    subsets = {tuple(sorted(indices[LABELS[indices] == 0].tolist())) for indices in epochs}
    assert len(subsets) > 10  # of the 21 pairs
    assert set(np.concatenate(epochs).tolist()) == set(range(len(LABELS)))


def test_over_sampling_repeats_evenly():
    """7 draws of 3 examples: each twice and one of them once more; of 2 examples: 4 and 3 times."""
    sampler = OverSampling(LABELS)
    for epoch in range(5):
        times = np.bincount(drawn(sampler, epoch), minlength=len(LABELS))
        assert times[LABELS == 0].tolist() == [1] * 7
        assert sorted(times[LABELS == 1].tolist()) == [2, 2, 3]
        assert sorted(times[LABELS == 5].tolist()) == [3, 4]


@pytest.mark.parametrize("kind", SAMPLERS)
def test_an_epoch_is_a_pure_function_of_seed_and_number(kind):
    sampler = kind(LABELS)
    late = drawn(sampler, 7)
    for epoch in range(7):
        drawn(sampler, epoch)
    assert np.array_equal(drawn(sampler, 7), late)
    assert not np.array_equal(drawn(sampler, 8), late)
    assert not np.array_equal(drawn(sampler, 7, seed=1), late)


@pytest.mark.parametrize("kind", SAMPLERS)
def test_the_classes_are_mixed(kind):
    sampler = kind(np.repeat([0, 1], [300, 100]))
    labels = np.repeat([0, 1], [300, 100])[drawn(sampler)]
    half = labels[: len(labels) // 2]
    assert 0.3 < half.mean() < 0.7


def test_in_a_loader():
    images = np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1)
    loader = Loader(images, LABELS, batch_size=4, sampler=OverSampling(LABELS), seeds=3, scale=1)
    assert loader.examples == 21 and len(loader) == 6
    pairs = [(int(i), int(label)) for x, y in loader.epoch(2) for i, label in zip(x.ravel(), y, strict=True)]
    assert all(LABELS[i] == label for i, label in pairs)
    again = [int(i) for x, _ in loader.epoch(2) for i in x.ravel()]
    assert again == [i for i, _ in pairs]


@pytest.mark.parametrize("kind", SAMPLERS)
@pytest.mark.parametrize("bad", [0, -1, 2.5, True])
def test_a_size_that_makes_no_sense(kind, bad):
    with pytest.raises(ConfigError, match=rf"{kind.__name__}: per_class must be an integer >= 1, got {bad}"):
        kind(LABELS, bad)


@pytest.mark.parametrize("bad", [np.zeros(0, np.int64), np.zeros(3), np.zeros((3, 2), np.int64)])
@pytest.mark.parametrize("use", [*SAMPLERS, inverse_frequency])
def test_labels_that_are_none(use, bad):
    with pytest.raises(DataError, match="labels must be integers of shape"):
        use(bad)


# SMOTE ------------------------------------------------------------------------------------------


def cloud(sizes, features=6, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return generator.normal(size=(len(labels), 1, 2, features // 2)) + labels[:, None, None, None], labels


def test_smote_keeps_the_examples_and_fills_the_small_classes():
    x, y = cloud([30, 8, 30])
    images, labels = smote(x, y, seeds=1)
    assert np.array_equal(images[: len(x)], x) and np.array_equal(labels[: len(y)], y)
    assert np.bincount(labels).tolist() == [30, 30, 30] and labels.dtype == np.int64
    assert (labels[len(y) :] == 1).all()
    assert images.dtype == x.dtype and images.shape[1:] == x.shape[1:]


def test_every_new_example_lies_between_one_and_one_of_its_nearest_neighbours():
    """The oracle: a loop over all pairs finds the five nearest; u is solved for and must lie in [0, 1]."""
    x, y = cloud([50, 12])
    images, _ = smote(x, y, k=5, seeds=2)
    own = x[y == 1].reshape(12, -1)
    nearest = []
    for i in range(12):
        distances = [np.sum((own[i] - own[j]) ** 2) if j != i else np.inf for j in range(12)]
        nearest.append(sorted(range(12), key=distances.__getitem__)[:5])
    new = images[len(x) :].reshape(-1, 6)
    used, shares = np.zeros((12, 12), int), []
    for point in new:
        found = []
        for i in range(12):
            for j in nearest[i]:
                step = own[j] - own[i]
                u = float((point - own[i]) @ step / (step @ step))
                if np.allclose(own[i] + u * step, point, atol=1e-12):
                    found.append((i, j, u))
        assert found, "a new example lies on no segment between neighbours"
        assert all(-1e-12 <= u <= 1 + 1e-12 for _, _, u in found)
        used[found[0][0], found[0][1]] += 1
        shares.append(found[0][2])
    assert len(new) == 38
    assert (used > 0).sum() > 20  # of the 60 segments: many, not always the very nearest
    assert max(shares) - min(shares) > 0.7 and abs(np.mean(shares) - 0.5) < 0.15


def test_smote_on_a_line_worked_by_hand():
    """Class 1 is 0, 10 and 11 with k = 1: from 0 to 10, between 10 and 11, and nowhere else."""
    x = np.array([[5.0]] * 40 + [[0.0], [10.0], [11.0]])
    y = np.array([0] * 40 + [1, 1, 1])
    images, labels = smote(x, y, k=1)
    new = images[43:].ravel()
    assert len(new) == 37 and (labels[43:] == 1).all()
    low, high = new[new < 10], new[new >= 10]
    # Every example is the base equally often: a third of the points start at 0.
    assert 12 <= len(low) <= 13 and (high <= 11).all()


def test_smote_of_bytes_rounds_and_stays_bytes():
    x = np.array([[0]] * 9 + [[200], [255]], np.uint8)
    images, labels = smote(x, np.array([0] * 9 + [1, 1]), k=5)
    assert images.dtype == np.uint8
    new = images[11:][labels[11:] == 1]
    assert len(new) == 7 and new.min() >= 200
    # Rounded, not cut off: with u near one end some come out above the middle as well.
    fractions = smote(x.astype(float), np.array([0] * 9 + [1, 1]), k=5)[0][11:]
    assert np.array_equal(new.ravel(), np.rint(fractions.ravel()).astype(np.uint8))


def test_smote_with_equal_examples():
    """Twins are each other's neighbours, not their own: the new ones are twins again."""
    x = np.vstack([np.zeros((9, 2)), np.full((3, 2), 7.0)])
    images, _ = smote(x, np.array([0] * 9 + [1] * 3), k=2)
    assert np.allclose(images[12:], 7.0)


def test_smote_depends_on_its_seed_alone():
    x, y = cloud([20, 5])
    first = smote(x, y, seeds=Seeds(4))[0]
    assert np.array_equal(first, smote(x, y, seeds=4)[0])
    assert not np.array_equal(first, smote(x, y, seeds=5)[0])


def test_smote_agrees_with_imbalanced_learn_where_installed():
    """Other random numbers, the same distribution: mean and spread of very many new examples."""
    over_sampling = pytest.importorskip("imblearn.over_sampling", reason="imbalanced-learn is not installed")
    x, y = cloud([4000, 10])
    x = x.reshape(len(x), -1)
    ours = smote(x, y, k=5)[0][len(x) :]
    theirs = over_sampling.SMOTE(k_neighbors=5, random_state=0).fit_resample(x, y)[0][len(x) :]
    assert np.allclose(ours.mean(axis=0), theirs.mean(axis=0), atol=0.06)
    assert np.allclose(ours.std(axis=0), theirs.std(axis=0), atol=0.06)


def test_smote_refuses_what_it_cannot_do():
    x, y = np.zeros((4, 2)), np.array([0, 0, 0, 1])
    with pytest.raises(DataError, match="class 1 has a single example"):
        smote(x, y)
    with pytest.raises(ConfigError, match="k must be an integer >= 1, got 0"):
        smote(x, y, k=0)
    with pytest.raises(ConfigError, match="per_class must be an integer >= 1, got -2"):
        smote(x, y, -2)
    with pytest.raises(DataError, match="3 images but 4 labels"):
        smote(x[:3], y)
    assert np.array_equal(smote(x, y, 1)[0], x)  # nothing missing, nothing made, no neighbour needed


# Augmented copies -------------------------------------------------------------------------------


def test_augmented_copies_of_the_minority_alone():
    x = np.arange(8, dtype=np.uint8).reshape(8, 1, 1, 1)
    y = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    images, labels = augment_classes(x, y, lambda batch, generator: batch + np.uint8(100))
    assert np.array_equal(images[:8], x) and labels.tolist() == [*y.tolist(), 1, 1, 1, 1]
    assert sorted(images[8:].ravel().tolist()) == [106, 106, 107, 107]
    assert images.dtype == np.uint8 and images.shape == (12, 1, 1, 1)


# Weights ----------------------------------------------------------------------------------------


def test_inverse_frequency_worked_by_hand():
    """Seven, three and two of twelve: 12/(3*7), 12/(3*3), 12/(3*2)."""
    labels = np.where(LABELS == 5, 2, LABELS)
    weights = inverse_frequency(labels)
    assert np.allclose(weights, [4 / 7, 4 / 3, 2.0])
    assert np.isclose(weights[labels].mean(), 1)
    totals = [weights[label] * (labels == label).sum() for label in range(3)]
    assert np.allclose(totals, 4)


def test_inverse_frequency_is_what_scikit_learn_calls_balanced():
    compute = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight
    labels = np.random.default_rng(0).choice(4, 500, p=[0.6, 0.3, 0.07, 0.03])
    expected = compute("balanced", classes=np.arange(4), y=labels)
    assert np.allclose(inverse_frequency(labels, 4), expected, rtol=1e-14)


def test_weighted_cross_entropy_of_a_guess_is_that_of_balanced_classes():
    """The mean weight is one, so the chance loss stays ln K."""
    labels = np.repeat([0, 1, 2], [90, 9, 1])
    loss = SoftmaxCrossEntropy(class_weights=inverse_frequency(labels))
    assert np.isclose(float(loss.forward(np.zeros((100, 3)), labels)), np.log(3))


@pytest.mark.parametrize(
    ("labels", "classes", "told"),
    [([0, 2], None, "none of class 1"), ([0, 1], 4, "none of class 2, 3"), ([0, 1, 2], 2, "from 0 to 1")],
)
def test_a_class_without_examples_has_no_weight(labels, classes, told):
    with pytest.raises(DataError, match=told):
        inverse_frequency(np.array(labels), classes)
