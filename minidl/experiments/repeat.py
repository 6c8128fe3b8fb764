"""The same training with several seeds: how much of an accuracy is luck.

The folder it fills::

    seeds.json           what was asked for; minidl train --resume reads it
    seed-0/              one ordinary run for every seed
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minidl.data import DataSet
from minidl.errors import CheckpointError, ConfigError, DivergenceError
from minidl.evaluation.effects import mean_interval
from minidl.experiments.config import Config
from minidl.experiments.config_file import config_from
from minidl.experiments.finished_run import FinishedRun, read_finished
from minidl.experiments.folder_lock import locked
from minidl.experiments.progress import epoch_bar
from minidl.experiments.search_trial import sealed
from minidl.experiments.training_run import default_folder, load_whole, portable, prepare, with_default_model
from minidl.files import read_json, write_json
from minidl.jobs import Workers
from minidl.training.run_folder import RunFolder

FORMAT = 1
FILE = "seeds.json"


def repeat(
    config: Config,
    seeds: list[int],
    folder: Path | None,
    *,
    jobs: int = 1,
    cluster: str | None = None,
    data_dir: Path | None = None,
    say: Callable[[str], None] = print,
) -> list[FinishedRun]:
    """Train with each of several seeds, each into its own folder; seeds that are done are not trained again.

    Each training has one thread unless ``training.threads`` says otherwise: the number decides the last bits,
    which must not depend on how many trainings run at once.

    Parameters
    ----------
    config : Config
        Its seed is replaced.
    seeds : list of int
    folder : Path or None
        New, or that of an earlier call with the same configuration and seeds; None for a new one below
        ``runs/``.
    jobs : int
        Trainings at once.
    cluster : str, optional
        Address of a Dask scheduler (`minidl.jobs.Workers`).
    data_dir : Path, optional
        A folder with the data files that goes before ``data.dir``.
    say : callable
        Called with a line for the start and for every training.

    Returns
    -------
    list of FinishedRun
        In the order of the seeds.

    Raises
    ------
    DivergenceError
        If trainings diverged; the others have been finished.
    MinidlError
        If the configuration does not work. Nothing has been written then.
    """
    config = portable(with_default_model(config)).with_values(
        training__seed=seeds[0], training__threads=config.training.threads or 1
    )
    data = sealed(load_whole(config, data_dir))
    config = prepare(config, data=data).config
    folder = default_folder(config) if folder is None else folder
    _open_folder(folder, config, seeds)
    say(f"{data.title}: {len(seeds)} trainings, seeds {seeds[0]} to {seeds[-1]}; results in {folder}")
    folders = [folder.absolute() / f"seed-{seed}" for seed in seeds]
    with (
        locked(folder / ".lock", "minidl train --seeds"),
        Workers(jobs, cluster, (config, data), folder) as workers,
        epoch_bar(folders, len(seeds) * config.training.epochs),
    ):
        diverged = {}
        try:
            for index, message in workers.run(_train_seed, list(zip(seeds, map(str, folders), strict=True))):
                if message:
                    diverged[seeds[index]] = message
                say(f"seed {seeds[index]}: {message or _accuracy_text(read_finished(folders[index]))}")
        except KeyboardInterrupt:
            print(f"go on with: minidl train --resume {folder}", file=sys.stderr)
            raise
    if diverged:
        raise DivergenceError(
            f"{folder}: {len(diverged)} of {len(seeds)} trainings diverged (seed {', '.join(map(str, diverged))}); a "
            "mean over the others alone would be too good, so lower the learning rate or report this with it"
        )
    return [read_finished(folder / f"seed-{seed}") for seed in seeds]


def is_repetition(folder: Path) -> bool:
    """Return whether the folder is that of a repeated training."""
    return (folder / FILE).is_file()


def read_repetition(folder: Path) -> tuple[Config, list[int]]:
    """Return the configuration and the seeds that a repeated training was started with.

    Raises
    ------
    CheckpointError
        If the file is damaged.
    """
    path = folder / FILE
    try:
        found = read_json(path)
        if found["format"] != FORMAT or not all(isinstance(seed, int) for seed in found["seeds"]):
            raise ValueError("its format is unknown")
        return config_from(found["config"], where=str(path)), found["seeds"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: this file is damaged ({error}); train anew in another folder"
        ) from None


def repetition_text(runs: list[FinishedRun]) -> str:
    """Return mean, standard deviation and interval of the validation accuracy, as text."""
    values = [value for run in runs if (value := _accuracy(run)) is not None]
    if len(values) < 2:
        return "one run: no standard deviation; give --seeds 5"
    mean = sum(values) / len(values)
    sd = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    low, high = mean_interval(values)
    return (
        f"validation accuracy {mean:.2f} +- {sd:.2f} % (mean +- standard deviation of {len(values)} seeds), "
        f"95 % interval of the mean {low:.2f} to {high:.2f} %, lowest {min(values):.2f}, highest {max(values):.2f}"
    )


def _open_folder(folder: Path, config: Config, seeds: list[int]) -> None:
    asked: dict[str, Any] = {"format": FORMAT, "seeds": seeds, "config": config.table()}
    if not is_repetition(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(f"{folder}: this exists already; choose another --out")
        write_json(folder / FILE, asked)
        return
    before, seeds_before = read_repetition(folder)
    if (before.table(), seeds_before) != (asked["config"], seeds):
        raise ConfigError(
            f"{folder}: this folder holds a repeated training with other settings; go on with it by "
            f"minidl train --resume {folder}, or choose another --out"
        )


def _train_seed(task: tuple[int, str], config: Config, data: DataSet) -> str:
    """Train with one seed, unless that is done; return what went wrong, if it diverged."""
    seed, path = task
    folder = RunFolder(path)
    with locked(folder.path.parent / ".locks" / folder.path.name):
        if folder.results.exists():
            return ""
        going_on = folder.last.exists()
        run = prepare(config.with_values(training__seed=seed), data=data, resume=going_on)
        try:
            run.fit(folder.path, resume=folder.holds_run(), progress=False)
        except DivergenceError as error:
            return str(error)
    return ""


def _accuracy(run: FinishedRun) -> float | None:
    best = run.validation_accuracy("best")
    return run.validation_accuracy("last") if best is None else best


def _accuracy_text(run: FinishedRun) -> str:
    value, epoch = _accuracy(run), run.epoch("best") or run.epoch("last")
    return "done" if value is None else f"validation accuracy {value:.2f} % (epoch {epoch})"
