"""Repeated training, ``minidl ensemble``, and a comparison of what they leave, on the digits."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from minidl.cli.main import main
from minidl.data import Loader, load
from minidl.evaluation import hard_vote, soft_vote
from minidl.evaluation.ensemble import average_weights
from minidl.experiments.scoring import TrainedRun
from minidl.files import read_json, write_json
from minidl.layers import Dense, Flatten, Sequential
from minidl.softmax import softmax
from minidl.training import Snapshots, predict
from minidl.training.averaging import recompute_batchnorm

COMMON = ["--data", "digits", "--subset", "300", "--epochs", "3", "--no-monitor"]
MODEL = ["--model", "Sequential([Flatten(), Dense(12), BatchNorm(), ReLU(), Dense(10)])"]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Three seeds of one network, and one training with snapshots."""
    folder = tmp_path_factory.mktemp("ensemble")
    linear = ["--model", "Sequential([Flatten(), Dense(10)])"]
    three = [
        "train",
        *COMMON,
        *linear,
        "--seeds",
        "3",
        "--jobs",
        "1",
        "--seed",
        "4",
        "--out",
        str(folder / "three"),
    ]
    snapshots = ["--callback", "Snapshots(every=1)", "--optimizer", "Adam(lr=3e-3)"]
    one = ["train", *COMMON, *MODEL, *snapshots, "--out", str(folder / "one")]
    assert main(three) == main(one) == 0
    return folder


@pytest.fixture(autouse=True)
def work(original, tmp_path, monkeypatch):
    shutil.copytree(original, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("MINIDL_DATA_DIR", raising=False)
    return tmp_path / "work"


def command(*words):
    try:
        return main([*words])
    except SystemExit as exit_:
        return exit_.code


def outcome(*words):
    assert command("ensemble", *words, "--json", "e.json") == 0
    return read_json("e.json")


def refused(capsys, *words):
    assert command(*words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "ATTENTION" not in line]
    assert len(lines) == 1
    return lines[0]


def flat(text):
    return " ".join(text.split())


# Repeated training -------------------------------------------------------------------------------


def test_each_seed_is_a_run_of_its_own(capsys):
    assert sorted(path.name for path in Path("three").glob("seed-*")) == ["seed-4", "seed-5", "seed-6"]
    assert [read_json(f"three/seed-{seed}/run.json")["seed"] for seed in (4, 5, 6)] == [4, 5, 6]
    # The same as trained alone, with one thread.
    alone = [*COMMON, "--model", "Sequential([Flatten(), Dense(10)])", "--seed", "5", "--threads", "1"]
    assert command("train", *alone, "--out", "alone") == 0
    assert Path("alone/history.csv").read_bytes() == Path("three/seed-5/history.csv").read_bytes()
    capsys.readouterr()
    assert command("train", "--resume", "three") == 0  # nothing is left to do: the mean again
    values = [
        100 * read_json(f"three/seed-{seed}/results.json")["best"]["val_accuracy"] for seed in (4, 5, 6)
    ]
    mean, sd = np.mean(values), np.std(values, ddof=1)
    assert f"validation accuracy {mean:.2f} +- {sd:.2f} %" in capsys.readouterr().out


def test_a_stopped_repetition_goes_on(capsys):
    before = Path("three/seed-5/history.csv").read_bytes()
    shutil.rmtree("three/seed-5")
    Path("three/seed-6/results.json").unlink()  # stopped just before its end
    assert command("train", "--resume", "three", "--jobs", "1") == 0
    assert Path("three/seed-5/history.csv").read_bytes() == before
    assert Path("three/seed-6/results.json").is_file()


def test_repetitions_that_make_no_sense(capsys):
    assert "--seeds must be at least 1" in refused(capsys, "train", "--seeds", "0")
    assert "give --seeds N or --folds K as well" in refused(capsys, "train", "--jobs", "2")
    assert "leave out --seeds" in refused(capsys, "train", "--resume", "three", "--seeds", "2")
    assert "exists already" in refused(capsys, "train", *COMMON, "--seeds", "2", "--out", "one")
    Path("three/seeds.json").write_text("{}")
    assert "seeds.json: this file is damaged" in refused(capsys, "train", "--resume", "three")


def test_a_seed_that_diverges_is_not_left_out_of_the_mean(capsys):
    model = ["--model", "Sequential([Flatten(), Dense(10)])", "--loss", "MeanSquaredError()"]
    words = [
        "train",
        *COMMON,
        *model,
        "--optimizer",
        "SGD(1e9)",
        "--seeds",
        "2",
        "--jobs",
        "1",
        "--out",
        "diverged",
    ]
    assert "2 of 2 trainings diverged (seed-0, seed-1)" in refused(capsys, *words)


# Votes -------------------------------------------------------------------------------------------


def probabilities(*folders):
    """The test oracle: outputs of the best weights, one network at a time."""
    runs = [TrainedRun(Path(folder)) for folder in folders]
    images = runs[0].data.validation.images
    return np.stack([softmax(predict(run.model, images).astype(np.float64), axis=1) for run in runs])


def test_votes_of_three_seeds(capsys):
    found = outcome("three")
    labels = load("digits").validation.labels
    answers = probabilities("three/seed-4", "three/seed-5", "three/seed-6")
    wrong = (answers.argmax(axis=2) != labels).sum(axis=1)
    assert [member["wrong"] for member in found["members"]] == wrong.tolist()
    assert found["hard_vote_wrong"] == (hard_vote(answers.argmax(axis=2)) != labels).sum()
    assert found["soft_vote_wrong"] == (soft_vote(answers) != labels).sum()
    p = wrong.mean() / 300
    assert found["binomial"] == pytest.approx(3 * p**2 * (1 - p) + p**3)
    assert 0 < found["mean_correlation"] < 1
    assert Path("ensemble.png").read_bytes()[:4] == b"\x89PNG"
    assert not list(Path().rglob("vault.json"))
    out = flat(capsys.readouterr().out)
    assert "3 networks vote on 300 validation images" in out
    assert "If the networks erred independently, a majority would be wrong on" in out
    assert "features lie in different places" in out


def test_the_network_of_the_mean_weights():
    model = Sequential([Flatten(), Dense(10)])
    model.build((1, 28, 28))
    states = [TrainedRun(Path(f"three/seed-{seed}")).model.state_dict() for seed in (4, 5, 6)]
    model.load_state_dict(
        average_weights([{name: x.copy() for name, x in state.items()} for state in states])
    )
    validation = load("digits").validation
    wrong = (predict(model, validation.images).argmax(axis=1) != validation.labels).sum()
    assert outcome("three")["mean_weights_wrong"] == wrong


def test_snapshots_and_checkpoints_of_one_run_vote():
    found = outcome("one", "--take", "snapshots")
    assert [member["weights"] for member in found["members"]] == ["snapshot-01", "snapshot-02", "snapshot-03"]
    run = TrainedRun(Path("one"))
    validation = run.data.validation
    answers = Snapshots.of_run("one").outputs(run.model, validation.images)
    wrong = (answers.argmax(axis=2) != validation.labels).sum(axis=1)
    assert len(set(wrong.tolist())) > 1
    assert [member["wrong"] for member in found["members"]] == wrong.tolist()
    # The last weights are those of the last snapshot: they vote once.
    found = outcome("one", "--take", "all")
    assert [member["weights"] for member in found["members"]][:3] == [
        "snapshot-01",
        "snapshot-02",
        "snapshot-03",
    ]
    assert "one last" in found["notes"][-1]


def test_statistics_of_averaged_weights_are_measured_anew():
    run = TrainedRun(Path("one"))
    run.model.load_state_dict(average_weights(Snapshots.of_run("one")))
    validation, train = run.data.validation, run.data.train
    images = validation.images.astype(np.float32) / 255
    before = (run.model.forward(images).argmax(axis=1) != validation.labels).sum()
    recompute_batchnorm(run.model, Loader(train.images, train.labels, 500, shuffle="never"))
    wrong = (run.model.forward(images).argmax(axis=1) != validation.labels).sum()
    assert wrong != before
    assert outcome("one", "--take", "snapshots")["mean_weights_wrong"] == wrong


def test_different_models_and_the_best_of_a_search(capsys):
    found = outcome("three", "one")
    assert len(found["members"]) == 4
    assert found["mean_weights_wrong"] is None and "different layers" in found["notes"][0]
    found = outcome("three", "one", "--top", "2")
    accuracy = {
        str(path.parent): read_json(path)["best"]["val_accuracy"]
        for path in sorted(Path().rglob("results.json"))
    }
    best = sorted(accuracy, key=accuracy.get, reverse=True)[:2]
    assert sorted(accuracy[member["run"]] for member in found["members"]) == sorted(
        accuracy[each] for each in best
    )
    # Of a search the trials that are done.
    write_json("three/seed-4/trial.json", {"state": "pruned"})
    assert len(outcome("three")["members"]) == 2


def test_the_test_set_is_opened_once_for_each_run_and_on_record():
    found = outcome("three", "--split", "test")
    assert found["split"] == "test"
    for seed in (4, 5, 6):
        (opening,) = read_json(f"three/seed-{seed}/vault.json")
        assert opening["reason"] == f"minidl ensemble, 3 networks with those of three/seed-{seed}"


def test_errors_are_one_line_and_leave_the_vault_shut(capsys):
    assert "one network cannot vote" in refused(capsys, "ensemble", "one")
    assert "this run is given twice" in refused(capsys, "ensemble", "three", "three/seed-4")
    assert "give a number from 1 to 3" in refused(capsys, "ensemble", "three", "--top", "9")
    assert "has no snapshots" in refused(capsys, "ensemble", "three", "--take", "snapshots")
    Path("three/seed-6/checkpoints/best.safetensors").write_bytes(b"x")
    assert "seed-6" in refused(capsys, "ensemble", "three", "--split", "test")
    assert not list(Path().rglob("vault.json"))


# Comparison of what was trained ------------------------------------------------------------------


def test_predictions_are_made_where_a_comparison_needs_them(capsys):
    assert command("compare", "A=three/seed-4", "B=one", "--test", "mcnemar", "--json", "c.json") == 0
    (pair,) = read_json("c.json")["pairs"]
    labels = load("digits").validation.labels
    right = probabilities("three/seed-4", "one").argmax(axis=2) == labels
    assert pair["counts"] == [int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())]
    assert list(Path("one/predictions").iterdir())
