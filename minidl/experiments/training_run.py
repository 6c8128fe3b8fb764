"""From a configuration to a `Trainer` with everything in it, and the run it leaves in a folder.

`prepare` makes every object and takes one step with copies of them, so that whatever is wrong with a
configuration is said before anything is written.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from minidl import parallel
from minidl.backend import choose_device
from minidl.data import DataSet, Loader, load, load_or_digits, resplit
from minidl.errors import CheckpointError, ConfigError
from minidl.experiments.config import Config
from minidl.experiments.config_file import config_from, to_toml
from minidl.experiments.parts import Parts, make_parts, training_data
from minidl.files import atomic_write, read_object
from minidl.training.callbacks import BestWeights, Callback
from minidl.training.early_stopping import EarlyStopping
from minidl.training.trainer import Trainer

DEFAULT_RUNG = "0"
REHEARSED = 8  # examples of the step that is taken before anything is written


@dataclass
class Prepared:
    """A run that is ready to start.

    Attributes
    ----------
    config : Config
        Resolved: with the data set's name, the device, the threads, and the model filled in.
    data : DataSet
        The test set stays in its vault.
    parts : Parts
    loader : Loader
    """

    config: Config
    data: DataSet
    parts: Parts
    loader: Loader

    def fit(self, folder: Path, *, resume: bool = False, progress: bool = True) -> Trainer:
        """Train into `folder`, or go on with the run there; return the trainer."""
        trainer = _trainer(self.config, self.parts, folder, progress)
        trainer.callbacks.append(_KeepConfiguration(folder / "config.toml", self.config))
        with parallel.threads(self.config.training.threads):
            trainer.fit(self.loader, self.config.training.epochs, self.data.validation, resume=resume)
        return trainer


def _trainer(config: Config, parts: Parts, folder: Path | None, progress: bool) -> Trainer:
    keep_best = config.training.keep_best or "accuracy"
    return Trainer(
        parts.model,
        parts.loss,
        parts.optimizer,
        regularizers=parts.regularizers,
        schedule=parts.schedule,
        callbacks=parts.callbacks,
        run_dir=folder,
        config=stored(config),
        keep_best=None if keep_best == "none" else keep_best,
        progress=progress,
        seed=config.training.seed,
        checkpoint_every=config.training.checkpoint_every,
    )


class _KeepConfiguration(Callback):
    """Write the configuration as a file for ``minidl train --config`` once the run has been started."""

    def __init__(self, path: Path, config: Config) -> None:
        self._path, self._config = path, config

    def on_fit_start(self, trainer: Any) -> None:
        note = "minidl train --config FILE repeats this run, bit for bit, in another folder."
        with atomic_write(self._path) as stream:
            stream.write(to_toml(portable(self._config), note))


def prepare(
    config: Config, *, data_dir: Path | None = None, resume: bool = False, data: DataSet | None = None
) -> Prepared:
    """Make everything that a run needs, and try it out.

    Parameters
    ----------
    config : Config
    data_dir : Path, optional
        A folder with the data files that goes before ``data.dir``: the files may have moved.
    resume : bool
        Whether there is a checkpoint to go on from: ``model.init_from`` is not read again then.
    data : DataSet, optional
        What `load_whole` returned, where many runs share it.

    Raises
    ------
    MinidlError
        If anything in the configuration does not work. Nothing has been written then.
    """
    config = with_default_model(config)
    device = choose_device(config.training.device)
    make_parts(config, None)  # a slip of the pen should not cost a download
    data = load_data(config, data_dir) if data is None else training_data(config, data)
    resolved = config.with_values(
        data__name=data.name,
        data__dir=_absolute(config.data.dir),
        model__init_from=_absolute(config.model.init_from),
        training__device=device,
        training__threads=config.training.threads or parallel.available_cores(),
    )
    _rehearse(resolved, data, resume)
    parts = make_parts(resolved, data, read_weights=not resume)
    if config.training.keep_best is None and not any(isinstance(c, BestWeights) for c in parts.callbacks):
        judges = [c.metric for c in parts.callbacks if isinstance(c, EarlyStopping)]
        resolved = resolved.with_values(training__keep_best=judges[0] if judges else "accuracy")
    parts.model.to(device)
    return Prepared(resolved, data, parts, parts.loader)


def load_data(config: Config, data_dir: Path | None = None) -> DataSet:
    """Return the data set of a configuration, with the training images it asks for."""
    return training_data(config, load_whole(config, data_dir))


def load_whole(config: Config, data_dir: Path | None = None) -> DataSet:
    """Return the data set of a configuration, split as it says, with all training images."""
    folder = data_dir if data_dir is not None else config.data.dir
    return resplit(load_undivided(config, data_dir), config.data.split, config.data.fold, data_dir=folder)


def load_undivided(config: Config, data_dir: Path | None = None) -> DataSet:
    """Return the data set of a configuration as it is stored, whatever division the configuration wants."""
    folder = data_dir if data_dir is not None else config.data.dir
    if config.data.name is None:
        return load_or_digits(data_dir=folder)
    return load(config.data.name, data_dir=folder)


def stored(config: Config) -> dict[str, Any]:
    """Return what ``run.json`` keeps of a configuration: all that `read_config` needs to rebuild it."""
    return {"command": "train", **portable(config).table()}


def portable(config: Config) -> Config:
    """Return the configuration without the folder it was written to: the run may be moved."""
    return config.with_values(training__out=None)


def read_config(folder: Path) -> Config:
    """Return the configuration of a run of ``minidl train`` from its ``run.json``.

    Raises
    ------
    CheckpointError
        If there is no such run, or its file is damaged.
    """
    asked = read_run(folder).get("config")
    if not isinstance(asked, dict) or asked.get("command") != "train":
        raise CheckpointError(
            f"{folder}: this run was not started by minidl train; go on with it by the program that started it"
        )
    table = {name: values for name, values in asked.items() if name != "command"}
    return config_from(table, where=str(folder / "run.json"))


def read_run(folder: Path) -> dict[str, Any]:
    """Return the content of ``run.json``.

    Raises
    ------
    CheckpointError
        If it is missing or damaged.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise CheckpointError(f"{folder}: there is no run here (no run.json); give the folder of a run")
    return read_object(path)


def require_new(folder: Path) -> None:
    """Refuse a folder that holds anything.

    Raises
    ------
    ConfigError
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{folder}: this exists already; choose another --out, or go on with the run by --resume {folder}"
        )


def default_folder(config: Config) -> Path:
    """Return the name of a new folder below ``runs/``: data, model, and the time."""
    model = f"rung{config.model.rung}" if config.model.rung else "model"
    name = re.sub(r"[^\w-]", "", f"{config.data.name}-{model}-{datetime.now():%Y%m%d-%H%M%S}")
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(folder for folder in (Path("runs") / each for each in names) if not folder.exists())


def with_default_model(config: Config) -> Config:
    """Return the configuration with rung 0 where it names no model, and the preset of a rung."""
    if config.model.text or config.model.layers:
        return config
    return config.with_values(
        model__rung=config.model.rung or DEFAULT_RUNG, model__preset=config.model.preset or "express"
    )


def _absolute(path: str | None) -> str | None:
    """Return a path that means the same from every folder."""
    return None if path is None else str(Path(path).expanduser().absolute())


def _rehearse(config: Config, data: DataSet, resume: bool) -> None:
    """Take one step with a throw-away set of objects: what does not fit together shows itself here."""
    parts = make_parts(config, data, read_weights=not resume)
    x, y = next(parts.loader.epoch(0))
    x, y = x[:REHEARSED], y[:REHEARSED]
    parameters = list(parts.model.named_parameters())
    if parts.schedule is not None:
        parts.optimizer.lr = parts.schedule(0.0)
    trainer = _trainer(config, parts, None, progress=False)
    trainer.epochs, trainer.batches = config.training.epochs, len(parts.loader)
    for callback in trainer.callbacks:
        callback.on_setup(trainer, parts.loader, data.validation)
    with np.errstate(all="ignore"):
        parts.optimizer.prepare(parameters)
        parts.loss.forward(parts.model.forward(x, train=True), y)
        parts.model.backward(parts.loss.backward())
        for regularizer in parts.regularizers:
            regularizer.add_gradient(parameters)
        parts.optimizer.step(parameters)
