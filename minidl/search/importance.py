"""Which hyper-parameters decided, as far as the trials can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.errors import ConfigError
from minidl.search.spaces import Categorical, Space

FEWEST = 8  # trials
TREES = 100
TRUSTED = 0.2  # of the variance, which the forest must explain for trials it has not seen


@dataclass(frozen=True)
class Importance:
    """How much the outcome depended on each parameter.

    Attributes
    ----------
    share : dict of str to float
        Of every parameter; they sum to 1, unless all are 0.
    correlation : dict of str to (float or None)
        Spearman's rank correlation with the outcome; None for lists, whose order means nothing. Near 0 it
        says little: the best value may lie in the middle of the range.
    explained : float
        Share of the outcome's variance that the forest predicts for trials it was not fitted to (out of
        bag); below `TRUSTED` the shares are mostly noise.
    """

    share: dict[str, float]
    correlation: dict[str, float | None]
    explained: float

    @property
    def sentence(self) -> str:
        """What may be concluded."""
        if self.explained < TRUSTED:
            return (
                f"The trials do not show which parameters matter: a forest predicts {max(0.0, self.explained):.0%} of "
                "the outcome's variance. Try more trials."
            )
        first, *_ = sorted(self.share, key=lambda name: -self.share[name])
        return (
            f"{first} mattered most ({self.share[first]:.0%}); the forest behind these shares predicts "
            f"{self.explained:.0%} of the outcome's variance for trials it has not seen."
        )


def importance(space: Space, parameters: Sequence[dict[str, Any]], outcome: Any, seed: int = 0) -> Importance:
    """Estimate how much the outcome of trials depends on each parameter.

    A random forest (Breiman 2001) is fitted to the ranks of the outcomes, and the values of one
    parameter after the other are shuffled: the more the prediction suffers, the more the parameter
    matters. Ranks, because a few trials that diverged would otherwise be all that counts.

    Parameters
    ----------
    space : Space
    parameters : sequence of dict
        The values of every trial.
    outcome : (n,) array of float
        Larger is better; -inf for a trial that diverged.
    seed : int

    Raises
    ------
    ConfigError
        If there are fewer than `FEWEST` trials, or all had the same outcome.
    """
    from scipy.stats import rankdata, spearmanr
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    if len(parameters) < FEWEST:
        raise ConfigError(f"importance needs at least {FEWEST} trials, got {len(parameters)}")
    ranks = rankdata(np.asarray(outcome, np.float64))
    if np.ptp(ranks) == 0:
        raise ConfigError("importance: all trials had the same outcome, so nothing can have mattered")
    columns, owners = _columns(space, parameters)
    forest = RandomForestRegressor(TREES, oob_score=True, min_samples_leaf=2, random_state=seed)
    forest.fit(columns, ranks)
    found = permutation_importance(forest, columns, ranks, n_repeats=10, random_state=seed)
    drops = dict.fromkeys(space, 0.0)
    for name, drop in zip(owners, found.importances_mean, strict=True):
        drops[name] += max(0.0, float(drop))
    total = sum(drops.values())
    correlation: dict[str, float | None] = {}
    for name, dimension in space.items():
        column = columns[:, owners.index(name)]
        useful = not isinstance(dimension, Categorical) and np.ptp(column) > 0
        correlation[name] = float(spearmanr(column, ranks).statistic) if useful else None
    shares = {name: drop / total if total else 0.0 for name, drop in drops.items()}
    return Importance(shares, correlation, float(forest.oob_score_))


def _columns(space: Space, parameters: Sequence[dict[str, Any]]) -> tuple[np.ndarray, list[str]]:
    """Return the parameters as numbers: positions in the ranges, a column of zeros and ones for each listed value."""
    columns: list[list[float]] = []
    owners: list[str] = []
    for name, dimension in space.items():
        if isinstance(dimension, Categorical):
            places = [dimension.index(each[name]) for each in parameters]
            for value in range(len(dimension.values)):
                columns.append([float(place == value) for place in places])
                owners.append(name)
        else:
            columns.append([dimension.position(each[name]) for each in parameters])
            owners.append(name)
    return np.array(columns).T, owners
