"""Cross-validation: who trains on what, which seeds, and what is refused."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

from minidl.data import k_fold
from minidl.errors import ConfigError
from minidl.evaluation.crossval import CrossValidation, cross_validate, nested_cross_validate

GENERATOR = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], 20)
X = GENERATOR.normal(size=(60, 4)) + 0.7 * LABELS[:, None]


def fit(c):
    return LogisticRegression(C=c, max_iter=500)


def score(train, held_out, seed):
    return fit(1.0).fit(X[train], LABELS[train]).score(X[held_out], LABELS[held_out])


def test_against_scikit_learn():
    folds = k_fold(LABELS, 5, seeds=3)
    found = cross_validate(score, folds)
    expected = cross_val_score(fit(1.0), X, LABELS, cv=[tuple(fold) for fold in folds])
    np.testing.assert_allclose(found.scores[:, 0], expected)
    assert found.mean == pytest.approx(expected.mean()) and found.sd == pytest.approx(expected.std(ddof=1))
    assert found.sd_of_training is None


def test_mean_and_deviations_by_hand():
    # Fold means 1 and 4; deviation sqrt(4.5). Within the folds variances 2 and 0: sqrt(1).
    found = CrossValidation(np.array([[0.0, 2.0], [4.0, 4.0]]))
    assert (found.mean, found.sd, found.sd_of_training) == (2.5, pytest.approx(np.sqrt(4.5)), 1.0)


def test_every_training_has_its_own_seed_whatever_the_order():
    folds = k_fold(LABELS, 3)

    def noisy(train, held_out, seed):
        return float(np.random.default_rng(seed).random())

    found = cross_validate(noisy, folds, repeats=4, seeds=7)
    assert found.scores.shape == (3, 4) and len(np.unique(found.scores)) == 12
    with ThreadPoolExecutor(3) as pool:
        again = cross_validate(noisy, folds, repeats=4, seeds=7, map_=pool.map)
    np.testing.assert_array_equal(found.scores, again.scores)
    fewer = cross_validate(noisy, folds, repeats=2, seeds=7)
    np.testing.assert_array_equal(fewer.scores, found.scores[:, :2])
    assert not np.array_equal(cross_validate(noisy, folds, repeats=4, seeds=8).scores, found.scores)


def test_nested_chooses_inside_and_scores_outside():
    seen = []

    def recorded(c, train, held_out, seed):
        assert not set(train) & set(held_out)
        seen.append((c, frozenset(train), frozenset(held_out)))
        return fit(c).fit(X[train], LABELS[train]).score(X[held_out], LABELS[held_out])

    candidates = (1e-4, 1e-2, 1.0)
    found = nested_cross_validate(recorded, candidates, LABELS, outer=4, inner=3, repeats=2)
    assert found.scores.shape == (4, 2) and found.inner.shape == (4, 3)
    inner, winners = seen[: 4 * 3 * 3], seen[4 * 3 * 3 :]
    assert [c for c, *_ in winners[::2]] == [candidates[index] for index in found.chosen]
    outside = [held_out for _, _, held_out in winners[::2]]
    assert frozenset().union(*outside) == frozenset(range(60)) and sum(map(len, outside)) == 60
    for number, held_out in enumerate(outside):
        for _, train, tested in inner[number * 9 : (number + 1) * 9]:
            assert not (train | tested) & held_out
            assert train | tested == frozenset(range(60)) - held_out
            assert np.ptp(np.bincount(LABELS[sorted(tested)])) <= 1  # 15 of each class in three parts
    # scikit-learn's grid search on the same inner folds chooses the same.
    _, train, held_out = winners[0]
    rows = np.array(sorted(train))
    place = {row: index for index, row in enumerate(rows)}
    cv = [([place[r] for r in sorted(a)], [place[r] for r in sorted(b)]) for _, a, b in inner[:3]]
    grid = GridSearchCV(LogisticRegression(max_iter=500), {"C": candidates}, cv=cv).fit(X[rows], LABELS[rows])
    np.testing.assert_allclose(found.inner[0], grid.cv_results_["mean_test_score"])
    assert found.chosen[0] == grid.best_index_
    tested = sorted(held_out)
    assert found.scores[0, 0] == pytest.approx(grid.score(X[tested], LABELS[tested]))


def test_the_best_of_many_that_know_nothing_looks_better_than_it_is():
    def guess(candidate, train, held_out, seed):
        generator = np.random.default_rng([candidate, len(train), int(held_out[0])])
        return float((generator.integers(3, size=len(held_out)) == LABELS[held_out]).mean())

    found = nested_cross_validate(guess, range(40), LABELS, outer=5, inner=2)
    assert found.optimism > 0.05
    assert found.mean == pytest.approx(1 / 3, abs=0.15)
    winners = found.inner.max(axis=1)
    assert found.optimism == pytest.approx((winners - found.scores[:, 0]).mean())


def test_groups_stay_together_at_both_levels():
    groups = np.arange(60) % 12

    def apart(candidate, train, held_out, seed):
        assert not set(groups[train]) & set(groups[held_out])
        return 0.0

    found = nested_cross_validate(apart, ["a", "b"], LABELS, outer=3, inner=3, groups=groups)
    assert found.chosen == (0, 0, 0)  # of equals the first


def test_bad_input():
    folds = k_fold(LABELS, 3)
    with pytest.raises(ConfigError, match="training 1 of 3 scored nan"):
        cross_validate(lambda *job: float("nan"), folds)
    with pytest.raises(ConfigError, match="at least two folds, got 1"):
        cross_validate(score, folds[:1])
    with pytest.raises(ConfigError, match="repeats must be a whole number of at least 1, got 0"):
        cross_validate(score, folds, repeats=0)
    with pytest.raises(ConfigError, match="there are no candidates"):
        nested_cross_validate(lambda *job: 1.0, [], LABELS)
