"""How large is a difference, how sure is a mean, and how many runs would it take?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.errors import ConfigError

MOST_RUNS = 10_000  # nobody trains more to compare two networks


def mean_interval(sample: Any, confidence: float = 0.95) -> tuple[float, float]:
    """Return the confidence interval of a mean of few numbers: ``mean ± t s / sqrt(n)``.

    With five runs t is 2.78, not 1.96: the scatter itself is uncertain.

    Parameters
    ----------
    sample : array-like, shape (n,)
    confidence : float
        Between 0 and 1.

    Raises
    ------
    ConfigError
        If there are fewer than two numbers, or one is not finite.
    """
    from scipy.stats import t

    values = np.asarray(sample, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ConfigError(f"mean_interval: needs at least two finite numbers, got {sample!r}")
    if not 0 < confidence < 1:
        raise ConfigError(f"mean_interval: confidence must lie between 0 and 1, got {confidence!r}")
    half = float(t.ppf((1 + confidence) / 2, len(values) - 1)) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def effect_size(a: Any, b: Any) -> float | None:
    """Return Hedges' g: the difference of two means in standard deviations of a single run.

    ``g = (1 - 3 / (4 (n_a + n_b) - 9)) (mean(b) - mean(a)) / s``, where s^2 is the variance within the
    groups, pooled. The factor takes out the bias of few runs. 1 means that the difference is as large as the
    scatter from seed to seed.

    Returns
    -------
    float or None
        None where a group has fewer than two runs or no run differs from another: there is no scatter to
        compare with.

    References
    ----------
    L. V. Hedges (1981), Journal of Educational Statistics 6, 107-128.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if min(len(a), len(b)) < 2:
        return None
    df = len(a) + len(b) - 2
    pooled = math.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / df)
    if pooled <= 1e-12 * max(np.abs(a).max(), np.abs(b).max()):
        return None
    return float((1 - 3 / (4 * df - 1)) * (b.mean() - a.mean()) / pooled)


def runs_needed(difference: float, sd: float, *, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """Return how many runs in each group would show a true difference in most comparisons.

    The smallest n for which Student's t-test of two groups of n finds a true difference of
    ``difference / sd`` standard deviations with probability `power`, by the noncentral t distribution.

    Parameters
    ----------
    difference, sd : float
        In the same unit.
    alpha : float
        Level of significance.
    power : float
        How often the difference is to be found.

    Returns
    -------
    int or None
        None if it is more than 10,000.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """
    from scipy.stats import nct, t

    if not (math.isfinite(difference) and math.isfinite(sd) and sd > 0):
        raise ConfigError(f"runs_needed: needs a finite difference and sd > 0, got {difference} and {sd}")
    if not (0 < alpha < power < 1):
        raise ConfigError(f"runs_needed: needs 0 < alpha < power < 1, got alpha={alpha} and power={power}")
    effect = abs(difference) / sd

    def found(n: int) -> float:
        df, critical, shift = 2 * n - 2, t.ppf(1 - alpha / 2, 2 * n - 2), effect * math.sqrt(n / 2)
        upper, lower = float(nct.sf(critical, df, shift)), float(nct.cdf(-critical, df, shift))
        # So far out in the tails SciPy may give NaN; they hold nothing there, or everything.
        upper = upper if math.isfinite(upper) else float(shift > critical)
        return upper + (lower if math.isfinite(lower) else 0.0)

    low, high = 1, 2
    while found(high) < power:
        low, high = high, 2 * high
        if low > MOST_RUNS:
            return None
    while high - low > 1:  # found(low) < power <= found(high)
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) >= power else (middle, high)
    return high if high <= MOST_RUNS else None
