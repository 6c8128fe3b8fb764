"""Score a trained network on the validation or the test images of a data set.

Every opening of the test set is on record: ``vault.json`` in the run's folder lists when and for what,
written before the first test image is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from minidl import parallel
from minidl.data import DataSet, Split, load, resplit
from minidl.errors import CheckpointError, ConfigError
from minidl.evaluation import confusion_matrix, wilson_interval
from minidl.evaluation.calibration import Calibration
from minidl.experiments.ladder import INPUT_SHAPE, build_model
from minidl.experiments.parts import make_loss, make_model, prepare_model, training_data
from minidl.experiments.predictions import keep_predictions
from minidl.experiments.recipes import Recipe
from minidl.experiments.score_facts import (
    average_facts,
    calibration_facts,
    calibration_of,
    class_facts,
    class_probabilities,
    label_version_facts,
    ranking_facts,
)
from minidl.experiments.training_run import read_config, read_run
from minidl.files import read_objects, write_json
from minidl.losses import SoftmaxCrossEntropy
from minidl.training.checkpoint import load_weights
from minidl.training.evaluate import evaluate, predict

WEIGHTS = ("best", "last")


@dataclass(frozen=True)
class Outcome:
    """What a network made of a split.

    Attributes
    ----------
    facts : dict
        What ``evaluation.json`` keeps: run, data, how it was divided, split, weights, epoch, examples, correct,
        accuracy and its Wilson interval (per cent), loss, the scores of every class and their averages, top-k
        errors, areas under the ROC curves, calibration, the confusion matrix, and, of MNIST's test images, the
        accuracy without the labels that people doubt.
    images, labels, predictions : numpy.ndarray
    classes : list of str
    probabilities : (N, K) numpy.ndarray
        As `minidl.experiments.score_facts.class_probabilities` returns them.
    calibration : Calibration or None
        None where the outputs are no probabilities.
    """

    facts: dict[str, Any]
    images: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    classes: list[str]
    probabilities: np.ndarray
    calibration: Calibration | None


class TrainedRun:
    """The network of a run, with its weights.

    Parameters
    ----------
    folder : Path
        Of a run of ``minidl train``, or of one network of a progression (``rung-03/seed-0``).
    weights : {"best", "last"}, optional
        By default the best, or the last where none were kept.
    data_name : str, optional
        A data set other than the run's own.
    data_dir : Path, optional
        Folder with the data files.
    data : DataSet, optional
        The run's own data set, where it has been read and divided before.
    device : {"cpu", "cuda"}
        Where to compute.

    Raises
    ------
    MinidlError
        If there is no such run, or its data or weights cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        *,
        weights: str | None = None,
        data_name: str | None = None,
        data_dir: Path | None = None,
        data: DataSet | None = None,
        device: str = "cpu",
    ) -> None:
        self.folder = folder
        record = read_run(folder)
        asked = record.get("config")
        if not isinstance(asked, dict) or not ("rung" in asked or asked.get("command") == "train"):
            raise CheckpointError(
                f"{folder}: this run was started neither by minidl train nor by minidl progression, so its model "
                "is not known; score it with minidl.training.evaluate"
            )
        self.path = weights_file(folder, weights)
        if asked.get("command") == "train":
            config = read_config(folder)
            self.data = data or _load(data_name, config.data.name, data_dir or config.data.dir)
            own = self.data  # whose training images give the class weights
            if data is None and self.data.name == config.data.name:
                place = data_dir or config.data.dir
                self.data = own = resplit(own, config.data.split, config.data.fold, data_dir=place)
            elif data is None and config.training.class_weights == "inverse-frequency":
                own = _load(None, config.data.name, config.data.dir)
                own = resplit(own, config.data.split, config.data.fold, data_dir=config.data.dir)
            self.model = make_model(config)
            prepare_model(config, self.model, self.data)
            self.loss = make_loss(config, training_data(config, own) if own.name == config.data.name else own)
        else:
            self.data = data or _load(data_name, asked.get("data"), data_dir)
            self.model = build_model(str(asked["rung"]), recipe_of(asked, folder))
            self.model.build(INPUT_SHAPE)
            self.loss = SoftmaxCrossEntropy()
        self.scaling = _scaling(record)
        state = load_weights(self.model, self.path)
        self.epoch = state.get("epoch")
        self.model.to(device)

    def score(self, split: str) -> Outcome:
        """Score the network, and keep the outcome in the run's folder.

        Parameters
        ----------
        split : {"validation", "test"}
            "test" opens the vault, which is put on record in ``vault.json`` first.

        Raises
        ------
        ConfigError
            If there is no such split.
        """
        if split not in ("validation", "test"):
            raise ConfigError(f"split must be validation or test, got {split!r}")
        images = self.data.validation
        if split == "test":
            images = self.open_vault(f"minidl evaluate {self.folder}, {self.path.stem} weights")
        with parallel.threads():
            outputs = predict(self.model, images.images, **self.scaling)
            loss = evaluate(self.model, self.loss, images, **self.scaling).loss
        predictions, labels = outputs.argmax(axis=1), images.labels
        probabilities = class_probabilities(self.loss, outputs)
        calibration = calibration_of(self.loss, probabilities, labels)
        facts = {
            **self._facts(split, images, predictions, loss),
            **ranking_facts(probabilities, labels),
            "calibration": calibration_facts(calibration),
            "label_versions": label_version_facts(self.data, split, predictions, labels),
        }
        keep_predictions(self.folder, facts, predictions, labels)
        _keep(self.folder / "evaluation.json", facts)
        return Outcome(
            facts, images.images, labels, predictions, self.data.classes, probabilities, calibration
        )

    def _facts(self, split: str, images: Split, predictions: np.ndarray, loss: float) -> dict[str, Any]:
        matrix = confusion_matrix(predictions, images.labels, len(self.data.classes))
        correct, examples = int(np.trace(matrix)), len(images)
        return {
            "run": str(self.folder),
            "data": self.data.name,
            "title": self.data.title,
            "split": split,
            "division": self.data.split,
            "weights": self.path.stem,
            "epoch": self.epoch,
            "examples": examples,
            "correct": correct,
            "accuracy": 100 * correct / examples,
            "wilson": [100 * bound for bound in wilson_interval(correct, examples)],
            "loss": loss if np.isfinite(loss) else None,
            "classes": class_facts(self.data.classes, matrix),
            "averages": average_facts(matrix),
            "confusion": matrix.tolist(),
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }

    def open_vault(self, what_for: str) -> Split:
        """Return the test images; the opening is on record in ``vault.json`` before anything is done with them."""
        path = self.folder / "vault.json"
        openings = read_objects(path, "move it out of the way")
        test = self.data.vault.open(what_for)
        write_json(path, [*openings, {**self.data.vault.openings[-1], "data": self.data.name}])
        return test


def weights_file(folder: Path, weights: str | None) -> Path:
    """Return the file of a run's weights: "best", "last", or, for None, the best that were kept.

    Raises
    ------
    CheckpointError
        If there is none.
    """
    paths = {name: folder / "checkpoints" / f"{name}.safetensors" for name in WEIGHTS}
    there = [name for name in WEIGHTS if paths[name].is_file()]
    chosen = weights or (there[0] if there else "last")
    if chosen not in there:
        others = f"; there are the {' and '.join(there)} ones" if there else ""
        raise CheckpointError(f"{folder}: this run has no {chosen} weights (no {paths[chosen]}){others}")
    return paths[chosen]


def _load(name: str | None, own: Any, data_dir: Any) -> DataSet:
    chosen = name or own
    if not isinstance(chosen, str):
        raise ConfigError("the run does not say which data it was trained on; name a data set with --data")
    return load(chosen, data_dir=None if chosen == "digits" else data_dir)


def recipe_of(asked: dict[str, Any], folder: Path) -> Recipe:
    """Return the recipe in the configuration of one network of a progression.

    Raises
    ------
    CheckpointError
        If it is damaged.
    """
    try:
        recipe = {name: value for name, value in asked["recipe"].items() if name != "class"}
        return Recipe(**{**recipe, "dropout": tuple(recipe["dropout"])})
    except (AttributeError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / 'run.json'}: the recipe in it is damaged ({error})") from None


def _scaling(record: dict[str, Any]) -> dict[str, Any]:
    """Return what the run's loader made of grey levels: the network has to see every image so."""
    training = record.get("training")
    loader = training.get("train") if isinstance(training, dict) else None
    described = loader if isinstance(loader, dict) else {}
    found = {name: described.get(name) for name in ("scale", "mean", "std")}
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def _keep(path: Path, facts: dict[str, Any]) -> None:
    """Add an evaluation to the file, in place of an earlier one of the same images and weights."""
    same = ("data", "split", "weights")
    before = read_objects(path, "move it out of the way")
    others = [each for each in before if [each.get(k) for k in same] != [facts[k] for k in same]]
    write_json(path, [*others, facts])
