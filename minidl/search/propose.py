"""Which values to try next, at random or on a grid: functions of the seed and the number of the trial alone."""

from __future__ import annotations

import itertools
import math
from typing import Any

from minidl.errors import ConfigError
from minidl.random import Seeds
from minidl.search.spaces import Space

MOST_TRIALS = 100_000  # a slip of the pen in a grid multiplies


def random_point(space: Space, seed: int, trial: int) -> dict[str, Any]:
    """Return the values of a random trial (Bergstra and Bengio 2012).

    Every parameter has its own stream of random numbers for every trial: what one trial gets depends
    neither on the other trials nor on the other parameters.

    Parameters
    ----------
    space : Space
    seed, trial : int

    Examples
    --------
    >>> from minidl.search import Log
    >>> random_point({"lr": Log(1e-4, 1)}, seed=0, trial=3) == random_point({"lr": Log(1e-4, 1)}, 0, 3)
    True
    """
    seeds = Seeds(seed).child("search").child(str(trial))
    return {name: dimension.at(seeds.generator(name).random()) for name, dimension in space.items()}


def grid_points(space: Space) -> list[dict[str, Any]]:
    """Return every combination of the grid's values; the last parameter changes fastest.

    Raises
    ------
    ConfigError
        If there are more than `MOST_TRIALS`.
    """
    axes = [dimension.grid() for dimension in space.values()]
    count = math.prod(map(len, axes))
    if count > MOST_TRIALS:
        raise ConfigError(
            f"the grid has {count:,} points ({' x '.join(str(len(axis)) for axis in axes)}); "
            "give the ranges fewer points, or search at random"
        )
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*axes)]


def trial_seed(seed: int, trial: int) -> int:
    """Return the seed of a trial's training, below 2**31; each trial has its own."""
    return int(Seeds(seed).generator("search", str(trial), "training").integers(2**31))
