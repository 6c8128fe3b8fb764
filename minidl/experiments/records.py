"""Reading what runs have left on the disk, for the reports.

A progression may be looked at while it runs, after a crash, or when files were deleted to save
space. Whatever is missing or damaged reads as None here, and the report says so in a sentence.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from minidl.errors import CheckpointError, DataError
from minidl.files import read_json
from minidl.training.checkpoint import read_safetensors
from minidl.training.history import History


def read_progression(folder: Path) -> dict[str, Any]:
    """Return ``results.json`` of a progression.

    Raises
    ------
    DataError
        If it is missing, damaged, or of another format: without it there is nothing to report.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise DataError(
            f"{path}: there is no such file; give the folder that minidl progression --out wrote to"
        )
    try:
        results = read_json(path)
    except ValueError as error:
        raise DataError(
            f"{path}: this file is damaged ({error}); run the progression again with --resume"
        ) from None
    found = results.get("format") if isinstance(results, dict) else None
    if found != 1:
        raise DataError(f"{path}: its format is {found}, expected 1; write it with this version of minidl")
    rows = results.get("rungs", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "rung" in row for row in rows):
        raise DataError(
            f"{path}: this file is damaged (its rungs are no list of rows); run the progression again with --resume"
        )
    return results


def read_mapping(path: Path) -> dict[str, Any] | None:
    """Return a JSON object, or None."""
    try:
        value = read_json(path)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def read_history(run: Path) -> dict[str, np.ndarray] | None:
    """Return the columns of a run's ``history.csv`` as float arrays (NaN where empty), or None."""
    try:
        history = History.read_csv(run / "history.csv")
    except (OSError, CheckpointError):
        return None
    if not len(history) or "epoch" not in history.columns:
        return None
    return {name: np.array(history[name], dtype=np.float64) for name in history.columns}


def read_predictions(run: Path, split: str = "test") -> np.ndarray | None:
    """Return the classes a run predicted on the test (or validation) images, (N,) int64, or None."""
    arrays = _arrays(run / f"{split}_outputs.safetensors")
    if "predictions" in arrays:
        return arrays["predictions"].astype(np.int64)
    return arrays["logits"].argmax(axis=1) if "logits" in arrays else None


def read_correct(run: Path, split: str = "test") -> np.ndarray | None:
    """Return which of the test (or validation) images a run got right, (N,) bool, or None."""
    correct = _arrays(run / f"{split}_outputs.safetensors").get("correct")
    return None if correct is None else correct.astype(bool)


def read_first_weight(run: Path) -> np.ndarray | None:
    """Return the weight of a run's first convolution or Dense layer, or None.

    Taken from the best weights, or from the last ones where no best were kept.
    """
    for name in ("checkpoints/best.safetensors", "weights.safetensors", "checkpoints/last.safetensors"):
        arrays = _arrays(run / name)
        # A checkpoint also holds the optimizer's state; an exported file holds the model alone.
        model = {
            key.removeprefix("model/"): x
            for key, x in arrays.items()
            if "/" not in key.removeprefix("model/")
        }
        weights = [key for key in model if key.endswith("weight") and model[key].ndim in (2, 4)]
        if weights:
            return model[min(weights, key=_definition_order)]
    return None


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        return read_safetensors(path)[0]
    except (CheckpointError, OSError):
        return {}


def _definition_order(name: str) -> list[tuple[int, int, str]]:
    """Sort dotted names as the layers are: "2.weight" before "10.weight"."""
    return [(0, int(part), "") if re.fullmatch(r"\d+", part) else (1, 0, part) for part in name.split(".")]
