"""What a trained network said about every image, kept in its run's folder for comparisons.

``predictions/mnist-test-best.safetensors`` holds the class given to each image and whether it was right, some
20 kB for 10,000 images. The labels are not in it: those of the test set stay in the vault.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.errors import CheckpointError
from minidl.training.checkpoint import read_checkpoint, read_safetensors, write_checkpoint


@dataclass(frozen=True)
class Recorded:
    """Predictions that were kept.

    Attributes
    ----------
    predictions : (N,) int64 array
    correct : (N,) bool array
    labels_digest : int or None
        Two records are of the same images if these agree; None where it was not kept.
    """

    predictions: np.ndarray
    correct: np.ndarray
    labels_digest: int | None


def predictions_file(folder: Path, data: str, split: str, weights: str) -> Path:
    """Return where the predictions of a run are kept."""
    return folder / "predictions" / f"{data}-{split}-{weights}.safetensors"


def keep_predictions(
    folder: Path, facts: dict[str, Any], predictions: np.ndarray, labels: np.ndarray
) -> None:
    """Keep what a run's network said.

    Parameters
    ----------
    folder : Path
    facts : dict
        As in ``evaluation.json``: data, split, weights, epoch.
    predictions, labels : (N,) integer array
    """
    small = np.uint8 if predictions.max(initial=0) < 256 else np.int64
    state = {name: facts[name] for name in ("data", "split", "weights", "epoch")}
    digest = zlib.crc32(np.ascontiguousarray(labels, dtype=np.int64).tobytes())
    write_checkpoint(
        predictions_file(folder, facts["data"], facts["split"], facts["weights"]),
        {"predictions": predictions.astype(small), "correct": predictions == labels},
        {**state, "labels_digest": digest},
    )


def read_recorded(folder: Path, data: str, split: str, weights: str, epoch: int | None) -> Recorded | None:
    """Return what `keep_predictions` kept, or a progression's predictions of the test set.

    Returns
    -------
    Recorded or None
        None if there is nothing, or if it is of another epoch: the run went on since then.

    Raises
    ------
    CheckpointError
        If the file is damaged.
    """
    path = predictions_file(folder, data, split, weights)
    if path.is_file():
        arrays, state = read_checkpoint(path)
        if set(arrays) != {"predictions", "correct"} or not isinstance(state, dict):
            raise CheckpointError(
                f"{path}: this file holds no predictions; delete it and run minidl evaluate again"
            )
        if epoch is not None and state.get("epoch") not in (None, epoch):
            return None
        return Recorded(arrays["predictions"].astype(np.int64), arrays["correct"], state.get("labels_digest"))
    path = folder / "test_outputs.safetensors"
    if split != "test" or not path.is_file():
        return None
    arrays, _ = read_safetensors(path)
    if not {"predictions", "correct"} <= set(arrays):
        return None
    return Recorded(arrays["predictions"].astype(np.int64), arrays["correct"].astype(bool), None)
