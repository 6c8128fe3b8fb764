"""``minidl demo``: every experiment of the list, its folder, bad input."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from minidl.cli import demo
from minidl.cli import main as command_line


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("entry", demo.DEMOS, ids=lambda entry: entry.name)
def test_every_demo_has_its_function(entry):
    function = importlib.import_module(entry.module).run
    options = {"seed": 0} if entry.needs_data else {}
    assert inspect.signature(function).bind("data", "out", **options).arguments["out"] == "out" and entry.help


def test_names_are_unique_and_help_lists_them(capsys):
    names = [entry.name for entry in demo.DEMOS]
    assert len(set(names)) == len(names)
    with pytest.raises(SystemExit) as exit_:
        command_line.main(["demo", "--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in names)


def test_the_data_the_folder_and_the_seed_reach_the_experiment(monkeypatch, capsys, here):
    from minidl.experiments import imbalance

    seen = []

    def run(data, out, *, seed):
        seen.append((data.name, len(data.train), out, seed))
        return "two sentences"

    monkeypatch.setattr(imbalance, "run", run)
    words = ["demo", "imbalance", "--data", "digits", "--subset", "50", "--out", "results", "--seed", "7"]
    assert command_line.main(words) == 0
    assert seen == [("digits", 50, Path("results"), 7)]
    assert capsys.readouterr().out == "two sentences\nwritten to results\n"
    assert command_line.main(["demo", "imbalance", "--data", "digits"]) == 0
    assert str(seen[1][2]) == "demo-imbalance" and seen[1][3] == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--data", "digits", "--subset", "0"], "--subset must be at least 1, got 0"),
        (
            ["--data", "digits", "--subset", "60"],
            "the imbalance experiment needs at least 400 training images",
        ),
        (["--data", "digits", "--out", "taken"], "--out: taken is a file"),
        (["--data", "mnist", "--data-dir", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(words, complaint, capsys, here):
    (here / "taken").write_text("kept")
    assert command_line.main(["demo", "imbalance", *words]) == 2
    captured = capsys.readouterr()
    line = captured.err.splitlines()[-1]
    assert line.startswith("minidl: error: ") and complaint in line
    assert [path.name for path in here.iterdir()] == ["taken"] and (here / "taken").read_text() == "kept"


@pytest.mark.parametrize("words", [["demo"], ["demo", "fraud"], ["demo", "imbalance", "--data", "iris"]])
def test_what_the_parser_refuses(words, capsys):
    with pytest.raises(SystemExit) as exit_:
        command_line.main(words)
    assert exit_.value.code == 2


def test_an_experiment_with_a_longer_form_is_told_which(monkeypatch, capsys, here):
    from minidl.experiments import training_size

    seen = []
    monkeypatch.setattr(training_size, "run", lambda data, out, *, seed, full: str(seen.append((seed, full))))
    for words in (["--full", "--seed", "2"], []):
        assert command_line.main(["demo", "svm", "--data", "digits", *words]) == 0
    assert seen == [(2, True), (0, False)]
    with pytest.raises(SystemExit):
        command_line.main(["demo", "imbalance", "--data", "digits", "--full"])
