"""``minidl evaluate`` as it is typed."""

import csv
import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from minidl.cli.main import main
from minidl.data import Vault, load
from minidl.errors import CheckpointError
from minidl.experiments.config_file import config_from
from minidl.experiments.plan import Plan
from minidl.experiments.progression import Progression
from minidl.experiments.scoring import TrainedRun
from minidl.experiments.training_run import prepare
from minidl.files import read_json
from minidl.losses import SoftmaxCrossEntropy
from minidl.training import evaluate, load_weights, predict

ROOT = Path(__file__).resolve().parents[2]
TABLE = {
    "data": {"name": "digits", "subset": 300, "standardize": True},
    "model": {"text": "Sequential([Flatten(), Dense(20), ReLU(), Dense(10)])"},
    "training": {"epochs": 4, "threads": 1, "monitor": "none", "class_weights": "inverse-frequency"},
}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A run of four epochs: (its folder, what was prepared for it)."""
    folder = tmp_path_factory.mktemp("original") / "run"
    prepared = prepare(config_from(TABLE))
    prepared.fit(folder, progress=False)
    return folder, prepared


@pytest.fixture(autouse=True)
def run(original, tmp_path, monkeypatch):
    """A copy of the run, in an empty folder to work in, with no data set but the digits to be found."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.delenv("MINIDL_DATA_DIR", raising=False)
    shutil.copytree(original[0], work / "run")
    return work / "run"


def command(*words):
    """Run ``minidl evaluate`` here; return its exit code, also where argparse leaves by itself."""
    try:
        return main(["evaluate", *words])
    except SystemExit as exit_:
        return exit_.code


def test_validation(run, original, capsys):
    assert command("run") == 0
    shown = capsys.readouterr().out
    (facts,) = read_json(run / "evaluation.json")
    results = read_json(run / "results.json")
    assert facts["accuracy"] == pytest.approx(100 * results["best"]["val_accuracy"])
    assert facts["loss"] == pytest.approx(results["best"]["val_loss"], rel=1e-6)  # with the class weights
    assert (facts["weights"], facts["split"], facts["epoch"]) == (
        "best",
        "validation",
        results["best"]["epoch"],
    )
    assert facts["wilson"][0] < facts["accuracy"] < facts["wilson"][1]
    matrix = np.array(facts["confusion"])
    assert matrix.sum() == facts["examples"] == 300 and np.trace(matrix) == facts["correct"]
    for text in (f"accuracy {facts['accuracy']:.2f} %", "95 % interval", "precision  recall", "NOT MNIST"):
        assert text in shown
    # Each class: precision, recall and F1 as printed.
    row = next(line for line in shown.splitlines() if line.startswith("3 "))
    scores = facts["classes"][3]
    assert row.split()[1:] == ["30", *(f"{scores[name]:.3f}" for name in ("precision", "recall", "f1"))]
    page = (run / "evaluation.html").read_text(encoding="utf-8")
    assert "Confusion matrix" in page and "data:image/png" in page and "300 validation images" in page
    assert not (run / "vault.json").exists()


def test_the_weights_asked_for_are_scored(run, original, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "minidl.experiments.scoring.predict",
        lambda model, images, **options: (asked.append(options), predict(model, images, **options))[1],
    )
    assert command("run", "--weights", "last") == 0
    (facts,) = read_json(run / "evaluation.json")
    _, prepared = original
    data, model = prepared.data, prepared.parts.model
    load_weights(model, run / "checkpoints" / "last.safetensors")
    scaling = {"mean": prepared.loader.mean, "std": prepared.loader.std}
    assert scaling["mean"] != 0
    assert [{name: options[name] for name in scaling} for options in asked] == [scaling]
    expected = predict(model, data.validation.images, **scaling).argmax(axis=1)
    assert facts["correct"] == int((expected == data.validation.labels).sum())
    assert facts["weights"] == "last" and facts["epoch"] == 4


def test_the_test_split_is_opened_once_and_on_record(run, capsys):
    assert command("run", "--split", "test") == 0
    assert "the vault was opened for this" in capsys.readouterr().out
    (opening,) = read_json(run / "vault.json")
    assert opening["reason"] == "minidl evaluate run, best weights" and opening["data"] == "digits"
    assert command("run", "--split", "test", "--weights", "last") == 0
    assert [o["reason"].rpartition(",")[2] for o in read_json(run / "vault.json")] == [
        " best weights",
        " last weights",
    ]
    found = read_json(run / "evaluation.json")
    assert [(facts["split"], facts["weights"]) for facts in found] == [("test", "best"), ("test", "last")]
    test = load("digits").vault.open("a test")
    assert found[0]["examples"] == len(test) == 300
    assert "300 test images" in (run / "evaluation.html").read_text(encoding="utf-8")


def test_the_opening_is_on_record_even_if_the_scoring_fails(run, monkeypatch):
    def fail(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("minidl.experiments.scoring.predict", fail)
    assert command("run", "--split", "test") == 130
    assert len(read_json(run / "vault.json")) == 1
    assert not (run / "evaluation.json").exists()


def test_validation_leaves_the_vault_shut(run, monkeypatch):
    monkeypatch.setattr(Vault, "open", lambda self, reason: pytest.fail("the vault was opened"))
    assert command("run") == 0


def test_evaluating_again_replaces_the_outcome(run):
    for _ in range(2):
        assert command("run") == 0
    assert len(read_json(run / "evaluation.json")) == 1
    assert command("run", "--weights", "last") == 0
    assert len(read_json(run / "evaluation.json")) == 2


def test_a_run_without_best_weights(run):
    (run / "checkpoints" / "best.safetensors").unlink()
    assert command("run") == 0
    assert read_json(run / "evaluation.json")[0]["weights"] == "last"


def test_the_full_report(run, capsys):
    assert command("run", "--report") == 0
    shown = capsys.readouterr().out
    folder = run / "evaluation" / "digits-validation-best"
    assert f"the report is {folder.relative_to(run.parent)}" in shown.replace(os.sep, "/")
    (facts,) = read_json(run / "evaluation.json")
    names = sorted(path.name for path in folder.iterdir())
    tables = ["averages", "calibration", "classes", "confusion", "top_k"]
    pictures = ["calibration", "class_errors", "confusion", "mistakes", "roc"]
    expected = [*(f"{name}.csv" for name in tables), *(f"{name}.png" for name in pictures), "report.html"]
    assert names == sorted(expected)
    with open(folder / "classes.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["class"] for row in rows] == list("0123456789")
    for row, known in zip(rows, facts["classes"], strict=True):
        assert float(row["recall"]) == known["recall"] and float(row["F1"]) == known["f1"]
        assert float(row["recall, low"]) <= known["recall"] <= float(row["recall, high"])
    with open(folder / "confusion.csv", encoding="utf-8", newline="") as stream:
        matrix = [[int(cell) for cell in row[1:]] for row in list(csv.reader(stream))[1:]]
    assert matrix == facts["confusion"]
    # Numbers of the run's own: top-1 is one minus the accuracy, the bins hold every image once.
    top = {row["k"]: row["error"] for row in facts["top_k"]}
    assert top[1] == pytest.approx(100 - facts["accuracy"]) and 0 <= top[5] <= top[2] <= top[1]
    assert sum(row["examples"] for row in facts["calibration"]["bins"]) == facts["examples"]
    assert facts["auc"]["macro"] == pytest.approx(np.mean([float(row["area under ROC"]) for row in rows]))
    assert facts["averages"]["micro"]["f1"] == pytest.approx(facts["accuracy"] / 100)
    assert f"expected calibration error {facts['calibration']['expected']:.2f} points" in shown
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<img") == 5 and "which FAU's slide prints under the name F1" in html.unescape(page)
    assert facts["label_versions"] == [] and "Doubtful" not in page  # of MNIST's test images only


def test_outputs_that_are_no_probabilities(tmp_path):
    """A network of squared errors is ranked, not calibrated; one that diverged is neither."""
    from minidl.experiments.full_report import evaluation_pictures, write_full_report
    from minidl.experiments.scoring import TrainedRun

    table = {
        **TABLE,
        "training": {"epochs": 1, "threads": 1, "monitor": "none", "loss": "MeanSquaredError()"},
    }
    prepare(config_from(table)).fit(tmp_path / "squares", progress=False)
    trained = TrainedRun(tmp_path / "squares")
    outcome = trained.score("validation")
    assert outcome.facts["calibration"] is None
    scores = predict(trained.model, outcome.images, **trained.scaling)
    expected = roc_auc_score(outcome.labels[:, None] == np.arange(10), scores, average="macro")
    assert outcome.facts["auc"]["macro"] == pytest.approx(expected)
    figure = evaluation_pictures(outcome)["class_errors"].figure
    missed, ends = figure.axes[0].patches[3], figure.axes[0].collections[0].get_segments()[3]
    third = outcome.facts["classes"][3]
    assert missed.get_height() == pytest.approx(100 * (1 - third["recall"]))
    expected_ends = [100 * (1 - end) for end in reversed(third["intervals"]["recall"])]
    np.testing.assert_allclose(ends[:, 1], expected_ends)
    next(iter(trained.model.named_parameters()))[1].value[...] = np.nan
    with np.errstate(invalid="ignore"):
        outcome = trained.score("validation")
    assert outcome.facts["top_k"] == [] and outcome.facts["auc"] is None and outcome.facts["loss"] is None
    page = write_full_report(tmp_path / "squares", outcome).read_text(encoding="utf-8")
    assert "cannot be ranked" in page and "nothing to calibrate" in page


def test_mnist_s_test_images_with_other_labels():
    """The accuracy on published, corrected and undoubted labels, for a network right but for a few."""
    from dataclasses import replace

    from minidl.evaluation.label_errors import MNIST_DOUBTS
    from minidl.experiments.score_facts import label_version_facts

    labels = np.zeros(10_000, np.int64)
    for doubt in MNIST_DOUBTS:
        labels[doubt.index] = doubt.given
    data = replace(load("digits"), name="mnist")
    predictions = labels.copy()
    predictions[:5] = 7  # wrong by any label
    predictions[[947, 2130]] = 9  # the corrections: one with a majority, one without
    facts = label_version_facts(data, "test", predictions, labels)
    counts = [(row["labels"], row["correct"], row["examples"]) for row in facts]
    # Right as published: all but 5 + 2. Corrected: 947 becomes right, the other nine corrections wrong.
    # Removed: 10,000 - 15 - 5.
    assert counts == [("original", 9993, 10_000), ("corrected", 9985, 10_000), ("removed", 9980, 9985)]
    assert facts[2]["accuracy"] == pytest.approx(100 * 9980 / 9985)
    assert facts[2]["wilson"][0] < facts[2]["accuracy"] < facts[2]["wilson"][1]
    assert label_version_facts(data, "validation", predictions, labels) == []
    assert label_version_facts(load("digits"), "test", predictions, labels) == []


def test_a_run_is_scored_on_the_images_it_did_not_train_on(tmp_path):
    from minidl.experiments.scoring import TrainedRun

    data = {**TABLE["data"], "split": "stratified", "fold": "2/4"}
    prepared = prepare(config_from({**TABLE, "data": data}))
    prepared.fit(tmp_path / "run", progress=False)
    outcome = TrainedRun(tmp_path / "run").score("validation")
    assert len(prepared.data.validation) == 374
    np.testing.assert_array_equal(outcome.images, prepared.data.validation.images)
    best = read_json(tmp_path / "run" / "results.json")["best"]
    assert outcome.facts["accuracy"] == pytest.approx(100 * best["val_accuracy"])
    assert outcome.facts["loss"] == pytest.approx(
        best["val_loss"], rel=1e-6
    )  # with the weights of its classes
    assert outcome.facts["division"] == "stratified, fold 2/4"


def test_other_data_are_scaled_as_the_run_s_own(run, tmp_path, monkeypatch):
    """Scored on another set: with the training's mean and deviation, and its class weights."""
    from dataclasses import replace

    import minidl.experiments.scoring as scoring

    digits = load("digits")
    few = replace(
        digits, name="kmnist", validation=digits.validation.subset(50), train=digits.train.subset(40)
    )
    monkeypatch.setattr(
        scoring,
        "load",
        lambda name, data_dir=None: few if name == "kmnist" else load(name, data_dir=data_dir),
    )
    trained = scoring.TrainedRun(run, data_name="kmnist")
    assert (trained.data.name, len(trained.data.validation)) == ("kmnist", 50)
    own = scoring.TrainedRun(run)
    assert trained.scaling == own.scaling and own.scaling["mean"] != 0
    np.testing.assert_array_equal(trained.loss.class_weights, own.loss.class_weights)


@pytest.fixture(scope="module")
def progression(tmp_path_factory):
    folder = tmp_path_factory.mktemp("progression") / "out"
    plan = Plan("quick", ("0",), 1, "digits", "cpu", 1, {"epochs": 1})
    Progression(plan, load("digits"), folder, say=lambda line: None).run()
    return folder


def test_a_network_of_a_progression(progression, capsys):
    folder = progression / "rung-00" / "seed-0"
    before = (progression / "results.json").read_bytes()
    assert command(str(folder), "--split", "test") == 0
    (facts,) = read_json(folder / "evaluation.json")
    score = read_json(folder / "test.json")
    assert (facts["correct"], facts["examples"]) == (score["correct"], score["examples"])
    assert command(str(folder)) == 0
    facts = read_json(folder / "evaluation.json")[1]
    data = load("digits")
    from minidl.experiments.ladder import INPUT_SHAPE, build_model

    model = build_model("0", "quick")
    model.build(INPUT_SHAPE)
    load_weights(model, folder / "checkpoints" / "best.safetensors")
    expected = evaluate(model, SoftmaxCrossEntropy(), data.validation)
    assert facts["loss"] == pytest.approx(expected.loss, rel=1e-6)
    assert (progression / "results.json").read_bytes() == before


def test_it_runs_as_a_program(run):
    done = subprocess.run(
        [sys.executable, "-m", "minidl", "evaluate", "run"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"accuracy \d+\.\d\d %, \d+ of 300 right", done.stdout)


def everything(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nowhere", "nowhere: there is no run here (no run.json)"),
        ("run --weights best --data-dir x --split tests", "invalid choice: 'tests'"),
        ("run --data minst", "invalid choice: 'minst'"),
        ("run --wieghts last", "unrecognized arguments: --wieghts last; did you mean --weights?"),
        ("empty", "empty: there is no run here"),
        ("broken", "run.json: this file is damaged"),
        ("foreign", "started neither by minidl train nor by minidl progression"),
        ("odd", "run.json: the recipe in it is damaged"),
        ("bare", "bare: this run has no last weights"),
        ("cut", "is not a complete safetensors file"),
        ("run --data kmnist --data-dir nowhere", "nowhere"),
        ("full", "vault.json: this file is damaged"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(words, message, run, capsys):
    work = run.parent
    recipe_missing = '{"config": {"rung": "0", "data": "digits"}}'
    for name, text in {"broken": "{", "foreign": '{"config": null}', "odd": recipe_missing}.items():
        (work / name).mkdir()
        (work / name / "run.json").write_text(text)
        (work / name / "checkpoints").mkdir()
        shutil.copy(run / "checkpoints" / "best.safetensors", work / name / "checkpoints")
    (work / "empty").mkdir()
    for name in ("bare", "cut", "full"):
        shutil.copytree(run, work / name)
    shutil.rmtree(work / "bare" / "checkpoints")
    (work / "cut" / "checkpoints" / "best.safetensors").write_bytes(b"abc")
    (work / "full" / "vault.json").write_text("{")
    before = everything(work)
    assert command(*words.split(), *(["--split", "test"] if words == "full" else [])) == 2
    *_, line = [line for line in capsys.readouterr().err.splitlines() if "ATTENTION" not in line]
    assert "error: " in line and message in line, line
    assert everything(work) == before


def test_a_damaged_record_of_openings_keeps_the_vault_shut(run):
    data = load("digits")
    (run / "vault.json").write_text("[1]")
    with pytest.raises(
        CheckpointError, match=r"vault.json: this file is damaged \(it holds no list of objects\)"
    ):
        TrainedRun(run, data=data).open_vault("a test")
    assert data.vault.openings == []
