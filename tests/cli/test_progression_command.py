"""``minidl progression`` as it is typed."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import minidl.data
from minidl.cli.main import main
from minidl.experiments.plan import read_plan
from minidl.files import read_json, write_json

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--data", "digits", "--rungs", "0", "--epochs", "1", "--jobs", "1"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder, with no data set but the digits to be found."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.delenv("MINIDL_DATA_DIR", raising=False)
    return work


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # importing it fails


def everything(folder):
    """Return the content of every file below a folder, and the folders."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def command(*words):
    """Run ``minidl progression`` here; return its exit code, also where argparse leaves by itself."""
    try:
        return main(["progression", *words])
    except SystemExit as exit_:
        return exit_.code


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A progression of rung 0 in one epoch: (its folder, what was printed)."""
    folder = tmp_path_factory.mktemp("finished") / "out"
    done = subprocess.run(
        [sys.executable, "-m", "minidl", "progression", *TINY, "--out", str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, done


# A whole run -------------------------------------------------------------------------------------------


def test_the_table_is_printed(finished):
    folder, done = finished
    lines = done.stdout.splitlines()
    results = read_json(folder / "results.json")
    (row,) = results["rungs"]
    assert lines[0] == f"device cpu, 1 network at a time, results in {folder}"
    tables = [number for number, line in enumerate(lines) if line.startswith("Test accuracy in per cent on")]
    assert len(tables) == 2  # the one that grows, and the whole with its intervals
    accuracy = f"{row['runs'][0]['accuracy']:.2f}"
    growing = next(line for line in lines[tables[0] :] if line.startswith("0 "))
    for text in ("fully connected", accuracy, "97.80", "79,510", " 1 "):
        assert text in growing
    whole = next(line for line in lines[tables[1] :] if line.startswith("0 "))
    assert "{:.2f}-{:.2f}".format(*row["wilson"]) in whole
    assert str(folder / "report.html") in lines[-1]


def test_digits_are_never_called_mnist(finished):
    folder, done = finished
    for line in done.stdout.splitlines():
        assert "MNIST" not in line.replace("NOT MNIST", "").replace("measured on MNIST", "")
    heads = [line for line in done.stdout.splitlines() if line.startswith("Test accuracy")]
    assert all("scikit-learn digits (NOT MNIST)" in head for head in heads)
    assert "cannot be compared" in done.stdout
    assert "ATTENTION" in done.stderr and "NOT MNIST" in done.stderr
    assert read_json(folder / "results.json")["data"]["is_mnist"] is False
    assert "NOT MNIST" in (folder / "report.html").read_text(encoding="utf-8")


def test_everything_is_on_disk(finished):
    folder, _ = finished
    assert sorted(path.name for path in folder.iterdir()) == [
        "progression.json", "report.html", "results.json", "rung-00",
    ]  # fmt: skip
    results = read_json(folder / "results.json")
    assert (results["preset"], results["rungs"][0]["epochs"], results["rungs"][0]["status"]) == (
        "quick",
        1,
        "done",
    )
    reasons = [opening["reason"] for opening in results["vault"]]
    assert reasons == ["test accuracy of rung 0, seed 0", "pictures and tests of the report"]
    # without a redirected folder nothing is written beside --out
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_the_command_noted_repeats_the_run(finished, elsewhere, capsys):
    folder, _ = finished
    first = read_json(folder / "results.json")
    words = shlex.split(first["command"])
    assert words[:2] == ["minidl", "progression"]
    assert main([*words[1:], "--jobs", "1", "--out", "again"]) == 0
    second = read_json(elsewhere / "again" / "results.json")
    assert second["command"] == first["command"]
    assert second["rungs"][0]["mean"] == first["rungs"][0]["mean"]


def test_a_finished_progression_is_only_printed_again(finished, capsys):
    folder, done = finished
    networks = {path: path.stat().st_mtime_ns for path in folder.glob("rung-*/**/*")}
    assert command("--resume", str(folder)) == 0
    assert {path: path.stat().st_mtime_ns for path in networks} == networks
    printed = capsys.readouterr().out
    table = re.findall(r"^0 .*$", done.stdout, flags=re.MULTILINE)
    assert table and re.findall(r"^0 .*$", printed, flags=re.MULTILINE) == table


def test_without_out_the_results_go_below_runs(elsewhere, capsys):
    assert command(*TINY) == 0
    (folder,) = (elsewhere / "runs").iterdir()
    assert re.fullmatch(r"progression-digits-quick-\d{8}-\d{6}", folder.name)
    assert (folder / "report.html").exists()
    assert [path.name for path in elsewhere.iterdir()] == ["runs"]


@pytest.mark.parametrize(
    ("words", "setting", "value"),
    [
        (["--epochs", "3"], "epochs", 3),
        (["--batch-size", "7"], "batch_size", 7),
        (["--init", "nielsen"], "init", "nielsen"),
        (["--shuffle", "never"], "shuffle", "never"),
        (["--l2-scaling", "book"], "l2_scaling", "book"),
        (["--dropout-masks", "shared"], "dropout_masks", "shared"),
        (["--report", "last"], "report", "last"),
        (["--vote", "hard"], "vote", "hard"),
        (["--vote-weights", "last"], "vote_weights", "last"),
    ],
)
def test_settings_of_the_recipe_reach_the_plan(words, setting, value, elsewhere, monkeypatch):
    from minidl.experiments import progression
    from minidl.experiments.ladder import find_rung

    class Planned(Exception):
        pass

    def stop(plan, data, folder, say, cluster=None):
        raise Planned(plan)

    monkeypatch.setattr(progression, "Progression", stop)
    with pytest.raises(Planned) as raised:
        main(
            ["progression", "--data", "digits", "--rungs", "0,10", "--seeds", "2", "--device", "cpu", *words]
        )
    plan = raised.value.args[0]
    assert (plan.rungs, plan.seeds, plan.device, plan.data) == (("0", "10"), 2, "cpu", "digits")
    for rung in plan.rungs:
        assert getattr(plan.recipe(find_rung(rung), 1197), setting) == value
    assert " ".join(words) in plan.command


def test_validation_images_and_several_seeds(elsewhere, capsys):
    """The test set stays shut, and the steps between the rungs are printed and written."""
    words = ["--data", "digits", "--rungs", "0", "--epochs", "1", "--seeds", "2", "--jobs", "1"]
    assert command(*words, "--split", "validation", "--preset", "corrected", "--batch-size", "100", "--out", "v") == 0
    told = capsys.readouterr().out
    assert "Validation accuracy in per cent" in told and "Not run: rungs 1 to 11." in told
    results = read_json(elsewhere / "v" / "results.json")
    assert results["vault"] == [] and results["preset"] == "corrected"
    assert results["command"].endswith("--split validation --data digits")
    assert {"steps.json", "steps.md", "report.html"} <= {path.name for path in (elsewhere / "v").iterdir()}
    page = (elsewhere / "v" / "report.html").read_text(encoding="utf-8")
    assert "Accuracy on the validation images" in page and "No opening is recorded." in page


# What is refused ------------------------------------------------------------------------------------------


def assert_refused(words, complaint, elsewhere, capsys):
    before = everything(elsewhere)
    assert command(*words) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if "ATTENTION" not in line]
    if lines[0].startswith("usage: "):  # argparse shows the usage above its one line
        lines = lines[-1:]
    assert len(lines) == 1, captured.err
    assert re.match(r"minidl( progression)?: error: ", lines[0]) and re.search(complaint, lines[0]), lines[0]
    assert "Traceback" not in captured.err and captured.out == ""
    assert everything(elsewhere) == before


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--seeds", "0"], r"--seeds must be at least 1, got 0"),
        (["--seeds", "-2"], r"--seeds must be at least 1, got -2"),
        (["--seeds", "two"], r"--seeds.*'two'"),
        (["--jobs", "0"], r"--jobs must be at least 1, got 0"),
        (["--rungs", "12"], r"no rung '12'.*10, 11"),
        (["--rungs", "5-3"], r"--rungs: '5-3' is no range"),
        (["--rungs", "one"], r"no rung 'one'"),
        (["--rungs", ","], r"no rung ''"),
        (["--preset", "nonsense"], r"--preset.*'nonsense'"),
        (["--epochs", "0"], r"epochs.*at least 1, got 0"),
        (["--batch-size", "-1"], r"batch_size.*at least 1"),
        (["--vote", "loud"], r"--vote.*'loud'"),
        (["--split", "train"], r"--split.*'train'"),
        (["--seed", "1"], r"unrecognized arguments"),  # no abbreviation of --seeds
        (["--resume", "nowhere"], r"nowhere: there is no progression here.*--out"),
        (["--device", "cuda"], r"'cuda' is not available.*--device cpu"),
    ],
)
def test_a_bad_option(words, complaint, elsewhere, no_gpu, capsys):
    resume = words[0] == "--resume"
    assert_refused(words if resume else ["--data", "digits", *words], complaint, elsewhere, capsys)


def test_bad_options_are_refused_before_any_data_are_looked_for(elsewhere, no_gpu, monkeypatch, capsys):
    """Without --data the command might download eleven megabytes first, only to complain then."""

    def look(*args, **options):
        raise AssertionError("looked for data")

    monkeypatch.setattr(minidl.data, "load", look)
    monkeypatch.setattr(minidl.data, "load_or_digits", look)
    for words, complaint in [
        (["--seeds", "0"], "--seeds"),
        (["--rungs", "12"], "no rung '12'"),
        (["--jobs", "0"], "--jobs"),
        (["--epochs", "0"], "epochs"),
        (["--device", "cuda"], "cuda"),
    ]:
        assert_refused(words, complaint, elsewhere, capsys)


def test_a_data_folder_that_is_not_there(elsewhere, capsys):
    assert_refused(
        ["--data", "mnist", "--data-dir", "missing"], r"'missing' is not a folder", elsewhere, capsys
    )
    assert_refused(["--data-dir", "missing"], r"'missing' is not a folder", elsewhere, capsys)


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_there_is_not_written_over(kind, elsewhere, capsys):
    path = elsewhere / "thesis"
    if kind == "folder":
        path.mkdir()
    (path / "chapter.txt" if kind == "folder" else path).write_text("three years of work")
    assert_refused([*TINY, "--out", "thesis"], r"thesis: .*choose another --out", elsewhere, capsys)


def test_the_results_of_a_progression_are_not_written_over(finished, capsys):
    folder, _ = finished
    assert_refused([*TINY, "--out", str(folder)], "--resume", folder, capsys)


@pytest.mark.parametrize(
    "words",
    [
        ["--preset", "quick"], ["--rungs", "0"], ["--seeds", "1"], ["--data", "digits"], ["--device", "cpu"],
        ["--jobs", "1"], ["--out", "other"], ["--epochs", "1"], ["--vote", "soft"], ["--split", "test"],
    ],
)  # fmt: skip
def test_going_on_takes_no_other_options(words, finished, capsys):
    folder, _ = finished
    assert_refused(["--resume", str(folder), *words], f"--resume .*leave out {words[0]}", folder, capsys)


@pytest.mark.parametrize("content", ["", "{}", '{"plan": {"preset": "quick"}}', "half a fi"])
def test_a_damaged_plan(content, elsewhere, capsys):
    (elsewhere / "progression.json").write_text(content)
    assert_refused(["--resume", "."], r"progression\.json: this file is damaged", elsewhere, capsys)


def test_going_on_with_a_file_instead_of_a_folder(elsewhere, capsys):
    (elsewhere / "file").write_text("x")
    assert_refused(["--resume", "file"], "file", elsewhere, capsys)


def test_going_on_on_other_data(finished, tmp_path, elsewhere, capsys):
    folder, _ = finished
    found = read_json(folder / "progression.json")
    found["data"] = {**found["data"], "train": 1000}
    write_json(elsewhere / "progression.json", found)
    before = everything(elsewhere)
    assert command("--resume", ".") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"minidl: error: .*this progression ran on digits \(1,000 training images\)", error)
    assert everything(elsewhere) == before


# Ctrl-C ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_says_how_to_go_on_and_that_works(jobs, elsewhere, capsys):
    folder = elsewhere / "my runs"  # the blank must be quoted in the command that goes on
    epochs = 600  # long enough to be stopped between the first checkpoint and the end
    words = ["--data", "digits", "--rungs", "0", "--epochs", str(epochs), "--jobs", str(jobs), "--out", str(folder)]
    words += ["--seeds", str(jobs)]
    process = subprocess.Popen(
        [sys.executable, "-m", "minidl", "progression", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # like a terminal, the signal goes to the whole group
    )
    histories = [folder / "rung-00" / f"seed-{seed}" / "history.csv" for seed in range(jobs)]
    try:
        deadline = time.monotonic() + 60
        while not all(path.exists() and path.read_text().count("\n") > 1 for path in histories):
            assert time.monotonic() < deadline and process.poll() is None, "never began"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 130, error
    assert "Traceback" not in error
    (advice,) = [line for line in error.splitlines() if line.startswith("Stopped. To go on: ")]
    again = shlex.split(advice.removeprefix("Stopped. To go on: "))
    assert again == ["minidl", "progression", "--resume", str(folder)]
    rows = [path.read_text().count("\n") - 1 for path in histories]
    assert all(0 < count < epochs for count in rows)
    assert read_plan(folder).changes == {"epochs": epochs}

    assert main(again[1:]) == 0
    assert "all of it took" in capsys.readouterr().out
    assert [path.read_text().count("\n") - 1 for path in histories] == [epochs] * jobs
    results = read_json(folder / "results.json")
    assert results["rungs"][0]["status"] == "done" and len(results["rungs"][0]["runs"]) == jobs
    assert (folder / "report.html").exists()
