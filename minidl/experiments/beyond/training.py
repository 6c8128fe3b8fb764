"""Train the networks of a recipe, with the test images locked away.

The folder it fills::

    recipe.json                       what is trained and on what; going on reads it
    seed-0/                           one ordinary run for every seed
    seed-0/validation.safetensors     its probabilities for the validation images
    seed-0/validation.json            its accuracy, written last: the network is done
    validation.json                   all of them, and their votes, rewritten after every network
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from minidl import parallel
from minidl.data import DataSet, load, load_or_digits, resplit
from minidl.errors import CheckpointError, ConfigError
from minidl.evaluation.ensemble import soft_vote
from minidl.experiments.beyond.recipes import BeyondRecipe
from minidl.experiments.config import Config
from minidl.experiments.data_digest import data_identity
from minidl.experiments.folder_lock import locked
from minidl.experiments.progress import epoch_bar
from minidl.experiments.score_facts import class_probabilities
from minidl.experiments.scoring import TrainedRun
from minidl.experiments.search_trial import sealed
from minidl.experiments.training_run import prepare, stored
from minidl.files import atomic_write, read_json, read_object, write_json
from minidl.jobs import Workers
from minidl.machine import machine_facts
from minidl.training.checkpoint import read_safetensors, safetensors_numpy
from minidl.training.evaluate import predict
from minidl.training.run_folder import RunFolder

FORMAT = 1


@dataclass(frozen=True)
class Task:
    """One network to train: its seed, and its folder, absolute so that every worker means the same."""

    seed: int
    folder: str


def default_folder(data: str) -> Path:
    """Return where the recipes of a data set are kept unless told otherwise."""
    return Path("runs") / ("beyond" if data == "mnist" else f"beyond-{data}")


def load_divided(name: str | None, data_dir: str | Path | None = None) -> DataSet:
    """Return the data set with validation images by other writers, where those are on record.

    Without a name MNIST, or with a loud line scikit-learn's digits.
    """
    data = load_or_digits(data_dir=data_dir) if name is None else load(name, data_dir=data_dir)
    return resplit(data, "writers" if data.is_mnist else "stratified", data_dir=data_dir)


def train_recipe(
    recipe: BeyondRecipe,
    data: DataSet,
    folder: Path,
    seeds: int,
    *,
    epochs: int | None = None,
    subset: int | None = None,
    device: str = "auto",
    jobs: int = 1,
    cluster: str | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train networks 0, 1, … of a recipe; those that are done are not trained again.

    Parameters
    ----------
    recipe : BeyondRecipe
    data : DataSet
        From `load_divided`. Its vault is left behind before anything begins.
    folder : Path
        Of this recipe: new, or that of an earlier call with the same recipe and data. More seeds than before are
        welcome, until the final results are taken.
    seeds : int
        Networks.
    epochs, subset, device
        As in `BeyondRecipe.config`.
    jobs : int
        Networks at once.
    cluster : str, optional
        Address of a Dask scheduler (`minidl.jobs.Workers`).
    say : callable
        Called with a line for every network.

    Returns
    -------
    dict
        The content of ``validation.json``.

    Raises
    ------
    ConfigError
        If the folder is of another recipe or other data, or final results have been taken.
    """
    if seeds < 1:
        raise ConfigError(f"--seeds must be at least 1, got {seeds}")
    data = sealed(data)
    config = recipe.config(data.name, epochs=epochs, subset=subset, device=device)
    config = prepare(config, data=data).config  # whatever is wrong shows itself before anything is written
    _open_folder(folder, recipe, config, data)
    with locked(folder / ".lock", f"minidl beyond train {recipe.name}"), \
            Workers(jobs, cluster, (config, data), folder) as workers:  # fmt: skip
        names = [folder.absolute() / f"seed-{seed}" for seed in range(seeds)]
        waiting = [
            Task(seed, str(path))
            for seed, path in enumerate(names)
            if not (path / "validation.json").exists()
        ]
        if waiting and (folder / "vault.json").exists():
            raise ConfigError(
                f"{folder}: the test set has been opened for this recipe, so that no networks are added to it; train "
                "with another --out"
            )
        for seed, path in enumerate(names):
            if (path / "validation.json").exists():
                say(_line(seed, read_validation(path)))
        with epoch_bar([Path(task.folder) for task in waiting], len(waiting) * config.training.epochs):
            for index, found in workers.run(train_network, waiting):
                say(_line(waiting[index].seed, found))
                write_validation(folder, recipe, data)
        return write_validation(folder, recipe, data)


def train_network(task: Task, config: Config, data: DataSet) -> dict[str, Any]:
    """Train one network, or go on with one that was stopped; score it on the validation images.

    Returns
    -------
    dict
        seed, accuracy (per cent, on the validation images), best_epoch, epochs, seconds, parameters.
    """
    folder = Path(task.folder)
    with locked(folder.parent / ".locks" / folder.name):
        if (folder / "validation.json").exists():  # by a worker that was thought dead
            return read_validation(folder)
        there = RunFolder(folder)
        run = prepare(config.with_values(training__seed=task.seed), data=data, resume=there.last.exists())
        trainer = run.fit(folder, resume=there.holds_run(), progress=False)
        trained = TrainedRun(folder, data=data)  # the best weights; with an average those of the average
        probabilities = probabilities_of(trained, data.validation.images)
        keep_probabilities(folder / "validation.safetensors", probabilities)
        timings = trainer.timings
        found = {
            "seed": task.seed,
            "accuracy": 100 * float((probabilities.argmax(axis=1) == data.validation.labels).mean()),
            "best_epoch": trained.epoch,
            "epochs": len(trainer.history),
            "seconds": sum(timings["train_seconds"]) + sum(timings["validation_seconds"]),
            "parameters": trained.model.parameter_count(),
        }
        write_json(folder / "validation.json", found)
        return found


def probabilities_of(trained: TrainedRun, images: np.ndarray) -> np.ndarray:
    """Return the probabilities that a network gives to the classes of images, (N, K) float64."""
    with parallel.threads(1):
        return class_probabilities(trained.loss, predict(trained.model, images, **trained.scaling))


def keep_probabilities(path: Path, probabilities: np.ndarray) -> None:
    """Write probabilities to a file."""
    with atomic_write(path, "wb") as stream:
        stream.write(safetensors_numpy().save({"probabilities": np.ascontiguousarray(probabilities)}))


def read_probabilities(path: Path) -> np.ndarray:
    """Return what `keep_probabilities` wrote.

    Raises
    ------
    CheckpointError
        If the file is missing or damaged.
    """
    arrays = read_safetensors(path)[0]
    if "probabilities" not in arrays:
        raise CheckpointError(f"{path}: there are no probabilities in this file; train the network anew")
    return arrays["probabilities"]


def done_networks(folder: Path) -> list[Path]:
    """Return the folders of the networks that are trained, by their seeds."""
    found = [path.parent for path in folder.glob("seed-*/validation.json")]
    return sorted(found, key=lambda path: int(path.name.removeprefix("seed-")))


def read_validation(folder: Path) -> dict[str, Any]:
    """Return the ``validation.json`` of a network that is done.

    Raises
    ------
    CheckpointError
        If it is damaged.
    """
    found = read_object(
        folder / "validation.json", "remove it and give the same command: the network is scored again"
    )
    missing = [name for name in ("accuracy", "best_epoch", "epochs", "seconds") if name not in found]
    if missing:
        raise CheckpointError(
            f"{folder / 'validation.json'}: {', '.join(missing)} is missing in this file; remove it and give the same "
            "command: the network is scored again"
        )
    return found


def read_recipe(folder: Path) -> dict[str, Any]:
    """Return ``recipe.json`` of a recipe's folder.

    Raises
    ------
    CheckpointError
        If it is missing or damaged.
    """
    path = folder / "recipe.json"
    try:
        found = read_json(path)
        if found["format"] != FORMAT or not isinstance(found["name"], str):
            raise ValueError("its format is unknown")
        return found
    except FileNotFoundError:
        raise CheckpointError(
            f"{folder}: no networks of a recipe are here (no recipe.json); train some by minidl beyond train"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: this file is damaged ({error}); train anew in another folder"
        ) from None


def votes_of(probabilities: Sequence[np.ndarray], sizes: Sequence[int]) -> list[tuple[int, list[np.ndarray]]]:
    """Return the classes that disjoint groups of networks vote for, in their order, by the mean of probabilities.

    Parameters
    ----------
    probabilities : sequence of (N, K) array
        One for each network.
    sizes : sequence of int

    Returns
    -------
    list of (int, list of (N,) array)
        Every size of which there is at least one group, with the votes of each.
    """
    found = []
    for size in sizes:
        groups = [
            probabilities[first : first + size] for first in range(0, len(probabilities) - size + 1, size)
        ]
        if groups:
            found.append((size, [soft_vote(np.stack(group)) for group in groups]))
    return found


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Return n, mean, standard deviation (None of one), lowest and highest of numbers, and the numbers."""
    return {
        "n": len(values),
        "mean": statistics.fmean(values),
        "sd": statistics.stdev(values) if len(values) > 1 else None,
        "lowest": min(values),
        "highest": max(values),
        "values": list(values),
    }


def write_validation(folder: Path, recipe: BeyondRecipe, data: DataSet) -> dict[str, Any]:
    """Write ``validation.json`` from the networks that are done; return it."""
    networks = done_networks(folder)
    rows = [read_validation(path) for path in networks]
    labels = data.validation.labels
    found: dict[str, Any] = {
        "format": FORMAT,
        "recipe": recipe.name,
        "data": data.title,
        "division": data.split,
        "images": len(labels),
        "networks": rows,
        "single": summary([row["accuracy"] for row in rows]) if rows else None,
        "ensembles": [],
        **machine_facts(),
    }
    shares = [read_probabilities(path / "validation.safetensors") for path in networks]
    for size, votes in votes_of(shares, recipe.members):
        accuracies = [100 * float((vote == labels).mean()) for vote in votes]
        found["ensembles"].append({"members": size, **summary(accuracies)})
    write_json(folder / "validation.json", found)
    return found


def _open_folder(folder: Path, recipe: BeyondRecipe, config: Config, data: DataSet) -> None:
    """Write ``recipe.json``, or check that the one there says the same."""
    asked = {
        "format": FORMAT,
        "name": recipe.name,
        "why": recipe.why,
        "config": stored(config),
        "members": list(recipe.members),
        "data": data_identity(data),
        "division": data.split,
    }
    if not (folder / "recipe.json").exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(
                f"{folder}: this exists already and is no recipe's folder; choose another --out"
            )
        started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        write_json(folder / "recipe.json", {**asked, "started": started})
        return
    before = read_recipe(folder)
    differs = [name for name in asked if before.get(name) != asked[name] and name != "why"]
    if differs:
        raise ConfigError(
            f"{folder}: networks of another recipe or on other data are here (different: {', '.join(differs)}); "
            "choose another --out"
        )


def _line(seed: int, found: dict[str, Any]) -> str:
    best = f", best epoch {found['best_epoch']} of {found['epochs']}"
    return f"seed {seed}: validation accuracy {found['accuracy']:.2f} %{best}, {found['seconds']:,.0f} s"
