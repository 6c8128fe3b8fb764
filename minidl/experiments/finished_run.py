"""What the folder of a finished run says about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minidl.errors import CheckpointError, MinidlError
from minidl.experiments.records import read_mapping
from minidl.experiments.training_run import read_config, read_run
from minidl.files import read_objects

# What may differ between repetitions: the seed and the fold, which repetitions are for, and what changes
# nothing but where and how fast.
OF_A_REPETITION = (
    "training.seed", "data.fold", "training.out", "training.threads", "training.device",
    "training.checkpoint_every", "training.monitor", "data.dir", "threads", "command",
)  # fmt: skip
DEPTH = 3  # folders below the one given in which runs are looked for


@dataclass(frozen=True)
class FinishedRun:
    """What the folder of a finished run says about it.

    Attributes
    ----------
    folder : Path
    settings : dict of str to object
        Its configuration by dotted key.
    seed : object
    fold : object
        Of a cross-validation, such as "2/5"; None otherwise.
    data : str or None
        Name of the data set.
    validated_on : str or None
        Tells apart sets of validation images.
    results : dict
        Of ``results.json``.
    """

    folder: Path
    settings: dict[str, Any]
    seed: Any
    fold: Any
    data: str | None
    validated_on: str | None
    results: dict[str, Any]

    @property
    def recipe(self) -> tuple[tuple[str, str], ...]:
        """The settings without those of a repetition, to tell ways of training apart."""
        return tuple(
            sorted((key, repr(value)) for key, value in self.settings.items() if key not in OF_A_REPETITION)
        )

    def epoch(self, weights: str) -> int | None:
        """Return the epoch of the "best" or the "last" weights, or None if there are none such."""
        row = self._row(weights)
        return None if row is None else row.get("epoch")

    def validation_accuracy(self, weights: str) -> float | None:
        """Return the validation accuracy in per cent that training ended with, or None."""
        row = self._row(weights)
        value = None if row is None else row.get("val_accuracy")
        return 100 * float(value) if isinstance(value, int | float) else None

    def test_accuracy(self, weights: str) -> float | None:
        """Return the accuracy in per cent on the test set, or None if it was never taken."""
        for entry in read_objects(self.folder / "evaluation.json", "move it out of the way"):
            same = (entry.get("data"), entry.get("split"), entry.get("weights"))
            if same == (self.data, "test", weights) and entry.get("epoch") in (None, self.epoch(weights)):
                return float(entry["accuracy"])
        found = read_mapping(self.folder / "test.json")  # of a progression
        if found is not None and found.get("weights") == weights:
            return float(found["accuracy"])
        return None

    def _row(self, weights: str) -> dict[str, Any] | None:
        row = self.results.get("best" if weights == "best" else "final")
        return row if isinstance(row, dict) else None


def find_runs(folder: Path) -> list[Path]:
    """Return the folder itself if it is that of a run, or the runs up to three levels below it, in order.

    Raises
    ------
    CheckpointError
        If there is none.
    """
    if (folder / "run.json").is_file():
        return [folder]
    for depth in range(1, DEPTH + 1):
        found = sorted((path.parent for path in folder.glob("*/" * depth + "run.json")), key=natural_order)
        if found:
            return found
    raise CheckpointError(
        f"{folder}: there is no run here nor in the folders below (no run.json); give the folder of a run"
    )


def read_finished(folder: Path) -> FinishedRun:
    """Read what is on record of a run.

    Raises
    ------
    CheckpointError
        If it has not ended, or a file is damaged.
    """
    record = read_run(folder)
    results = read_mapping(folder / "results.json")
    if results is None:
        raise CheckpointError(
            f"{folder}: this run has no results (no readable results.json); it has not ended: go on with it by "
            f"minidl train --resume {folder}, or leave it out"
        )
    settings = dict(_flat(_configuration(folder, record)))
    training = record.get("training")
    validation = training.get("validation") if isinstance(training, dict) else None
    images = (
        f"{validation.get('images')} {validation.get('labels')}" if isinstance(validation, dict) else None
    )
    data = settings.get("data.name", settings.get("data"))
    return FinishedRun(folder, settings, record.get("seed"), settings.get("data.fold"), data, images, results)


def finished_below(folder: Path) -> list[FinishedRun]:
    """Return the run in a folder, or of a folder of runs those that have ended.

    Of a search those count whose trial is done: it stops many on purpose.

    Raises
    ------
    CheckpointError
        If there is none.
    """
    found = find_runs(folder)
    if found == [folder]:
        return [read_finished(folder)]
    ended = [read_finished(each) for each in found if _has_ended(each)]
    if not ended:
        raise CheckpointError(f"{folder}: none of the {len(found)} runs in it has ended (no results.json)")
    return ended


def natural_order(path: Path) -> list[Any]:
    """Sort seed-2 before seed-10."""
    parts = re.split(r"(\d+)", str(path))
    return [int(part) if part.isdigit() else part for part in parts]


def _configuration(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration, with the defaults of keys that did not exist yet when the run was started."""
    config = record.get("config")
    if not isinstance(config, dict):
        return {}
    if config.get("command") != "train":
        return config
    try:
        return read_config(folder).table()
    except MinidlError:  # of another version of minidl: what it says is still good for telling runs apart
        return config


def _has_ended(folder: Path) -> bool:
    trial = read_mapping(folder / "trial.json")
    return (folder / "results.json").is_file() and (trial is None or trial.get("state") == "done")


def _flat(value: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, item in value.items():
        key = f"{prefix}.{name}" if prefix else str(name)
        if isinstance(item, dict) and item:
            yield from _flat(item, key)
        else:
            yield key, item
