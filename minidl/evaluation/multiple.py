"""Several tests at once: the more differences one looks at, the more of them look significant."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minidl.errors import ConfigError


def bonferroni(p_values: Any) -> np.ndarray:
    """Return the p values times their number, at most 1 (FAU: compare p with alpha / n).

    The chance of at least one false alarm among n tests is then at most alpha, whatever ties the tests have
    with each other: it is a union bound and needs no independence (erratum 20).

    Parameters
    ----------
    p_values : array-like, shape (n,)

    Returns
    -------
    (n,) float64 array
        To be compared with alpha itself.

    Raises
    ------
    ConfigError
        If a number is no probability.
    """
    p = _checked("bonferroni", p_values)
    return np.minimum(1.0, len(p) * p)


def holm(p_values: Any) -> np.ndarray:
    """Return p values corrected step by step: as safe as `bonferroni`, and never larger.

    The smallest of n is multiplied by n, the next by n - 1, and so on; none may fall below the one before.

    Parameters
    ----------
    p_values : array-like, shape (n,)

    Returns
    -------
    (n,) float64 array
        In the order given, to be compared with alpha.

    Raises
    ------
    ConfigError
        If a number is no probability.

    References
    ----------
    S. Holm (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    p = _checked("holm", p_values)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return corrected


class FalseAlarms(NamedTuple):
    """The chance of at least one false alarm among several tests.

    Attributes
    ----------
    bound : float
        The most it can be, ``min(1, n alpha)``, whatever ties the tests have (FAU prints it as the risk).
    independent : float
        What it is for independent tests, ``1 - (1 - alpha)^n``.
    """

    bound: float
    independent: float


def false_alarms(alpha: float, n: int) -> FalseAlarms:
    """Return the chance of a false alarm among `n` tests at level `alpha`, where no difference is real.

    Raises
    ------
    ConfigError
        If `alpha` is no probability or `n` < 1.
    """
    if not 0 <= alpha <= 1 or n < 1:
        raise ConfigError(f"false_alarms: needs 0 <= alpha <= 1 and n >= 1, got alpha={alpha} and n={n}")
    return FalseAlarms(min(1.0, n * alpha), 1 - (1 - alpha) ** n)


def _checked(name: str, p_values: Any) -> np.ndarray:
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ConfigError(f"{name}: expected a list of p values between 0 and 1, got {p_values!r}")
    return p
