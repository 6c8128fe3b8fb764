"""Which examples are trained on and which are held out: hold-out sets and folds.

Labels in, positions out: nothing here looks at an image. The partitions are scikit-learn's; what is added
are seeds of the tree, and refusals in a sentence where a partition would be empty or lack a class.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from minidl.errors import ConfigError, ShapeError
from minidl.random import Seeds


class Fold(NamedTuple):
    """Positions of the examples to train on, and of those held out: ascending int64 arrays, disjoint."""

    train: np.ndarray
    held_out: np.ndarray


def k_fold(
    labels: np.ndarray,
    k: int,
    *,
    stratified: bool = True,
    groups: np.ndarray | None = None,
    shuffle: bool = True,
    seeds: Seeds | int = 0,
) -> list[Fold]:
    """Divide the examples into k parts, each of which is held out once (FAU).

    Parameters
    ----------
    labels : (N,) integer array
        Classes; or any strata to be kept in proportion.
    k : int
        Folds, from 2 to N (to the number of groups, where there are groups).
    stratified : bool
        Give every fold the shares of the classes that the whole has, up to one example of each class; with
        groups as nearly as whole groups allow.
    groups : (N,) integer array, optional
        Such as the writers: examples of one group are never on both sides.
    shuffle : bool
        False: unstratified folds are blocks in the order of the examples.
    seeds : Seeds or int
        Of the drawing.

    Returns
    -------
    list of Fold
        Every example is held out exactly once.

    Raises
    ------
    ShapeError, ConfigError
        If the arrays do not fit, or there cannot be that many folds.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    labels, groups = _check("k_fold", labels, groups)
    units, what = (len(labels), "examples") if groups is None else (len(np.unique(groups)), "groups")
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 2 <= k <= units:
        raise ConfigError(f"k_fold: k must be a whole number from 2 to {units:,}, the {what}, got {k!r}")
    if stratified and groups is None:
        _require_members("k_fold", labels, int(k), f"the {k} folds")
    options: dict[str, Any] = {"n_splits": int(k), "shuffle": shuffle}
    if shuffle:
        options["random_state"] = _state(seeds, "folds")
    if groups is None:
        splitter = StratifiedKFold(**options) if stratified else KFold(**options)
    elif stratified:
        splitter = StratifiedGroupKFold(**options)
    else:
        splitter = _shuffled_groups(GroupKFold, options)
    with warnings.catch_warnings():
        # Said when a class is rarer than the folds, where whole groups are kept together anyway.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        folds = [Fold(train, held_out) for train, held_out in splitter.split(labels, labels, groups)]
    if any(len(part) == 0 for fold in folds for part in fold):
        raise ConfigError(
            f"k_fold: the {what} cannot be divided into {k} folds that are not empty; take fewer folds"
        )
    return folds


def hold_out(
    labels: np.ndarray,
    size: int,
    *,
    stratified: bool = True,
    groups: np.ndarray | None = None,
    seeds: Seeds | int = 0,
) -> Fold:
    """Hold out some examples, drawn at random.

    Parameters
    ----------
    labels : (N,) integer array
        Classes, or strata.
    size : int
        Examples to hold out, from 1 to N - 1. With groups as near to it as a fold of whole groups comes.
    stratified, groups, seeds
        As in `k_fold`.

    Raises
    ------
    ShapeError, ConfigError
        If the arrays do not fit, or the examples cannot be divided so.
    """
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    labels, groups = _check("hold_out", labels, groups)
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or not 1 <= size < len(labels):
        raise ConfigError(
            f"hold_out: size must be a whole number from 1 to {len(labels) - 1:,}, got {size!r}; something must "
            "be left on either side"
        )
    if groups is not None:
        k = max(2, round(len(labels) / size))
        return k_fold(labels, k, stratified=stratified, groups=groups, seeds=seeds)[0]
    kind = StratifiedShuffleSplit if stratified else ShuffleSplit
    if stratified:
        _require_members("hold_out", labels, 2, "the two sides")
        classes = len(np.unique(labels))
        if not classes <= size <= len(labels) - classes:
            raise ConfigError(
                f"hold_out: {size:,} of {len(labels):,} examples leave one side with fewer than the {classes} "
                "classes; choose another size or stratified=False"
            )
    splitter = kind(n_splits=1, test_size=int(size), random_state=_state(seeds, "hold-out"))
    train, held_out = next(splitter.split(labels, labels))
    return Fold(np.sort(train), np.sort(held_out))


def _shuffled_groups(kind: Any, options: dict[str, Any]) -> Any:
    """Return a GroupKFold; before scikit-learn 1.6 it could not shuffle, and was the same for every seed."""
    try:
        return kind(**options)
    except TypeError:
        return kind(n_splits=options["n_splits"])


def _state(seeds: Seeds | int, name: str) -> int:
    node = seeds if isinstance(seeds, Seeds) else Seeds(seeds)
    return int(node.generator(name).integers(2**32))


def _check(what: str, labels: np.ndarray, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) < 2:
        raise ShapeError(f"{what}: labels have shape {labels.shape}, expected (N,) with N >= 2")
    if labels.dtype.kind not in "iub":
        raise ConfigError(f"{what}: labels must be whole numbers, got {labels.dtype}")
    if groups is None:
        return labels, None
    groups = np.asarray(groups)
    if groups.shape != labels.shape:
        raise ShapeError(
            f"{what}: groups have shape {groups.shape}, expected {labels.shape}, one for each label"
        )
    return labels, groups


def _require_members(what: str, labels: np.ndarray, least: int, why: str) -> None:
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < least:
        raise ConfigError(
            f"{what}: class {classes[counts.argmin()]} has {counts.min()} of the examples, too few for {why}; give "
            "more examples of it, fewer folds, or stratified=False"
        )
