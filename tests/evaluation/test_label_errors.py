"""The list of doubtful test labels, and what becomes of an accuracy."""

import numpy as np
import pytest

from minidl.data import UnavailableError, load
from minidl.errors import DataError, ShapeError
from minidl.evaluation.label_errors import MNIST_DOUBTS, label_versions


@pytest.fixture(scope="module")
def invented():
    """Labels that have the given ones at the 15 places."""
    labels = np.random.default_rng(0).integers(10, size=10_000)
    for doubt in MNIST_DOUBTS:
        labels[doubt.index] = doubt.given
    return labels


def test_the_list():
    assert len(MNIST_DOUBTS) == len({doubt.index for doubt in MNIST_DOUBTS}) == 15
    for doubt in MNIST_DOUBTS:
        assert doubt.for_given + doubt.for_guess + doubt.for_neither == 5
        assert doubt.for_given < 3 and doubt.given != doubt.guess
    assert sum(doubt.corrected for doubt in MNIST_DOUBTS) == 10
    assert [doubt.index for doubt in MNIST_DOUBTS if doubt.for_neither >= 3] == [2654, 3520, 9679]
    nothing = [d.index for d in MNIST_DOUBTS if max(d.for_guess, d.for_neither) < 3]
    assert nothing == [2130, 8527]


def test_three_versions(invented):
    before = invented.copy()
    original, corrected, removed = label_versions(invented)
    assert [version.name for version in (original, corrected, removed)] == [
        "original",
        "corrected",
        "removed",
    ]
    np.testing.assert_array_equal(original.labels, before)
    changed = np.flatnonzero(corrected.labels != before)
    assert list(changed) == [d.index for d in MNIST_DOUBTS if d.corrected] and len(changed) == 10
    assert corrected.labels[947] == 9 and corrected.labels[2130] == 4
    assert original.kept.all() and corrected.kept.all()
    assert list(np.flatnonzero(~removed.kept)) == [d.index for d in MNIST_DOUBTS]
    np.testing.assert_array_equal(invented, before)


def test_other_labels_are_refused(invented):
    with pytest.raises(DataError, match="label 947 is [0-79], but 8 in MNIST's test set"):
        label_versions(np.roll(invented, 1) % 8)
    with pytest.raises(ShapeError, match="test labels of MNIST"):
        label_versions(invented[:300])


def test_mnist_has_the_given_labels_at_these_places():
    try:
        data = load("mnist", download=False)
    except UnavailableError:
        pytest.skip("needs MNIST")
    versions = label_versions(data.vault.open("a test of the list of label errors").labels)
    assert [int(version.kept.sum()) for version in versions] == [10_000, 10_000, 9_985]
