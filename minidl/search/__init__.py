"""Hyper-parameter search: spaces, proposals, narrowing, importance. `minidl.experiments.search` runs the trials."""

from minidl.search.importance import Importance, importance
from minidl.search.narrow import border_warnings, narrowed
from minidl.search.propose import grid_points, random_point, trial_seed
from minidl.search.spaces import Categorical, Dimension, Integer, Linear, Log, Space

__all__ = [
    "Linear",
    "Log",
    "Integer",
    "Categorical",
    "Dimension",
    "Space",
    "random_point",
    "grid_points",
    "trial_seed",
    "narrowed",
    "border_warnings",
    "Importance",
    "importance",
]
