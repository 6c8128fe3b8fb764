"""``minidl precheck``: the table, the JSON file, the exit codes."""

from __future__ import annotations

import json

import pytest

from minidl.cli import main as command_line

MODEL = "Sequential([Flatten(), Dense(20), ReLU(), Dense(10)])"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    return command_line.main(["precheck", "--data", "digits", *words])


def test_all_is_well(capsys, here):
    assert run("--model", MODEL, "--regularizer", "L2(0.0001)", "--optimizer", "Adam(lr=0.003)") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"checks before training: {MODEL} on scikit-learn digits (NOT MNIST)\n")
    assert out.endswith("12 checks: 12 ok, 0 suspicious, 0 wrong\n")
    for name in ("inputs", "labels", "duplicates", "chance loss", "gradients", "overfit samples"):
        assert f"\n  {name}" in out
    assert "-ln(1/10)" in out and "L2(0.0001)" in out
    assert list(here.iterdir()) == []


def test_a_check_that_fails_gives_exit_code_one_and_advice(capsys, here):
    assert run("--model", "Sequential([Flatten(), Dense(20), ReLU()])", "--json", "out/found.json") == 1
    out = capsys.readouterr().out
    assert "20 outputs for 10 classes" in out and "-> is the output layer missing?" in out
    found = json.loads((here / "out" / "found.json").read_text())
    assert found["verdict"] == "wrong" and found["seed"] == 0
    assert found["optimizer"] == "Adam(lr=0.001)"
    chance = next(check for check in found["checks"] if check["name"] == "chance loss")
    assert chance["numbers"]["reference"] == pytest.approx(2.302585, abs=1e-6)
    assert chance["numbers"]["mean"] == pytest.approx(3.0, abs=0.3)  # ln 20


def test_a_learning_rate_a_thousand_times_too_large(capsys):
    assert run("--rung", "0", "--optimizer", "SGD(lr=1000)") == 1
    out = capsys.readouterr().out
    assert "the learning rate 1000 is too large" in " ".join(out.split())


def test_large_initial_weights(capsys):
    large = "weight_init=Normal(10)"
    model = f"Sequential([Flatten(), Dense(20, {large}), Sigmoid(), Dense(10, {large})])"
    assert run("--model", model) == 1
    assert "weights are too large" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "no model was chosen"),
        (["--rung", "99"], "there is no rung '99'"),
        (["--model", "Dens(10)"], "did you mean 'Dense'?"),
        (["--rung", "0", "--loss", "SoftmaxCrossEntrpy()"], "did you mean 'SoftmaxCrossEntropy'?"),
        (["--rung", "0", "--optimizer", "SGD(rate=1)"], "--optimizer: SGD has no option 'rate'; there are: clip"),
        (["--rung", "0", "--regularizer", "L2(-1)"], "--regularizer: L2: strength must be"),
        (["--rung", "0", "--examples", "4"], "--examples must be from 5 to 20, got 4"),
        (["--rung", "0", "--json", "."], "--json: . is a folder"),
        (["--rung", "0", "--subset", "0"], "--subset must be at least 1"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(words, complaint, capsys, here):
    assert run(*words) == 2
    captured = capsys.readouterr()
    line = captured.err.splitlines()[-1]
    assert line.startswith("minidl: error: ") and complaint in line
    assert captured.out == "" and list(here.iterdir()) == []


@pytest.mark.parametrize("words", [["--rung", "0", "--model", MODEL], ["--rung", "0", "--seed", "-1"]])
def test_options_that_the_parser_refuses(words, capsys, here):
    with pytest.raises(SystemExit) as exit_:
        run(*words)
    assert exit_.value.code == 2
    assert list(here.iterdir()) == []
