"""Run a search: many short trainings, side by side, that may be stopped at any instant and taken up again.

The folder it fills::

    search.json          what was asked for; --resume reads it
    trials/0000/         one folder for every trial: an ordinary run, and trial.json once it is over
    trials.jsonl         the content of every trial.json, a line each, in the order of the trials
    results.json         the best trial, and what each stage found
    best.toml            the best trial's configuration, for minidl train --config
    report.html          tables and pictures
    optuna.journal       with Optuna: its study

A trial is over when its ``trial.json`` is there, which is written in one piece. Everything else follows
from these files, so nothing is counted twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from minidl.data import DataSet
from minidl.errors import CheckpointError, ConfigError
from minidl.experiments.config_file import to_toml
from minidl.experiments.data_digest import data_identity
from minidl.experiments.folder_lock import locked
from minidl.experiments.search_plan import FORMAT, SearchPlan, Stage
from minidl.experiments.search_records import Row, best_row, trial_line
from minidl.experiments.search_trial import STATES, Trial, run_trial, sealed, trial_config
from minidl.experiments.training_run import prepare
from minidl.files import atomic_write, read_json, write_json
from minidl.jobs import Workers
from minidl.search import border_warnings, grid_points, narrowed, random_point, trial_seed
from minidl.search.spaces import Space, text_of


class Search:
    """A plan, a data set and a folder.

    Parameters
    ----------
    plan : SearchPlan
    data : DataSet
        Its test set is left out at once.
    folder : Path
        New, or that of a search to go on with.
    jobs : int
        Trials at once.
    cluster : str, optional
        Address of a Dask scheduler (`minidl.jobs.Workers`).
    say : callable
        Called with a line for every trial.
    """

    def __init__(
        self,
        plan: SearchPlan,
        data: DataSet,
        folder: Path,
        *,
        jobs: int = 1,
        cluster: str | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.plan, self.data, self.folder, self.say = plan, sealed(data), Path(folder), say
        self.workers = Workers(
            jobs, cluster, (plan.config, self.data, plan.objective), self.folder if cluster else None
        )
        self.rows: list[Row] = []
        self.seconds_before = 0.0
        self._stages: list[dict[str, Any]] = []

    def run(self) -> dict[str, Any]:
        """Run every trial that is not over yet; return the content of ``results.json``.

        Raises
        ------
        ConfigError
            If the folder holds something else, is in use, or no trial gave a value.
        CheckpointError
            If it holds another search.
        """
        self._check_folder()
        # Rehearses the configuration on one batch before anything is written.
        prepare(self.plan.config.with_values(training__threads=1, training__out=None), data=self.data)
        with self.workers, locked(self.folder / ".lock", "minidl search"):
            self._open_folder()
            clock = time.perf_counter()
            space, offset = self.plan.space, 0
            for index, stage in enumerate(self.plan.stages):
                if index:
                    space = narrowed(space, self._stages[-1]["best"]["parameters"], stage.shrink)
                rows = self._run_stage(index, stage, space, offset)
                offset += len(rows)
                self._close_stage(index, stage, space, rows)
            return self._write_results(time.perf_counter() - clock)

    # Trials ----------------------------------------------------------------------------------------

    def _run_stage(self, index: int, stage: Stage, space: Space, offset: int) -> list[Row]:
        if self.plan.method == "bayesian":
            rounds = self._bayesian_rounds(index, stage, space, offset)
        else:
            rounds = iter([self._fixed_trials(index, stage, space, offset)])
        found: list[Row] = []
        total = len(grid_points(space)) if stage.trials is None else stage.trials
        for trials in rounds:
            known = [self._finished(trial) for trial in trials]
            found += [row for row in known if row is not None]
            self.rows += [row for row in known if row is not None]
            waiting = [trial for trial, row in zip(trials, known, strict=True) if row is None]
            for _, row in self.workers.run(run_trial, waiting):
                found.append(row)
                self.rows.append(row)
                self._write_table()
                self.say(trial_line(row, len(found), total))
        self._write_table()
        return sorted(found, key=lambda row: row["trial"])

    def _fixed_trials(self, index: int, stage: Stage, space: Space, offset: int) -> list[Trial]:
        """Return the trials of a stage that are known beforehand."""
        if self.plan.method == "grid":
            points = grid_points(space)
        else:
            assert stage.trials is not None
            points = [random_point(space, self.plan.seed, offset + place) for place in range(stage.trials)]
        return [self._trial(offset + place, index, stage, point) for place, point in enumerate(points)]

    def _bayesian_rounds(self, index: int, stage: Stage, space: Space, offset: int) -> Iterator[list[Trial]]:
        """Yield one round of trials after the other, each proposed from the outcomes of those before."""
        from minidl.search.bayesian import Bayesian

        plan = self.plan
        study = Bayesian(
            self.folder / "optuna.journal",
            f"stage-{index}",
            space,
            seed=plan.seed,
            sampler=plan.sampler,
            pruner=plan.pruner,
            maximize=plan.maximize,
        )
        assert stage.trials is not None
        for start in range(0, stage.trials, plan.batch):
            places = range(start, min(start + plan.batch, stage.trials))
            trials = [
                self._trial(offset + place, index, stage, study.parameters(place), study.ticket(place))
                for place in places
            ]
            yield trials
            by_number = {row["trial"]: row for row in self.rows}
            for place in places:
                row = by_number[offset + place]
                study.tell(place, row["value"], row["state"])

    def _trial(
        self, number: int, index: int, stage: Stage, point: dict[str, Any], ticket: Any = None
    ) -> Trial:
        folder = self.folder.absolute() / "trials" / f"{number:04d}"
        seed = trial_seed(self.plan.seed, number)
        return Trial(number, index, point, seed, stage.epochs, str(folder), ticket)

    def _finished(self, trial: Trial) -> Row | None:
        """Return the record of a trial that is over."""
        path = Path(trial.folder) / "trial.json"
        if not path.exists():
            return None
        row = read_json(path)
        if row.get("trial") != trial.number or row.get("parameters") != trial.parameters:
            raise CheckpointError(f"{path}: this is another trial than number {trial.number} of this search")
        return row

    # What is written -------------------------------------------------------------------------------

    def _check_folder(self) -> None:
        if not (self.folder / "search.json").exists():
            if self.folder.exists() and (not self.folder.is_dir() or _used(self.folder)):
                raise ConfigError(
                    f"{self.folder}: this exists already; choose another --out, or go on with --resume"
                )
            return
        found = read_json(self.folder / "search.json")
        asked = self._asked()
        if found.get("data") != asked["data"]:
            raise CheckpointError(
                f"{self.folder}: this search ran on other data ({found['data']['name']}, "
                f"{found['data']['train']:,} training images); give it the same"
            )
        if _without_trials(found["plan"]) != _without_trials(asked["plan"]):
            raise CheckpointError(
                f"{self.folder}: this folder holds a search with other settings; choose another"
            )

    def _open_folder(self) -> None:
        write_json(self.folder / "search.json", self._asked())
        results = self.folder / "results.json"
        if results.exists():
            self.seconds_before = read_json(results)["seconds"]

    def _asked(self) -> dict[str, Any]:
        return {"format": FORMAT, "plan": self.plan.as_dict(), "data": data_identity(self.data)}

    def _write_table(self) -> None:
        """Write ``trials.jsonl`` anew from the records; it is never the only place of anything."""
        self.rows.sort(key=lambda row: row["trial"])
        with atomic_write(self.folder / "trials.jsonl", sync=False) as stream:
            stream.writelines(json.dumps(row) + "\n" for row in self.rows)

    def _close_stage(self, index: int, stage: Stage, space: Space, rows: list[Row]) -> None:
        best = best_row(rows, self.plan.maximize)
        if best is None:
            why = next((f"; the first said: {row['message']}" for row in rows if row["message"]), "")
            raise ConfigError(
                f"{self.folder}: none of the {len(rows)} trials came to its end with a value ({_counts(rows)}){why}"
            )
        self._stages.append(
            {
                "stage": index,
                "epochs": stage.epochs,
                "trials": len(rows),
                "space": {name: text_of(dimension) for name, dimension in space.items()},
                "best": best,
                "borders": border_warnings(space, best["parameters"], self.plan.space),
            }
        )

    def _write_results(self, seconds: float) -> dict[str, Any]:
        last = self._stages[-1]
        counts = {state: sum(row["state"] == state for row in self.rows) for state in STATES}
        results = {
            "format": FORMAT,
            "method": self.plan.method,
            "objective": self.plan.objective,
            "seed": self.plan.seed,
            "data": {"name": self.data.name, "title": self.data.title, "train": len(self.data.train),
                     "validation": len(self.data.validation)},
            "trials": {"all": len(self.rows), **counts},
            "best": last["best"],
            "borders": last["borders"],
            "stages": self._stages,
            "seconds": self.seconds_before + seconds,
        }  # fmt: skip
        write_json(self.folder / "results.json", results)
        best = last["best"]
        trial = Trial(
            best["trial"], best["stage"], best["parameters"], best["seed"], last["epochs"], str(self.folder)
        )
        config = trial_config(self.plan.config, trial, self.plan.objective)
        note = "the best trial of a search; minidl train --config FILE trains it again"
        with atomic_write(self.folder / "best.toml") as stream:
            stream.write(to_toml(config.with_values(data__name=self.data.name), note))
        return results


def _counts(rows: list[Row]) -> str:
    numbers = {state: sum(row["state"] == state for row in rows) for state in STATES}
    return ", ".join(f"{number} {state}" for state, number in numbers.items() if number)


def _used(folder: Path) -> bool:
    """Whether a folder holds anything but a lock that a search left before it began."""
    return any(path.name != ".lock" for path in folder.iterdir())


def _without_trials(plan: dict[str, Any]) -> dict[str, Any]:
    stages = plan["search"]["stages"]
    if len(stages) > 1:
        return plan
    stages = [{name: value for name, value in stages[0].items() if name != "trials"}]
    return {**plan, "search": {**plan["search"], "stages": stages}}
