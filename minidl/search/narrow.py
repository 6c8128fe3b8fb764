"""What a stage of a search says about the next: narrower ranges, and ranges that were too narrow."""

from __future__ import annotations

from typing import Any

from minidl.errors import ConfigError
from minidl.search.spaces import Categorical, Space


def narrowed(space: Space, best: dict[str, Any], share: float) -> Space:
    """Return the space of the next stage, from coarse to fine (AAR).

    Parameters
    ----------
    space : Space
    best : dict
        The values of the best trial so far.
    share : float
        Width of the new ranges as a share of the old, each on its own scale. Lists stay as they are.

    Examples
    --------
    >>> from minidl.search import Log
    >>> narrowed({"lr": Log(1e-4, 1)}, {"lr": 1e-2}, 0.5)
    {'lr': Log(low=0.001, high=0.1, points=None)}
    """
    if not 0 < share <= 1:
        raise ConfigError(f"shrink must be above 0 and at most 1, got {share!r}")
    return {name: dimension.around(best[name], share) for name, dimension in space.items()}


def border_warnings(space: Space, best: dict[str, Any], whole: Space | None = None) -> list[str]:
    """Return a sentence for every parameter whose best value lies at the edge of its range (AAR).

    "At the edge" is within `minidl.search.spaces.EDGE` of an end on the range's own scale, and the first or the
    last value of a grid or of whole numbers. A parameter that does not matter lies there by chance once in ten
    times.

    Parameters
    ----------
    space : Space
        The ranges that were searched.
    best : dict
        The values of the best trial.
    whole : Space, optional
        The ranges at the beginning, where `space` was narrowed: an end that is still theirs may be moved,
        another one was narrowed too far.
    """
    sentences = []
    for name, dimension in space.items():
        edge = dimension.edge(best[name])
        if edge is None or isinstance(dimension, Categorical):
            continue
        end = dimension.low if edge == "lower" else dimension.high
        first = dimension if whole is None else whole[name]
        if isinstance(first, Categorical) or end == (first.low if edge == "lower" else first.high):
            advice = f"{'lower' if edge == 'lower' else 'raise'} it, if it can be, and search again"
        else:
            advice = "the range was narrowed too far; search again with a larger shrink"
        sentences.append(
            f"{name}: the best value, {best[name]:g}, lies at the {edge} edge of {dimension.low:g} to "
            f"{dimension.high:g}: {advice}"
        )
    return sentences
