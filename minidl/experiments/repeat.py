"""The same training several times: with several seeds, over the folds of a cross-validation, or both.

Seeds show how much of an accuracy is luck; folds how much it depends on the images it was taken on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minidl.data import DataSet
from minidl.data.fetch import UnavailableError
from minidl.data.partition import Fold
from minidl.data.resplit import fold_parts, take_fold
from minidl.errors import ConfigError, DivergenceError
from minidl.evaluation.crossval import CrossValidation
from minidl.evaluation.effects import mean_interval
from minidl.experiments.config import Config
from minidl.experiments.finished_run import FinishedRun, read_finished
from minidl.experiments.folder_lock import locked
from minidl.experiments.progress import epoch_bar
from minidl.experiments.repetition import LOCK, Member, Repetition, check_folder, write_plan
from minidl.experiments.search_trial import sealed
from minidl.experiments.training_run import (
    default_folder,
    load_undivided,
    load_whole,
    portable,
    prepare,
    with_default_model,
)
from minidl.jobs import Workers
from minidl.training.run_folder import RunFolder

DIVISIONS = {
    "lecture": "blocks in the order of the file",
    "random": "drawn at random",
    "stratified": "the classes in proportion",
    "writers": "no writer in two of them, the classes in proportion",
}


def ready(
    plan: Repetition, data_dir: Path | None = None, *, choose_split: bool = False
) -> tuple[Repetition, DataSet, list[Fold]]:
    """Read the data and try the training out, with nothing written.

    Parameters
    ----------
    plan : Repetition
    data_dir : Path, optional
        A folder with the data files that goes before ``data.dir``.
    choose_split : bool
        With folds, in place of ``data.split``: by writers where they are on record (MNIST), and otherwise
        stratified.

    Returns
    -------
    plan : Repetition
        With everything filled in.
    data : DataSet
        With no test images; of a cross-validation not yet divided.
    parts : list of Fold
        Of a cross-validation.

    Raises
    ------
    MinidlError
        If the configuration does not work.
    """
    config = portable(with_default_model(plan.config))
    config = config.with_values(training__seed=plan.seeds[0], training__threads=config.training.threads or 1)
    if plan.folds is None:
        data = sealed(load_whole(config, data_dir))
        return Repetition(prepare(config, data=data).config, plan.seeds), data, []
    if config.data.fold is not None:
        raise ConfigError(
            f"--folds trains every fold, and data.fold = {config.data.fold} names one of them; leave out one of the two"
        )
    data = sealed(load_undivided(config, data_dir))
    if choose_split:
        config = config.with_values(data__split="writers" if data.is_mnist else "stratified")
    place = data_dir if data_dir is not None else config.data.dir
    try:
        parts = fold_parts(data, config.data.split, plan.folds, data_dir=place)
    except UnavailableError as error:
        raise UnavailableError(
            f"{error}, or give --split stratified, which lets writers be on both sides"
        ) from None
    fewest = min(len(part.train) for part in parts)
    if (config.data.subset or 0) > fewest:
        raise ConfigError(
            f"data.subset must be at most {fewest:,}, the training images of the fold with the fewest, got "
            f"{config.data.subset:,}"
        )
    first = prepare(
        config.with_values(data__fold=f"1/{plan.folds}"), data=take_fold(data, config.data.split, parts, 1)
    )
    return Repetition(first.config.with_values(data__fold=None), plan.seeds, plan.folds), data, parts


def repeat(
    plan: Repetition,
    folder: Path | None,
    *,
    choose_split: bool = False,
    jobs: int = 1,
    cluster: str | None = None,
    data_dir: Path | None = None,
    say: Callable[[str], None] = print,
) -> list[FinishedRun]:
    """Train several times, each into its own folder; what is done is not trained again.

    Each training has one thread unless ``training.threads`` says otherwise: the number decides the last bits,
    which must not depend on how many trainings run at once.

    Parameters
    ----------
    plan : Repetition
    folder : Path or None
        New, or that of an earlier call with the same plan; None for a new one below ``runs/``.
    choose_split : bool
        As in `ready`.
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
        In the order of the members.

    Raises
    ------
    DivergenceError
        If trainings diverged; the others have been finished.
    MinidlError
        If the configuration does not work. Nothing has been written then.
    """
    plan, data, parts = ready(plan, data_dir, choose_split=choose_split)
    folder = default_folder(plan.config) if folder is None else folder
    check_folder(folder, plan)
    members = plan.members
    folders = [folder.absolute() / member.name for member in members]
    with (
        Workers(jobs, cluster, (plan.config, data, parts), folder) as workers,
        locked(folder / LOCK, "minidl train, several trainings"),
    ):
        write_plan(folder, plan)
        say(f"{data.title}: {_what(plan)}; results in {folder}")
        with epoch_bar(folders, len(members) * plan.config.training.epochs):
            diverged = {}
            tasks = list(zip(members, map(str, folders), strict=True))
            try:
                for index, message in workers.run(_train_member, tasks):
                    if message:
                        diverged[index] = message
                    say(f"{members[index].name}: {message or _accuracy_text(read_finished(folders[index]))}")
            except KeyboardInterrupt:
                print(f"go on with: minidl train --resume {folder}", file=sys.stderr)
                raise
    if diverged:
        raise DivergenceError(
            f"{folder}: {len(diverged)} of {len(members)} trainings diverged "
            f"({', '.join(members[index].name for index in sorted(diverged))}); a mean over the others alone would be "
            "too good, so lower the learning rate or report this with it"
        )
    return [read_finished(folder / member.name) for member in members]


def repetition_text(runs: list[FinishedRun]) -> str:
    """Return mean, standard deviation and interval of the validation accuracy, as text."""
    values = [value for run in runs if (value := _accuracy(run)) is not None]
    if len(values) == len(runs) and len({run.fold for run in runs}) > 1:
        return _folds_text(runs, np.array(values))
    if len(values) < 2:
        return "one run: no standard deviation; give --seeds 5"
    low, high = mean_interval(values)
    return (
        f"validation accuracy {np.mean(values):.2f} +- {np.std(values, ddof=1):.2f} % (mean +- standard deviation of "
        f"{len(values)} seeds), 95 % interval of the mean {low:.2f} to {high:.2f} %, lowest {min(values):.2f}, highest "
        f"{max(values):.2f}"
    )


def _folds_text(runs: list[FinishedRun], values: np.ndarray) -> str:
    count = len({run.fold for run in runs})
    found = CrossValidation(values.reshape(count, -1))
    (low, high), seeds = found.interval(), found.scores.shape[1]
    text = (
        f"validation accuracy {found.mean:.2f} +- {found.sd:.2f} % (mean +- standard deviation of {count} folds"
        f"{f', each the mean of {seeds} seeds' if seeds > 1 else ''}), lowest {values.min():.2f}, highest "
        f"{values.max():.2f}, 95 % interval of the mean {low:.2f} to {high:.2f} %"
    )
    if found.sd_of_training is not None:
        text += f"; from seed to seed on the same fold +- {found.sd_of_training:.2f}"
    return (
        f"{text}\nThe folds share training images, so their standard deviation is not that of independent runs and, "
        f"divided by sqrt({count}), is no standard error (Bengio and Grandvalet 2004); the interval has the larger "
        "variance of Nadeau and Bengio (2003)."
    )


def _what(plan: Repetition) -> str:
    seeds = f"seeds {plan.seeds[0]} to {plan.seeds[-1]}"
    if plan.folds is None:
        return f"{len(plan.seeds)} trainings, {seeds}"
    several = f" with {seeds}" if len(plan.seeds) > 1 else f", seed {plan.seeds[0]}"
    return f"{plan.folds} folds ({DIVISIONS[plan.config.data.split]}){several}"


def _train_member(task: tuple[Member, str], config: Config, data: DataSet, parts: list[Fold]) -> str:
    """Train one member, unless that is done; return what went wrong, if it diverged."""
    member, path = task
    folder = RunFolder(path)
    with locked(folder.path.parent / ".locks" / folder.path.name):
        if folder.results.exists():
            return ""
        config = config.with_values(training__seed=member.seed)
        if member.fold is not None:
            config = config.with_values(data__fold=f"{member.fold}/{len(parts)}")
            data = take_fold(data, config.data.split, parts, member.fold)
        run = prepare(config, data=data, resume=folder.last.exists())
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
