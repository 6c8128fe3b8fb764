"""A progression from the first line to the last, on a few hundred of scikit-learn's digits.

Every number in ``results.json`` is worked out again from the files of the networks.
"""

import json
import math
import shutil
import statistics
from dataclasses import replace

import numpy as np
import pytest

from minidl.data import DataSet, Split, Vault, load
from minidl.errors import CheckpointError, ConfigError
from minidl.experiments import progression as module
from minidl.experiments.ladder import INPUT_SHAPE, build_model
from minidl.experiments.plan import Plan, default_jobs, read_plan
from minidl.experiments.progression import Progression
from minidl.experiments.table import full_table, table_row
from minidl.files import read_json, write_json
from minidl.training.checkpoint import load_weights, read_checkpoint, read_safetensors

TEST_IMAGES = 90


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture
def data(digits):
    return small(digits)


def small(digits, vault=Vault):
    """Return 200 images to train, 100 to validate, 90 to test, and a vault that was never opened."""
    test = digits.vault._split.subset(TEST_IMAGES)
    return DataSet(
        name="digits",
        title=digits.title,
        source="a test",
        classes=digits.classes,
        train=digits.train.subset(200),
        validation=digits.validation.subset(100),
        vault=vault(test),
    )


def plan(*rungs, seeds=1, jobs=1, preset="quick", **changes):
    changes = {"epochs": 1, "batch_size": 50, **changes}
    return Plan(preset, rungs, seeds, "digits", "cpu", jobs, changes, "minidl progression --a-test")


def run(asked, data, folder, say=None):
    lines = []
    results = Progression(asked, data, folder, say or lines.append).run()
    return results, lines


def networks(folder):
    return sorted(
        f"{path.parent.parent.name}/{path.parent.name}" for path in folder.glob("rung-*/seed-*/test.json")
    )


def final_weights(folder, name, which="last"):
    tensors, _ = read_checkpoint(folder / name / "checkpoints" / f"{which}.safetensors")
    return {key: value for key, value in tensors.items() if key.startswith("model/")}


def assert_same_networks(folder, other):
    assert networks(folder) == networks(other)
    for name in networks(folder):
        assert read_json(folder / name / "test.json") == read_json(other / name / "test.json")
        if (folder / name / "checkpoints").exists():  # an ensemble has none
            for which in ("last", "best"):
                first, second = final_weights(folder, name, which), final_weights(other, name, which)
                assert first.keys() == second.keys()
                for key in first:
                    np.testing.assert_array_equal(first[key], second[key], err_msg=f"{name} {key}")


def without_times(results):
    """Return the rows of the table without what no two runs have in common."""
    rows = [
        {key: value for key, value in row.items() if key not in ("seconds", "runs")}
        for row in results["rungs"]
    ]
    for row, full in zip(rows, results["rungs"], strict=True):
        row["runs"] = [{key: value for key, value in one.items() if key != "seconds"} for one in full["runs"]]
    return rows


# One progression with an ensemble, looked at from all sides ----------------------------------------------


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    """Rungs 0, 1b and 11, which brings five networks of rung 10: (folder, results, lines, data)."""
    data, folder = small(digits), tmp_path_factory.mktemp("whole") / "out"
    results, lines = run(plan("0", "1b", "11", vote="hard"), data, folder)
    return folder, results, lines, data


def test_the_folders(whole):
    folder, _, _, _ = whole
    members = [f"rung-10/seed-{seed}" for seed in range(5)]
    assert networks(folder) == ["rung-00/seed-0", "rung-01b/seed-0", *members, "rung-11/seed-0"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "progression.json", "results.json", "rung-00", "rung-01b", "rung-10", "rung-11",
    ]  # fmt: skip
    for name in networks(folder)[:-1]:
        there = {path.name for path in (folder / name).iterdir()}
        assert {"run.json", "history.csv", "results.json", "checkpoints", "outcome.json"} <= there
        assert read_json(folder / name / "run.json")["config"]["data"] == "digits"
    assert not list(folder.rglob(".*.part"))


def test_results_json(whole):
    folder, results, _, _ = whole
    assert read_json(folder / "results.json") == json.loads(json.dumps(results))  # tuples are lists there
    assert (results["preset"], results["jobs"], results["device"], results["seeds"]) == (
        "quick",
        1,
        "cpu",
        [0],
    )
    assert results["command"] == "minidl progression --a-test"
    assert results["data"] == {
        "name": "digits", "title": "scikit-learn digits (NOT MNIST)", "is_mnist": False, "source": "a test",
        "train": 200, "validation": 100, "test": TEST_IMAGES,
    }  # fmt: skip
    assert [row["rung"] for row in results["rungs"]] == ["0", "10", "11", "1b"]
    assert {row["status"] for row in results["rungs"]} == {"done"}
    assert [len(row["runs"]) for row in results["rungs"]] == [1, 5, 1, 1]
    assert [row["parameters"] for row in results["rungs"]] == [79_510, 1_672_570, 5 * 1_672_570, 29_330]
    assert [row["lecture"] for row in results["rungs"]] == [97.80, 99.60, 99.67, None]
    assert {row["epochs"] for row in results["rungs"]} == {1}
    assert 0 < sum(one["seconds"] for one in results["rungs"][0]["runs"]) < results["seconds"]


def test_the_plan_is_kept(whole):
    folder, _, _, _ = whole
    assert read_plan(folder) == plan("0", "1b", "11", vote="hard")


def test_accuracies_are_those_of_the_kept_weights(whole):
    folder, results, _, data = whole
    test = data.vault._split
    for row in results["rungs"]:
        for one in row["runs"]:
            if row["ensemble"]:
                continue
            model = build_model(row["rung"], "quick")
            model.build(INPUT_SHAPE)
            load_weights(model, folder / one["folder"] / "checkpoints" / "best.safetensors")
            right = (model.forward(test.images.astype(np.float32) / 255).argmax(axis=1) == test.labels).sum()
            assert (one["correct"], one["examples"]) == (right, TEST_IMAGES)
            assert one["accuracy"] == 100 * right / TEST_IMAGES
            history = (folder / one["folder"] / "history.csv").read_text().splitlines()
            validation = float(
                dict(zip(history[0].split(","), history[1].split(","), strict=True))["val_accuracy"]
            )
            assert one["validation_accuracy"] == 100 * validation
            assert one["best_epoch"] == 1


def test_the_ensemble_is_the_plurality_of_its_members(whole):
    folder, results, _, data = whole
    labels = data.vault._split.labels
    votes = [
        read_safetensors(folder / f"rung-10/seed-{seed}" / "test_outputs.safetensors")[0]["predictions"]
        for seed in range(5)
    ]
    assert len({vote.tobytes() for vote in votes}) == 5  # five different networks
    winners = []
    for ballot in zip(*votes, strict=True):
        counts = {choice: ballot.count(choice) for choice in ballot}  # in the order of the members
        winners.append(max(counts, key=counts.get))
    ensemble = next(row for row in results["rungs"] if row["rung"] == "11")
    kept = read_safetensors(folder / "rung-11/seed-0" / "test_outputs.safetensors")[0]["predictions"]
    np.testing.assert_array_equal(kept, winners)
    assert ensemble["runs"][0]["correct"] == (np.array(winners) == labels).sum()
    assert ensemble["members"] == [f"rung-10/seed-{seed}" for seed in range(5)]
    assert ensemble["vote"] == "hard"


def test_the_vault_was_opened_once_for_every_score(whole):
    _, results, _, data = whole
    reasons = [opening["reason"] for opening in results["vault"]]
    members = [f"test accuracy of rung 10, seed {seed}" for seed in range(5)]
    expected = ["test accuracy of rung 0, seed 0", *members, "test accuracy of rung 1b, seed 0"]
    assert reasons == [*expected, "test accuracy of rung 11, ensemble 0"]
    assert results["vault"] == data.vault.openings


def test_the_table_grows_line_by_line(whole):
    _, results, lines, _ = whole
    assert "scikit-learn digits (NOT MNIST)" in lines[0] and len(lines) == 1 + 8
    assert [line.split()[0] for line in lines[1:]] == ["0", "10", "10", "10", "10", "10", "1b", "11"]
    row = results["rungs"][0]
    assert lines[1] == table_row(row, "0", f"{row['mean']:.2f}", row["seconds"])
    assert "97.80" in lines[1] and "79,510" in lines[1]
    table = full_table(results)
    assert len({len(line) for line in table.splitlines()[1:7]}) == 1  # columns stand below each other
    assert "NOT MNIST" in table.splitlines()[0] and "cannot be compared" in table.splitlines()[-1]


def test_a_finished_progression_trains_and_opens_nothing(whole, digits, monkeypatch):
    folder, results, _, _ = whole
    data = small(digits)

    def refuse(*args, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr(module, "train_run", refuse)
    written = {path: path.stat().st_mtime_ns for path in folder.glob("rung-*/seed-*/**/*") if path.is_file()}
    again, lines = run(read_plan(folder), data, folder)
    assert data.vault.openings == []
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert without_times(again) == without_times(results)
    assert (again["vault"], again["started"]) == (results["vault"], results["started"])
    assert again["seconds"] >= results["seconds"]
    assert len(lines) == 1 + 8  # the table is printed all the same


def test_the_report_s_look_at_the_test_set_is_noted(digits, tmp_path):
    data = small(digits)
    progression = Progression(plan("0"), data, tmp_path / "out", lambda line: None)
    progression.run()
    test = progression.open_for_report()
    assert len(test) == TEST_IMAGES
    reasons = [opening["reason"] for opening in read_json(tmp_path / "out" / "results.json")["vault"]]
    assert reasons == ["test accuracy of rung 0, seed 0", "pictures and tests of the report"]


# Several seeds ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def three(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("three") / "out"
    results, lines = run(plan("0", seeds=3), small(digits), folder)
    return folder, results, lines


def test_mean_and_standard_deviation(three):
    _, results, _ = three
    (row,) = results["rungs"]
    accuracies = [one["accuracy"] for one in row["runs"]]
    assert [one["seed"] for one in row["runs"]] == [0, 1, 2] and len(set(accuracies)) > 1
    mean = sum(accuracies) / 3
    assert row["mean"] == pytest.approx(mean)
    assert row["sd"] == pytest.approx(math.sqrt(sum((value - mean) ** 2 for value in accuracies) / 2))


def test_the_interval_is_that_of_one_test_set(three):
    """Three networks tested on the same 90 images are no 270 images."""
    _, results, _ = three
    (row,) = results["rungs"]
    n, z = TEST_IMAGES, statistics.NormalDist().inv_cdf(0.975)
    p = round(statistics.fmean(one["correct"] for one in row["runs"])) / n
    # Wilson (1927): (p + z²/2n ± z sqrt(p (1-p) / n + z²/4n²)) / (1 + z²/n)
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert row["wilson"] == pytest.approx([100 * (middle - half), 100 * (middle + half)])


def test_the_run_quoted_is_the_best_on_validation_not_on_test(three, digits, tmp_path):
    folder, results, _ = three
    runs = results["rungs"][0]["runs"]
    worst = min(runs, key=lambda one: one["accuracy"])
    assert worst["accuracy"] < max(one["accuracy"] for one in runs)
    copy = shutil.copytree(folder, tmp_path / "copy")
    for one in runs:
        path = copy / one["folder"] / "outcome.json"
        write_json(path, {**read_json(path), "validation_accuracy": 99.0 if one is worst else 98.0})
    again, _ = run(plan("0", seeds=3), small(digits), copy)
    assert again["rungs"][0]["by_validation"] == worst["accuracy"]


def test_one_seed_has_no_standard_deviation(whole):
    for row in whole[1]["rungs"]:
        assert (row["sd"] is None) == (len(row["runs"]) == 1)
        assert (row["by_validation"] is None) == row["ensemble"]


def test_two_ensembles_have_ten_members(data, tmp_path):
    progression = Progression(plan("11", seeds=2), data, tmp_path / "out")
    assert [rung.id for rung in progression.rungs] == ["10", "11"]
    assert [len(progression._runs(rung)) for rung in progression.rungs] == [10, 0]
    # rung 10 asked for beside it: the same networks, not more
    both = Progression(plan("10", "11", seeds=2), data, tmp_path / "out")
    assert [len(both._runs(rung)) for rung in both.rungs] == [10, 0]


# Side by side --------------------------------------------------------------------------------------------


def test_networks_side_by_side_are_the_networks_one_after_another(digits, tmp_path):
    asked = plan("0", "1b")
    apart, _ = run(asked, small(digits), tmp_path / "apart")
    data = small(digits)
    together, lines = run(replace(asked, jobs=2), data, tmp_path / "together")
    assert_same_networks(tmp_path / "apart", tmp_path / "together")
    assert without_times(apart) == without_times(together)
    assert together["jobs"] == 2
    assert sorted(opening["reason"] for opening in data.vault.openings) == [
        "test accuracy of rung 0, seed 0", "test accuracy of rung 1b, seed 0",
    ]  # fmt: skip
    assert len(lines) == 3


def test_an_error_in_another_process_arrives_as_itself(digits, tmp_path):
    damaged = small(digits)
    folder = tmp_path / "out" / "rung-00" / "seed-0"
    progression = Progression(plan("0", "1b", jobs=2), damaged, tmp_path / "out", lambda line: None)
    progression._open_folder()
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="rung-00"):
        progression.run()


def test_how_many_networks_at_once(monkeypatch):
    monkeypatch.setattr("minidl.experiments.plan.available_cores", lambda: 4)
    assert [default_jobs("cpu", networks) for networks in (1, 3, 9)] == [1, 3, 4]
    assert default_jobs("cuda", 9) == 1


# Stopping and going on ------------------------------------------------------------------------------------


def stop_after(lines):
    """Return a `say` that is interrupted at its line number `lines` (the head of the table is the first)."""
    said = []

    def say(line):
        said.append(line)
        if len(said) == lines:
            raise KeyboardInterrupt

    return say


@pytest.mark.parametrize("lines", [1, 2, 4])
def test_a_stopped_progression_goes_on_to_the_same_end(three, digits, tmp_path, lines):
    folder, uninterrupted, _ = three
    asked, out = plan("0", seeds=3), tmp_path / "out"
    first = small(digits)
    with pytest.raises(KeyboardInterrupt):
        run(asked, first, out, stop_after(lines))
    assert len(networks(out)) == lines - 1
    done = {path: path.read_bytes() for path in out.glob("rung-*/seed-*/**/*") if path.is_file()}
    second = small(digits)
    results, _ = run(read_plan(out), second, out)
    assert {path: path.read_bytes() for path in done} == done  # nothing that was there is made again
    assert_same_networks(folder, out)
    assert without_times(results) == without_times(uninterrupted)
    # Each test image set was looked at once for each network, over both starts.
    assert [len(first.vault.openings), len(second.vault.openings)] == [lines - 1, 4 - lines]
    assert sorted(opening["reason"] for opening in results["vault"]) == [
        f"test accuracy of rung 0, seed {seed}" for seed in range(3)
    ]


def test_a_network_stopped_in_the_middle_goes_on_to_the_same_end(digits, tmp_path, monkeypatch):
    from minidl.training.callbacks import BestWeights

    asked = plan("0", epochs=6)
    uninterrupted, _ = run(asked, small(digits), tmp_path / "straight")
    update = BestWeights.update

    def stop_in_epoch_4(self, model, epoch, value):
        if epoch == 4:
            raise KeyboardInterrupt
        return update(self, model, epoch, value)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(BestWeights, "update", stop_in_epoch_4)
        run(asked, small(digits), tmp_path / "stopped")
    rows = (tmp_path / "stopped" / "rung-00" / "seed-0" / "history.csv").read_text().splitlines()
    assert len(rows) == 1 + 3
    results, _ = run(asked, small(digits), tmp_path / "stopped")
    assert_same_networks(tmp_path / "straight", tmp_path / "stopped")
    assert without_times(results) == without_times(uninterrupted)


def test_a_network_trained_but_not_yet_scored_is_scored_on_going_on(three, digits, tmp_path, monkeypatch):
    folder, uninterrupted, _ = three
    asked, out = plan("0", seeds=3), tmp_path / "out"

    def stop(run, scored, split):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "score_run", stop)
        run(asked, small(digits), out)
    assert networks(out) == []
    results, _ = run(asked, small(digits), out)
    assert networks(out) == networks(folder)
    assert [row["status"] for row in results["rungs"]] == ["done"]
    assert without_times(results) == without_times(uninterrupted)


def test_every_opening_is_on_record_even_of_a_score_that_failed(digits, tmp_path, monkeypatch):
    """The log in results.json is the evidence that nobody looked: it may not lag behind."""
    asked, out = plan("0"), tmp_path / "out"

    def stop(run, scored, split):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "score_run", stop)
        run(asked, small(digits), out)
    results, _ = run(asked, small(digits), out)
    reasons = [opening["reason"] for opening in results["vault"]]
    assert reasons == ["test accuracy of rung 0, seed 0"] * 2


def test_going_on_with_an_ensemble_opens_the_vault_for_what_is_missing_only(whole, digits):
    folder, results, _, _ = whole
    score, table = folder / "rung-11" / "seed-0" / "test.json", folder / "results.json"
    before, kept = score.read_bytes(), table.read_bytes()
    score.unlink()
    data = small(digits)
    again, _ = run(read_plan(folder), data, folder)
    table.write_bytes(kept)  # for the other tests
    assert [opening["reason"] for opening in data.vault.openings] == ["test accuracy of rung 11, ensemble 0"]
    assert score.read_bytes() == before
    assert without_times(again) == without_times(results)


# What is refused ------------------------------------------------------------------------------------------


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def changed_pixel(split):
    images = split.images.copy()
    images[7, 0, 14, 14] ^= 1
    return Split(images, split.labels)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: replace(data, name="mnist"),
        lambda data: replace(data, train=data.train.subset(199)),
        lambda data: replace(data, train=Split(data.train.images, data.train.labels[::-1])),
        lambda data: replace(data, train=changed_pixel(data.train)),
    ],
    ids=["name", "size", "labels", "a pixel"],
)
def test_other_data_are_refused(three, digits, tmp_path, change):
    folder = shutil.copytree(three[0], tmp_path / "copy")
    before = everything(folder)
    data = change(small(digits))
    with pytest.raises(CheckpointError, match="give it the same data"):
        run(plan("0", seeds=3), data, folder)
    assert everything(folder) == before
    assert data.vault.openings == []


@pytest.mark.parametrize(
    "other", [plan("0", seeds=2), plan("0", "1", seeds=3), plan("0", seeds=3, batch_size=20)]
)
def test_another_plan_is_refused(three, digits, tmp_path, other):
    """Its table would mix networks of two recipes."""
    folder = shutil.copytree(three[0], tmp_path / "copy")
    before = everything(folder)
    with pytest.raises((CheckpointError, ConfigError)):
        run(other, small(digits), folder)
    assert everything(folder) == before


def test_a_folder_with_something_else_in_it_is_refused(data, tmp_path):
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(ConfigError, match="not empty"):
        run(plan("0"), data, tmp_path)
    assert everything(tmp_path) == {tmp_path / "thesis.txt": b"three years of work"}


def test_an_empty_folder_is_as_good_as_none(data, tmp_path):
    results, _ = run(plan("0"), data, tmp_path)
    assert results["rungs"][0]["status"] == "done"


@pytest.mark.parametrize(
    "content", [None, "", "{}", "[]", "null", '{"plan": {"preset": "quick"}}', '{"plan": 3}']
)
def test_a_folder_that_is_no_progression(tmp_path, content):
    if content is not None:
        (tmp_path / "progression.json").write_text(content)
    with pytest.raises(ConfigError, match=r"progression\.json"):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": 0},
        {"jobs": 0},
        {"preset": "slow"},
        {"rungs": ("12",)},
        {"changes": {"epochs": 0}},
        {"changes": {"x": 1}},
    ],
)
def test_a_plan_that_makes_no_sense(change):
    with pytest.raises(ConfigError):
        replace(plan("0"), **change)


# The test set ---------------------------------------------------------------------------------------------


def test_training_never_sees_the_test_split(digits, tmp_path, monkeypatch):
    class Guarded(Vault):
        training = False

        def open(self, reason):
            assert not self.training, "opened while training"
            return super().open(reason)

    data, seen = small(digits, vault=Guarded), []
    train_run = module.train_run

    def watched(run, train, validation, progress=False):
        seen.append((train, validation))
        data.vault.training = True
        try:
            return train_run(run, train, validation, progress)
        finally:
            data.vault.training = False

    monkeypatch.setattr(module, "train_run", watched)
    run(plan("0", "1b"), data, tmp_path / "out")
    assert len(seen) == 2
    assert all(train is data.train and validation is data.validation for train, validation in seen)


def test_the_test_split_changes_scores_and_nothing_else(three, digits, tmp_path):
    folder, results, _ = three
    data = small(digits)
    test = data.vault._split
    other = replace(data, vault=Vault(Split(test.images, (test.labels + 1) % 10)))
    again, _ = run(plan("0", seeds=3), other, tmp_path / "out")
    for seed in range(3):
        for which in ("last", "best"):
            first = final_weights(folder, f"rung-00/seed-{seed}", which)
            second = final_weights(tmp_path / "out", f"rung-00/seed-{seed}", which)
            for key in first:
                np.testing.assert_array_equal(first[key], second[key])
    outcomes = [read_json(root / "rung-00/seed-0/outcome.json") for root in (folder, tmp_path / "out")]
    for outcome in outcomes:
        del outcome["seconds"]
    assert outcomes[0] == outcomes[1]
    assert again["rungs"][0]["mean"] < results["rungs"][0]["mean"]


def test_on_validation_images_the_vault_stays_shut(three, digits, tmp_path):
    class Shut(Vault):
        def open(self, reason):
            raise AssertionError(f"opened: {reason}")

    data, folder = small(digits, Shut), tmp_path / "out"
    asked = replace(plan("0", seeds=3), split="validation")
    lines = []
    progression = Progression(asked, data, folder, lines.append)
    results = progression.run()
    assert progression.open_for_report() is data.validation
    assert (results["split"], results["vault"]) == ("validation", [])
    assert lines[0].startswith("Validation accuracy in per cent on") and "a little too good" in full_table(results)
    # The networks are those that are tested otherwise, and their scores are those of their best epochs.
    for one, tested in zip(results["rungs"][0]["runs"], three[1]["rungs"][0]["runs"], strict=True):
        assert one["accuracy"] == pytest.approx(one["validation_accuracy"]) and one["examples"] == 100
        assert one["validation_accuracy"] == tested["validation_accuracy"]
        there = {path.name for path in (folder / one["folder"]).iterdir()}
        assert "validation_outputs.safetensors" in there and not {"test.json", "test_outputs.safetensors"} & there
    assert read_plan(folder) == asked
    with pytest.raises(CheckpointError, match="other settings"):
        run(replace(asked, split="test"), small(digits), folder)
    with pytest.raises(ConfigError, match="split must be one of test, validation, got 'train'"):
        replace(asked, split="train")


def test_an_ensemble_on_validation_images_votes_there(digits, tmp_path):
    data = small(digits)
    asked = replace(plan("11", vote="hard"), split="validation")
    results, _ = run(asked, data, tmp_path / "out")
    kept = read_safetensors(tmp_path / "out/rung-11/seed-0/validation_outputs.safetensors")[0]["predictions"]
    assert len(kept) == len(data.validation) and data.vault.openings == []
    assert results["rungs"][1]["runs"][0]["correct"] == (kept == data.validation.labels).sum()


def test_a_folder_of_before_there_was_a_choice_goes_on(three, digits, tmp_path):
    copy = shutil.copytree(three[0], tmp_path / "copy")
    found = read_json(copy / "progression.json")
    del found["plan"]["split"]
    write_json(copy / "progression.json", found)
    data = small(digits)
    run(read_plan(copy), data, copy)
    assert data.vault.openings == []
