"""A progression on a GPU: networks of one rung train together. The GPU is the fake device of the tests."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from minidl.data import DataSet, Vault, load
from minidl.experiments import progression as module
from minidl.experiments import runs
from minidl.experiments.plan import Plan
from minidl.files import read_json
from tests.device.fake import fake_device


@pytest.fixture(scope="module")
def data():
    digits = load("digits")
    parts = {"train": digits.train.subset(45), "validation": digits.validation.subset(20)}
    names = {"name": "digits", "title": digits.title, "source": "a test", "classes": digits.classes}
    return lambda: DataSet(**names, **parts, vault=Vault(digits.vault._split.subset(30)))


def plan(device, seeds=2, rungs=("0",)):
    changes = {
        "epochs": 2,
        "batch_size": 10,
        "optimizer": "sgd",
        "schedule": "constant",
        "lr": 0.1,
        "l2": 0.1,
    }
    return Plan("quick", rungs, seeds, "digits", device, 1, changes)


def history(folder):
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    return np.array([[float(row[key]) for key in ("train_loss", "val_loss", "val_accuracy")] for row in rows])


def test_networks_of_a_rung_train_together_and_end_as_on_the_cpu(data, tmp_path, monkeypatch, capsys):
    lines = []
    alone = module.Progression(plan("cpu"), data(), tmp_path / "cpu", lines.append).run()
    together = []
    train_together = module.train_together
    monkeypatch.setattr(
        module, "train_together", lambda group, *a: together.append(group) or train_together(group, *a)
    )
    monkeypatch.setattr(runs, "choose_device", lambda device: "fake" if device == "cuda" else device)
    with fake_device():
        results = module.Progression(plan("cuda"), data(), tmp_path / "gpu", lines.append).run()
    assert [[run.seed for run in group] for group in together] == [[0, 1]]
    assert capsys.readouterr().err == ""  # the steps were recorded: nothing to say
    for seed in (0, 1):
        folders = [tmp_path / name / "rung-00" / f"seed-{seed}" for name in ("cpu", "gpu")]
        np.testing.assert_allclose(*map(history, folders), atol=1e-4)
        outcomes = [read_json(folder / "outcome.json") for folder in folders]
        for key in ("parameters", "epochs", "train_images", "best_epoch", "validation_accuracy"):
            assert outcomes[0][key] == outcomes[1][key]
        assert outcomes[1]["seconds"] > 0
    assert results["rungs"][0]["mean"] == pytest.approx(alone["rungs"][0]["mean"], abs=0.1)


def test_a_single_network_is_recorded_too(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runs, "choose_device", lambda device: "fake")
    seen = []
    original = runs._outcome
    monkeypatch.setattr(runs, "_outcome", lambda run, *pair: seen.append(pair[0]) or original(run, *pair))
    with fake_device():
        module.Progression(plan("cuda", seeds=1), data(), tmp_path / "one", print).run()
    assert seen[0]._replay.steps.replays > 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("device", "seeds", "rungs", "jobs", "cluster", "company"),
    [
        ("cuda", 2, ("0",), 1, None, "up to 2 networks of a rung side by side"),
        ("cuda", 1, ("0", "3"), 1, None, "1 network at a time"),
        ("cuda", 1, ("0", "11"), 1, None, "up to 5 networks of a rung side by side"),
        ("cuda", 9, ("0",), 1, None, "up to 5 networks of a rung side by side"),
        ("cuda", 9, ("0",), 2, None, "2 networks at a time"),
        ("cpu", 9, ("0", "11"), 1, None, "1 network at a time"),
        ("cpu", 9, ("0",), 3, None, "3 networks at a time"),
        ("cuda", 9, ("0",), 1, "tcp://10.0.0.5:8786", "workers of tcp://10.0.0.5:8786"),
    ],
)
def test_what_is_said_of_how_many_train_at_once(data, tmp_path, device, seeds, rungs, jobs, cluster, company):
    asked = replace(plan(device, seeds, rungs), jobs=jobs)
    assert module.Progression(asked, data(), tmp_path / "out", print, cluster).company == company
    assert not (tmp_path / "out").exists()


def test_groups():
    def made(rung, device, count):
        recipe = plan(device).recipe(module.find_rung(rung), 50)
        return [runs.Run(rung, recipe, seed, None, "digits", device) for seed in range(count)]

    grouped = module._groups([*made("0", "cuda", 7), *made("3", "cuda", 1)])
    assert [(group[0].rung, len(group)) for group in grouped] == [("0", 5), ("0", 2), ("3", 1)]
    assert [len(group) for group in module._groups(made("0", "cpu", 3))] == [1, 1, 1]
