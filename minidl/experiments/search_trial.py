"""One trial of a search: an ordinary run folder, and ``trial.json`` once it is over."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from minidl.data import DataSet, Split
from minidl.data.splits import Vault
from minidl.errors import ConfigError, DivergenceError, ShapeError, StateError
from minidl.experiments.config import Config
from minidl.experiments.folder_lock import locked
from minidl.experiments.search_keys import with_parameters
from minidl.experiments.training_run import prepare
from minidl.files import read_json, write_json
from minidl.search.bayesian import Ticket
from minidl.training.callbacks import Callback
from minidl.training.run_folder import RunFolder

STATES = ("done", "pruned", "diverged", "failed")


@dataclass(frozen=True)
class Trial:
    """What a worker is given.

    Attributes
    ----------
    number : int
        From 0, through all stages.
    stage : int
        From 0.
    parameters : dict
        Values by dotted name.
    seed : int
        Of the training.
    epochs : int or None
        None for ``training.epochs``.
    folder : str
        Absolute, so that it means the same to every worker.
    ticket : Ticket or None
        For a pruner.
    """

    number: int
    stage: int
    parameters: dict[str, Any]
    seed: int
    epochs: int | None
    folder: str
    ticket: Ticket | None = None


class SealedVault(Vault):
    """In place of a vault, with nothing in it: a search cannot open the test set."""

    def __init__(self, like: Split) -> None:
        super().__init__(Split(like.images[:0], like.labels[:0]))

    def open(self, reason: str) -> Split:
        """Refuse."""
        raise StateError("the test set is not part of a search; choose on the validation images alone")


def sealed(data: DataSet) -> DataSet:
    """Return the data set without its test images."""
    return replace(data, vault=SealedVault(data.train))


def trial_config(base: Config, trial: Trial, objective: str) -> Config:
    """Return the configuration of a trial's training."""
    config = with_parameters(base, trial.parameters)
    # The number of threads decides the last bits, so it must not follow from the number of workers.
    settings: dict[str, Any] = {"seed": trial.seed, "threads": config.training.threads or 1, "out": None}
    if trial.epochs is not None:
        settings["epochs"] = trial.epochs
    if config.training.keep_best is None:
        settings["keep_best"] = objective
    return config.with_values(**{f"training__{name}": value for name, value in settings.items()})


def run_trial(trial: Trial, base: Config, data: DataSet, objective: str) -> dict[str, Any]:
    """Train a trial, or go on with one that was stopped; one that is over is not trained again.

    A worker may have lost the process that sent it the trial, and still be at it: whoever comes second
    waits, and finds it done.

    Parameters
    ----------
    trial : Trial
    base : Config
    data : DataSet
        From `sealed`.
    objective : {"accuracy", "loss"}

    Returns
    -------
    dict
        The content of ``trial.json``.
    """
    folder = Path(trial.folder)
    with locked(folder.parent / ".locks" / folder.name):
        if (folder / "trial.json").exists():
            return read_json(folder / "trial.json")
        started = time.perf_counter()
        record: dict[str, Any] = {
            "trial": trial.number,
            "stage": trial.stage,
            "folder": f"{folder.parent.name}/{folder.name}",
            "seed": trial.seed,
            "parameters": trial.parameters,
            "state": "done",
            "value": None,
            "objective": objective,
            "epochs": 0,
            "best_epoch": None,
            "validation_accuracy": None,
            "validation_loss": None,
            "message": "",
        }
        try:
            record.update(_train(trial, trial_config(base, trial, objective), data, objective))
        except DivergenceError as error:
            record.update(state="diverged", message=str(error))
        except (ConfigError, ShapeError) as error:
            record.update(state="failed", message=str(error))
        record["seconds"] = time.perf_counter() - started
        write_json(folder / "trial.json", record)
        return record


def _train(trial: Trial, config: Config, data: DataSet, objective: str) -> dict[str, Any]:
    folder = Path(trial.folder)
    prepared = prepare(config, data=data, resume=RunFolder(folder).last.exists())
    pruning = None
    if trial.ticket is not None:
        pruning = Pruning(trial.ticket, objective)
        prepared.parts.callbacks.append(pruning)
    trainer = prepared.fit(folder, resume=True, progress=False)
    rows = trainer.history.rows
    name = f"val_{objective}"
    best = (max if objective == "accuracy" else min)(rows, key=lambda row: row[name])
    return {
        "state": "pruned" if pruning is not None and pruning.pruned else "done",
        "value": best[name],
        "epochs": len(rows),
        "best_epoch": best["epoch"],
        "validation_accuracy": best["val_accuracy"],
        "validation_loss": best["val_loss"],
    }


class Pruning(Callback):
    """Ask Optuna after every epoch whether to go on.

    Parameters
    ----------
    ticket : Ticket
    objective : {"accuracy", "loss"}
    """

    order = 50

    def __init__(self, ticket: Ticket, objective: str) -> None:
        self._ticket, self._name = ticket, f"val_{objective}"
        self.pruned = False

    def on_epoch_end(self, trainer: Any, row: dict[str, Any]) -> None:
        if trainer.epoch < trainer.epochs and self._ticket.prune(trainer.epoch, row[self._name]):
            self.pruned = trainer.stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return whether it has ended the training, so that a run taken up again still knows."""
        return {"pruned": int(self.pruned)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.pruned = bool(state["pruned"])
