"""Which of several ways of training is better: groups of runs, a test for each pair, and a sentence to quote."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minidl.errors import ConfigError
from minidl.evaluation.effects import effect_size, mean_interval, runs_needed
from minidl.evaluation.folds import fold_interval, fold_test
from minidl.evaluation.multiple import bonferroni, holm
from minidl.evaluation.significance import (
    Significance,
    is_constant,
    mcnemar,
    paired_test,
    permutation_test,
    smallest_permutation_p,
    t_test,
)

TESTS = ("welch", "student", "paired", "permutation", "folds")
CORRECTIONS = {"holm": holm, "bonferroni": bonferroni, "none": lambda p: np.asarray(p, np.float64)}
FEWEST = 3  # runs of a group: the standard deviation of two is hardly known at all

DIFFERENT, NOT_SHOWN, TOO_FEW = "different", "no difference shown", "too few runs"


@dataclass(frozen=True)
class Group:
    """Runs of one way of training.

    Attributes
    ----------
    name : str
    values : (n,) float64 array
        Accuracy of every run (or fold), in per cent.
    mean : float
    sd : float or None
        Standard deviation (n - 1); None of a single run.
    low, high : float or None
        Confidence interval of the mean, by Student's t; over folds with Nadeau and Bengio's variance.
    """

    name: str
    values: np.ndarray
    mean: float
    sd: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Pair:
    """Two groups against each other.

    Attributes
    ----------
    a, b : str
        Their names.
    verdict : {"different", "no difference shown", "too few runs"}
    test : str
        Name of the test; empty if none was possible.
    difference : float
        Mean of `b` minus mean of `a`, in points.
    low, high : float or None
        Its confidence interval, not corrected for other pairs.
    p_value, corrected : float or None
        Before and after the correction for the number of pairs.
    effect : float or None
        The difference in standard deviations of a run (Hedges' g).
    runs : tuple of int
        Of `a` and `b`.
    counts : tuple of int or None
        Of McNemar's test: the images that only `a`, and only `b`, got right.
    needed : int or None
        Runs of each that would usually show a true difference of this size; None where not known.
    """

    a: str
    b: str
    verdict: str
    test: str
    difference: float
    low: float | None
    high: float | None
    p_value: float | None
    corrected: float | None
    effect: float | None
    runs: tuple[int, int]
    counts: tuple[int, int] | None = None
    needed: int | None = None


@dataclass(frozen=True)
class Comparison:
    """Groups, their pairs, and how these were tested.

    Attributes
    ----------
    groups : list of Group
    pairs : list of Pair
    correction : {"holm", "bonferroni", "none"}
    alpha : float
        Level of significance for all pairs together.
    folds : int or None
        How many the examples were divided into, where the values are those of folds and not of runs.
    """

    groups: list[Group]
    pairs: list[Pair]
    correction: str
    alpha: float
    folds: int | None = None


def compare(
    groups: Mapping[str, Any],
    *,
    test: str = "welch",
    correction: str = "holm",
    alpha: float = 0.05,
    baseline: str | None = None,
    folds: int | None = None,
) -> Comparison:
    """Compare groups of runs, pair by pair.

    Parameters
    ----------
    groups : mapping of str to array-like
        Accuracies in per cent, one for each run. For ``test="paired"`` run k of all groups belongs together,
        for ``test="folds"`` they are those of the same folds in the same order.
    test : {"welch", "student", "paired", "permutation", "folds"}
        "folds" is `minidl.evaluation.folds.fold_test`, and gives the groups the intervals of `fold_interval`.
        Where no run differs from another in its group there is no t; the permutation test takes its place,
        and `Pair.test` says so.
    correction : {"holm", "bonferroni", "none"}
        For testing several pairs.
    alpha : float
        The chance of one false alarm or more that is accepted.
    baseline : str, optional
        Compare all with this group only, in place of every two. Fewer pairs, less to correct for.
    folds : int, optional
        For ``test="folds"``: how many folds the examples were divided into.

    Returns
    -------
    Comparison

    Raises
    ------
    ConfigError
        If an option is wrong, a group is empty, or a number is not finite.
    ShapeError
        If runs cannot be paired.
    """
    _require_option("test", test, TESTS)
    _check_options(groups, correction, alpha, baseline)
    if (test == "folds") != (folds is not None):
        raise ConfigError(f"compare: folds belongs to test='folds', got test={test!r} and folds={folds!r}")
    found = [_group(name, values, alpha, folds) for name, values in groups.items()]
    pairs = [_tested(a, b, test, alpha, folds) for a, b in _chosen(found, baseline)]
    return Comparison(found, _judged(pairs, correction, alpha), correction, alpha, folds)


def compare_classifiers(
    correct: Mapping[str, Any], *, correction: str = "holm", alpha: float = 0.05, baseline: str | None = None
) -> Comparison:
    """Compare single trained networks on the same images, by McNemar's exact test.

    The answer is about these networks and not about the ways in which they were trained: another seed gives
    another network.

    Parameters
    ----------
    correct : mapping of str to (N,) boolean array
        Whether each network is right, image by image in the same order.
    correction, alpha, baseline
        As in `compare`.

    Returns
    -------
    Comparison
        With accuracies in per cent. The intervals of the differences are Agresti and Min's.

    Raises
    ------
    ConfigError, ShapeError
        If an option or a shape is wrong.

    References
    ----------
    A. Agresti and Y. Min (2005), Statistics in Medicine 24, 729-740.
    """
    _check_options(correct, correction, alpha, baseline)
    arrays = {name: np.asarray(values, dtype=bool) for name, values in correct.items()}
    found = [_group(name, [100 * float(values.mean())], alpha) for name, values in arrays.items()]
    pairs = [_classified(a.name, b.name, arrays, alpha) for a, b in _chosen(found, baseline)]
    return Comparison(found, _judged(pairs, correction, alpha), correction, alpha)


def _group(name: str, values: Any, alpha: float, folds: int | None = None) -> Group:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0:
        raise ConfigError(f"compare: group {name} has shape {array.shape}, expected one number for each run")
    if not np.isfinite(array).all():
        raise ConfigError(
            f"compare: group {name} has a run with {array[~np.isfinite(array)][0]} for its accuracy; find out what "
            "went wrong in it"
        )
    several = len(array) > 1
    if not several:
        return Group(name, array, float(array.mean()), None, None, None)
    low, high = mean_interval(array, 1 - alpha) if folds is None else fold_interval(array, folds, 1 - alpha)
    return Group(name, array, float(array.mean()), float(array.std(ddof=1)), low, high)


def _chosen(groups: Sequence[Group], baseline: str | None) -> list[tuple[Group, Group]]:
    if baseline is None:
        return list(itertools.combinations(groups, 2))
    first = next(group for group in groups if group.name == baseline)
    return [(first, other) for other in groups if other is not first]


def _tested(a: Group, b: Group, test: str, alpha: float, folds: int | None) -> Pair:
    """Return a pair with its p value; the verdict is final only if it is "too few runs"."""
    runs = (len(a.values), len(b.values))
    effect = effect_size(a.values, b.values)
    if min(runs) < 2:
        return Pair(a.name, b.name, TOO_FEW, "", b.mean - a.mean, None, None, None, None, effect, runs)
    result, few = _significance(a.values, b.values, test, alpha, folds)
    return Pair(
        a.name,
        b.name,
        TOO_FEW if few or min(runs) < FEWEST else NOT_SHOWN,
        result.test,
        result.difference,
        result.low,
        result.high,
        result.p_value,
        None,
        effect,
        runs,
        needed=None if test == "folds" else _needed(a, b, alpha),  # more folds are not more images
    )


def _significance(
    a: np.ndarray, b: np.ndarray, test: str, alpha: float, folds: int | None
) -> tuple[Significance, bool]:
    """Return the outcome of the test, and whether so few runs could have shown nothing at all."""
    still = is_constant(a) and is_constant(b)
    if test in ("paired", "folds"):
        result = permutation_test(a, b, paired=True) if still else _paired(a, b, alpha, folds)
    elif test == "permutation" or still:
        result = permutation_test(a, b)
    else:
        result = t_test(a, b, variances="unequal" if test == "welch" else "equal", confidence=1 - alpha)
    if "permutation" not in result.test:
        return result, False
    return result, smallest_permutation_p(len(a), len(b), paired="paired" in result.test) >= alpha


def _paired(a: np.ndarray, b: np.ndarray, alpha: float, folds: int | None) -> Significance:
    if len(a) == len(b) and is_constant(b - a, scale=float(np.abs([a, b]).max())):
        return permutation_test(a, b, paired=True)
    if folds is not None:
        return fold_test(a, b, folds, confidence=1 - alpha)
    return paired_test(a, b, confidence=1 - alpha)


def _needed(a: Group, b: Group, alpha: float) -> int | None:
    if a.sd is None or b.sd is None or max(a.sd, b.sd) <= 1e-12 * abs(a.mean):
        return None
    if abs(b.mean - a.mean) < 1e-9:
        return None
    return runs_needed(b.mean - a.mean, float(np.sqrt((a.sd**2 + b.sd**2) / 2)), alpha=alpha)


def _classified(a: str, b: str, correct: dict[str, np.ndarray], alpha: float) -> Pair:
    from scipy.stats import norm

    result = mcnemar(correct[a], correct[b])
    only_a, only_b, n = result.only_a, result.only_b, len(correct[a])
    gain = only_b - only_a
    # Half an image is added to each of the four counts.
    half = norm.ppf(1 - alpha / 2) * np.sqrt(only_a + only_b + 1 - gain**2 / (n + 2)) / (n + 2)
    middle = gain / (n + 2)
    return Pair(
        a,
        b,
        NOT_SHOWN,
        "McNemar's exact test",
        100 * gain / n,
        float(100 * (middle - half)),
        float(100 * (middle + half)),
        result.p_value,
        None,
        None,
        (1, 1),
        counts=(only_a, only_b),
    )


def _judged(pairs: list[Pair], correction: str, alpha: float) -> list[Pair]:
    """Correct the p values for their number and say what follows from them."""
    p = [pair.p_value for pair in pairs if pair.p_value is not None]
    corrected = iter(CORRECTIONS[correction](p).tolist())
    judged = []
    for pair in pairs:
        if pair.p_value is not None:
            value = next(corrected)
            differ = pair.verdict == NOT_SHOWN and value < alpha
            pair = replace(pair, corrected=value, verdict=DIFFERENT if differ else pair.verdict)
        judged.append(pair)
    return judged


def _check_options(groups: Mapping[str, Any], correction: str, alpha: float, baseline: str | None) -> None:
    _require_option("correction", correction, tuple(CORRECTIONS))
    if not 0 < alpha < 0.5:
        raise ConfigError(
            f"compare: alpha must lie between 0 and 0.5, got {alpha!r}; 0.05 and 0.01 are usual"
        )
    if not groups:
        raise ConfigError("compare: there are no groups; give at least one")
    if baseline is not None and baseline not in groups:
        raise ConfigError(
            f"compare: there is no group {baseline!r}; the baseline is one of {', '.join(groups)}"
        )


def _require_option(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ConfigError(f"compare: {name} must be one of {', '.join(choices)}, got {value!r}")
