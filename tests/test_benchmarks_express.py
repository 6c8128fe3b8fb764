"""The trials of the express recipes: what is trained once is kept, and the page says what the file has."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import express
from benchmarks.express import Candidate, page, read_trials
from minidl.data import load
from minidl.errors import DataError
from minidl.experiments.ladder import LADDER
from minidl.experiments.recipes import recipe_for
from minidl.files import read_json, write_json

ROOT = Path(__file__).resolve().parents[1]
TRIALS = ROOT / "docs" / "results" / "trials" / "express.json"


def candidate_of(rung):
    """The recipe that express has for a rung, as a candidate."""
    used = recipe_for(rung, "express")
    return Candidate(rung.id, used.epochs, used.lr, used.l2, used.augment, used.dropout)


def trial(candidate, accuracy, loss=0.02):
    machine = {"processor": "Abacus", "cores": 2, "system": "Linux"}
    return {**asdict(candidate), "accuracy": accuracy, "correct": round(100 * accuracy), "examples": 10_000,
            "loss": loss, "seconds": 300.4, "date": "2026-11-21", "machine": machine}  # fmt: skip


def test_page_and_file_agree():
    assert express.main(["check"]) == 0


def test_every_candidate_is_in_the_file_and_traced():
    rows = read_trials(TRIALS)["trials"]
    kept = [express._candidate(row) for row in rows]
    assert set(express.CANDIDATES) <= set(kept) and len(set(kept)) == len(kept)
    for row in rows:
        assert row["accuracy"] == pytest.approx(100 * row["correct"] / row["examples"])
        assert row["examples"] == 10_000 and row["machine"]["processor"] and row["versions"]["numpy"]


@pytest.mark.parametrize("rung", [rung for rung in LADDER if not rung.members], ids=lambda rung: rung.id)
def test_a_candidate_can_be_what_express_takes(rung):
    assert candidate_of(rung).recipe == recipe_for(rung, "express")


def test_seeds_of_one_recipe_share_a_line_and_the_chosen_one_is_named():
    chosen = candidate_of(LADDER[3])
    other = replace(chosen, lr=0.3)
    rows = [trial(chosen, 99.2, 0.03), trial(other, 99.5), trial(replace(chosen, seed=1), 99.4, 0.05)]
    text = page({"format": 1, "trials": rows})
    table = [line for line in text.splitlines() if line.startswith(f"| {chosen.epochs} |")]
    assert "| 0.3 |" in table[0] and table[0].endswith("| 1 | 99.50 | 0.0200 | 300 |  |")
    assert table[1].endswith("| 2 | 99.30 ± 0.14 | 0.0400 | 300 | `express` |")
    assert "Not tried by itself" in text.partition("## Rung 4")[2]
    assert "on Abacus" in text


def test_a_recipe_that_was_not_tried_is_not_called_tried():
    rows = [trial(replace(candidate_of(LADDER[3]), lr=0.3), 99.5)]
    section = page({"format": 1, "trials": rows}).partition("## Rung 3")[2].partition("##")[0]
    assert "`express` |" not in section and "`express` takes: epochs" in section


WRONG = {**trial(Candidate("3", 8, 0.1), 99.0), "dropout": 3}


@pytest.mark.parametrize(
    "damage",
    ["{", '{"format": 2}', '{"format": 1, "trials": [{"rung": "3"}]}', '{"format": 1, "trials": 5}',
     json.dumps({"format": 1, "trials": [WRONG]}),
     json.dumps({"format": 1, "trials": [{**WRONG, "dropout": [], "augment": "Sideways(1)"}]}),
     json.dumps({"format": 1, "trials": [{**WRONG, "dropout": [], "accuracy": None}]})],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path, damage, capsys):
    path = tmp_path / "docs" / "results" / "trials" / "express.json"
    path.parent.mkdir(parents=True)
    path.write_text(damage)
    with pytest.raises(DataError, match=r"express\.json"):
        read_trials(path)
    assert express.main(["--root", str(tmp_path), "check"]) == 2
    assert "express.json" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def stopped(path, jobs):
        raise KeyboardInterrupt

    monkeypatch.setattr(express, "run", stopped)
    assert express.main(["--root", str(tmp_path), "run"]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_what_is_trained_is_kept_and_not_trained_again(tmp_path, monkeypatch, capsys):
    digits = load("digits")
    monkeypatch.setattr(express, "load", lambda name: digits)
    first, second = Candidate("0", 1, 1.0), Candidate("10", 1, 0.05, 0.1, "RandomShift(1)", (0.0, 0.5, 0.5))
    monkeypatch.setattr(express, "CANDIDATES", (first,))
    path = tmp_path / "docs" / "results" / "trials" / "express.json"
    command = ["--root", str(tmp_path)]
    assert express.main([*command, "run", "--jobs", "1"]) == 0
    kept = read_json(path)["trials"]
    monkeypatch.setattr(express, "CANDIDATES", (first, second))
    assert express.main([*command, "run", "--jobs", "1"]) == 0
    rows = read_trials(path)["trials"]
    assert rows[:1] == kept and [express._candidate(row) for row in rows] == [first, second]
    assert rows[1]["accuracy"] == 100 * rows[1]["correct"] / len(digits.validation)
    assert np.isfinite(rows[1]["loss"]) and not digits.vault.openings
    assert express.main([*command, "run"]) == 0 and "2 of 2 candidates" in capsys.readouterr().out
    assert express.main([*command, "check"]) == 1
    assert express.main([*command, "write"]) == 0 and express.main([*command, "check"]) == 0
    write_json(path, {"format": 1, "trials": rows[:1]})
    assert express.main([*command, "check"]) == 1
