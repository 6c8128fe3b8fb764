"""``minidl search`` as it is typed."""

import pytest

from minidl.cli.main import main
from minidl.files import read_json

FILE = """
[data]
name = "digits"
subset = 100
[training]
epochs = 1
monitor = "none"
[search]
trials = 3
[search.space]
training.optimizer.lr = "Log(1e-4, 1e-1)"
data.batch_size = "Integer(10, 50)"
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "search.toml").write_text(FILE)
    return tmp_path


def test_a_search_and_more_of_it(here, capsys, monkeypatch):
    assert main(["search", "search.toml", "--jobs", "1", "--out", "found", "--trials", "8"]) == 0
    text = capsys.readouterr().out
    assert "random search, results in found" in text and "  8/8 " in text
    assert "best of 8 trials on 300 validation images" in text
    assert "minidl train --config found/best.toml" in text
    report = (here / "found" / "report.html").read_text()
    for part in ("Curves of the best trials", "No trial has seen the test set", "All trials", "variance"):
        assert part in report
    monkeypatch.setattr(
        "minidl.experiments.search_report.write_search_report", lambda folder: folder / "report.html"
    )
    assert main(["search", "--resume", "found", "--trials", "9", "--jobs", "1"]) == 0
    assert "  9/9 " in capsys.readouterr().out
    assert read_json(here / "found" / "results.json")["trials"]["all"] == 9


def test_the_best_can_be_trained_again(here, capsys, monkeypatch):
    for name in (
        "report.write_run_report",
        "search_report.write_search_report",
    ):  # they take longer than the training
        monkeypatch.setattr(f"minidl.experiments.{name}", lambda folder: folder / "report.html")
    assert main(["search", "search.toml", "--jobs", "1", "--out", "found", "--trials", "1"]) == 0
    assert main(["train", "--config", "found/best.toml", "--out", "again"]) == 0
    trial = here / "found" / "trials" / "0000"
    for name in ("history.csv", "checkpoints/best.safetensors"):
        assert (here / "again" / name).read_bytes() == (trial / name).read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["search.toml", "--jobs", "0"], "--jobs must be at least 1"),
        (["search.toml", "--trials", "0"], "--trials must be a whole number of at least 1"),
        (["search.toml", "--jobs", "2", "--cluster", "tcp://x:1"], "leave out one of them"),
        ([], "give the file of a new search"),
        (["search.toml", "--resume", "runs"], "not both"),
        (["--resume", "nothing"], "there is no search here"),
        (["nothing.toml"], "there is no such configuration file"),
        (["search.toml", "--recipe"], "varies the learning rate and the weight decay by itself"),
        (["search.toml", "--recipe", "--trials", "3"], "leave out --trials"),
        (["search.toml", "--out", "."], "this exists already"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(here, capsys, words, message):
    assert main(["search", *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("minidl: error:") and message in error
    assert [path.name for path in here.iterdir()] == ["search.toml"]


def test_a_cluster_that_does_not_answer_leaves_nothing(here, capsys, monkeypatch):
    pytest.importorskip("distributed", reason="a cluster needs Dask: pip install distributed")
    monkeypatch.setattr("minidl.jobs.PATIENCE", 0.3)
    for command in (["search", "search.toml"], ["progression", "--data", "digits", "--rungs", "0"]):
        assert main([*command, "--cluster", "tcp://127.0.0.1:9", "--out", "found"]) == 2
        assert "no Dask scheduler answers there" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["search.toml"]
