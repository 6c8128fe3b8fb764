"""Groups of runs that are cross-validations: their accuracies fold by fold."""

from __future__ import annotations

import numpy as np

from minidl.data.resplit import parse_fold
from minidl.errors import ConfigError
from minidl.experiments.finished_run import FinishedRun
from minidl.experiments.run_groups import accuracies

Groups = dict[str, list[FinishedRun]]


def are_cross_validations(groups: Groups) -> bool:
    """Return whether all runs are of a fold, and every group has several folds."""
    runs = [run for members in groups.values() for run in members]
    return all(run.fold is not None for run in runs) and all(
        len({run.fold for run in members}) > 1 for members in groups.values()
    )


def fold_accuracies(groups: Groups, weights: str) -> tuple[Groups, dict[str, np.ndarray], int]:
    """Return the groups in the order of the folds, the accuracy of every fold in per cent, and how many folds.

    Several runs of a fold, from different seeds, count as one: their mean. They share all of their images,
    so they say nothing about other images.

    Parameters
    ----------
    groups : dict of str to list of FinishedRun
    weights : {"best", "last"}

    Returns
    -------
    groups : dict of str to list of FinishedRun
    values : dict of str to (n,) float64 array
    folds : int
        That the images were divided into; n is less where only some were trained.

    Raises
    ------
    ConfigError
        If a run is of no fold, the groups do not have the same folds, or a fold was validated on different
        images.
    CheckpointError
        If an accuracy is not on record.
    """
    sorted_groups = {name: _by_fold(members) for name, members in groups.items()}
    (first, wanted), *others = sorted_groups.items()
    counts = {count for each in sorted_groups.values() for _, count in each}
    if len(counts) > 1:
        raise ConfigError(
            f"these runs are of {' and '.join(map(str, sorted(counts)))} folds; cross-validations are compared over "
            "the same folds: train both with the same --folds"
        )
    for name, found in others:
        if list(found) != list(wanted):
            raise ConfigError(
                f"{first} has the folds {_listed(wanted)} and {name} the folds {_listed(found)}; cross-validations "
                "are compared over the same folds: train those that are missing, or leave out the others"
            )
    for fold, runs in wanted.items():
        alike = [*runs, *(run for _, found in others for run in found[fold])]
        other = next((run for run in alike if run.validated_on != alike[0].validated_on), None)
        if other is not None:
            raise ConfigError(
                f"{alike[0].folder} and {other.folder} are of the same fold but were validated on different images; "
                "train both with the same data.split"
            )
    in_order = {
        name: [run for runs in found.values() for run in runs] for name, found in sorted_groups.items()
    }
    values = {
        name: np.array([accuracies(runs, "validation", weights).mean() for runs in found.values()])
        for name, found in sorted_groups.items()
    }
    return in_order, values, counts.pop()


def _by_fold(runs: list[FinishedRun]) -> dict[tuple[int, int], list[FinishedRun]]:
    found: dict[tuple[int, int], list[FinishedRun]] = {}
    for run in runs:
        if run.fold is None:
            raise ConfigError(
                f"{run.folder}: this run is not of a cross-validation, so it has no fold to compare by; leave it "
                "out, or leave out --test folds"
            )
        found.setdefault(parse_fold(str(run.fold)), []).append(run)
    return {fold: sorted(found[fold], key=lambda run: f"{run.seed!r:>20}") for fold in sorted(found)}


def _listed(folds: dict[tuple[int, int], list[FinishedRun]]) -> str:
    return ", ".join(f"{number}/{count}" for number, count in folds)
