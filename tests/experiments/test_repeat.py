"""Several seeds and cross-validation: ordinary runs, the same bits with any workers, killed or not."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from minidl.cli.main import main
from minidl.data import load, resplit
from minidl.data.fetch import UnavailableError
from minidl.data.qmnist import Writers
from minidl.data.resplit import take_fold
from minidl.data.splits import Vault
from minidl.errors import ConfigError, StateError
from minidl.experiments import repeat as module
from minidl.experiments.config_file import config_from
from minidl.experiments.repeat import ready, repeat
from minidl.experiments.repetition import Repetition, read_repetition
from minidl.files import read_json, write_json

ROOT = Path(__file__).resolve().parents[2]
TINY = [
    "--data",
    "digits",
    "--subset",
    "200",
    "--no-monitor",
    "--model",
    "Sequential([Flatten(), Dense(10)])",
]
LONG = ["train", *TINY, "--epochs", "40", "--folds", "3"]
SHORT = ["train", *TINY, "--epochs", "2"]
RESPLIT = sys.modules["minidl.data.resplit"]  # the package has a function of this name
KILL = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Three folds, one after the other in this process."""
    folder = tmp_path_factory.mktemp("folds") / "straight"
    assert main([*LONG, "--jobs", "1", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, *words):
    """Run the command, which must fail in one line; return the line."""
    capsys.readouterr()
    assert main(["train", *words]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "ATTENTION" not in line]
    assert len(lines) == 1
    return lines[0]


def weights(folder, names=("fold-1", "fold-2", "fold-3")):
    kinds = ("best", "last")
    return [
        (folder / name / f"checkpoints/{kind}.safetensors").read_bytes() for name in names for kind in kinds
    ]


def epochs(folder, name):
    try:
        return max(0, (folder / name / "history.csv").read_bytes().count(b"\n") - 1)
    except FileNotFoundError:
        return 0


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.005)


def test_a_fold_is_the_run_that_it_is_alone(straight, monkeypatch):
    monkeypatch.setattr("minidl.experiments.report.write_run_report", lambda folder: folder / "report.html")
    assert [path.name for path in sorted(straight.glob("[!.]*"))] == [
        "fold-1",
        "fold-2",
        "fold-3",
        "folds.json",
    ]
    words = ["--fold", "2/3", "--split", "stratified", "--threads", "1", "--epochs", "40"]
    assert main(["train", *TINY, *words, "--out", "alone"]) == 0
    assert weights(Path(), ["alone"]) == weights(straight, ["fold-2"])
    alone, fold = read_json("alone/run.json"), read_json(straight / "fold-2/run.json")
    assert {**alone, "started": ""} == {**fold, "started": ""}
    # Every image of the training file validates once.
    sizes = [len(resplit(load("digits"), "stratified", f"{fold}/3").validation) for fold in (1, 2, 3)]
    images = [
        read_json(straight / f"fold-{fold}/run.json")["training"]["validation"]["images"]
        for fold in (1, 2, 3)
    ]
    data = load("digits")
    assert sum(sizes) == len(data.train) + len(data.validation) and len(set(images)) == 3


def test_mean_and_interval_of_the_folds(straight, capsys):
    assert main(["train", "--resume", str(straight)]) == 0  # nothing is left to do: the mean again
    values = [100 * read_json(straight / f"fold-{k}/results.json")["best"]["val_accuracy"] for k in (1, 2, 3)]
    mean, sd = np.mean(values), np.std(values, ddof=1)
    half = stats.t.ppf(0.975, 2) * sd * np.sqrt(1 / 3 + 1 / 2)
    out = capsys.readouterr().out
    assert f"validation accuracy {mean:.2f} +- {sd:.2f} % (mean +- standard deviation of 3 folds)" in out
    assert f"95 % interval of the mean {mean - half:.2f} to {mean + half:.2f} %" in out
    assert "no standard error (Bengio and Grandvalet 2004)" in out and "Nadeau and Bengio (2003)" in out


def test_folds_with_several_seeds(capsys):
    assert main([*SHORT, "--folds", "3", "--seeds", "2", "--seed", "7", "--jobs", "2", "--out", "both"]) == 0
    names = [f"fold-{fold}-seed-{seed}" for fold in (1, 2, 3) for seed in (7, 8)]
    assert sorted(path.name for path in Path("both").glob("fold-*")) == names
    values = [100 * read_json(f"both/{name}/results.json")["best"]["val_accuracy"] for name in names]
    scores = np.reshape(values, (3, 2))
    between, within = scores.mean(axis=1).std(ddof=1), np.sqrt(scores.var(axis=1, ddof=1).mean())
    out = capsys.readouterr().out
    assert (
        f"{scores.mean():.2f} +- {between:.2f} % (mean +- standard deviation of 3 folds, each the mean of 2"
        in out
    )
    assert f"from seed to seed on the same fold +- {within:.2f}" in out
    runs = [read_json(f"both/{name}/run.json") for name in names]
    assert [(run["seed"], run["config"]["data"]["fold"]) for run in runs] == [
        (seed, f"{fold}/3") for fold in (1, 2, 3) for seed in (7, 8)
    ]


def test_the_test_images_stay_shut(monkeypatch):
    monkeypatch.setattr(Vault, "open", lambda self, reason: pytest.fail("the vault was opened"))
    assert main([*SHORT, "--folds", "2", "--split", "random", "--jobs", "1", "--out", "cv"]) == 0
    shutil.rmtree("cv/fold-2")
    assert main(["train", "--resume", "cv", "--jobs", "1"]) == 0  # divided as before
    runs = [read_json(f"cv/fold-{fold}/run.json")["config"]["data"] for fold in (1, 2)]
    assert [(run["split"], run["fold"]) for run in runs] == [("random", "1/2"), ("random", "2/2")]
    assert not list(Path().rglob("vault.json"))


def test_what_the_workers_get_has_no_test_images():
    plan = Repetition(config_from({"data": {"name": "digits"}}), (0,), 3)
    _, data, parts = ready(plan)
    assert len(data.vault) == 0 and len(parts) == 3
    with pytest.raises(StateError, match="the test set is not part of"):
        data.vault.open("a look")


def test_seeds_of_one_fold(capsys):
    assert main([*SHORT, "--seeds", "2", "--fold", "1/3", "--jobs", "1", "--out", "seeds"]) == 0
    assert "(mean +- standard deviation of 2 seeds)" in capsys.readouterr().out
    table = {"data": {"name": "digits", "split": "random", "fold": "2/3"}}
    plan, data, parts = ready(Repetition(config_from(table), (0, 1)))
    assert (data.split, parts, len(data.vault)) == ("random, fold 2/3", [], 0)
    assert [member.name for member in plan.members] == ["seed-0", "seed-1"] and plan.config.data.fold == "2/3"


# Who is in which fold ----------------------------------------------------------------------------


@pytest.fixture
def written(monkeypatch):
    """A small data set that passes for MNIST, with forty writers."""
    digits = load("digits")
    data = replace(
        digits, name="mnist", train=digits.train.subset(800), validation=digits.validation.subset(200)
    )
    writer = np.random.default_rng(0).integers(0, 40, 1000)
    monkeypatch.setattr(module, "load_undivided", lambda config, data_dir=None: data)
    known = Writers(writer, writer % 2 == 0)
    monkeypatch.setattr(RESPLIT, "writers", lambda labels, **options: known)
    return data, writer


def test_folds_keep_the_writers_apart_where_they_are_known(written):
    data, writer = written
    table = {"training": {"epochs": 1, "monitor": "none"}, "data": {"subset": 50}}
    plan, _, parts = ready(Repetition(config_from(table), (0,), 4), choose_split=True)
    assert plan.config.data.split == "writers"
    assert not any(set(writer[part.train]) & set(writer[part.held_out]) for part in parts)
    assert sorted(np.concatenate([part.held_out for part in parts])) == list(range(1000))
    # Asked for another division, it makes that.
    plan, _, parts = ready(Repetition(config_from(table), (0,), 4))
    assert plan.config.data.split == "lecture"
    np.testing.assert_array_equal(parts[1].held_out, np.arange(250, 500))
    second = take_fold(data, "lecture", parts, 2)
    np.testing.assert_array_equal(second.validation.labels, data.train.labels[250:500])
    assert (second.split, len(second.train)) == ("lecture, fold 2/4", 750)


def test_every_fold_must_have_the_subset(written):
    def plan(subset):
        table = {"data": {"subset": subset}, "training": {"epochs": 1}}
        return Repetition(config_from(table), (0,), 4)

    sizes = [len(part.train) for part in ready(plan(50), choose_split=True)[2]]
    assert min(sizes) < sizes[0]  # the first fold alone would do
    ready(plan(min(sizes)), choose_split=True)
    with pytest.raises(
        ConfigError, match=f"must be at most {min(sizes)}, the training images of the fold with"
    ):
        ready(plan(min(sizes) + 1), choose_split=True)


def test_without_the_writers_the_way_out_is_named(written, monkeypatch):
    def absent(labels, **options):
        raise UnavailableError("QMNIST's labels are nowhere")

    monkeypatch.setattr(RESPLIT, "writers", absent)
    with pytest.raises(UnavailableError, match="are nowhere, or give --split stratified"):
        ready(Repetition(config_from({}), (0,), 4), choose_split=True)


def test_the_division_is_stratified_elsewhere_and_as_asked(capsys):
    assert main([*SHORT, "--folds", "3", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert 'split = "stratified"' in out and "\nfold = " not in out
    assert main([*SHORT, "--folds", "3", "--split", "random", "--dry-run"]) == 0
    assert 'split = "random"' in capsys.readouterr().out
    Path("c.toml").write_text('[data]\nname = "digits"\nsplit = "lecture"\n')
    assert main(["train", "--config", "c.toml", "--folds", "3", "--dry-run"]) == 0
    assert 'split = "lecture"' in capsys.readouterr().out


# What goes wrong ---------------------------------------------------------------------------------


def test_mistakes_leave_nothing(straight, capsys, monkeypatch):
    monkeypatch.setattr("minidl.jobs.PATIENCE", 0.3)
    digits = ["--data", "digits", "--folds", "3"]
    assert "--folds must be at least 2, got 1" in refused(capsys, "--folds", "1")
    for words in (["--fold", "1/3"], ["--set", "data.fold=1/3"]):
        assert "--folds trains every fold, and data.fold = 1/3 names one" in refused(capsys, *digits, *words)
    assert "too few for the 200 folds" in refused(capsys, "--data", "digits", "--folds", "200")
    assert "data.subset must be at most 998" in refused(capsys, *digits, "--subset", "999")
    assert "leave out --jobs" in refused(capsys, *digits, "--jobs", "2", "--cluster", "tcp://127.0.0.1:9")
    assert "leave out --folds" in refused(capsys, "--resume", str(straight), "--folds", "3")
    assert "--jobs is for several trainings, and this is one" in refused(
        capsys, "--resume", str(straight / "fold-1"), "--jobs", "2"
    )
    pytest.importorskip("distributed", reason="a cluster needs Dask: pip install distributed")
    nobody = ["--cluster", "tcp://127.0.0.1:9", "--out", "cv"]
    assert "no Dask scheduler answers" in refused(capsys, *digits, *nobody)
    assert not list(Path().iterdir())


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"folds": "3"}, {"seeds": []}, {"format": 9}, {"config": 1}])
def test_a_damaged_file_is_named(wrong, straight, capsys):
    table = read_json(straight / "folds.json")
    assert read_repetition(straight).table() == table
    write_json(Path("cv/folds.json"), {**table, **wrong})
    assert "cv/folds.json: this file is damaged" in refused(capsys, "--resume", "cv")


def test_another_plan_is_refused_in_the_same_folder(straight):
    plan = read_repetition(straight)
    before = sorted(straight.rglob("*"))
    for other in (
        replace(plan, folds=4),
        replace(plan, seeds=(1,)),
        replace(plan, config=plan.config.with_values(training__epochs=3)),
    ):
        with pytest.raises(ConfigError, match="a repeated training with other settings"):
            repeat(other, straight)
    assert sorted(straight.rglob("*")) == before


def test_a_fold_that_diverges_is_reported_and_gives_no_mean(monkeypatch, capsys):
    train = module._train_member

    def diverging(task, *shared):
        return "the loss became inf" if task[0].fold == 2 else train(task, *shared)

    monkeypatch.setattr(module, "_train_member", diverging)
    assert main([*SHORT, "--folds", "3", "--jobs", "1", "--out", "cv"]) == 2
    out, err = capsys.readouterr()
    assert "fold-2: the loss became inf" in out and "standard deviation" not in out
    assert "1 of 3 trainings diverged (fold-2); a mean over the others alone would be too good" in err
    assert Path("cv/fold-3/results.json").is_file()  # the others are finished
    monkeypatch.setattr(module, "_train_member", train)
    assert main(["train", "--resume", "cv", "--jobs", "1"]) == 0  # once the cause is gone
    assert "of 3 folds" in capsys.readouterr().out


# Many workers, some of which die -----------------------------------------------------------------


@KILL
def test_killed_with_two_workers_it_goes_on_to_the_same_bits(straight, elsewhere):
    process = subprocess.Popen(
        [sys.executable, "-m", "minidl", *LONG, "--jobs", "2", "--out", "cv"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: epochs(Path("cv"), "fold-1") >= 2 and epochs(Path("cv"), "fold-2") >= 2)
    finally:
        process.kill()
        process.wait()
    assert not Path("cv/fold-3/results.json").exists(), "it was to be killed half-way"
    assert main(["train", "--resume", "cv", "--jobs", "1"]) == 0
    assert weights(Path("cv")) == weights(straight)


class TestCluster:
    @KILL
    def test_a_worker_that_dies_changes_nothing(self, straight, local_cluster, capsys):
        killed = []

        def kill():
            wait_for(lambda: epochs(Path("cv"), "fold-1") >= 2)
            killed.extend(each.pid for each in local_cluster.workers.values())
            done = [Path(f"cv/fold-{fold}/results.json").exists() for fold in (1, 2, 3)]
            os.kill(killed[0], signal.SIGKILL)
            killed.append(sum(done))

        killer = threading.Thread(target=kill)
        killer.start()
        assert main([*LONG, "--cluster", local_cluster.scheduler_address, "--out", "cv"]) == 0
        killer.join()
        assert killed[-1] == 0, "both workers were to be at work when one was killed"
        assert weights(Path("cv")) == weights(straight)
        assert capsys.readouterr().out.count("fold-") == 3  # each is reported once

    def test_seeds_are_those_of_one_machine(self, cluster):
        for name, where in (("here", ["--jobs", "1"]), ("there", ["--cluster", cluster])):
            assert main([*SHORT, "--seeds", "3", *where, "--out", name]) == 0
        names = ["seed-0", "seed-1", "seed-2"]
        assert weights(Path("here"), names) == weights(Path("there"), names)
        assert len(set(weights(Path("here"), names))) >= 3
