"""Every rung against the one before it: which steps are more than scatter."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from minidl.cli.main import main
from minidl.errors import ConfigError
from minidl.evaluation.multiple import holm
from minidl.evaluation.pooled import pooled_mcnemar
from minidl.experiments.steps import ladder_steps
from minidl.experiments.steps_text import steps_markdown, steps_prose, steps_text
from minidl.files import write_json
from minidl.training.checkpoint import safetensors_numpy

IMAGES = 400
CHANCES = {"0": 0.80, "1": 0.95, "2": 0.951, "3": 0.85, "2b": 0.95}


def progression(folder, rungs, seeds=5, split="test", pending=()):
    """Write a progression of networks that toss coins; return its results."""
    ease = np.random.default_rng(9).normal(0, 0.02, IMAGES)
    rows = []
    for number, rung in enumerate(rungs):
        runs = []
        for seed in range(seeds):
            rng = np.random.default_rng([number, seed])
            correct = rng.random(IMAGES) < CHANCES[rung] + ease
            name = f"rung-{rung}/seed-{seed}"
            (folder / name).mkdir(parents=True)
            content = safetensors_numpy().save({"correct": correct})
            (folder / name / f"{split}_outputs.safetensors").write_bytes(content)
            runs.append({"seed": seed, "folder": name, "accuracy": 100 * float(correct.mean())})
        done = rung not in pending
        rows.append(
            {
                "rung": rung,
                "change": f"change {rung}",
                "status": "done" if done else "running",
                "runs": runs,
                "ensemble": False,
            }
        )
    results = {
        "format": 1, "command": "minidl progression --a-test", "preset": "corrected", "split": split,
        "data": {"title": "MNIST", "is_mnist": True}, "rungs": rows,
    }  # fmt: skip
    write_json(folder / "results.json", results)
    return results


def correct(folder, rung, seeds=5, split="test"):
    path = f"{split}_outputs.safetensors"
    load = safetensors_numpy().load
    return np.stack(
        [load((folder / f"rung-{rung}/seed-{k}" / path).read_bytes())["correct"] for k in range(seeds)]
    )


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    return folder, progression(folder, ["0", "1", "2", "3", "2b"])


def test_the_tests_are_those_they_are_called(four):
    folder, results = four
    found = ladder_steps(folder, results)
    assert [(step.before, step.after) for step in found.steps] == [
        ("0", "1"),
        ("1", "2"),
        ("2", "3"),
        ("2", "2b"),
    ]
    p_seeds, p_images = [], []
    for step in found.steps:
        a, b = correct(folder, step.before), correct(folder, step.after)
        welch = ttest_ind(100 * b.mean(axis=1), 100 * a.mean(axis=1), equal_var=False)
        p_seeds.append(welch.pvalue)
        p_images.append(pooled_mcnemar(a, b).p_value)
        assert step.test == "Welch's t-test" and step.runs == (5, 5)
        assert step.means == pytest.approx((100 * a.mean(), 100 * b.mean()))
        assert step.difference == pytest.approx(100 * (b.mean() - a.mean()))
        assert (step.low, step.high) == pytest.approx(tuple(welch.confidence_interval(0.95)))
    assert [step.p_seeds for step in found.steps] == pytest.approx(p_seeds)
    assert [step.p_images for step in found.steps] == pytest.approx(p_images)
    assert [step.p_seeds_corrected for step in found.steps] == pytest.approx(holm(p_seeds).tolist())
    assert [step.p_images_corrected for step in found.steps] == pytest.approx(holm(p_images).tolist())
    assert [step.verdict for step in found.steps] == ["better", "not shown", "worse", "not shown"]


def test_the_paragraph_says_so(four):
    folder, results = four
    found = ladder_steps(folder, results)
    told = steps_prose(found)
    gain, loss = (next(step for step in found.steps if step.after == name).difference for name in ("1", "3"))
    assert "Of the 4 steps tested 1 is an improvement by more than scatter" in told
    assert f"0 → 1 (change 1: {gain:+.2f} points)." in told
    assert f"Worse than the rung before, by more than scatter: 2 → 3 (change 3: {loss:+.2f} points)." in told
    assert "No difference is shown for 1 → 2 (change 2:" in told and "; 2 → 2b (change 2b:" in told
    assert "does not show that these steps are worth nothing" in told
    assert "Not run: rungs 4 to 11." in told
    assert told.replace(" ", "") in steps_text(found).replace("\n", "").replace(" ", "")
    page = steps_markdown(found)
    assert "`minidl progression --a-test`" in page and "| 0 → 1 | change 1 | 5/5 |" in page
    assert len({line.count("|") for line in page.splitlines() if line.startswith("|")}) == 1


def test_images_count_as_well_as_seeds(tmp_path):
    """Networks that hardly differ from seed to seed, and by three images from one rung to the next."""
    rows = []
    for name, wrong in (("0", 13), ("1", 10)):
        runs = []
        for seed in range(5):
            right = np.arange(IMAGES) >= wrong
            right[IMAGES - 1] = seed != 0  # the only image on which seeds differ
            place = f"rung-{name}/seed-{seed}"
            (tmp_path / place).mkdir(parents=True)
            (tmp_path / place / "test_outputs.safetensors").write_bytes(
                safetensors_numpy().save({"correct": right})
            )
            runs.append({"seed": seed, "folder": place, "accuracy": 100 * float(right.mean())})
        rows.append({"rung": name, "change": "x", "status": "done", "runs": runs})
    (step,) = ladder_steps(tmp_path, {"rungs": rows}).steps
    assert step.p_seeds < 0.001 and step.p_images == 2 / 2**3
    assert step.verdict == "not shown" and "images: p = 0.25" in steps_prose(
        ladder_steps(tmp_path, {"rungs": rows})
    )


def test_few_seeds_gaps_and_unfinished_rungs(tmp_path):
    results = progression(tmp_path, ["0", "2", "3"], seeds=2, pending=("3",))
    found = ladder_steps(tmp_path, results)
    assert [step.verdict for step in found.steps] == ["too few runs", "not run"]
    assert found.steps[0].left_out == ("1",) and found.steps[1].means is None
    told = steps_prose(found)
    assert "Too few runs to tell for 0 → 2" in told and "Not finished: 2 → 3." in told
    assert "Not run: rungs 1, 4 to 11." in told and "0 → 2 (over 1)" in steps_text(found)


def test_an_ensemble_is_paired_with_its_own_members(tmp_path):
    rng = np.random.default_rng(4)
    members = [{"seed": k, "folder": f"rung-10/seed-{k}", "accuracy": 99 + 0.1 * k} for k in range(15)]
    votes = [
        {"seed": g, "folder": f"rung-11/seed-{g}", "members": [f"rung-10/seed-{k}" for k in range(5 * g, 5 * g + 5)],
         "accuracy": 99.5 + 0.5 * g + float(rng.normal(0, 0.01))}
        for g in range(3)
    ]  # fmt: skip
    rows = [
        {"rung": "10", "status": "done", "runs": members, "change": ""},
        {"rung": "11", "status": "done", "runs": votes, "change": "", "ensemble": True},
    ]
    (step,) = ladder_steps(tmp_path, {"rungs": rows}).steps
    means = [np.mean([member["accuracy"] for member in members[5 * g : 5 * g + 5]]) for g in range(3)]
    assert step.test == "paired t-test" and step.runs == (15, 3)
    assert step.p_seeds == pytest.approx(ttest_rel([vote["accuracy"] for vote in votes], means).pvalue)
    assert step.p_images is None and step.verdict == "not shown"  # no files with the images


def test_files_that_are_missing_or_of_other_images(four, tmp_path):
    _, results = four
    assert all(step.p_images is None for step in ladder_steps(tmp_path, results).steps)
    progression(tmp_path / "v", ["0", "1"], split="validation")
    found = ladder_steps(tmp_path / "v", json.loads((tmp_path / "v" / "results.json").read_text()))
    assert found.split == "validation" and found.steps[0].p_images < 0.001
    path = tmp_path / "v" / "rung-0" / "seed-3" / "validation_outputs.safetensors"
    path.write_bytes(safetensors_numpy().save({"correct": np.ones(7, bool)}))
    (step,) = ladder_steps(
        tmp_path / "v", {**results, "split": "validation", "rungs": results["rungs"][:2]}
    ).steps
    assert step.p_images is None


def test_the_command(four, capsys, tmp_path):
    folder, results = four
    assert main(["steps", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "0 → 1  change 1" in told and "written to" in told
    assert json.loads((folder / "steps.json").read_text())["steps"][0]["verdict"] == "better"
    assert (folder / "steps.md").read_text() == steps_markdown(ladder_steps(folder, results))
    assert main(["steps", str(tmp_path)]) == 2 and main(["steps", str(folder), "--alpha", "0.7"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and all(line.startswith("minidl: error: ") for line in errors)
    with pytest.raises(ConfigError, match=r"alpha must lie"):
        ladder_steps(folder, results, alpha=0.0)


@pytest.mark.parametrize("rungs", ["3", '[{"title": "no number"}]', '["0"]'])
def test_rungs_that_are_no_rows_are_refused(tmp_path, capsys, rungs):
    (tmp_path / "results.json").write_text(f'{{"format": 1, "rungs": {rungs}}}')
    assert main(["steps", str(tmp_path)]) == 2
    assert "results.json: this file is damaged (its rungs are no list of rows)" in capsys.readouterr().err
    assert not (tmp_path / "steps.json").exists()
