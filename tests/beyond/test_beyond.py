"""Networks past the lecture: trained and chosen with the test set locked away, scored on it once."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from minidl.cli.main import main
from minidl.data import DataSet, Split, Vault, load
from minidl.errors import CheckpointError, ConfigError, StateError
from minidl.experiments.beyond import final as final_module
from minidl.experiments.beyond import recipes, training
from minidl.experiments.beyond.final import final_results
from minidl.experiments.beyond.recipes import BeyondRecipe
from minidl.experiments.beyond.table import final_text, overview, validation_text
from minidl.experiments.beyond.training import read_probabilities, train_recipe
from minidl.files import read_json

TINY = BeyondRecipe(
    "tiny",
    "A dense network of twenty units. 0.000 PFLOP a network.",
    ("Flatten()", "Dense(20)", "BatchNorm()", "ReLU()", "Dropout(0.1)", "Dense(10)"),
    augment=("RandomShift(1)",),
    epochs=2,
    batch_size=50,
    members=(2, 3),
)
SEEDS = 5


def small(images=300):
    """Return new data, whose vault was never opened."""
    digits = load("digits")
    return DataSet(
        digits.name, digits.title, "a test", digits.classes, digits.train.subset(images),
        digits.validation.subset(150), Vault(digits.vault._split.subset(120)), "stratified",
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Five networks, trained in two goes: (folder, validation.json, lines)."""
    folder, lines = tmp_path_factory.mktemp("beyond") / "tiny", []
    train_recipe(TINY, small(), folder, 2, say=lines.append)
    found = train_recipe(TINY, small(), folder, SEEDS, say=lines.append)
    return folder, found, lines


@pytest.fixture
def copy(trained, tmp_path):
    import shutil

    return shutil.copytree(trained[0], tmp_path / "tiny")


def test_training_cannot_see_the_test_set(tmp_path, monkeypatch):
    data = small()

    def peek(task, config, data):
        data.vault.open("a peek")

    monkeypatch.setattr(training, "train_network", peek)
    with pytest.raises(StateError, match="test set"):
        train_recipe(TINY, data, tmp_path / "tiny", 1, say=lambda line: None)
    assert data.vault.openings == []


def test_accuracies_and_votes_are_those_of_the_probabilities(trained):
    folder, found, lines = trained
    labels = small().validation.labels
    shares = [read_probabilities(folder / f"seed-{k}" / "validation.safetensors") for k in range(SEEDS)]
    assert all(share.sum(axis=1) == pytest.approx(np.ones(150)) for share in shares)
    single = [100 * (share.argmax(axis=1) == labels).mean() for share in shares]
    assert [row["accuracy"] for row in found["networks"]] == pytest.approx(single)
    assert found["single"]["mean"] == pytest.approx(np.mean(single))
    assert found["single"]["sd"] == pytest.approx(np.std(single, ddof=1))
    pairs = [100 * ((shares[a] + shares[a + 1]).argmax(axis=1) == labels).mean() for a in (0, 2)]
    threes = [100 * (sum(shares[:3]).argmax(axis=1) == labels).mean()]
    assert [each["members"] for each in found["ensembles"]] == [2, 3]
    assert found["ensembles"][0]["values"] == pytest.approx(pairs)  # 0 and 1, 2 and 3: no network votes twice
    assert found["ensembles"][1]["values"] == pytest.approx(threes)
    assert found["ensembles"][1]["sd"] is None
    assert read_json(folder / "validation.json") == found
    assert "votes of 2" in validation_text(found) and len(set(single)) > 1
    assert [line.split(":")[0] for line in lines] == [f"seed {k}" for k in (0, 1, 0, 1, 2, 3, 4)]


def test_the_best_weights_are_scored(trained):
    folder, found, _ = trained
    for row in found["networks"]:
        results = read_json(folder / f"seed-{row['seed']}" / "results.json")
        assert row["accuracy"] == pytest.approx(100 * results["best"]["val_accuracy"])
        assert row["best_epoch"] == results["best"]["epoch"] and row["epochs"] == 2


def test_what_is_done_is_not_trained_again(copy, monkeypatch):
    def refuse(task, config, data):
        raise AssertionError("trained again")

    monkeypatch.setattr(training, "train_network", refuse)
    before = {path: path.stat().st_mtime_ns for path in copy.glob("seed-*/*")}
    train_recipe(TINY, small(), copy, SEEDS, say=lambda line: None)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_stopped_network_goes_on_to_the_same_end(trained, tmp_path, monkeypatch):
    folder, _, _ = trained
    out = tmp_path / "tiny"
    with monkeypatch.context() as patch:
        patch.setattr(training, "probabilities_of", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train_recipe(TINY, small(), out, 1, say=lambda line: None)
    assert not (out / "seed-0" / "validation.json").exists()
    with pytest.raises(CheckpointError, match="no network of this recipe is trained"):
        final_results(out, small())
    train_recipe(TINY, small(), out, 1, say=lambda line: None)
    first, second = (read_probabilities(each / "seed-0" / "validation.safetensors") for each in (folder, out))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("recipe", "data", "said"),
    [
        (replace(TINY, batch_size=60), {}, "different: config"),
        (replace(TINY, members=(4,)), {}, "different: members"),
        (TINY, {"images": 200}, "different: data"),
    ],
    ids=["batches", "members", "data"],
)
def test_a_folder_of_another_recipe_is_refused(copy, recipe, data, said):
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    with pytest.raises(ConfigError, match=said):
        train_recipe(recipe, small(**data), copy, SEEDS, say=lambda line: None)
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before


def test_no_other_folder_is_written_over(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(ConfigError, match="no recipe's folder"):
        train_recipe(TINY, small(), tmp_path, 1)
    with pytest.raises(ConfigError, match="--seeds must be at least 1"):
        train_recipe(TINY, small(), tmp_path / "new", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


# The one look ---------------------------------------------------------------------------------------------


def test_the_vault_is_opened_once_and_that_is_on_record(copy, monkeypatch):
    data, lines = small(), []
    found = final_results(copy, data, lines.append)
    assert [opening["reason"] for opening in data.vault.openings] == [
        "minidl beyond final tiny: 5 networks and their votes"
    ]
    assert found["vault"] == read_json(copy / "vault.json") == [{**data.vault.openings[0], "data": "digits"}]
    labels = data.vault._split.labels
    shares = [read_probabilities(copy / f"seed-{k}" / "test.safetensors") for k in range(SEEDS)]
    (version,) = found["labels"]
    right = [int((share.argmax(axis=1) == labels).sum()) for share in shares]
    assert version["single"]["values"] == pytest.approx([100 * each / 120 for each in right])
    vote = ((shares[0] + shares[1] + shares[2]).argmax(axis=1) == labels).mean()
    assert version["ensembles"][1]["values"] == pytest.approx([100 * vote])
    assert version["single"]["wilson"][0] < version["single"]["mean"] < version["single"]["wilson"][1]
    # Again: the same, with the vault shut.
    again, second = small(), []
    assert final_results(copy, again, second.append) == found
    assert again.vault.openings == [] and "vault stays shut" in second[0]
    with pytest.raises(ConfigError, match="test set has been opened for this recipe"):
        train_recipe(TINY, small(), copy, SEEDS + 1, say=lambda line: None)
    assert "the vault was opened: " in final_text(found) and "votes of 3" in final_text(found)


def test_an_opening_that_came_to_nothing_is_on_record(copy, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            final_module, "keep_probabilities", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            final_results(copy, small())
    assert len(read_json(copy / "vault.json")) == 1 and not (copy / "final.json").exists()
    assert len(final_results(copy, small())["vault"]) == 2


def test_what_is_not_ready_leaves_the_vault_shut(copy, tmp_path):
    data = small()
    (copy / "seed-4" / "validation.json").unlink()
    with pytest.raises(ConfigError, match="seed-4 is not finished"):
        final_results(copy, data)
    (copy / "seed-4" / "run.json").unlink()
    (copy / "seed-2" / "checkpoints" / "best.safetensors").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match="seed-2"):
        final_results(copy, data)
    with pytest.raises(ConfigError, match=r"trained on digits \(300 training images, division stratified\)"):
        final_results(copy, replace(data, train=data.train.subset(200)))
    with pytest.raises(CheckpointError, match="no recipe.json"):
        final_results(tmp_path / "nothing", data)
    (copy / "recipe.json").write_text("{}")
    with pytest.raises(CheckpointError, match="damaged"):
        final_results(copy, data)
    assert data.vault.openings == [] and not (copy / "vault.json").exists()


def test_the_three_versions_of_mnist_s_labels(monkeypatch):
    from minidl.evaluation.label_errors import MNIST_DOUBTS

    labels = np.zeros(10_000, np.int64)
    for doubt in MNIST_DOUBTS:
        labels[doubt.index] = doubt.given
    data = replace(small(), name="mnist", vault=Vault(Split(np.zeros((10_000, 1, 1, 1), np.uint8), labels)))
    versions = final_module._versions(data, labels)
    share = np.eye(10)[labels]  # agrees with every label as given, the wrong ones included
    found = [final_module._scores(version, [share, share], [2]) for version in versions]
    assert [each["labels"] for each in found] == ["original", "corrected", "removed"]
    assert [each["single"]["mean"] for each in found] == [100.0, 99.90, 100.0]
    assert [each["examples"] for each in found] == [10_000, 10_000, 9_985]
    assert found[1]["ensembles"][0]["values"] == [99.90]


# The command ----------------------------------------------------------------------------------------------


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recipes, "RECIPES", (TINY,))
    monkeypatch.setattr("minidl.experiments.beyond.table.RECIPES", (TINY,))
    monkeypatch.chdir(tmp_path)
    assert main(["beyond", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == [
        "tiny", "15,950", "2", "0.000", *["not", "run"] * 5
    ]  # fmt: skip
    words = ["--data", "digits", "--seeds", "2", "--jobs", "1", "--subset", "100", "--epochs", "1"]
    assert main(["beyond", "train", "tiny", *words]) == 0
    told = capsys.readouterr().out
    assert "votes of 2" in told and "(stratified)" in told
    folder = tmp_path / "runs" / "beyond-digits"
    assert json.loads((folder / "tiny" / "recipe.json").read_text())["config"]["training"]["epochs"] == 1
    assert main(["beyond", "final", "tiny", "--data", "digits"]) == 0
    assert "recipe tiny, test images of scikit-learn digits (NOT MNIST)" in capsys.readouterr().out
    row = overview(folder).splitlines()[1].split()
    assert row[4] == "2" and "run" not in row
    assert main(["beyond", "list", "tiny"]) == 0 and "votes of: 2, 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "eight"], "no recipe 'eight'"),
        (["train", "seven", "--seeds", "0"], "--seeds must be at least 1"),
        (["train", "seven", "--jobs", "2", "--cluster", "tcp://x"], "leave out one of them"),
        (["train", "seven", "--data", "digits", "--subset", "9999"], "at most 1,197"),
        (["final", "seven"], "no recipe.json"),
        (["list", "eight"], "no recipe 'eight'"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["beyond", *words]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "ATTENTION" not in line]
    assert len(errors) == 1 and said in errors[0] and errors[0].startswith("minidl: error: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"accuracy": ', "Expecting value"),
        ("[]", "it holds no object"),
        ('{"accuracy": 90}', "best_epoch, epochs"),
    ],
)
def test_a_damaged_score_is_named_with_what_to_do(copy, text, said):
    path = copy / "seed-1" / "validation.json"
    path.write_text(text)
    with pytest.raises(
        CheckpointError, match=rf"seed-1/validation.json: .*{said}.*; remove it and give the same command"
    ):
        train_recipe(TINY, small(), copy, SEEDS, say=lambda line: None)
    path.unlink()
    found = train_recipe(TINY, small(), copy, SEEDS, say=lambda line: None)
    assert [row["seed"] for row in found["networks"]] == list(range(SEEDS))


def test_a_damaged_record_of_openings_keeps_the_vault_shut(copy):
    (copy / "vault.json").write_text("{")
    data = small()
    with pytest.raises(
        CheckpointError, match=r"vault.json: this file is damaged \(.*\); restore it from a copy"
    ):
        final_results(copy, data, say=lambda line: None)
    assert data.vault.openings == [] and not (copy / "final.json").exists()


def test_damaged_final_results_are_not_taken_again(copy):
    (copy / "final.json").write_text("[")
    data = small()
    with pytest.raises(CheckpointError, match=r"final.json: this file is damaged .*restore it from a copy"):
        final_results(copy, data, say=lambda line: None)
    assert data.vault.openings == []
