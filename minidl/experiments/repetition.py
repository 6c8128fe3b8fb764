"""What a repeated training is to train, and the file that says so.

The folder of a repeated training::

    seeds.json           what was asked for; minidl train --resume reads it
    seed-0/              one ordinary run for every seed

and of a cross-validation ``folds.json`` with ``fold-1/``, or ``fold-1-seed-0/`` where there are several seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minidl.errors import CheckpointError, ConfigError
from minidl.experiments.config import Config
from minidl.experiments.config_file import config_from
from minidl.files import read_json, write_json

FORMAT = 1
SEEDS_FILE, FOLDS_FILE, LOCK = "seeds.json", "folds.json", ".lock"


@dataclass(frozen=True)
class Member:
    """One of the trainings.

    Attributes
    ----------
    name : str
        Of its folder.
    seed : int
    fold : int or None
        From 1.
    """

    name: str
    seed: int
    fold: int | None = None


@dataclass(frozen=True)
class Repetition:
    """What is to be trained.

    Attributes
    ----------
    config : Config
        Its seed is replaced by each of `seeds`, its fold by each of the folds.
    seeds : tuple of int
    folds : int or None
        Of a cross-validation; None for seeds alone.
    """

    config: Config
    seeds: tuple[int, ...]
    folds: int | None = None

    @property
    def file(self) -> str:
        """Name of the file that says what was asked for."""
        return SEEDS_FILE if self.folds is None else FOLDS_FILE

    @property
    def members(self) -> list[Member]:
        """All trainings, in order."""
        if self.folds is None:
            return [Member(f"seed-{seed}", seed) for seed in self.seeds]
        several = len(self.seeds) > 1
        return [
            Member(f"fold-{fold}-seed-{seed}" if several else f"fold-{fold}", seed, fold)
            for fold in range(1, self.folds + 1)
            for seed in self.seeds
        ]

    def table(self) -> dict[str, Any]:
        """Return what the file holds."""
        folds = {} if self.folds is None else {"folds": self.folds}
        return {"format": FORMAT, **folds, "seeds": list(self.seeds), "config": self.config.table()}


def is_repetition(folder: Path) -> bool:
    """Return whether the folder is that of a repeated training."""
    return any((folder / name).is_file() for name in (SEEDS_FILE, FOLDS_FILE))


def read_repetition(folder: Path) -> Repetition:
    """Return what a repeated training was started with.

    Raises
    ------
    CheckpointError
        If the file is damaged.
    """
    of_folds = (folder / FOLDS_FILE).is_file()
    path = folder / (FOLDS_FILE if of_folds else SEEDS_FILE)
    try:
        found = read_json(path)
        seeds, folds = found["seeds"], found["folds"] if of_folds else None
        numbers = [*seeds, 2 if folds is None else folds]
        if found["format"] != FORMAT or not all(type(number) is int for number in numbers):
            raise ValueError("its format is unknown")
        if not seeds or numbers[-1] < 2 or not isinstance(found["config"], dict):
            raise ValueError("it asks for no training")
        return Repetition(config_from(found["config"], where=str(path)), tuple(seeds), folds)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: this file is damaged ({error}); train anew in another folder"
        ) from None


def check_folder(folder: Path, plan: Repetition) -> None:
    """Refuse a folder in which the plan cannot be carried out.

    Raises
    ------
    ConfigError
        If it holds something else, or a repeated training with other settings.
    CheckpointError
        If its file is damaged.
    """
    if is_repetition(folder):
        if read_repetition(folder).table() != plan.table():
            raise ConfigError(
                f"{folder}: this folder holds a repeated training with other settings; go on with it by "
                f"minidl train --resume {folder}, or choose another --out"
            )
    elif folder.exists() and (not folder.is_dir() or any(each.name != LOCK for each in folder.iterdir())):
        raise ConfigError(f"{folder}: this exists already; choose another --out")


def write_plan(folder: Path, plan: Repetition) -> None:
    """Write the file, if it is not there yet."""
    if not is_repetition(folder):
        write_json(folder / plan.file, plan.table())
