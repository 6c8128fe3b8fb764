"""Hold-out sets and folds: nothing lost, nothing twice, classes in proportion, groups whole."""

import numpy as np
import pytest

from minidl.data import hold_out, k_fold
from minidl.errors import ConfigError, ShapeError
from minidl.random import Seeds

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.permutation(np.repeat([0, 1, 2], [60, 30, 12]))
GROUPS = GENERATOR.integers(17, size=102)


def check(fold, n=102):
    for part in fold:
        assert (np.diff(part) > 0).all() and part.dtype == np.int64
    np.testing.assert_array_equal(np.sort(np.concatenate(fold)), np.arange(n))


@pytest.mark.parametrize("stratified", [True, False])
@pytest.mark.parametrize("groups", [None, GROUPS])
def test_every_example_is_held_out_once(stratified, groups):
    folds = k_fold(LABELS, 5, stratified=stratified, groups=groups, seeds=2)
    for fold in folds:
        check(fold)
        if groups is not None:
            assert not set(groups[fold.train]) & set(groups[fold.held_out])
    np.testing.assert_array_equal(np.sort(np.concatenate([f.held_out for f in folds])), np.arange(102))


def test_stratified_folds_have_the_classes_in_proportion():
    counts = np.array([np.bincount(LABELS[fold.held_out]) for fold in k_fold(LABELS, 5)])
    assert (np.abs(counts - np.array([12, 6, 2.4])) < 1).all()
    plain = np.array(
        [np.bincount(LABELS[fold.held_out], minlength=3) for fold in k_fold(LABELS, 5, stratified=False)]
    )
    assert not (np.abs(plain - np.array([12, 6, 2.4])) < 1).all()


def test_blocks_in_the_order_of_the_examples():
    folds = k_fold(LABELS, 6, stratified=False, shuffle=False)
    np.testing.assert_array_equal(folds[5].held_out, np.arange(85, 102))


@pytest.mark.parametrize("stratified", [True, False])
def test_hold_out(stratified):
    fold = hold_out(LABELS, 17, stratified=stratified, seeds=1)
    check(fold)
    assert len(fold.held_out) == 17
    if stratified:
        np.testing.assert_array_equal(np.bincount(LABELS[fold.held_out]), [10, 5, 2])
    grouped = hold_out(LABELS, 17, stratified=stratified, groups=GROUPS)
    check(grouped)
    assert 8 < len(grouped.held_out) < 26
    assert not set(GROUPS[grouped.train]) & set(GROUPS[grouped.held_out])


def test_seeds():
    first, again, other = (hold_out(LABELS, 17, seeds=seed).held_out for seed in (4, Seeds(4), 5))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(k_fold(LABELS, 3, seeds=0)[0].held_out, k_fold(LABELS, 3, seeds=1)[0].held_out)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: k_fold(LABELS, 1), "k must be a whole number from 2 to 102, the examples, got 1"),
        (lambda: k_fold(LABELS, 13), "class 2 has 12 of the examples, too few for the 13 folds"),
        (lambda: k_fold(LABELS, 18, groups=GROUPS), "from 2 to 17, the groups, got 18"),
        (lambda: k_fold(LABELS / 2, 3), "labels must be whole numbers, got float64"),
        (lambda: hold_out(LABELS, 102), "size must be a whole number from 1 to 101, got 102"),
        (lambda: hold_out(LABELS, 0.2), "whole number from 1 to 101, got 0.2"),
        (lambda: hold_out(LABELS, 2), "2 of 102 examples leave one side with fewer than the 3 classes"),
        (
            lambda: hold_out(np.array([0, 0, 1]), 2),
            "class 1 has 1 of the examples, too few for the two sides",
        ),
    ],
)
def test_what_cannot_be_divided_is_refused(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_shapes():
    with pytest.raises(ShapeError, match=r"groups have shape \(17,\), expected \(102,\)"):
        k_fold(LABELS, 3, groups=GROUPS[:17])
    with pytest.raises(ShapeError, match="N >= 2"):
        hold_out(LABELS[:1], 1)
