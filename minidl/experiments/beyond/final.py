"""The one look at the test images that a recipe gets.

``vault.json`` in the recipe's folder says when the vault was opened and for what, and is written before the first
test image is seen. ``final.json`` has what came out; where it is, nothing is opened or computed again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet
from minidl.errors import CheckpointError, ConfigError
from minidl.evaluation import wilson_interval
from minidl.evaluation.label_errors import LabelVersion, label_versions
from minidl.experiments.beyond.training import (
    FORMAT,
    done_networks,
    keep_probabilities,
    probabilities_of,
    read_probabilities,
    read_recipe,
    summary,
    votes_of,
)
from minidl.experiments.data_digest import data_identity
from minidl.experiments.folder_lock import locked
from minidl.experiments.scoring import TrainedRun
from minidl.files import read_object, read_objects, write_json
from minidl.machine import machine_facts

KEPT = "restore it from a copy: it is the record that the test set was opened for this recipe"


def final_results(folder: Path, data: DataSet, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Score all networks of a recipe and their votes on the test images, once.

    Parameters
    ----------
    folder : Path
        Of the recipe, with its networks trained.
    data : DataSet
        The same data, divided in the same way, with the vault.
    say : callable
        Called with a line for what is being done.

    Returns
    -------
    dict
        The content of ``final.json``: accuracies in per cent of the single networks and of the votes, on the labels
        as published, corrected, and without the doubtful ones (MNIST), and the openings of the vault.

    Raises
    ------
    CheckpointError, ConfigError
        If there are no networks, some are not finished, or they were trained on other data.
    """
    recipe = read_recipe(folder)
    with locked(folder / ".lock", f"minidl beyond final {recipe['name']}"):
        if (folder / "final.json").exists():
            say(f"{folder}: the final results were taken before; the vault stays shut")
            return read_object(folder / "final.json", KEPT)
        networks = _ready(folder, recipe, data)
        # Everything that can go wrong with files has gone wrong by now.
        openings = read_objects(folder / "vault.json", KEPT)
        trained = [TrainedRun(path, data=data) for path in networks]
        test = data.vault.open(
            f"minidl beyond final {recipe['name']}: {len(networks)} networks and their votes"
        )
        openings.append({**data.vault.openings[-1], "data": data.name})
        write_json(folder / "vault.json", openings)
        shares = []
        for run in trained:
            path = run.folder / "test.safetensors"
            if not path.exists():  # of an attempt that was cut short
                keep_probabilities(path, probabilities_of(run, test.images))
            shares.append(read_probabilities(path))
        versions = _versions(data, test.labels)
        found = {
            "format": FORMAT,
            "recipe": recipe["name"],
            "command": f"minidl beyond final {recipe['name']}",
            "trained": recipe["started"],
            "config": recipe["config"],
            "data": data.title,
            "is_mnist": data.is_mnist,
            "division": data.split,
            "networks": len(networks),
            "labels": [_scores(version, shares, recipe["members"]) for version in versions],
            "vault": openings,
            **machine_facts(),
        }
        write_json(folder / "final.json", found)
        return found


def _ready(folder: Path, recipe: dict[str, Any], data: DataSet) -> list[Path]:
    if data_identity(data) != recipe["data"] or data.split != recipe["division"]:
        raise ConfigError(
            f"{folder}: these networks were trained on {recipe['data']['name']} ({recipe['data']['train']:,} training "
            f"images, division {recipe['division']}), not on {data.title} ({len(data.train):,}, {data.split})"
        )
    networks = done_networks(folder)
    if not networks:
        raise CheckpointError(
            f"{folder}: no network of this recipe is trained; minidl beyond train {recipe['name']}"
        )
    begun = [
        path.parent
        for path in folder.glob("seed-*/run.json")
        if not (path.parent / "validation.json").exists()
    ]
    if begun:
        raise ConfigError(
            f"{folder}: {begun[0].name} is not finished; go on with minidl beyond train {recipe['name']}, since the "
            "test set is opened once and later networks would be left out"
        )
    return networks


def _versions(data: DataSet, labels: np.ndarray) -> list[LabelVersion]:
    if data.is_mnist:
        return label_versions(labels)
    return [LabelVersion("original", labels, np.ones(len(labels), dtype=bool))]


def _scores(version: LabelVersion, shares: list[np.ndarray], sizes: list[int]) -> dict[str, Any]:
    """Return the accuracies of single networks and of votes on one version of the labels."""

    def scored(predictions: list[np.ndarray]) -> dict[str, Any]:
        right = [int((each == version.labels)[version.kept].sum()) for each in predictions]
        examples = int(version.kept.sum())
        # All were scored on the same images: the interval is that of one test set.
        ends = wilson_interval(round(sum(right) / len(right)), examples)
        return {**summary([100 * each / examples for each in right]), "wilson": [100 * end for end in ends]}

    votes = [{"members": size, **scored(each)} for size, each in votes_of(shares, sizes)]
    return {
        "labels": version.name,
        "examples": int(version.kept.sum()),
        "single": scored([share.argmax(axis=1) for share in shares]),
        "ensembles": votes,
    }
