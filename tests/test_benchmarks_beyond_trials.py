"""The trials behind a recipe past the lecture: what is trained once is kept, and the page says what the file has."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import beyond_trials
from benchmarks.beyond_trials import BEGIN, CANDIDATES, END, EPOCHS, read_trials, row_of, table
from minidl.errors import DataError
from minidl.experiments.beyond.recipes import find_recipe
from minidl.experiments.beyond.training import load_divided
from minidl.files import read_json, write_json

ROOT = Path(__file__).resolve().parents[1]
TRIALS = ROOT / "docs" / "results" / "trials" / "beyond.json"


def row(name="a", **changes):
    machine = {"processor": "Abacus", "cores": 2, "system": "Linux"}
    layers = ["Conv2D(24, 5, weight_init=He())", "MaxPool2D(2)", "Flatten()", "Dropout(0.3)", "Dense(10)"]
    return {"name": name, "layers": layers, "optimizer": "SGD(1)", "regularizers": None, "epochs": 8, "seed": 0,
            "accuracy": 99.0, "loss": 0.03, "seconds": 99.6, "parameters": 1234, "date": "2026-11-22",
            "machine": machine, **changes}  # fmt: skip


def test_page_and_file_agree():
    assert beyond_trials.main(["check"]) == 0


def test_every_candidate_is_in_the_file_as_it_is_made():
    rows = {each["name"]: each for each in read_trials(TRIALS)["trials"]}
    assert list(rows) == [recipe.name for recipe in CANDIDATES]
    for recipe in CANDIDATES:
        kept, config = rows[recipe.name], recipe.config("mnist", epochs=EPOCHS)
        assert tuple(kept["layers"]) == config.model.layers and tuple(kept["augment"]) == config.data.augment
        assert (kept["optimizer"], kept["schedule"], kept["epochs"]) == (
            recipe.optimizer,
            recipe.schedule,
            EPOCHS,
        )
        assert tuple(kept["regularizers"] or ()) == recipe.regularizers
        assert kept["machine"]["processor"] and kept["versions"]["numpy"]


def test_the_recipe_is_the_trial_with_the_least_loss():
    best = min(read_trials(TRIALS)["trials"], key=lambda each: each["loss"])
    six = find_recipe("six").config("mnist")
    assert tuple(best["layers"]) == six.model.layers
    assert (best["optimizer"], tuple(best["regularizers"] or ())) == (
        six.training.optimizer,
        six.training.regularizers,
    )


def test_table_is_in_the_order_of_the_loss_and_says_what_differs():
    lines = table(
        {"trials": [row(), row("b", loss=0.02, accuracy=98.765, regularizers=["L2(5e-4)"])]}
    ).splitlines()
    assert lines[2] == "| 24@5x5, pool, 10 | `SGD(1)`, `L2(5e-4)` | 1,234 | 98.77 | 0.0200 | 100 |"
    assert lines[3] == "| 24@5x5, pool, 10 | `SGD(1)` | 1,234 | 99.00 | 0.0300 | 100 |"
    assert lines[-1] == "8 epochs, seed 0, one thread each; Abacus."


@pytest.mark.parametrize(
    "damage",
    ["{", '{"format": 2}', '{"format": 1, "trials": 5}', '{"format": 1, "trials": [{"name": "E2"}]}',
     json.dumps({"format": 1, "trials": [row(layers=None)]}),
     json.dumps({"format": 1, "trials": [row(loss="low")]}),
     json.dumps({"format": 1, "trials": [row(machine=3)]})],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path, damage, capsys):
    path = tmp_path / "docs" / "results" / "trials" / "beyond.json"
    path.parent.mkdir(parents=True)
    path.write_text(damage)
    with pytest.raises(DataError, match=r"beyond\.json"):
        read_trials(path)
    (tmp_path / "docs" / "beyond.md").write_text(f"{BEGIN}\n{END}\n")
    assert beyond_trials.main(["--root", str(tmp_path), "check"]) == 2
    assert "beyond.json" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def stopped(path, folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(beyond_trials, "run", stopped)
    assert beyond_trials.main(["--root", str(tmp_path), "run"]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_what_is_trained_is_kept_and_the_page_has_the_last_epoch(tmp_path, monkeypatch, capsys):
    tiny = replace(
        find_recipe("six"), name="tiny", layers=("Flatten()", "Dense(10)"), augment=(), why="a test"
    )
    monkeypatch.setattr(beyond_trials, "load_divided", lambda name: load_divided("digits"))
    monkeypatch.setattr(beyond_trials, "EPOCHS", 2)
    monkeypatch.setattr(beyond_trials, "CANDIDATES", (tiny,))
    path, page = tmp_path / "docs" / "results" / "trials" / "beyond.json", tmp_path / "docs" / "beyond.md"
    command = ["--root", str(tmp_path)]
    assert beyond_trials.main([*command, "run", "--out", str(tmp_path / "runs")]) == 0
    (kept,) = read_trials(path)["trials"]
    with (tmp_path / "runs" / "tiny" / "seed-0" / "history.csv").open(newline="") as stream:
        last = list(csv.DictReader(stream))[-1]
    assert kept == row_of(tmp_path / "runs" / "tiny") and kept["epochs"] == 2 == int(last["epoch"])
    assert kept["accuracy"] == 100 * float(last["val_accuracy"]) and kept["loss"] == float(last["val_loss"])
    assert not list((tmp_path / "runs").rglob("vault.json"))
    assert beyond_trials.main([*command, "run"]) == 0 and "1 of 1 candidates" in capsys.readouterr().out
    assert beyond_trials.main([*command, "write"]) == 2  # there is no page
    page.write_text("Text.\n")
    assert beyond_trials.main([*command, "write"]) == 2 and "put them where" in capsys.readouterr().err
    page.write_text(f"Before.\n{BEGIN}\n{END}\nAfter.\n")
    assert beyond_trials.main([*command, "check"]) == 1
    assert beyond_trials.main([*command, "write"]) == 0 and beyond_trials.main([*command, "check"]) == 0
    assert page.read_text().startswith("Before.\n") and page.read_text().endswith("\nAfter.\n")
    write_json(path, {**read_json(path), "trials": []})
    assert beyond_trials.main([*command, "check"]) == 1
