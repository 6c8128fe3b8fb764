"""The speedrun: its loop is the Trainer's, the vault is opened once, and digits are not taken for MNIST."""

import json
import statistics
from dataclasses import replace

import numpy as np
import pytest

from minidl.backend import to_cpu
from minidl.cli.main import main
from minidl.data import DataSet, Loader, RandomShift, load
from minidl.data.splits import Vault
from minidl.errors import ConfigError
from minidl.experiments import speedrun as module
from minidl.experiments.speedrun import SpeedrunRecipe, speedrun, speedrun_model, train_fast
from minidl.experiments.speedrun_table import speedrun_text
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import Nesterov
from minidl.random import Seeds
from minidl.schedules import OneCycle
from minidl.training.trainer import Trainer
from tests.device.fake import fake_device

TINY = SpeedrunRecipe(filters=(2, 3), units=8, epochs=1)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture
def small(digits, monkeypatch):
    """A fresh data set, 200 training images and a vault that nobody has opened; trained as briefly as asked."""
    monkeypatch.setattr(module, "FEWEST_IMAGES", 1)
    return DataSet(
        "digits", digits.title, digits.source, digits.classes, digits.train.subset(200),
        digits.validation, Vault(digits.vault._split),
    )  # fmt: skip


def test_the_loop_is_that_of_the_trainer(small):
    recipe = replace(TINY, epochs=2, batch_size=30, lr=0.1)
    ours = train_fast(recipe, small.train, seed=3)
    seeds = Seeds(3)
    model = speedrun_model(recipe)
    model.build((1, 28, 28), rng=seeds.child("model"))
    loader = Loader(
        small.train.images, small.train.labels, 30, seeds=seeds.child("loader"), augment=RandomShift(1)
    )
    schedule = OneCycle(0.1, min_momentum=0.9, max_momentum=0.9)
    Trainer(model, SoftmaxCrossEntropy(), Nesterov(0.1, momentum=0.9), schedule=schedule, progress=False).fit(
        loader, 2
    )
    assert ours.steps == 14  # 200 / 30, rounded up, twice
    for (name, a), (_, b) in zip(ours.model.named_parameters(), model.named_parameters(), strict=True):
        np.testing.assert_array_equal(a.value, b.value, err_msg=name)


def test_with_their_filters_the_network_is_the_one_of_rungs_3_and_4():
    from minidl.experiments.ladder import build_model

    ours, theirs = speedrun_model(SpeedrunRecipe(filters=(20, 40))), build_model("4", "quick")
    for model in (ours, theirs):
        model.build((1, 28, 28), rng=0)
    for (name, a), (other, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == other
        np.testing.assert_array_equal(a.value, b.value, err_msg=name)


def test_small_data_sets_get_more_epochs():
    recipe = SpeedrunRecipe()
    assert recipe.epochs_for(50_000) == recipe.epochs
    assert recipe.epochs_for(1_197) == 9  # 10,000 / 1,197 = 8.4


def test_the_test_images_are_taken_out_once_and_after_the_last_training(small, tmp_path):
    seen, lines = [], []

    def say(line):
        seen.append(len(small.vault.openings))
        lines.append(line)

    results = speedrun(small, tmp_path / "run", seeds=3, threads=1, recipe=TINY, load_seconds=0.5, say=say)
    assert seen == [0, 0, 0] and [line.split(":")[0] for line in lines] == ["seed 0", "seed 1", "seed 2"]
    assert [opening["reason"] for opening in small.vault.openings] == ["speedrun: accuracy of 3 networks"]
    assert results == json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["vault"] == small.vault.openings
    accuracies = [row["accuracy"] for row in results["networks"]]
    assert accuracies == [100 * row["correct"] / 300 for row in results["networks"]]
    assert len(set(accuracies)) > 1  # the seeds differ
    assert results["accuracy"] == {"mean": statistics.fmean(accuracies), "sd": statistics.stdev(accuracies)}
    assert all(row["wall_seconds"] > 0 and row["cpu_seconds"] > 0 for row in results["networks"])
    assert results["recipe"]["epochs"] == 1 and results["goal"]["reached"] is None
    text = speedrun_text(results)
    assert "This is NOT MNIST" in text and "loading 0.50 s" in text
    mean = next(line for line in text.splitlines() if line.startswith("mean"))
    assert f"{statistics.fmean(accuracies):.2f} ± {statistics.stdev(accuracies):.2f}" in mean


def test_on_the_validation_images_the_vault_stays_shut(small, tmp_path):
    results = speedrun(
        small, tmp_path, seeds=1, threads=1, split="validation", recipe=TINY, say=lambda line: None
    )
    assert small.vault.openings == results["vault"] == []
    network = train_fast(TINY, small.train, 0).model
    x = small.validation.images.astype(np.float32) / 255
    right = (network.forward(x).argmax(axis=1) == small.validation.labels).sum()
    assert results["networks"][0]["correct"] == right
    assert results["accuracy"]["sd"] is None and results["examples"] == 300


@pytest.mark.parametrize(("bar", "word"), [(0.0, ": reached"), (100.0, "NOT reached")])
def test_on_mnist_it_says_whether_the_goal_was_reached(small, tmp_path, monkeypatch, bar, word):
    monkeypatch.setattr(module, "GOAL_ACCURACY", bar)
    named = replace(small, name="mnist", title="MNIST")
    results = speedrun(named, tmp_path, seeds=1, threads=1, recipe=TINY, say=lambda line: None)
    assert results["goal"]["reached"] is (bar == 0.0)
    assert word in speedrun_text(results) and "NOT MNIST" not in speedrun_text(results)
    monkeypatch.setattr(module, "GOAL_SECONDS", 0.0)  # right, but too slow
    slow = speedrun(named, tmp_path / "slow", seeds=1, threads=1, recipe=TINY, say=lambda line: None)
    assert slow["goal"]["reached"] is False


@pytest.mark.parametrize("words", [["--seeds", "0"], ["--threads", "0"]])
def test_a_wrong_option_is_one_line_and_leaves_nothing(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["speedrun", "--data", "digits", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("minidl: error: ") and "must be at least 1, got 0" in error
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_refused(small, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(ConfigError, match="exists already"):
        speedrun(small, tmp_path, seeds=1, recipe=TINY)
    with pytest.raises(ConfigError, match="split must be one of"):
        speedrun(small, tmp_path / "new", split="tset")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"] and small.vault.openings == []


def test_the_command_on_digits_learns_and_says_what_they_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "FEWEST_IMAGES", 5_000)  # five epochs
    monkeypatch.chdir(tmp_path)
    assert main("speedrun --data digits --seeds 1 --threads 1".split()) == 0
    printed = capsys.readouterr()
    assert "NOT MNIST" in printed.err and "ATTENTION: the data are" in printed.out
    (file,) = (tmp_path / "runs").glob("speedrun-digits-*/results.json")
    assert json.loads(file.read_text())["accuracy"]["mean"] > 90
    assert str(file.relative_to(tmp_path)) in printed.out


def test_on_a_device_the_steps_are_recorded_and_the_network_is_the_same(small, tmp_path, capsys):
    recipe = replace(TINY, epochs=2, batch_size=30, lr=0.1)
    on_the_cpu = train_fast(recipe, small.train, seed=1)
    with fake_device() as ledger:
        images = module.resident_images(recipe, small.train, "fake")
        there = train_fast(recipe, small.train, seed=1, images=images)
        assert ledger.launches["graph"] > 0 and there.steps == on_the_cpu.steps
        for (name, a), (_, b) in zip(
            there.model.named_parameters(), on_the_cpu.model.named_parameters(), strict=True
        ):
            np.testing.assert_allclose(to_cpu(a.value), b.value, rtol=0, atol=1e-5, err_msg=name)
        results = speedrun(
            small, tmp_path / "run", seeds=2, recipe=recipe, device="fake", say=lambda line: None
        )
    assert capsys.readouterr().err == ""  # nothing was in the way of recording
    assert results["machine"]["device"] == "fake" and results["machine"]["threads"] == 1
    assert results["goal"]["wall_seconds"] == module.GOAL_SECONDS_GPU
    assert 0 < results["recording_seconds"]["mean"] < results["wall_seconds"]["mean"]
    text = speedrun_text(results)
    assert (
        "device fake, " in text
        and "the images went to the GPU before" in text
        and "0.3 s of training" in text
    )


def test_threads_are_not_for_a_gpu(small, tmp_path):
    with pytest.raises(ConfigError, match="threads=2 is for a CPU"):
        speedrun(small, tmp_path / "run", threads=2, device="cuda")


def test_without_a_gpu_the_command_says_so(monkeypatch, capsys):
    monkeypatch.setattr("minidl.backend._cuda_problem", lambda: "there is none")
    assert main(["speedrun", "--device", "cuda"]) == 2
    assert capsys.readouterr().err.startswith("minidl: error: device 'cuda' is not available: there is none")
