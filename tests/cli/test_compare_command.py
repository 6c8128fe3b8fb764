"""``minidl compare`` as it is typed, on run folders whose records are made up."""

import json
from pathlib import Path

import numpy as np
import pytest

from minidl.cli.main import main
from minidl.experiments.predictions import keep_predictions
from minidl.files import read_json, write_json

LOW = [97.10, 97.20, 97.00, 97.15, 97.05]
HIGH = [97.60, 97.50, 97.70, 97.55, 97.65]
ALIKE = [97.12, 97.22, 97.01, 97.25, 97.05]


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_run(folder, accuracy, seed, optimizer="Adam(lr=1e-3)", *, data="mnist", images="array crc32 1", best=True,
             **training):  # fmt: skip
    """Leave in a folder what `minidl train` leaves on record."""
    config = {
        "command": "train",
        "data": {"name": data},
        "model": {"rung": "0"},
        "training": {"optimizer": optimizer, "seed": seed, **training},
    }
    run = {
        "format": 1,
        "config": config,
        "seed": seed,
        "training": {"validation": {"images": images, "labels": "x"}},
    }
    write_json(Path(folder) / "run.json", run)
    row = {"epoch": 10, "val_accuracy": accuracy / 100}
    results = {"final": {**row, "val_accuracy": accuracy / 100 - 0.001}, **({"best": row} if best else {})}
    write_json(Path(folder) / "results.json", results)


def make_runs(folder, accuracies, *rest, **options):
    for seed, accuracy in enumerate(accuracies):
        make_run(f"{folder}/seed-{seed}", accuracy, seed, *rest, **options)


def compare(*words):
    try:
        return main(["compare", *words])
    except SystemExit as exit_:
        return exit_.code


def refused(capsys, *words):
    """Run the command, which must fail in one line and write nothing; return the line."""
    before = sorted(Path().rglob("*"))
    assert compare(*words) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert sorted(Path().rglob("*")) == before
    return err


def flat(text):
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("other", "verdict", "says"),
    [
        (HIGH, "different", "SGD(0.1) is more accurate than Adam(lr=1e-3) on the validation images of MNIST"),
        (ALIKE, "no difference shown", "No difference between Adam(lr=1e-3) and SGD(0.1) was shown"),
        (HIGH[:2], "too few runs", "Too few runs to compare Adam(lr=1e-3) and SGD(0.1)"),
    ],
)
def test_the_verdict_on_five_seeds(other, verdict, says, capsys):
    make_runs("a", LOW)
    make_runs("b", other, "SGD(0.1)")
    assert compare("a", "b", "--json", "c.json") == 0
    out = flat(capsys.readouterr().out)
    assert f" {verdict} note" in out and says in out
    table = read_json("c.json")
    assert [pair["verdict"] for pair in table["pairs"]] == [verdict]
    assert table["groups"][0]["mean"] == pytest.approx(97.1)
    assert table["groups"][0]["seeds"] == [0, 1, 2, 3, 4]
    assert says in table["sentences"][0]
    assert Path("comparison.png").read_bytes()[:4] == b"\x89PNG"


def test_runs_are_put_together_by_their_settings(capsys):
    for seed, (a, b, c) in enumerate(zip(LOW, HIGH, ALIKE, strict=True)):
        # A seed, threads and folders do not make a way of training.
        make_run(f"x{seed}", a, seed, threads=1 + seed % 2, out=f"x{seed}")
        make_run(f"y{seed}", b, seed, "SGD(0.1)", epochs=5)
        make_run(f"z{seed}", c, seed, "SGD(0.1)", epochs=6)
    folders = sorted(map(str, Path().iterdir()), reverse=True)
    assert compare(*folders, "--json", "c.json") == 0
    groups = read_json("c.json")["groups"]
    assert [group["name"] for group in groups] == ["A", "B", "C"]
    assert [group["mean"] for group in groups] == pytest.approx([np.mean(ALIKE), np.mean(HIGH), np.mean(LOW)])
    out = capsys.readouterr().out
    assert 'B: training.epochs = 5, training.optimizer = "SGD(0.1)"' in out
    assert 'A: training.epochs = 6, training.optimizer = "SGD(0.1)"' in out
    assert "p (holm)" in out


def test_named_groups_baseline_and_paired_seeds(capsys):
    make_runs("a", LOW)
    make_runs("b", np.add(LOW, [0.1, 0.2, 0.3, 0.2, 0.1]), "SGD(0.1)")
    make_runs("c", HIGH, "SGD(0.2)")
    # The seeds of b in another order: pairs go by seed.
    words = ["old=a", "new=" + ",".join(f"b/seed-{seed}" for seed in (3, 1, 0, 2, 4))]
    assert compare(*words, "--test", "paired", "--json", "c.json") == 0
    (pair,) = read_json("c.json")["pairs"]
    # Differences of mean 0.18 and sd 0.0837: t = 0.18 / (0.0837 / sqrt(5)) = 4.81, p = 0.0086.
    assert (pair["test"], pair["p_value"]) == ("paired t-test", pytest.approx(0.0086, abs=1e-4))
    assert compare(*words, "third=c", "--baseline", "new", "--json", "c.json") == 0
    assert [(pair["a"], pair["b"]) for pair in read_json("c.json")["pairs"]] == [
        ("new", "old"),
        ("new", "third"),
    ]
    make_runs("d", LOW[:4], "SGD(0.3)")
    capsys.readouterr()
    assert "the same ones in every group" in refused(capsys, "a=a", "d=d", "--test", "paired")


def test_folds_are_repetitions_too(capsys):
    make_folds("a", LOW)
    make_folds("b", np.add(LOW, [0.1, 0.2, 0.3, 0.2, 0.1]), "SGD(0.1)")
    assert compare("a", "b", "--test", "paired") == 0
    assert "the folds of a cross-validation share training images" in flat(capsys.readouterr().out)
    assert "validated on different images" in refused(capsys, "a", "b", "--test", "welch")


def make_folds(folder, accuracies, *rest, seed=0, k=5, first=1):
    """Leave what a cross-validation leaves; the folds are named so that they are found in another order."""
    for fold, accuracy in enumerate(accuracies, first):
        place = f"{folder}/{k - fold}-seed-{seed}"
        make_run(place, accuracy, seed, *rest, images=f"fold {fold}")
        record = read_json(f"{place}/run.json")
        record["config"]["data"]["fold"] = f"{fold}/{k}"
        write_json(f"{place}/run.json", record)


@pytest.mark.parametrize(
    ("gains", "verdict", "says"),
    [
        ([0.5, 0.4, 0.6, 0.5, 0.5], "different", "SGD(0.1) is more accurate than Adam(lr=1e-3)"),
        (
            [0.3, -0.3, 0.1, -0.2, 0.1],
            "no difference shown",
            "No difference between Adam(lr=1e-3) and SGD(0.1)",
        ),
        # Enough for a t-test of independent pairs (p = 0.027), and not for one that knows of the shared images.
        ([0.1, 0.3, 0.05, 0.4, 0.25], "no difference shown", "corrected t-test of folds, p = 0.085)"),
    ],
)
def test_cross_validations_are_compared_fold_by_fold(gains, verdict, says, capsys):
    make_folds("a", LOW)
    make_folds("b", np.add(LOW, gains), "SGD(0.1)")
    assert compare("a", "b", "--json", "c.json") == 0
    out = flat(capsys.readouterr().out)
    assert says in out and "of 5 folds each" in out and "Nadeau and Bengio (2003)" in out
    table = read_json("c.json")
    (pair,) = table["pairs"]
    assert (pair["test"], pair["verdict"]) == ("corrected t-test of folds", verdict)
    # A by hand: mean 97.1, sd sqrt(0.00625), interval 2.7764 sd sqrt(1/5 + 1/4) to either side.
    half = 2.77645 * np.sqrt(0.00625 * 0.45)
    assert (table["groups"][0]["low"], table["groups"][0]["high"]) == pytest.approx(
        (97.1 - half, 97.1 + half)
    )
    assert table["groups"][1]["accuracies"] == pytest.approx(list(np.add(LOW, gains)))
    assert table["groups"][1]["folds"] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    mean, sd = np.mean(gains), np.std(gains, ddof=1)
    assert (pair["low"], pair["high"]) == pytest.approx(
        (mean - 2.77645 * sd * np.sqrt(0.45), mean + 2.77645 * sd * np.sqrt(0.45)), abs=1e-4
    )


def test_several_seeds_of_a_fold_count_as_one(capsys):
    for seed, gain in enumerate((-0.2, 0.2)):
        make_folds("a", np.add(LOW, gain), seed=seed)
        make_folds("b", np.add(LOW, [gain, gain, gain, gain, 2 * gain]), "SGD(0.1)", seed=seed)
    assert compare("a", "b", "--json", "c.json") == 0
    for group in read_json("c.json")["groups"]:
        assert (group["accuracies"], len(group["runs"])) == (pytest.approx(LOW), 10)
    capsys.readouterr()
    make_folds("three", LOW[:3], k=3)
    make_folds("part", LOW[:3], "SGD(0.2)")
    make_runs("seeds", LOW, "SGD(0.3)")
    assert "of 3 and 5 folds" in refused(capsys, "A=a", "C=three")
    assert "part the folds 1/5, 2/5, 3/5;" in refused(capsys, "a=a", "part=part")
    assert "seed-0: this run is not of a cross-validation" in refused(capsys, "a", "seeds", "--test", "folds")
    assert "leave out --split test" in refused(capsys, "a", "b", "--split", "test", "--test", "folds")
    make_run("part/2-seed-0", 97.0, 0, "SGD(0.2)", images="others")
    record = read_json("part/2-seed-0/run.json")
    record["config"]["data"]["fold"] = "3/5"
    write_json("part/2-seed-0/run.json", record)
    for fold in (1, 2):
        for seed in (0, 1):
            Path(f"a/{fold - 1}-seed-{seed}/results.json").unlink()  # leaves folds 1 to 3
    assert "are of the same fold but were validated on different images" in refused(
        capsys, "a=a", "part=part"
    )


def test_one_group_has_a_mean_and_nothing_to_compare(capsys):
    make_runs("a", LOW)
    assert compare("a") == 0
    assert "one group only" in capsys.readouterr().out


def test_weights_of_the_last_epoch():
    make_runs("a", LOW)
    make_runs("b", HIGH, "SGD(0.1)", best=False)
    compare("a", "b", "--json", "c.json")
    table = read_json("c.json")  # not all kept their best: the last of all
    assert (table["weights"], table["groups"][0]["mean"]) == ("last", pytest.approx(97.0))


def evaluated(folder, wrong, split="test", n=1000, labels=0):
    """Leave what `minidl evaluate` leaves."""
    facts = {"data": "mnist", "split": split, "weights": "best", "epoch": 10}
    right = np.full(n, labels)
    predictions = np.where(np.isin(np.arange(n), wrong), labels + 1, right)
    keep_predictions(Path(folder), facts, predictions, right)
    write_json(
        Path(folder) / "evaluation.json", [{**facts, "accuracy": 100 * float((predictions == right).mean())}]
    )


def test_the_test_set_only_where_it_was_opened_before(capsys):
    make_run("a", 97.0, 0)
    make_run("b", 99.0, 0, "SGD(0.1)")
    evaluated("a", range(30))
    assert "b: the test set was never opened for the best weights" in refused(
        capsys, "a", "b", "--split", "test"
    )
    evaluated("b", range(25, 35))
    assert compare("A=a", "B=b", "--split", "test", "--test", "mcnemar", "--json", "c.json") == 0
    (pair,) = read_json("c.json")["pairs"]
    # A alone is right on images 30 to 34, B alone on 0 to 24.
    assert (pair["counts"], pair["difference"], pair["verdict"]) == ([5, 25], pytest.approx(2.0), "different")
    assert not list(Path().rglob("vault.json"))


def test_single_runs_are_too_few_but_the_networks_can_be_compared(capsys):
    make_run("a", 97.0, 0)
    make_run("b", 99.0, 0, "SGD(0.1)")
    evaluated("a", range(30), "validation")
    evaluated("b", range(25, 35), "validation")
    assert compare("a", "b", "--json", "c.json") == 0
    table = read_json("c.json")
    assert table["pairs"][0]["verdict"] == "too few runs"
    assert table["networks"][0]["verdict"] == "different"
    out = flat(capsys.readouterr().out)
    assert "Too few runs to compare" in out and "Of these two networks SGD(0.1) is more accurate" in out
    # Other images, or predictions from before the run went on, are not compared.
    evaluated("b", range(25, 35), "validation", labels=3)
    assert compare("a", "b") == 0
    assert "predictions on record are of different images" in flat(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["nowhere"], "nowhere: there is no run here"),
        (["a", "A=b"], "name this group too"),
        (["A=a", "A=b"], "A is given twice"),
        (["A=a", "B=a/seed-0"], "a/seed-0: this run is given twice"),
        (["A="], "write a group as NAME=FOLDER,FOLDER"),
        (["a", "copy"], "it is the same network again"),
        (["a", "unfinished"], "unfinished: this run has no results"),
        (["a", "other"], "different data sets"),
        (["a", "b", "--alpha", "5"], "alpha must lie between"),
        (["a", "b", "--baseline", "z"], "no group 'z'"),
        (["a", "b", "--test", "mcnemar"], "has 5 runs; give one run for each group"),
        (["a", "b", "--out", "c.txt"], "a picture's name ends in"),
        (["a", "b", "--split", "test"], "the test set was never opened"),
    ],
)
def test_errors_are_one_line(words, why, capsys):
    make_runs("a", LOW)
    make_runs("b", HIGH, "SGD(0.1)")
    make_run("copy", 97.1, 0)
    make_run("other", 97.1, 9, data="fashion")
    make_run("unfinished", 97.1, 9)
    Path("unfinished/results.json").unlink()
    assert why in refused(capsys, *words)


def test_damaged_records_are_named(capsys):
    make_runs("a", LOW)
    make_run("b", 97.0, 0, "SGD(0.1)")
    Path("b/evaluation.json").write_text("{")
    assert "b/evaluation.json: this file is damaged" in refused(capsys, "a", "b", "--split", "test")
    Path("b/run.json").write_text(json.dumps([1]))
    assert "b/run.json: this file is damaged" in refused(capsys, "a", "b")


def test_mixed_groups_are_noted(capsys):
    make_run("a", 97.0, 0)
    make_run("b", 97.1, 1, "SGD(0.1)")
    make_runs("c", HIGH, "SGD(0.2)")
    assert compare("mixed=a,b", "c=c") == 0
    assert "the runs of mixed differ in more than the seed (training.optimizer)" in flat(
        capsys.readouterr().out
    )


def test_runs_from_before_a_key_existed_belong_to_the_others():
    make_runs("a", LOW)
    record = read_json("a/seed-0/run.json")
    record["config"]["data"]["split"] = "lecture"  # the default, which newer runs have on record
    write_json("a/seed-0/run.json", record)
    assert compare("a", "--json", "c.json") == 0
    assert len(read_json("c.json")["groups"]) == 1
