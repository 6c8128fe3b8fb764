"""The speedrun: 99.0 % on MNIST's test images after as little training as possible, on two cores or a GPU.

The network is that of the ladder's rungs 3 and 4. What makes it fast is the training: two epochs on one
cycle of the learning rate, Nesterov's momentum, every image shifted by up to a pixel. The recipe was chosen on
the validation images (docs/speed.md has what was tried); the test images are taken out of the vault once, after
the last network is trained. On a GPU the images lie in its memory before the clock starts, and the training steps are
recorded and replayed (`minidl.training.graph`); the recording is part of the time.
"""

from __future__ import annotations

import copy
import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from minidl import parallel
from minidl.data import DataSet, Loader, RandomShift, Split
from minidl.data.resident import Resident
from minidl.errors import ConfigError
from minidl.files import write_json
from minidl.initializers import FanIn, He
from minidl.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Sequential
from minidl.losses import SoftmaxCrossEntropy
from minidl.machine import machine_facts
from minidl.optimizers import Nesterov
from minidl.random import Seeds
from minidl.schedules import OneCycle
from minidl.training.evaluate import predict
from minidl.training.trainer import Trainer

GOAL_ACCURACY = 99.0  # per cent of MNIST's test images, mean over the seeds
GOAL_SECONDS = 10.0  # of training, mean over the seeds, on two cores
GOAL_SECONDS_GPU = 0.3  # the same on a GPU
SPLITS = ("test", "validation")
FEWEST_IMAGES = 10_000  # seen in training: a small data set gets more epochs
FORMAT = 1


@dataclass(frozen=True)
class SpeedrunRecipe:
    """Everything that decides how the network is made and trained.

    Parameters
    ----------
    filters : tuple of int
        Feature maps of the 5x5 convolutions, each followed by 2x2 max-pooling and ReLU.
    units : int
        Of the hidden dense layer.
    epochs, batch_size : int
    lr : float
        Peak of the one-cycle schedule.
    momentum : float
        Nesterov's.
    shift : int
        Every image is moved by up to so many pixels along each axis, anew in each epoch.
    """

    filters: tuple[int, ...] = (16, 32)
    units: int = 100
    epochs: int = 2
    batch_size: int = 128
    lr: float = 0.15
    momentum: float = 0.9
    shift: int = 1

    def epochs_for(self, images: int) -> int:
        """Return the epochs on a training set of so many images: more where it is small."""
        return max(self.epochs, math.ceil(FEWEST_IMAGES / images))


@dataclass(frozen=True)
class Trained:
    """One trained network, and what it took: seconds of the clock, and of all cores together.

    `recording_seconds` are those of the clock's that a GPU's first steps and their recording took.
    """

    seed: int
    model: Sequential
    steps: int
    wall_seconds: float
    cpu_seconds: float
    recording_seconds: float = 0.0


def speedrun_model(recipe: SpeedrunRecipe, classes: int = 10) -> Sequential:
    """Return the network of a recipe, not yet built."""
    layers: list[Any] = []
    for filters in recipe.filters:
        layers += [Conv2D(filters, 5, weight_init=He()), MaxPool2D(2), ReLU()]
    layers += [Flatten(), Dense(recipe.units, weight_init=He()), ReLU(), Dense(classes, weight_init=FanIn())]
    return Sequential(layers)


def train_fast(
    recipe: SpeedrunRecipe, train: Split, seed: int, classes: int = 10, images: Resident | None = None
) -> Trained:
    """Train one network; the clock runs from the initial weights to the last update.

    Parameters
    ----------
    recipe : SpeedrunRecipe
    train : Split
        Nothing else is seen: the validation and test images are not here.
    seed : int
    classes : int
    images : Resident, optional
        The training images on a GPU, from `resident_images`: train there.

    Returns
    -------
    Trained
    """
    wall, cpu = time.perf_counter(), time.process_time()
    seeds = Seeds(seed)
    model = speedrun_model(recipe, classes)
    model.build(train.images.shape[1:], rng=seeds.child("model"))
    loader = _loader(recipe, train, seeds.child("loader"))
    if images is not None:
        recording = _train_on_device(recipe, model, images, loader)
        steps = recipe.epochs_for(len(train)) * len(loader)
        return Trained(seed, model, steps, time.perf_counter() - wall, time.process_time() - cpu, recording)
    loss, optimizer = SoftmaxCrossEntropy(), Nesterov(recipe.lr, momentum=recipe.momentum)
    schedule, parameters = OneCycle(recipe.lr), list(model.named_parameters())
    epochs, step = recipe.epochs_for(len(train)), 0
    steps = epochs * len(loader)
    for epoch in range(epochs):
        for x, y in loader.epoch(epoch):
            optimizer.lr = schedule(step / steps)
            loss.forward(model.forward(x, train=True), y)
            model.backward_parameters(loss.backward())
            optimizer.step(parameters)
            step += 1
    return Trained(seed, model, steps, time.perf_counter() - wall, time.process_time() - cpu)


def resident_images(recipe: SpeedrunRecipe, train: Split, device: str) -> Resident:
    """Bring the training images to a GPU."""
    return Resident(_loader(recipe, train, Seeds(0)), device)


def _loader(recipe: SpeedrunRecipe, train: Split, seeds: Seeds) -> Loader:
    augment = RandomShift(recipe.shift) if recipe.shift else None
    return Loader(train.images, train.labels, recipe.batch_size, seeds=seeds, augment=augment)


def _train_on_device(recipe: SpeedrunRecipe, model: Sequential, images: Resident, loader: Loader) -> float:
    """Train by replaying recorded steps; return the seconds of the recording."""
    model.to(images.device)
    batches = copy.copy(images)  # the images of all networks are the same, their order is not
    batches.loader = loader
    constant = {"min_momentum": recipe.momentum, "max_momentum": recipe.momentum}
    trainer = Trainer(
        model, SoftmaxCrossEntropy(), Nesterov(recipe.lr, momentum=recipe.momentum),
        schedule=OneCycle(recipe.lr, **constant), graph="auto", keep_best=None, progress=False,
    )  # fmt: skip
    trainer.fit(batches, recipe.epochs_for(len(loader.labels)))
    return trainer.recording_seconds


def speedrun(
    data: DataSet,
    folder: Path,
    *,
    seeds: int = 10,
    threads: int | None = None,
    split: str = "test",
    device: str = "cpu",
    recipe: SpeedrunRecipe | None = None,
    load_seconds: float | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train one network for each seed, then score them all; write ``results.json``.

    Parameters
    ----------
    data : DataSet
    folder : Path
        New; ``results.json`` is written to it.
    seeds : int
        Networks: seeds 0, 1, …
    threads : int, optional
        Cores for each training step; two by default, or one where there is one. Not for a GPU.
    split : {"test", "validation"}
        What to score on. "validation" leaves the vault shut: it is for those who try another recipe.
    device : {"cpu", "cuda"}
    recipe : SpeedrunRecipe, optional
    load_seconds : float, optional
        What it took to load the data, for the record.
    say : callable
        Gets a line when a network is trained.

    Returns
    -------
    dict
        What ``results.json`` has. Accuracies in per cent, with one seed the standard deviation is None.

    Raises
    ------
    ConfigError
        If an option makes no sense or the folder holds anything.
    """
    recipe = SpeedrunRecipe() if recipe is None else recipe
    require_sensible(seeds, threads, split, folder, device)
    threads = (default_threads() if device == "cpu" else 1) if threads is None else threads
    started, clock, load = datetime.now().astimezone(), time.perf_counter(), load_average()
    networks: list[Trained] = []
    images = None if device == "cpu" else resident_images(recipe, data.train, device)
    upload = None if images is None else time.perf_counter() - clock
    with parallel.threads(threads):
        for seed in range(seeds):
            networks.append(train_fast(recipe, data.train, seed, len(data.classes), images))
            say(
                f"seed {seed}: {networks[-1].steps:,} steps in {networks[-1].wall_seconds:.2f} s, "
                f"{networks[-1].cpu_seconds:.2f} s of CPU time"
            )
        opened = len(data.vault.openings)
        asked = f"speedrun: accuracy of {seeds} network{'s' if seeds > 1 else ''}"
        scored = data.validation if split == "validation" else data.vault.open(asked)
        rows = [_score(network, scored) for network in networks]
    facts = machine_facts()
    found = {"split": split, "examples": len(scored), "networks": rows, **_summary(rows)}
    results = {
        "format": FORMAT,
        "data": {
            "name": data.name,
            "title": data.title,
            "is_mnist": data.is_mnist,
            "source": data.source,
            "train": len(data.train),
        },
        "recipe": {
            **asdict(recipe),
            "filters": list(recipe.filters),
            "epochs": recipe.epochs_for(len(data.train)),
        },
        **found,
        "goal": _goal(data, found, device),
        "load_seconds": load_seconds,
        "upload_seconds": upload,
        "seconds": time.perf_counter() - clock,
        "started": started.isoformat(timespec="seconds"),
        "machine": {**facts["machine"], "threads": threads, "device": device, "load_average": load},
        "versions": facts["versions"],
        "vault": data.vault.openings[opened:],
    }
    write_json(folder / "results.json", results)
    return results


def require_sensible(
    seeds: int, threads: int | None, split: str, folder: Path | None, device: str = "cpu"
) -> None:
    """Refuse options that make no sense, before any data are loaded."""
    if threads is not None and device != "cpu":
        raise ConfigError(f"speedrun: threads={threads} is for a CPU, not for {device!r}; leave it out")
    for option, value in (("seeds", seeds), ("threads", threads)):
        if value is not None and value < 1:
            raise ConfigError(f"speedrun: {option} must be at least 1, got {value}")
    if split not in SPLITS:
        raise ConfigError(f"speedrun: split must be one of {', '.join(SPLITS)}, got {split!r}")
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: this exists already; choose another --out")


def default_threads() -> int:
    """Return two, the cores the goal is for; one where there is one."""
    return min(2, parallel.available_cores())


def load_average() -> float | None:
    """Return how many processes wanted a core over the last minute, where the system tells."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _score(network: Trained, split: Split) -> dict[str, Any]:
    start = time.perf_counter()
    correct = int((predict(network.model, split.images).argmax(axis=1) == split.labels).sum())
    return {
        "seed": network.seed,
        "steps": network.steps,
        "wall_seconds": network.wall_seconds,
        "cpu_seconds": network.cpu_seconds,
        "recording_seconds": network.recording_seconds,
        "evaluation_seconds": time.perf_counter() - start,
        "accuracy": 100 * correct / len(split),
        "correct": correct,
    }


def _goal(data: DataSet, found: dict[str, Any], device: str) -> dict[str, Any]:
    """Return the goal, and whether it was reached; None where it is not about these images."""
    reached, limit = None, GOAL_SECONDS if device == "cpu" else GOAL_SECONDS_GPU
    if data.is_mnist and found["split"] == "test":
        accurate = found["accuracy"]["mean"] >= GOAL_ACCURACY
        reached = accurate and found["wall_seconds"]["mean"] < limit
    return {"accuracy": GOAL_ACCURACY, "wall_seconds": limit, "reached": reached}


def _summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Return mean and standard deviation over the networks of what was measured."""
    found: dict[str, dict[str, float | None]] = {}
    for name in ("accuracy", "wall_seconds", "cpu_seconds", "recording_seconds", "evaluation_seconds"):
        values = [row[name] for row in rows]
        found[name] = {
            "mean": statistics.fmean(values),
            "sd": statistics.stdev(values) if len(values) > 1 else None,
        }
    return found
