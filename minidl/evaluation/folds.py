"""Means and differences over the folds of a cross-validation, whose scores are not independent.

Two trainings of a k-fold cross-validation share (k - 2)/(k - 1) of their examples, so that their scores go
up and down together, and the scatter between the folds does not show that. No estimate of the variance of
the mean from the scores alone is free of bias (Bengio and Grandvalet, 2004). Nadeau and Bengio (2003)
suppose that two scores are correlated by the share of the examples that is held out, 1/k: then the variance
of the mean is ``(1/n + 1/(k - 1)) s^2`` in place of ``s^2 / n``. It was derived for divisions drawn at random
again and again, and is an approximation for folds; it gives far fewer false alarms than ``s^2 / n``.

References
----------
Y. Bengio and Y. Grandvalet (2004), Journal of Machine Learning Research 5, 1089-1105.
C. Nadeau and Y. Bengio (2003), Machine Learning 52, 239-281.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from minidl.errors import ConfigError
from minidl.evaluation.effects import mean_interval
from minidl.evaluation.significance import Significance, paired_test

FOLD_TEST = "corrected t-test of folds"


def fold_interval(scores: Any, k: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the confidence interval of a mean over folds: ``mean ± t s sqrt(1/n + 1/(k - 1))``.

    Parameters
    ----------
    scores : array-like, shape (n,)
        One number for each fold; n is k, or less where only some of the folds were trained.
    k : int
        Folds that the examples were divided into.
    confidence : float
        Between 0 and 1.

    Raises
    ------
    ConfigError
        If there are fewer than two scores, more than folds, or one that is not finite.
    """
    low, high = mean_interval(scores, confidence)
    middle, half = (low + high) / 2, (high - low) / 2
    half *= _widening("fold_interval", np.shape(scores)[0], k)
    return middle - half, middle + half


def fold_test(a: Any, b: Any, k: int, *, confidence: float = 0.95) -> Significance:
    """Compare two ways of training over the same folds, fold by fold.

    ``t = mean(d) / (s_d sqrt(1/n + 1/(k - 1)))`` with ``d = b - a`` and n - 1 degrees of freedom: the paired
    t-test with Nadeau and Bengio's variance.

    Parameters
    ----------
    a, b : array-like, shape (n,)
        Score of each on fold 1, fold 2 and so on.
    k : int
        Folds that the examples were divided into.
    confidence : float
        Of the interval of the difference.

    Returns
    -------
    Significance

    Raises
    ------
    ConfigError, ShapeError
        As in `paired_test`, or if there are more scores than folds.
    """
    from scipy.stats import t

    plain = paired_test(a, b, confidence=confidence)
    assert plain.low is not None and plain.high is not None and plain.df is not None
    wider = _widening("fold_test", plain.n_a, k)
    statistic, half = plain.statistic / wider, wider * (plain.high - plain.low) / 2
    return replace(
        plain,
        test=FOLD_TEST,
        low=plain.difference - half,
        high=plain.difference + half,
        statistic=statistic,
        p_value=float(2 * t.sf(abs(statistic), plain.df)),
    )


def _widening(what: str, n: int, k: int) -> float:
    """Return by how much the standard error is larger than that of n independent numbers."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not max(2, n) <= k:
        raise ConfigError(
            f"{what}: k must be the number of folds, a whole number of at least {max(2, n)}, got {k!r}"
        )
    return math.sqrt(1 + n / (k - 1))
