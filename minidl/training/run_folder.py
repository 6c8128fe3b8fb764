"""A run is a folder: what was asked for, what happened, and the way to go on.

======================================  ==========================================================
``run.json``                            configuration, seed, versions, machine, device, start time
``history.csv``                         one row per epoch; bit-identical after an interruption
``timings.csv``                         seconds per epoch, which are never identical
``checkpoints/last.safetensors``        the run as of its last checkpoint: the only truth
``checkpoints/best.safetensors``        the weights of the best epoch, for use elsewhere
``checkpoints/snapshot-01.safetensors`` and so on: weights on the way, by `Snapshots`
``results.json``                        written when the run has ended: the last and the best epoch, and as
                                        ``"weights"`` whose weights `fit` left in the model (see `EarlyStopping`)
======================================  ==========================================================

Everything but ``run.json``, ``timings.csv`` and the snapshots follows from ``last.safetensors`` and is
written after it, so a crash between two writes is mended by writing them again. A snapshot is written
when it is taken, before the checkpoint that counts it, and again when the steps to it are repeated.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import platform
import zlib
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from minidl._version import __version__
from minidl.errors import CheckpointError, ConfigError
from minidl.files import read_json, write_json
from minidl.random import Seeds
from minidl.training.checkpoint import read_checkpoint, write_checkpoint
from minidl.training.history import History

FORMAT = 1


class RunFolder:
    """The files of one run.

    Parameters
    ----------
    path : str or Path
        The folder; created by `start`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.run = self.path / "run.json"
        self.history = self.path / "history.csv"
        self.timings = self.path / "timings.csv"
        self.results = self.path / "results.json"
        self.last = self.path / "checkpoints" / "last.safetensors"
        self.best = self.path / "checkpoints" / "best.safetensors"

    def holds_run(self) -> bool:
        """Whether a run was started here."""
        return self.run.exists() or self.last.exists()

    def start(self, configuration: dict[str, Any]) -> None:
        """Write ``run.json``: the configuration, the versions and the machine.

        Raises
        ------
        ConfigError
            If a run was already started in this folder.
        """
        if self.holds_run():
            raise ConfigError(
                f"{self.path}: this folder already holds a run; choose another run_dir, or go on with it "
                "by fit(..., resume=True)"
            )
        versions = {"python": platform.python_version(), "numpy": np.__version__, "minidl": __version__}
        machine = {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()}
        started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        facts = {"versions": versions, "machine": machine, "started": started}
        write_json(self.run, _without_nan({"format": FORMAT, **configuration, **facts}))

    def check(self, configuration: dict[str, Any], ignore: tuple[str, ...] = ()) -> None:
        """Compare with ``run.json`` before resuming.

        Parameters
        ----------
        configuration : dict
            As given to `start`.
        ignore : tuple of str
            Dotted keys that may differ; ``run.json`` then takes the new values.

        Raises
        ------
        CheckpointError
            If ``run.json`` is missing or damaged, or if the run there was configured differently;
            every key that differs is named.
        """
        found = self._read_run()
        before = _flat({key: found.get(key) for key in configuration})
        now = _flat(_without_nan(configuration))
        different = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        lines = [
            f"{key} (was {before.get(key, 'not given')}, now {now.get(key, 'not given')})"
            for key in different
            if key not in ignore
        ]
        if lines:
            raise CheckpointError(
                f"{self.path}: the run in this folder was configured differently: {'; '.join(lines)}; "
                "resume it with its own configuration, or start a new run in another folder"
            )
        if different:
            write_json(self.run, {**found, **_without_nan(configuration)})

    def _read_run(self) -> dict[str, Any]:
        try:
            found = read_json(self.run)
        except FileNotFoundError:
            raise CheckpointError(f"{self.run}: this file is missing, so the run cannot be resumed") from None
        except ValueError:
            raise CheckpointError(f"{self.run}: this file is damaged, so the run cannot be resumed") from None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise CheckpointError(f"{self.run}: this is not of format {FORMAT}, so the run cannot be resumed")
        return found

    def sweep(self) -> None:
        """Remove unfinished temporary files that a killed process left here."""
        for folder in (self.path, self.last.parent):
            for leftover in folder.glob(".*.part"):
                leftover.unlink(missing_ok=True)

    def save(self, tensors: dict[str, Any], state: dict[str, Any], timings: History) -> None:
        """Write a checkpoint and ``history.csv``."""
        # Timings first: rows beyond the checkpoint are dropped on resuming, missing ones would stay missing.
        timings.write_csv(self.timings)
        write_checkpoint(self.last, tensors, state)
        History(state["history"]).write_csv(self.history)

    def load(self) -> tuple[dict[str, np.ndarray], dict[str, Any], History]:
        """Read the checkpoint, and mend ``history.csv`` and the timings to agree with it."""
        tensors, state = read_checkpoint(self.last)
        History(state["history"]).write_csv(self.history)
        timings = History.read_csv(self.timings) if self.timings.exists() else History()
        return tensors, state, History(timings.rows[: state["epoch"]])

    def save_best(self, weights: dict[str, Any], epoch: int, metric: str, value: float) -> None:
        """Write the weights of the best epoch."""
        tensors = {f"model/{name}": x for name, x in weights.items()}
        write_checkpoint(self.best, tensors, {"epoch": epoch, "metric": f"val_{metric}", "value": value})

    def snapshot(self, number: int) -> Path:
        """Return the file of a snapshot, counted from 1."""
        return self.last.with_name(f"snapshot-{number:02d}.safetensors")

    def write_results(self, results: dict[str, Any]) -> None:
        """Write ``results.json``; numbers that are not finite become null."""
        write_json(self.results, _without_nan(results))


def as_json(value: Any, where: str = "config") -> Any:
    """Return `value` as JSON gives it back: dictionaries, lists, text, numbers.

    Dataclasses become dictionaries, tuples lists, paths text, seeds their name.

    Raises
    ------
    ConfigError
        If something in it has no such form.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike | Seeds):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {"class": type(value).__name__, **as_json(fields, where)}
    if isinstance(value, Mapping):
        return {str(key): as_json(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise ConfigError(
        f"{where} is a {type(value).__name__}, which cannot be written to run.json; "
        "give numbers, text, lists, dictionaries or dataclasses"
    )


def describe(thing: Any, depth: int = 3) -> Any:
    """Return what an object was made of, for ``run.json``: its class and its public attributes.

    Arrays are described by shape, type and checksum, functions by their name, and what lies deeper
    than `depth` objects by its class alone.
    """
    if thing is None or isinstance(thing, bool | int | float | str | np.generic | os.PathLike | Seeds):
        return as_json(thing)
    if isinstance(thing, np.dtype):
        return thing.name
    if isinstance(thing, np.ndarray):
        crc = zlib.crc32(np.ascontiguousarray(thing).data)
        return f"array {tuple(thing.shape)} {thing.dtype} crc32 {crc:08x}"
    if isinstance(thing, type) or inspect.isroutine(thing):
        return thing.__qualname__
    if depth == 0:
        return type(thing).__name__
    if isinstance(thing, Mapping):
        return {str(key): describe(value, depth - 1) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [describe(value, depth) for value in thing]
    public = {name: value for name, value in _attributes(thing).items() if not name.startswith("_")}
    return {"class": type(thing).__name__, **describe(public, depth)}


def describe_model(model: Any) -> dict[str, Any]:
    """Return class, options and parameter shapes of every layer by dotted path."""
    described = {}
    for path, layer in model.named_layers():
        parameters = getattr(layer, "parameters", None) or {}
        described[path or "model"] = {
            "class": type(layer).__name__,
            **{
                name: describe(value)
                for name, value in _attributes(layer).items()
                if name not in _BUILT and name[0] != "_" and isinstance(value, _OPTION)
            },
            "parameters": {name: list(parameter.value.shape) for name, parameter in parameters.items()},
        }
    return described


_OPTION = bool | int | float | str | tuple
_BUILT = ("name", "path", "input_shape", "output_shape")  # follow from the options of all layers


def _attributes(thing: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(thing):
        return {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}
    return dict(getattr(thing, "__dict__", {}))


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Turn nested dictionaries into dotted keys with comparable text."""
    if isinstance(value, dict) and value:
        return {
            key: text
            for name, item in value.items()
            for key, text in _flat(item, f"{prefix}.{name}" if prefix else str(name)).items()
        }
    return {prefix: json.dumps(value)}


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
