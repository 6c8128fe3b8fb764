"""A search: the same results with any number of workers, nothing counted twice, the vault shut."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minidl.data.splits import Vault
from minidl.errors import CheckpointError, ConfigError, StateError
from minidl.experiments import search as module
from minidl.experiments import search_trial
from minidl.experiments.config_file import config_from, read_table, to_toml
from minidl.experiments.folder_lock import locked
from minidl.experiments.search import Search
from minidl.experiments.search_plan import Stage, plan_from, read_plan, read_search_file, read_space
from minidl.experiments.search_records import read_trials, top_trials
from minidl.experiments.training_run import load_whole
from minidl.files import read_json
from minidl.search import random_point

ROOT = Path(__file__).resolve().parents[2]
TABLE = {
    "data": {"name": "digits", "subset": 100, "batch_size": 20},
    "model": {"layers": ["Flatten()", "Dense(10)", "ReLU()", "Dense(10)"]},
    "training": {"epochs": 2, "optimizer": "Momentum(lr=0.1)", "monitor": "none"},
    "search": {
        "trials": 8,
        "space": {"training.optimizer.lr": "Log(1e-3, 1)", "model.layers.1.units": "Integer(5, 20)"},
    },
}


def plan(**search):
    """Return the plan with some keys of [search] set otherwise."""
    changed = {**TABLE["search"], **search}
    if "stages" in search or search.get("method") == "grid":
        changed.pop("trials")
    return plan_from({**TABLE, "search": changed})


@pytest.fixture(scope="module")
def data():
    return load_whole(config_from({"data": {"name": "digits"}}))


def run(plan_, data, folder, **options):
    return Search(plan_, data, folder, say=lambda line: None, **options).run()


@pytest.fixture(scope="module")
def reference(data, tmp_path_factory):
    """A search with one worker."""
    folder = tmp_path_factory.mktemp("search") / "one"
    run(plan(), data, folder)
    return folder


def comparable(folder):
    """Return everything about the trials that must not depend on who did them, and when."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in read_trials(folder)]


def weights(folder):
    return {
        path.parts[-3]: path.read_bytes()
        for path in sorted(folder.glob("trials/*/checkpoints/best.safetensors"))
    }


def test_what_a_search_leaves(reference, data):
    results, rows = read_json(reference / "results.json"), read_trials(reference)
    assert [row["trial"] for row in rows] == list(range(8))
    assert results["trials"] == {"all": 8, "done": 8, "pruned": 0, "diverged": 0, "failed": 0}
    assert results["best"] == max(rows, key=lambda row: row["value"])
    for row in rows:
        folder = reference / row["folder"]
        assert row == read_json(folder / "trial.json")
        run_json = read_json(folder / "run.json")  # an ordinary run, made from the parameters
        assert run_json["config"]["training"]["threads"] == 1  # however many cores and processes there are
        assert run_json["seed"] == row["seed"]
        assert (
            f"lr={row['parameters']['training.optimizer.lr']}" in run_json["config"]["training"]["optimizer"]
        )
        history = (folder / "history.csv").read_text().splitlines()
        assert len(history) == 3
        column = history[0].split(",").index("val_accuracy")
        assert row["value"] == max(float(line.split(",")[column]) for line in history[1:])
    assert len({row["seed"] for row in rows}) == 8
    best = read_table(reference / "best.toml")
    assert (
        best["training"]["optimizer"].startswith("Momentum(lr=")
        and best["training"]["seed"] == results["best"]["seed"]
    )


def test_two_processes_give_the_same_bits(reference, data, tmp_path):
    run(plan(), data, tmp_path / "two", jobs=2)
    assert comparable(tmp_path / "two") == comparable(reference)
    assert weights(tmp_path / "two") == weights(reference)


def test_the_best_are_found_for_others(reference):
    values = {row["folder"]: row["value"] for row in read_trials(reference)}
    found = [values[str(path.relative_to(reference))] for path in top_trials(reference, 3)]
    assert found == sorted(values.values(), reverse=True)[:3]
    with pytest.raises(ConfigError, match="asked for the 9 best trials of 8"):
        top_trials(reference, 9)


def test_the_vault_stays_shut(data, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(Vault, "open", lambda self, reason: opened.append(reason))
    seen = []
    real = search_trial.run_trial

    def watched(trial, base, inside, objective):
        seen.append(len(inside.vault))
        return real(trial, base, inside, objective)

    monkeypatch.setattr(module, "run_trial", watched)
    run(plan(trials=2), data, tmp_path / "search")
    assert seen == [0, 0]  # what is sent to the workers has no test images
    assert opened == [] and data.vault.openings == []
    with pytest.raises(StateError, match="test set is not part of a search"):
        search_trial.sealed(data).vault.open("just a look")


class TestAgain:
    def test_what_is_over_is_not_trained_again(self, reference, data, tmp_path, monkeypatch):
        folder = tmp_path / "copy"
        shutil.copytree(reference, folder)
        before = comparable(folder)
        (folder / "trials.jsonl").write_text("half a li")  # killed while everything was being written
        (folder / "results.json").unlink()
        shutil.rmtree(folder / "trials" / "0005")
        (folder / "trials" / "0002" / "trial.json").unlink()  # killed after the last epoch
        trained = []
        real = search_trial.run_trial
        monkeypatch.setattr(
            module, "run_trial", lambda trial, *more: (trained.append(trial.number), real(trial, *more))[1]
        )
        results = run(read_plan(folder), data, folder)
        assert sorted(trained) == [2, 5]
        assert results["stages"][0]["trials"] == 8
        assert results["best"] == read_json(reference / "results.json")["best"]
        assert comparable(folder) == before

    def test_more_trials_leave_the_first_as_they_are(self, reference, data, tmp_path):
        folder = tmp_path / "copy"
        shutil.copytree(reference, folder)
        run(read_plan(folder).with_trials(10), data, folder)
        assert comparable(folder)[:8] == comparable(reference) and len(read_trials(folder)) == 10
        assert read_plan(folder).stages == (Stage(10),)

    def test_another_search_is_refused(self, reference, data):
        before = {path: path.read_bytes() for path in reference.rglob("*") if path.is_file()}
        with pytest.raises(CheckpointError, match="search with other settings"):
            run(plan(seed=1), data, reference)
        with pytest.raises(CheckpointError, match="ran on other data"):
            run(plan(), replace(data, train=data.train.subset(500)), reference)
        assert {path: path.read_bytes() for path in reference.rglob("*") if path.is_file()} == before

    def test_a_folder_with_something_else_is_refused(self, data, tmp_path):
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(ConfigError, match="this exists already"):
            run(plan(), data, tmp_path)

    def test_two_at_once_are_refused(self, data, tmp_path):
        with (
            locked(tmp_path / "search" / ".lock"),
            pytest.raises(ConfigError, match="another process is at work here"),
        ):
            run(plan(), data, tmp_path / "search")
        assert [path.name for path in (tmp_path / "search").iterdir()] == [".lock"]


def test_from_coarse_to_fine(data, tmp_path):
    results = run(
        plan(stages=[{"trials": 4, "epochs": 1}, {"trials": 3, "epochs": 2, "shrink": 0.25}]),
        data,
        tmp_path / "s",
    )
    rows = read_trials(tmp_path / "s")
    assert [(row["trial"], row["stage"], row["epochs"]) for row in rows] == [
        (0, 0, 1), (1, 0, 1), (2, 0, 1), (3, 0, 1), (4, 1, 2), (5, 1, 2), (6, 1, 2)
    ]  # fmt: skip
    centre = np.log10(max(rows[:4], key=lambda row: row["value"])["parameters"]["training.optimizer.lr"])
    near = [np.log10(row["parameters"]["training.optimizer.lr"]) for row in rows[4:]]
    # A quarter of three powers of ten, moved where it would leave the range.
    assert max(near) - min(near) <= 0.75 and all(abs(each - centre) <= 0.75 for each in near)
    space = read_space(results["stages"][1]["space"])
    assert [row["parameters"] for row in rows[4:]] == [random_point(space, 0, trial) for trial in (4, 5, 6)]
    assert results["best"] == max(rows[4:], key=lambda row: row["value"])  # of the longer trainings
    assert results["stages"][0]["space"]["training.optimizer.lr"] == "Log(0.001, 1)"
    assert (
        top_trials(tmp_path / "s", 5)[3]
        == tmp_path / "s" / max(rows[:4], key=lambda row: row["value"])["folder"]
    )


def test_a_grid_and_its_border(data, tmp_path):
    space = {"training.optimizer.lr": "Log(1e-5, 1e-2, points=3)", "data.batch_size": "Categorical([20, 50])"}
    results = run(plan(method="grid", space=space), data, tmp_path / "grid")
    points = [tuple(row["parameters"].values()) for row in read_trials(tmp_path / "grid")]
    rates = [1e-5, 0.000316227766017, 1e-2]
    assert points == [(rate, size) for rate in rates for size in (20, 50)]
    (sentence,) = results["borders"]  # two epochs of five steps want a higher rate than 0.01
    assert sentence.startswith("training.optimizer.lr: the best value, 0.01, lies at the upper edge")


def test_trials_that_fail_are_counted_as_what_they_are(data, tmp_path):
    space = {
        "training.optimizer": "Categorical(['SGD(lr=0.1)', 'SGD(lr=1e30)'])",
        "model.layers.3.units": "Categorical([10, 9])",
    }
    results = run(plan(method="grid", space=space), data, tmp_path / "s")
    rows = read_trials(tmp_path / "s")
    assert [row["state"] for row in rows] == ["done", "failed", "diverged", "failed"]
    assert [row["value"] is None for row in rows] == [False, True, True, True]
    assert "10 classes" in rows[1]["message"] and "loss" in rows[2]["message"]
    assert results["trials"] == {"all": 4, "done": 1, "pruned": 0, "diverged": 1, "failed": 2}
    assert results["best"]["trial"] == 0


def test_a_search_without_any_outcome_says_why(data, tmp_path):
    space = {"training.optimizer.lr": "Log(1e29, 1e30)"}
    with pytest.raises(
        ConfigError, match="none of the 2 trials came to its end with a value .2 diverged.; the first said"
    ):
        run(plan(trials=2, space=space), data, tmp_path / "s")


def test_the_loss_as_objective(data, tmp_path):
    results = run(plan(trials=3, objective="loss"), data, tmp_path / "s")
    rows = read_trials(tmp_path / "s")
    assert results["best"] == min(rows, key=lambda row: row["validation_loss"])
    assert (
        read_json(tmp_path / "s" / rows[0]["folder"] / "run.json")["training"]["keep_best"]["metric"]
        == "loss"
    )


class TestBayesian:
    @pytest.fixture(autouse=True)
    def optuna(self):
        pytest.importorskip("optuna", reason="Bayesian search needs Optuna: pip install optuna")

    def test_interrupted_or_not_and_with_any_number_of_workers(self, data, tmp_path, monkeypatch):
        options = {"method": "bayesian", "trials": 7, "batch": 3, "sampler": "TPESampler(n_startup_trials=3)"}
        run(plan(**options), data, tmp_path / "one")
        real, calls = search_trial.run_trial, []

        def interrupted(trial, *more):
            calls.append(trial.number)
            if len(calls) == 5:
                raise KeyboardInterrupt
            return real(trial, *more)

        monkeypatch.setattr(module, "run_trial", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(plan(**options), data, tmp_path / "two")
        monkeypatch.undo()
        run(read_plan(tmp_path / "two"), data, tmp_path / "two", jobs=2)
        assert comparable(tmp_path / "two") == comparable(tmp_path / "one")

    def test_pruned_trials_are_counted_and_never_the_best(self, data, tmp_path):
        options = {"method": "bayesian", "trials": 6, "batch": 2, "stages": [{"trials": 6, "epochs": 4}]}
        pruner = "ThresholdPruner(lower=0.11)"
        results = run(plan(**options, pruner=pruner), data, tmp_path / "s")
        rows = read_trials(tmp_path / "s")
        pruned = [row for row in rows if row["state"] == "pruned"]
        assert pruned and all(row["epochs"] < 4 and row["value"] < 0.11 for row in pruned)
        assert results["trials"]["pruned"] == len(pruned) and results["best"]["state"] == "done"


# Killed ----------------------------------------------------------------------------------------------


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def workers_of(parent):
    """Return the worker processes of a search."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_text()
            ppid = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if ppid == parent and "popen_loky" in words:
            found.append(int(entry.name))
    return found


def finished(folder):
    return len(list(folder.glob("trials/*/trial.json")))


LONG = {**TABLE, "training": {**TABLE["training"], "epochs": 12}, "search": {**TABLE["search"], "trials": 14}}


@pytest.fixture(scope="module")
def straight(data, tmp_path_factory):
    """The search that is killed below, run without an interruption."""
    folder = tmp_path_factory.mktemp("search") / "straight"
    run(plan_from(LONG), data, folder)
    return folder


def start(folder, *words):
    """Start the search in a process of its own."""
    lines = [to_toml(plan_from(LONG).config), "[search]", "trials = 14", "[search.space]"]
    lines += [f"{json.dumps(name)} = {json.dumps(text)}" for name, text in LONG["search"]["space"].items()]
    file = folder.parent / "search.toml"
    file.write_text("\n".join(lines))
    assert read_search_file(file) == plan_from(LONG)
    return subprocess.Popen(
        [sys.executable, "-m", "minidl", "search", file.name, "--out", folder.name, *words],
        cwd=folder.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_a_worker_and_then(process, folder, find_worker):
    """Kill a worker, see the search go on by itself, and kill it."""
    try:
        wait_for(lambda: finished(folder) >= 1)
        os.kill(find_worker(), signal.SIGKILL)
        before = finished(folder)
        wait_for(lambda: finished(folder) >= before + 2)
    finally:
        process.kill()
        process.wait()
    assert before + 2 <= finished(folder) < 14, "it was to be killed half-way"


def check_every_trial_counts_once(results, folder, straight):
    assert [row["trial"] for row in read_trials(folder)] == list(range(14)) and results["trials"]["all"] == 14
    assert len(list(folder.glob("trials/[0-9]*"))) == 14
    assert comparable(folder) == comparable(straight)
    assert weights(folder) == weights(straight)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="worker processes are found in /proc")
def test_killed_and_resumed_it_counts_every_trial_once(data, tmp_path, straight):
    folder, left = tmp_path / "killed", []
    process = start(folder, "--jobs", "2")

    def worker():
        left.extend(workers_of(process.pid))
        return left[0]

    kill_a_worker_and_then(process, folder, worker)
    results = run(read_plan(folder), data, folder)
    check_every_trial_counts_once(results, folder, straight)
    wait_for(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in left))  # they do not stay behind


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_the_same_on_a_cluster(data, tmp_path, straight, local_cluster):
    folder, address = tmp_path / "cluster", local_cluster.scheduler_address
    process = start(folder, "--cluster", address)
    kill_a_worker_and_then(process, folder, lambda: next(iter(local_cluster.workers.values())).pid)
    results = run(read_plan(folder), data, folder, cluster=address)
    check_every_trial_counts_once(results, folder, straight)
