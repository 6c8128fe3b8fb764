"""The report of a run shows what its folder holds, and ``minidl report`` and ``minidl plot curves`` draw it."""

import json
import re
import shutil

import pytest

from minidl.cli.main import main
from minidl.experiments.report import write_run_report
from minidl.monitoring import Monitor
from minidl.schedules import Cosine
from tests.experiments.test_report import Page
from tests.monitoring.watched_run import data, trainer


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "watched"
    split = type(data())(data().images[:50], data().labels[:50], 50)
    trainer(folder, [Monitor(every=5)], config={"name": "watched"}).fit(data(), 4, split)
    return folder


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


def test_everything_is_there(run):
    page = Page(write_run_report(run))
    for heading in (
        "Result",
        "Verdicts",
        "Training curves",
        "Batches",
        "Updates",
        "Layers",
        "First-layer filters over time",
        "Configuration",
    ):
        assert heading in page.text
    rows = [row[0].strip() for row in page.rows]
    assert any(text.startswith("Fit: ") for text in rows)
    assert any(text.startswith("Learning rate: ") for text in rows)
    assert any(text.startswith("Updates: ") for text in rows)
    alts = " | ".join(image["alt"] for image in page.images)
    for what in (
        "loss and accuracy against epochs",  # linear
        "loss and error rate against epochs",  # log
        "Loss of the batches",
        "Learning rate of the steps",
        "Ratio of update to weight",
        "Dead ReLUs",
        "Norm of the gradient by layer",
        "Heat maps of the activations of 0 Conv2D, 1 ReLU",
        "histograms of the gradients",
        "histograms of the parameters' gradients",
        "first layer's filters",
    ):
        assert what in alts
    assert re.search(r"Momentum\([^)]*lr=0\.4[^)]*\)", page.text) and '"every": 5' in page.text
    assert all(image["src"].startswith("data:image/") for image in page.images)


def test_warnings_and_jumps_are_listed_and_escaped(copy):
    entry = {"epoch": 2, "batch": 3, "step": 1023, "kind": "x", "text": "<script>alert(1)</script>"}
    (copy / "monitor/warnings-layers.json").write_text(json.dumps([entry]))
    (copy / "monitor/jumps.csv").write_text("epoch,step,batch,loss,usual,spreads\n2,23,3,9.5,0.25,12.5\n")
    page = Page(write_run_report(copy))
    assert page.row("epoch 2, batch 3", "1,023")[2] == entry["text"] and entry["text"] not in page.html
    assert page.row("epoch 2, batch 3", "9.5") == ["epoch 2, batch 3", "9.5", "0.25", "12.5"]
    assert any("with 1 jumps" in image["alt"] for image in page.images)


@pytest.mark.parametrize("damage", ["missing", "empty", "text"])
def test_missing_and_damaged_files_leave_the_rest(copy, damage):
    for path in (copy / "monitor").iterdir():
        if damage == "missing":
            path.unlink()
        else:
            path.write_text("" if damage == "empty" else "<html>404</html>,\n1,2\n")
    page = Page(write_run_report(copy))
    assert "callbacks=[Monitor()]" in page.text and "Training curves" in page.text


def test_a_run_without_monitor(tmp_path, run):
    trainer(tmp_path / "run", [], schedule=Cosine(0.1)).fit(data(), 3)
    page = Page(write_run_report(tmp_path / "run"))
    assert "Not watched: the run was trained without callbacks=[Monitor()]." in page.text
    assert "Cosine(max_lr=0.1" in page.text or "Cosine(lr=0.1" in page.text
    assert "The monitors had nothing" not in page.text


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"training": [1]}', '{"training": {"train": 3, "layers": []}}', "{"]
)
def test_a_strange_run_json_is_no_crash(copy, text):
    shutil.rmtree(copy / "monitor")  # its pictures take time
    (copy / "run.json").write_text(text)
    assert "Configuration" in Page(write_run_report(copy)).text


def test_the_report_command(copy, capsys, tmp_path):
    shutil.rmtree(copy / "monitor")
    assert main(["report", str(copy)]) == 0
    assert capsys.readouterr().out == f"the report is {copy / 'report.html'}\n"
    before = sorted(tmp_path.rglob("*"))
    for wrong in (tmp_path / "nothing", tmp_path):
        assert main(["report", str(wrong)]) == 2
        assert capsys.readouterr().err.startswith(f"minidl: error: {wrong}: there is no run here")
    assert sorted(tmp_path.rglob("*")) == before


def test_the_curves_command(copy, run, capsys, tmp_path):
    out = tmp_path / "curves.png"
    assert main(["plot", "curves", str(copy), str(run), "--log", "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG") and capsys.readouterr().out == f"wrote {out}\n"
    first = out.read_bytes()
    assert main(["plot", "curves", str(copy), "--out", str(out)]) == 0
    assert out.read_bytes() != first
    capsys.readouterr()
    for words, message in (
        ([str(tmp_path)], "there is no readable history"),
        ([str(copy), "--out", str(tmp_path / "x.gif")], "a picture's name ends in"),
    ):
        assert main(["plot", "curves", *words]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "x.gif").exists()
