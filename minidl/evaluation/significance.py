"""Is a difference between two classifiers more than scatter? Tests over repeated runs, and over images.

Training is random: the same network trained with another seed has another accuracy. Over *runs* the
question is whether one way of training is better than another on average (`t_test`, `paired_test`,
`permutation_test`; FAU). Over *images* it is whether one trained network is better than another one
(`mcnemar`). A p value answers neither; it is the probability of a difference at least this large if there
were none (erratum 21 of the lectures), and says nothing about how large or important the difference is.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.errors import ConfigError, ShapeError

EXACT = 200_000  # permutations that are all tried; 10 runs against 10 have 184,756


@dataclass(frozen=True)
class Significance:
    """The outcome of a test over repeated runs.

    Attributes
    ----------
    test : str
        Its name, for a sentence.
    n_a, n_b : int
        Runs of A and of B.
    difference : float
        Mean of B minus mean of A, in the unit of the samples.
    low, high : float or None
        Confidence interval of the difference; None where the test gives none.
    statistic : float
        t, or for a permutation test the difference.
    df : float or None
        Degrees of freedom of t.
    p_value : float
        The probability of a difference at least as large, either way, *if* A and B were equally good on
        average. It is not the probability that the difference is due to chance.
    """

    test: str
    n_a: int
    n_b: int
    difference: float
    low: float | None
    high: float | None
    statistic: float
    df: float | None
    p_value: float


def t_test(a: Any, b: Any, *, variances: str = "unequal", confidence: float = 0.95) -> Significance:
    """Compare the means of two sets of independent runs.

    ``t = (mean(b) - mean(a)) / sqrt(s_a^2 / n_a + s_b^2 / n_b)`` with Welch's degrees of freedom.

    Parameters
    ----------
    a, b : array-like, shape (n_a,) and (n_b,)
        One number for each run, such as its accuracy.
    variances : {"unequal", "equal"}
        "unequal" is Welch's test. "equal" is Student's, as FAU has it, which is wrong where one way of
        training scatters more than the other (erratum 23).
    confidence : float
        Of the interval of the difference.

    Returns
    -------
    Significance

    Raises
    ------
    ConfigError
        If a group has fewer than two runs, a number is not finite, or no group varies at all.

    References
    ----------
    B. L. Welch (1947), Biometrika 34, 28-35.
    """
    from scipy.stats import ttest_ind

    if variances not in ("unequal", "equal"):
        raise ConfigError(
            f"t_test: variances must be 'unequal' (Welch) or 'equal' (Student), got {variances!r}"
        )
    _require_share("t_test: confidence", confidence)
    name = "Welch's t-test" if variances == "unequal" else "Student's t-test"
    a, b = (_sample(name, each, which) for each, which in ((a, "A"), (b, "B")))
    if is_constant(a) and is_constant(b):
        raise ConfigError(
            f"{name}: all runs of A are equal and all runs of B are equal, so there is no scatter to measure the "
            "difference by; see that the runs have different seeds, or use permutation_test"
        )
    with _quiet():
        result = ttest_ind(_level(b), _level(a), equal_var=variances == "equal")
        interval = result.confidence_interval(confidence)
    return _of_t(name, a, b, result, interval)


def paired_test(a: Any, b: Any, *, confidence: float = 0.95) -> Significance:
    """Compare runs pair by pair (paired t-test): ``t = mean(d) / (s_d / sqrt(n))`` with ``d = b - a``.

    It gains over `t_test` where a pair shares what makes runs differ: the fold of a cross-validation, the
    split, or the seed if that decides about the same things in both.

    Parameters
    ----------
    a, b : array-like, shape (n,)
        Run k of A belongs to run k of B.
    confidence : float
        Of the interval of the difference.

    Returns
    -------
    Significance

    Raises
    ------
    ConfigError
        If there are fewer than two pairs, a number is not finite, or all differences are equal.
    ShapeError
        If there are not as many of A as of B.
    """
    from scipy.stats import ttest_rel

    _require_share("paired_test: confidence", confidence)
    a, b = (_sample("paired t-test", each, which) for each, which in ((a, "A"), (b, "B")))
    _require_pairs("paired t-test", a, b)
    if is_constant(b - a, scale=float(max(np.abs(a).max(), np.abs(b).max()))):
        raise ConfigError(
            "paired t-test: the difference is the same in every pair, so there is no scatter to measure it by; "
            "see that the runs are not copies of each other, or use permutation_test(paired=True)"
        )
    with _quiet():
        result = ttest_rel(b, a)
        interval = result.confidence_interval(confidence)
    return _of_t("paired t-test", a, b, result, interval)


def permutation_test(
    a: Any, b: Any, *, paired: bool = False, resamples: int = EXACT, seed: int = 0
) -> Significance:
    """Compare means by exchanging the labels A and B of the runs (FAU: "more accurate").

    If A and B were the same, every way to deal the runs to two groups of these sizes would be as likely as
    the one that happened. The p value is the share of them with a difference at least as large. Nothing is
    assumed of the shape of the distributions, and few runs give few ways: `smallest_permutation_p`.

    Parameters
    ----------
    a, b : array-like, shape (n_a,) and (n_b,)
    paired : bool
        Exchange only within pairs: run k of A with run k of B.
    resamples : int
        If there are no more ways than this, all are tried and the p value is exact; otherwise so many are
        drawn, and p is ``(1 + as extreme) / (1 + drawn)``.
    seed : int
        Of the drawing.

    Returns
    -------
    Significance
        Without an interval.

    Raises
    ------
    ConfigError
        If a group has fewer than two runs, or a number is not finite.
    ShapeError
        If `paired` and there are not as many of A as of B.
    """
    from scipy.stats import permutation_test as scipy_test

    name = "paired permutation test" if paired else "permutation test"
    a, b = (_sample(name, each, which) for each, which in ((a, "A"), (b, "B")))
    if paired:
        _require_pairs(name, a, b)
    if isinstance(resamples, bool) or not isinstance(resamples, int) or resamples < 1:
        raise ConfigError(f"{name}: resamples must be a whole number >= 1, got {resamples!r}")
    # The option was renamed in SciPy 1.15.
    option = "rng" if "rng" in inspect.signature(scipy_test).parameters else "random_state"
    options = {option: np.random.default_rng(seed)}
    p = scipy_test(
        (b, a),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        permutation_type="samples" if paired else "independent",
        vectorized=True,
        n_resamples=resamples,
        batch=20_000,
        **options,
    ).pvalue
    difference = float(b.mean() - a.mean())
    return Significance(name, len(a), len(b), difference, None, None, difference, None, float(p))


def smallest_permutation_p(n_a: int, n_b: int, *, paired: bool = False) -> float:
    """Return the smallest p value that a permutation test of so many runs can give, either way.

    ``2 / C(n_a + n_b, n_a)``, or ``2 / 2^n`` for pairs: 0.1 for three runs against three, 0.008 for five.
    """
    return min(1.0, 2 / (2**n_a if paired else math.comb(n_a + n_b, n_a)))


@dataclass(frozen=True)
class McNemar:
    """Two classifiers on the same examples.

    Attributes
    ----------
    both_right, only_a, only_b, both_wrong : int
        Examples that both, only A, only B, or neither got right.
    p_value : float
        The probability of a split of the ``only_a + only_b`` disagreements at least as uneven as
        this one, *if* the two classifiers were equally good. It is not the probability that the
        difference is due to chance (FAU prints that; LECTURE 1.16, erratum 21).
    """

    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    p_value: float


def mcnemar(correct_a: np.ndarray, correct_b: np.ndarray, *, method: str = "exact") -> McNemar:
    """Compare two classifiers that saw the same examples (two-sided McNemar test).

    Examples that both got right or both got wrong say nothing about which is better. Of the
    remaining ones, equally good classifiers would each win half: a binomial test with p = 1/2.

    Parameters
    ----------
    correct_a, correct_b : (N,) boolean array
        Whether A and B were right, example by example, in the same order.
    method : {"exact", "corrected"}
        "corrected" is the older approximation for many disagreements: ``(|only_a - only_b| - 1)^2 /
        (only_a + only_b)``, Edwards' correction, follows chi-squared with one degree of freedom.

    Returns
    -------
    McNemar
        The four counts and the p-value (1 when the classifiers never disagree).

    Raises
    ------
    ShapeError
        If the arrays are not one-dimensional, not of the same length, or empty.
    ConfigError
        If there is no such method.

    References
    ----------
    Q. McNemar (1947), Psychometrika 12, 153-157; A. L. Edwards (1948), Psychometrika 13, 185-187; for
    networks on one test set: T. Dietterich (1998), Neural Computation 10, 1895-1923.
    """
    from scipy.stats import binomtest, chi2

    shapes = np.shape(correct_a), np.shape(correct_b)
    if len(shapes[0]) != 1 or shapes[0] != shapes[1] or shapes[0] == (0,):
        raise ShapeError(
            f"correct_a has shape {shapes[0]} and correct_b {shapes[1]}; both must be (N,) with the same N >= 1"
        )
    if method not in ("exact", "corrected"):
        raise ConfigError(f"mcnemar: method must be 'exact' or 'corrected', got {method!r}")
    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    disagreements = only_a + only_b
    if disagreements == 0:
        p_value = 1.0
    elif method == "exact":
        p_value = float(binomtest(only_a, disagreements, 0.5).pvalue)
    else:
        p_value = float(chi2.sf(max(abs(only_a - only_b) - 1, 0) ** 2 / disagreements, 1))
    return McNemar(int((a & b).sum()), only_a, only_b, int((~a & ~b).sum()), p_value)


def is_constant(sample: np.ndarray, scale: float | None = None) -> bool:
    """Return whether all numbers of a sample are equal, but for the rounding of numbers of size `scale`."""
    size = float(np.abs(sample).max()) if scale is None else scale
    return float(np.ptp(sample)) <= 1e-12 * size


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep SciPy's warning of lost precision back: it comes where one group is constant, whose variance is 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def _level(sample: np.ndarray) -> np.ndarray:
    """Return the sample, without the last bits in which equal numbers differ."""
    return np.full_like(sample, sample[0]) if is_constant(sample) else sample


def _sample(test: str, values: Any, which: str) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ShapeError(
            f"{test}: {which} has shape {array.shape}, expected (runs,), one number for each run"
        )
    if array.dtype.kind not in "biuf":
        raise ConfigError(f"{test}: {which} holds {array.dtype}, expected numbers, one for each run")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        bad = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ConfigError(
            f"{test}: run {bad} of {which} is {array[bad]}, which has no place in a mean; find out what went wrong "
            "in it, and say so rather than leave it out"
        )
    if len(array) < 2:
        runs = "1 run" if len(array) else "no runs"
        raise ConfigError(
            f"{test}: {which} has {runs} and needs at least two: one says nothing about scatter"
        )
    return array


def _require_pairs(test: str, a: np.ndarray, b: np.ndarray) -> None:
    if len(a) != len(b):
        raise ShapeError(f"{test}: A has {len(a)} runs and B {len(b)}, expected as many, run by run in pairs")


def _require_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ConfigError(f"{name} must lie between 0 and 1, got {value!r}")


def _of_t(name: str, a: np.ndarray, b: np.ndarray, result: Any, interval: Any) -> Significance:
    return Significance(
        name,
        len(a),
        len(b),
        float(b.mean() - a.mean()),
        float(interval.low),
        float(interval.high),
        float(result.statistic),
        float(result.df),
        float(result.pvalue),
    )
