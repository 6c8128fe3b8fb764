"""Run the progression: many independent networks side by side, a table that grows, results on disk.

The folder it fills::

    progression.json           what was asked for; --resume reads it
    results.json               the table as data, rewritten after every network
    report.html                curves, filters, confusion matrix, misclassified digits
    rung-03/seed-0/            one folder for every network (minidl.training.run_folder)
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import datetime, timezone
from functools import cache, partial
from pathlib import Path
from typing import Any

from minidl.data import DataSet, Split
from minidl.errors import CheckpointError, ConfigError
from minidl.experiments.data_digest import data_identity
from minidl.experiments.folder_lock import locked
from minidl.experiments.ladder import INPUT_SHAPE, LADDER, Rung, build_model, find_rung
from minidl.experiments.plan import Plan
from minidl.experiments.progress import epoch_bar
from minidl.experiments.runs import Run, is_scored, score_ensemble, score_run, train_run, train_together
from minidl.experiments.table import table_head, table_row
from minidl.files import read_json, write_json
from minidl.jobs import Workers
from minidl.machine import machine_facts

FORMAT = 1
TOGETHER = 5  # networks at once on a GPU: the members of a vote


class Progression:
    """A plan, a data set and a folder.

    Parameters
    ----------
    plan : Plan
    data : DataSet
    folder : Path
        New, or the folder of a progression to go on with.
    say : callable
        Called with every line of text, ``print`` by default.
    cluster : str, optional
        Address of a Dask scheduler, whose workers train the networks (`minidl.jobs.Workers`).
    """

    def __init__(
        self,
        plan: Plan,
        data: DataSet,
        folder: Path,
        say: Callable[[str], None] = print,
        cluster: str | None = None,
    ) -> None:
        self.plan, self.data, self.folder, self.say = plan, data, folder, say
        shared, seen = (data.train, data.validation), folder if cluster is not None else None
        self.workers = Workers(plan.jobs, cluster, shared, seen)
        self.rungs = _with_members([find_rung(rung_id) for rung_id in plan.rungs])
        self.started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.outcomes: dict[str, list[dict[str, Any]]] = {rung.id: [] for rung in self.rungs}
        self.openings: list[dict[str, str]] = []
        self.seconds = self.seconds_before = 0.0

    @property
    def company(self) -> str:
        """In what company a network is trained, in words: alone, in as many processes, or side by side on a GPU."""
        if self.workers.cluster is not None:
            return f"workers of {self.workers.cluster}"
        if self.plan.jobs == 1:
            most = max((len(group) for group in _groups(self._all_runs())), default=1)
            return f"up to {most} networks of a rung side by side" if most > 1 else "1 network at a time"
        return f"{self.plan.jobs} networks at a time"

    def run(self) -> dict[str, Any]:
        """Train and score everything that is not there yet; return the content of ``results.json``."""
        with self.workers:  # before anything is written: a cluster may not answer
            self._open_folder()
            return self._run(time.perf_counter())

    def _run(self, clock: float) -> dict[str, Any]:
        self.say(table_head(self.data.title, self.plan.split))
        for rung in self.rungs:  # what an earlier start has finished
            for run in self._runs(rung):
                if (run.folder / "outcome.json").exists():
                    self._finish(rung, run, read_json(run.folder / "outcome.json"), clock)
        for run, outcome in self._train(self._all_runs()):
            write_json(run.folder / "outcome.json", outcome)
            self._finish(find_rung(run.rung), run, outcome, clock)
        for rung in self.rungs:
            if rung.members:
                self._vote(rung, clock)
        return self._write_results(clock)

    def open_for_report(self) -> Split:
        """Return the images scored for the pictures of the report, noting the opening of a vault on disk."""
        if self.plan.split == "validation":
            return self.data.validation
        test = self.data.vault.open("pictures and tests of the report")
        self.openings.append(self.data.vault.openings[-1])
        self._write_results(None)
        return test

    # Training and scoring --------------------------------------------------------------------------

    def _runs(self, rung: Rung) -> list[Run]:
        """Return the networks to train for a rung; an ensemble trains none of its own."""
        if rung.members:
            return []
        voters = max((other.members for other in self.rungs if _voter(other) == rung.id), default=0)
        recipe = self.plan.recipe(rung, len(self.data.train))
        return [
            Run(
                rung.id,
                recipe,
                seed,
                self._run_folder(rung, seed),
                self.data.name,
                self.plan.device,
                self.plan.threads,
            )
            for seed in range(self.plan.seeds * max(1, voters))
        ]

    def _all_runs(self) -> list[Run]:
        return [run for rung in self.rungs for run in self._runs(rung)]

    def _train(self, runs: list[Run]) -> Iterator[tuple[Run, dict[str, Any]]]:
        """Yield every network that is not trained yet with its outcome, as each is done."""
        waiting = [run for run in runs if not (run.folder / "outcome.json").exists()]
        if not waiting:
            return
        if self.plan.jobs == 1 and self.workers.cluster is None:
            splits = self.data.train, self.data.validation
            for group in _groups(waiting):
                if len(group) > 1:
                    yield from zip(group, train_together(group, *splits), strict=True)
                else:
                    yield group[0], train_run(group[0], *splits, progress=True)
            return
        # The longest first, so that no core waits at the end for one network begun last.
        waiting.sort(key=_cost, reverse=True)
        total = sum(run.recipe.epochs for run in waiting)
        there = [replace(run, folder=run.folder.absolute()) for run in waiting]
        with epoch_bar([run.folder for run in waiting], total):
            for index, outcome in self.workers.run(_train_elsewhere, there):
                yield waiting[index], outcome

    def _finish(self, rung: Rung, run: Run, outcome: dict[str, Any], clock: float) -> None:
        score = self._scored(run.folder, f"rung {rung.id}, seed {run.seed}", partial(score_run, run))
        self._note(rung, {**outcome, **score}, clock)

    def _scored(self, folder: Path, what: str, score: Callable[..., None]) -> dict[str, Any]:
        """Return a network's score, opening the vault only if it was not scored before."""
        split = self.plan.split
        if not is_scored(folder, split):
            if split == "test":
                scored = self.data.vault.open(f"test accuracy of {what}")
                self.openings.append(self.data.vault.openings[-1])
                self._write_results(None)  # on record even if the scoring is cut short
            else:
                scored = self.data.validation
            score(scored, split=split)
        found = read_json(folder / f"{split}.json")
        return {key: found[key] for key in ("accuracy", "correct", "examples")}

    def _vote(self, rung: Rung, clock: float) -> None:
        recipe = self.plan.recipe(rung, len(self.data.train))
        member_rung = find_rung(_voter(rung) or "")
        for group in range(self.plan.seeds):
            seeds = range(group * rung.members, (group + 1) * rung.members)
            members = [self._run_folder(member_rung, seed) for seed in seeds]
            folder = self._run_folder(rung, group)
            vote = partial(score_ensemble, folder, members, recipe)
            score = self._scored(folder, f"rung {rung.id}, ensemble {group}", vote)
            trained = [run for run in self.outcomes[member_rung.id] if run["seed"] in seeds]
            facts = {
                "seed": group,
                "folder": f"{folder.parent.name}/{folder.name}",
                "parameters": sum(run["parameters"] for run in trained),
                "epochs": trained[0]["epochs"],
                "train_images": trained[0]["train_images"],
                "seconds": sum(run["seconds"] for run in trained),
                "vote": recipe.vote,
                "members": [run["folder"] for run in trained],
            }
            self._note(rung, {**facts, **score}, clock)

    def _note(self, rung: Rung, outcome: dict[str, Any], clock: float) -> None:
        runs = self.outcomes[rung.id]
        runs.append(outcome)
        runs.sort(key=lambda run: run["seed"])
        self._write_results(clock)
        self.say(
            table_row(self._row(rung), str(outcome["seed"]), f"{outcome['accuracy']:.2f}", outcome["seconds"])
        )

    def _run_folder(self, rung: Rung, seed: int) -> Path:
        number = f"{int(rung.id):02d}" if rung.id.isdigit() else f"{int(rung.id[:-1]):02d}{rung.id[-1]}"
        return self.folder / f"rung-{number}" / f"seed-{seed}"

    # What is written -------------------------------------------------------------------------------

    def _open_folder(self) -> None:
        """Write ``progression.json``, or check that the one there is of the same plan and data."""
        path = self.folder / "progression.json"
        asked = {
            "format": FORMAT,
            "plan": {**asdict(self.plan), "rungs": list(self.plan.rungs)},
            "data": data_identity(self.data),
        }
        if not path.exists():
            if self.folder.exists() and any(self.folder.iterdir()):
                raise ConfigError(f"{self.folder}: this folder is not empty; choose another --out")
            write_json(path, asked)
            return
        found = read_json(path)
        plan = {"split": "test", **(found.get("plan") or {})}  # older files do not name the images
        if plan != asked["plan"]:
            raise CheckpointError(
                f"{self.folder}: this folder holds a progression with other settings; choose another"
            )
        if found.get("data") != asked["data"]:
            before = f"{found['data']['name']} ({found['data']['train']:,} training images)"
            now = f"{self.data.name} ({len(self.data.train):,})"
            raise CheckpointError(
                f"{self.folder}: this progression ran on {before}, not on {now}; give it the same data"
            )
        results = self.folder / "results.json"
        if results.exists():
            before = read_json(results)
            self.started, self.openings, self.seconds_before = (
                before["started"],
                before["vault"],
                before["seconds"],
            )
            self.seconds = self.seconds_before

    def _write_results(self, clock: float | None) -> dict[str, Any]:
        if clock is not None:
            self.seconds = self.seconds_before + time.perf_counter() - clock
        facts = machine_facts()
        results = {
            "format": FORMAT,
            "command": self.plan.command,
            "preset": self.plan.preset,
            "split": self.plan.split,
            "data": {
                "name": self.data.name,
                "title": self.data.title,
                "is_mnist": self.data.is_mnist,
                "source": self.data.source,
                "train": len(self.data.train),
                "validation": len(self.data.validation),
                "test": len(self.data.vault),
            },
            "seeds": list(range(self.plan.seeds)),
            "jobs": self.plan.jobs,
            "machine": {name: str(value) for name, value in facts["machine"].items()},
            "versions": facts["versions"],
            "device": self.plan.device,
            "started": self.started,
            "seconds": self.seconds,
            "rungs": [self._row(rung) for rung in self.rungs],
            "vault": self.openings,
        }
        write_json(self.folder / "results.json", results)
        return results

    def _row(self, rung: Rung) -> dict[str, Any]:
        """Return the row of the table: what the rung is, and what is known of it so far."""
        from minidl.evaluation.metrics import wilson_interval

        runs, recipe = self.outcomes[rung.id], self.plan.recipe(rung, len(self.data.train))
        wanted = self.plan.seeds if rung.members else len(self._runs(rung))
        row: dict[str, Any] = {
            "rung": rung.id,
            "title": rung.title,
            "change": rung.change,
            "architecture": rung.architecture,
            "lecture": rung.lecture,
            "published": rung.published,
            "parameters": runs[0]["parameters"] if runs else _parameters(rung),
            "epochs": recipe.epochs,
            "train_images": runs[0]["train_images"] if runs else len(self.data.train),
            "recipe": asdict(recipe),
            "status": "done" if len(runs) == wanted else "running" if runs else "pending",
            "error": None,
            "mean": None,
            "sd": None,
            "wilson": None,
            "by_validation": None,
            "seconds": None,
            "ensemble": bool(rung.members),
            "vote": recipe.vote,
            "members": runs[0].get("members", []) if runs else [],
            "runs": runs,
        }
        if runs:
            accuracies = [run["accuracy"] for run in runs]
            # All seeds were tested on the same images: the interval is that of one test set.
            low, high = wilson_interval(
                round(statistics.fmean(run["correct"] for run in runs)), runs[0]["examples"]
            )
            row["mean"] = statistics.fmean(accuracies)
            row["sd"] = statistics.stdev(accuracies) if len(runs) > 1 else None
            row["wilson"] = [100 * low, 100 * high]
            row["seconds"] = statistics.fmean(run["seconds"] for run in runs)
            if not rung.members:
                # Nielsen's rule: of several runs, quote the one that did best on validation.
                row["by_validation"] = max(runs, key=lambda run: run["validation_accuracy"])["accuracy"]
        return row


def _groups(runs: list[Run]) -> list[list[Run]]:
    """Return the networks that are trained together: on a GPU up to five of one rung, otherwise each alone."""
    groups: list[list[Run]] = []
    for run in runs:
        fits = groups and groups[-1][0].rung == run.rung and len(groups[-1]) < TOGETHER
        if fits and run.device != "cpu":
            groups[-1].append(run)
        else:
            groups.append([run])
    return groups


def _train_elsewhere(run: Run, train: Split, validation: Split) -> dict[str, Any]:
    """Train in another process, which may outlive the one that asked for it: whoever comes second waits."""
    lock = run.folder.parent.parent / ".locks" / f"{run.folder.parent.name}-{run.folder.name}"
    with locked(lock):
        return train_run(run, train, validation)


def _with_members(rungs: list[Rung]) -> list[Rung]:
    """Return the rungs with those that the ensembles among them vote with."""
    ids = {rung.id for rung in rungs} | {_voter(rung) for rung in rungs if rung.members}
    order = [*LADDER, *(rung for rung in rungs if rung not in LADDER)]
    return [rung for rung in order if rung.id in ids]


def _voter(rung: Rung) -> str | None:
    """Return the id of the rung whose networks vote in an ensemble: the one before it on the ladder."""
    return LADDER[LADDER.index(rung) - 1].id if rung.members else None


@cache
def _parameters(rung: Rung) -> int:
    model = build_model(rung)
    model.build(INPUT_SHAPE)
    return model.parameter_count() * max(1, rung.members)


def _cost(run: Run) -> float:
    """Return a number in proportion to the time a network takes."""
    model = build_model(run.rung, run.recipe)
    model.build(INPUT_SHAPE)
    return model.flops() * run.recipe.epochs * (5 if run.recipe.augment == "expand" else 1)
