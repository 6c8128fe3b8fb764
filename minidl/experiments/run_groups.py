"""Run folders as groups to compare: which runs belong together, and what sets the groups apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minidl.errors import CheckpointError, ConfigError
from minidl.experiments.config_file import toml_value
from minidl.experiments.finished_run import OF_A_REPETITION, FinishedRun, finished_below

LONGEST_NAME = 26


def group_runs(words: Sequence[str]) -> dict[str, list[FinishedRun]]:
    """Return runs by group.

    Parameters
    ----------
    words : sequence of str
        Each is a folder, or ``NAME=FOLDER,FOLDER`` which makes a group of that name. A folder is that of a
        run, or holds those of several (``minidl train --seeds``, a rung of a progression, a search).
        Folders without a name are put together if their configurations agree but for the seed.

    Raises
    ------
    ConfigError
        If a run is given twice, a group repeats a seed, or named and unnamed folders are mixed.
    CheckpointError
        If a folder holds no finished run.
    """
    parsed = [(word, *_named(word)) for word in words]
    named = [name for _, name, _ in parsed if name is not None]
    if named and len(named) < len(parsed):
        first = next(word for word, name, _ in parsed if name is None)
        raise ConfigError(
            f"{first}: the others have the form NAME=FOLDER,FOLDER; name this group too, or leave all names out"
        )
    if len(set(named)) < len(named):
        twice = next(name for name in named if named.count(name) > 1)
        raise ConfigError(
            f"the group {twice} is given twice; write its folders behind one name: {twice}=FOLDER,FOLDER"
        )
    groups: dict[str, list[FinishedRun]] = {}
    runs: list[FinishedRun] = []
    for _, name, folders in parsed:
        found = [run for folder in folders for run in finished_below(folder)]
        runs += found
        if name is not None:
            groups[name] = found
    _require_distinct(runs)
    if not named:
        groups = _by_recipe(runs)
    for name, members in groups.items():
        _require_repetitions(name, members)
    return groups


def differences(groups: dict[str, list[FinishedRun]]) -> dict[str, dict[str, str]]:
    """Return the settings in which groups differ: for each group, value by key, as TOML has it."""
    first = {name: runs[0].settings for name, runs in groups.items()}
    keys = sorted({key for settings in first.values() for key in settings if key not in OF_A_REPETITION})
    unequal = [key for key in keys if len({repr(settings.get(key)) for settings in first.values()}) > 1]
    return {name: {key: _shown(settings.get(key)) for key in unequal} for name, settings in first.items()}


def is_lettered(groups: dict[str, list[FinishedRun]]) -> bool:
    """Return whether the names of the groups are mere letters."""
    return list(groups) == [_letter(index) for index in range(len(groups))]


def mixed_settings(runs: Sequence[FinishedRun]) -> list[str]:
    """Return the settings, other than those of a repetition, in which the runs of one group differ."""
    keys = {key for run in runs for key in run.settings if key not in OF_A_REPETITION}
    return sorted(key for key in keys if len({repr(run.settings.get(key)) for run in runs}) > 1)


def paired(groups: dict[str, list[FinishedRun]]) -> dict[str, list[FinishedRun]]:
    """Bring the runs of all groups into the same order: by seed and fold.

    Raises
    ------
    ConfigError
        If the groups do not have the same seeds and folds.
    """
    ordered = {name: sorted(runs, key=_pairing) for name, runs in groups.items()}
    wanted: list[Any] | None = None
    for name, runs in ordered.items():
        found = [(repr(run.seed), run.fold) for run in runs]
        if wanted is None:
            wanted, first = found, name
        elif found != wanted:
            raise ConfigError(
                f"the runs of {first} have the seeds {_listed(wanted)}, those of {name} {_listed(found)}; a paired "
                "test needs the same ones in every group: train those that are missing, or leave out --test paired"
            )
    return ordered


def accuracies(runs: Sequence[FinishedRun], split: str, weights: str) -> np.ndarray:
    """Return the accuracy of every run in per cent.

    Raises
    ------
    CheckpointError
        If one has none on record.
    """
    values = []
    for run in runs:
        value = run.validation_accuracy(weights) if split == "validation" else run.test_accuracy(weights)
        if value is None and split == "test":
            raise CheckpointError(
                f"{run.folder}: the test set was never opened for the {weights} weights of this run; compare on the "
                f"validation images, or, once all is decided, open it by minidl evaluate {run.folder} --split test "
                f"--weights {weights}"
            )
        if value is None:
            raise CheckpointError(
                f"{run.folder}: no validation accuracy of the {weights} weights is on record in results.json; was the "
                "run trained without validation images?"
            )
        values.append(value)
    return np.array(values)


def _named(word: str) -> tuple[str | None, list[Path]]:
    name, equals, folders = word.partition("=")
    if not equals or Path(word).exists():
        return None, [Path(word)]
    if not name.strip() or not all(folders.split(",")):
        raise ConfigError(f"{word}: write a group as NAME=FOLDER,FOLDER, such as sgd=runs/a1,runs/a2")
    return name.strip(), [Path(folder) for folder in folders.split(",")]


def _by_recipe(runs: Iterable[FinishedRun]) -> dict[str, list[FinishedRun]]:
    """Put runs together that differ in the seed only; name the groups by what sets them apart, if that is short."""
    found: dict[Any, list[FinishedRun]] = {}
    for run in runs:
        found.setdefault(run.recipe, []).append(run)
    lettered = {_letter(index): members for index, members in enumerate(found.values())}
    if len(lettered) == 1:
        return lettered
    unequal = differences(lettered)
    names = [_short_name(unequal[letter]) for letter in lettered]
    if None in names or len(set(names)) < len(names):
        return lettered
    return {str(name): members for name, members in zip(names, lettered.values(), strict=True)}


def _short_name(values: dict[str, str]) -> str | None:
    """Return a name from the only setting that differs, or from the rung, whose recipe differs with it."""
    telling = [key for key in values if key in ("rung", "model.rung")] or list(values)
    if len(telling) != 1:
        return None
    (key,) = telling
    text = values[key].strip('"')
    name = text if "(" in text else f"{key.rpartition('.')[2]} {text}"
    return name if len(name) <= LONGEST_NAME else None


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"{_letter(index // 26 - 1)}{_letter(index % 26)}"


def _require_distinct(runs: Sequence[FinishedRun]) -> None:
    seen: set[Path] = set()
    for run in runs:
        path = run.folder.resolve()
        if path in seen:
            raise ConfigError(f"{run.folder}: this run is given twice; leave one out")
        seen.add(path)


def _require_repetitions(name: str, runs: Sequence[FinishedRun]) -> None:
    seen: dict[Any, FinishedRun] = {}
    for run in runs:
        key = (run.recipe, repr(run.seed), run.fold)
        if key in seen and run.settings:
            raise ConfigError(
                f"{run.folder}: this run has the settings and the seed ({run.seed}) of {seen[key].folder} in the same "
                f"group ({name}), so it is the same network again and tells nothing about scatter; leave one out"
            )
        seen[key] = run


def _shown(value: Any) -> str:
    return "not given" if value is None else toml_value(value)


def _pairing(run: FinishedRun) -> tuple[str, str]:
    return f"{run.seed!r:>20}", str(run.fold)


def _listed(keys: list[Any]) -> str:
    return ", ".join(seed if fold is None else f"{seed} (fold {fold})" for seed, fold in keys)
