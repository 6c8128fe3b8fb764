"""Cross-validation: every example is held out once, and training is done again several times (FAU).

Nothing here knows networks: the caller brings a function that trains on some positions and scores on others.
Each training has a seed of its own, so the outcome does not depend on the order or the number of workers;
hand over the ``map`` of a pool to use several.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minidl.data.partition import Fold, k_fold
from minidl.errors import ConfigError, ShapeError
from minidl.evaluation.folds import fold_interval
from minidl.random import Seeds

Map = Callable[[Callable[[Any], float], Iterable[Any]], Iterable[float]]


@dataclass(frozen=True)
class CrossValidation:
    """The scores of a k-fold cross-validation.

    Attributes
    ----------
    scores : (k, R) float64 array
        Score on each held-out part, R trainings from different seeds.

    Notes
    -----
    The k trainings share most of their examples, so their scores are not independent: ``sd / sqrt(k)`` is no
    valid standard error (Y. Bengio and Y. Grandvalet, JMLR 5, 2004), and a t-test over folds finds differences
    that are not there.
    """

    scores: np.ndarray

    @property
    def mean(self) -> float:
        """Mean of all scores."""
        return float(self.scores.mean())

    @property
    def sd(self) -> float:
        """Standard deviation of the folds' means (k - 1 in the denominator)."""
        return float(self.scores.mean(axis=1).std(ddof=1))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval of the mean with Nadeau and Bengio's variance (`fold_interval`)."""
        return fold_interval(self.scores.mean(axis=1), len(self.scores), confidence)

    @property
    def sd_of_training(self) -> float | None:
        """Standard deviation from seed to seed on the same fold, pooled over the folds; None for one seed."""
        if self.scores.shape[1] < 2:
            return None
        return math.sqrt(float(self.scores.var(axis=1, ddof=1).mean()))


@dataclass(frozen=True)
class NestedCrossValidation(CrossValidation):
    """A cross-validation in which every fold chose its own hyper-parameters.

    Attributes
    ----------
    chosen : tuple of int
        Position of the candidate that won in each outer fold. Where they differ, no single setting has been
        validated: what has been is the way of choosing.
    inner : (k, C) float64 array
        Mean score of every candidate in the inner cross-validation of each outer fold.
    """

    chosen: tuple[int, ...]
    inner: np.ndarray

    @property
    def optimism(self) -> float:
        """Mean over the folds of the winner's inner score minus its outer one.

        The inner score was the best of several and is too good for that reason; it was also made with fewer
        training examples, which works in the other direction.
        """
        winners = self.inner[np.arange(len(self.chosen)), list(self.chosen)]
        return float(np.mean(winners - self.scores.mean(axis=1)))


def cross_validate(
    train_and_score: Callable[[np.ndarray, np.ndarray, int], float],
    folds: Sequence[Fold],
    *,
    repeats: int = 1,
    seeds: Seeds | int = 0,
    map_: Map = map,
) -> CrossValidation:
    """Train on every fold, several times, and score on what was held out.

    Parameters
    ----------
    train_and_score : callable
        ``train_and_score(train, held_out, seed) -> score`` with two arrays of positions and a whole number
        below 2**32.
    folds : sequence of Fold
        At least two: of `minidl.data.k_fold`, or several of `minidl.data.hold_out`.
    repeats : int
        Trainings of each fold.
    seeds : Seeds or int
        The seed of a training depends on its fold and repeat only.
    map_ : callable
        Like the built-in ``map``, in order: ``pool.map``, or a function that calls joblib.

    Raises
    ------
    ConfigError
        If there are fewer than two folds, or a score is not a finite number.
    """
    _require_repeats("cross_validate", repeats)
    if len(folds) < 2:
        raise ConfigError(
            f"cross_validate: expected at least two folds, got {len(folds)}; make them with k_fold"
        )
    jobs = [
        (fold.train, fold.held_out, _seed(seeds, number, repeat))
        for number, fold in enumerate(folds)
        for repeat in range(repeats)
    ]
    scores = _scores(map_(partial(_call, train_and_score), jobs), len(jobs))
    return CrossValidation(scores.reshape(len(folds), repeats))


def nested_cross_validate(
    train_and_score: Callable[[Any, np.ndarray, np.ndarray, int], float],
    candidates: Sequence[Any],
    labels: np.ndarray,
    *,
    outer: int = 5,
    inner: int = 3,
    stratified: bool = True,
    groups: np.ndarray | None = None,
    repeats: int = 1,
    seeds: Seeds | int = 0,
    map_: Map = map,
) -> NestedCrossValidation:
    """Choose hyper-parameters inside every fold, and score the choice outside of it (FAU).

    For each of the outer folds a cross-validation on its training part alone finds the best candidate; the
    winner is trained on that whole part and scored on the part that was held out, which had no say in the
    choice. The score is of the whole procedure, choosing included.

    Parameters
    ----------
    train_and_score : callable
        ``train_and_score(candidate, train, held_out, seed) -> score``; higher is better.
    candidates : sequence
        Anything that describes a setting. Of equal scores the earlier wins.
    labels : (N,) integer array
        Classes of all examples that may be used (not those in the vault).
    outer, inner : int
        Folds outside and inside.
    stratified, groups
        As in `minidl.data.k_fold`, at both levels.
    repeats : int
        Trainings of every winner on its outer fold; the inner trainings are done once.
    seeds, map_
        As in `cross_validate`.

    Returns
    -------
    NestedCrossValidation

    Raises
    ------
    ShapeError, ConfigError
        If the folds cannot be made, there is no candidate, or a score is not a finite number.
    """
    _require_repeats("nested_cross_validate", repeats)
    candidates = list(candidates)
    if not candidates:
        raise ConfigError("nested_cross_validate: there are no candidates to choose from; give at least one")
    labels = np.asarray(labels)
    own_groups = None if groups is None else np.asarray(groups)
    node = seeds if isinstance(seeds, Seeds) else Seeds(seeds)
    outside = k_fold(labels, outer, stratified=stratified, groups=own_groups, seeds=node.child("outer"))
    jobs, winners = [], []
    for number, (train, _) in enumerate(outside):
        below = node.child("inner").child(str(number))
        inside = k_fold(
            labels[train],
            inner,
            stratified=stratified,
            groups=None if own_groups is None else own_groups[train],
            seeds=below,
        )
        for candidate in candidates:
            for part, fold in enumerate(inside):
                # One seed for all candidates: they start alike.
                jobs.append((candidate, train[fold.train], train[fold.held_out], _seed(below, part, 0)))
    shape = (len(outside), len(candidates), inner)
    inner_scores = _scores(map_(partial(_call, train_and_score), jobs), len(jobs)).reshape(shape).mean(axis=2)
    chosen = inner_scores.argmax(axis=1)
    for number, (train, held_out) in enumerate(outside):
        for repeat in range(repeats):
            seed = _seed(node.child("winner"), number, repeat)
            winners.append((candidates[chosen[number]], train, held_out, seed))
    scores = _scores(map_(partial(_call, train_and_score), winners), len(winners))
    return NestedCrossValidation(
        scores.reshape(len(outside), repeats), tuple(int(each) for each in chosen), inner_scores
    )


def _call(function: Callable[..., float], job: tuple[Any, ...]) -> float:
    return function(*job)


def _seed(seeds: Seeds | int, fold: int, repeat: int) -> int:
    node = seeds if isinstance(seeds, Seeds) else Seeds(seeds)
    return int(node.generator("training", str(fold), str(repeat)).integers(2**32))


def _scores(found: Iterable[float], expected: int) -> np.ndarray:
    scores = np.array(list(found), dtype=np.float64)
    if scores.shape != (expected,):
        raise ShapeError(
            f"cross-validation: expected one number from each of {expected} trainings, got an array of {scores.shape}"
        )
    wrong = np.flatnonzero(~np.isfinite(scores))
    if len(wrong):
        raise ConfigError(
            f"cross-validation: training {wrong[0] + 1} of {expected} scored {scores[wrong[0]]}; a mean over such a "
            "score means nothing, so see why that training failed"
        )
    return scores


def _require_repeats(what: str, repeats: int) -> None:
    if isinstance(repeats, bool) or not isinstance(repeats, int | np.integer) or repeats < 1:
        raise ConfigError(f"{what}: repeats must be a whole number of at least 1, got {repeats!r}")
