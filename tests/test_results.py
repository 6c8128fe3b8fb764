"""docs/results: README and files agree, every mean follows from its networks, and gaps are called gaps."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path

import numpy as np
import pytest

from benchmarks import results
from benchmarks.results_figures import pictures, votes_picture
from benchmarks.results_tables import ladder_section, results_page
from minidl.files import read_json, write_json
from tests.experiments.fake_progression import write_fake_progression

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "results"


def test_readme_and_files_agree():
    assert results.disagreements(ROOT) == []
    assert results.main(["check"]) == 0


@pytest.mark.parametrize("found", results.read_results(FOLDER), ids=lambda found: found["name"])
def test_every_number_follows_from_its_networks(found):
    runs = read_json(FOLDER / f"{found['name']}.runs.json")
    assert found["command"].startswith("minidl ") and re.match(r"20\d\d-\d\d-\d\dT", found["started"])
    assert found["machine"]["processor"] and found["versions"]["numpy"]
    if found["kind"] == "beyond":
        assert len(runs) == found["networks"] and found["vault"]
        return
    for row in found["rungs"]:
        values = [run["accuracy"] for run in row["runs"]]
        assert row["n"] == len(values) and row["mean"] == pytest.approx(statistics.fmean(values))
        assert row["sd"] == (pytest.approx(statistics.stdev(values)) if len(values) > 1 else None)
        for run in row["runs"]:
            assert run["accuracy"] == pytest.approx(100 * run["correct"] / run["examples"])
            if not row["ensemble"]:
                assert runs[run["folder"]]["seed"] == run["seed"]
                assert runs[run["folder"]]["config"]["rung"] == row["rung"]


def test_no_folder_of_a_machine_is_published():
    for path in FOLDER.glob("*.json"):
        assert not re.search(r'"(/|[A-Z]:\\|~)', path.read_text(encoding="utf-8")), path.name


# Collecting -----------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path):
    """A README with a place for the table, and a progression of two rungs with two seeds."""
    readme = f"# x\n\nbefore\n{results.BEGIN}\nold\n{results.END}\nafter\n"
    (tmp_path / "README.md").write_text(readme)
    labels = np.random.default_rng(0).integers(0, 10, 500)
    found = write_fake_progression(tmp_path / "run", labels, rungs=("0", "3"), seeds=(0, 1))
    plan = {"plan": {"changes": {}, "threads": 1}}
    write_json(tmp_path / "run" / "progression.json", plan)
    found["data"]["source"], found["jobs"] = "/home/somebody/mnist", 2
    for row in found["rungs"]:
        row["recipe"] = {"epochs": 8}
        for one in row["runs"]:
            write_json(tmp_path / "run" / one["folder"] / "run.json", {"seed": one["seed"]})
    write_json(tmp_path / "run" / "results.json", found)
    return tmp_path


def run(root, *words):
    return results.main(["--root", str(root), *words])


def test_from_a_run_to_the_table(root, capsys):
    assert run(root, "collect", str(root / "run"), "--as", "a-test", "--note", "On a slow day.") == 0
    assert run(root, "check") == 1 and "is not what the files" in capsys.readouterr().out
    assert run(root, "write") == 0 and run(root, "check") == 0
    readme = (root / "README.md").read_text()
    assert (
        readme.startswith("# x\n\nbefore\n")
        and readme.endswith(f"{results.END}\nafter\n")
        and "old" not in readme
    )
    kept, source = read_json(root / "docs/results/a-test.json"), read_json(root / "run/results.json")
    rows = dict(line.strip("| ").split(" | ", 1) for line in readme.splitlines() if re.match(r"\| \d", line))
    for row in source["rungs"]:
        assert rows[row["rung"]].endswith(f"| {row['mean']:.2f} ± {row['sd']:.2f}")
    assert len(rows) == 12 and all(
        rows[name].endswith("| not run") for name in rows if name not in ("0", "3")
    )
    assert "`quick`, rungs 0, 3: `minidl progression --preset quick" in readme
    assert "source" not in kept["data"] and kept["notes"] == ["On a slow day."]
    page = (root / "docs/results/README.md").read_text()
    assert "On a slow day." in page and "Not run: rungs 1, 2, 4 to 11." in page
    assert "Which steps are real improvements?" in page and "| 0 → 3 (over 1 and 2) |" in page


def test_an_edited_number_is_noticed(root):
    run(root, "collect", str(root / "run"), "--as", "a-test")
    run(root, "write")
    path = root / "docs/results/a-test.json"
    path.write_text(path.read_text().replace('"mean": 9', '"mean": 8', 1))
    assert [line.split()[0] for line in results.disagreements(root)] == [
        "README.md", "docs/results/README.md", "docs/results/ladder.svg",
    ]  # fmt: skip
    readme = root / "README.md"
    run(root, "write")
    readme.write_text(readme.read_text().replace("| 97.80 |", "| 97.81 |"))
    assert results.disagreements(root) and "README.md" in results.disagreements(root)[0]


def progression(name, preset="quick", rungs=None, **more):
    rows = [
        {"rung": rung, "title": "t", "status": "done", "mean": mean, "sd": None if n == 1 else 0.1, "n": n,
         "wilson": [mean - 1, mean + 1], "by_validation": mean, "published": 97.8, "seconds": 1.0}
        for rung, (mean, n) in (rungs or {}).items()
    ]  # fmt: skip
    return {
        "kind": "progression", "name": name, "preset": preset, "changes": {}, "split": "test", "rungs": rows,
        "data": {"is_mnist": True, "title": "MNIST"}, "command": f"minidl {name}", "started": "2026-01-01T00:00",
        "seconds": 10.0, "seeds": [0], "device": "cpu", "notes": [], "machine": {"cores": 2, "processor": "P"},
        "versions": {"python": "3", "numpy": "2", "minidl": "0"}, **more,
    }  # fmt: skip


def test_a_picture_is_drawn_anew_only_if_its_numbers_change(root):
    run(root, "collect", str(root / "run"), "--as", "a-test")
    picture = root / "docs/results/ladder.svg"
    run(root, "write")
    first = picture.read_bytes()
    assert first.count(b"drawn from ") == 1 and b"<dc:date>" not in first
    picture.write_bytes(first + b"<!-- by hand -->")
    assert run(root, "check") == 0 and run(root, "write") == 0  # the numbers are the same
    assert picture.read_bytes().endswith(b"<!-- by hand -->")
    picture.unlink()
    assert run(root, "check") == 1 and run(root, "write") == 0
    assert picture.read_bytes() == first


def test_what_the_ladder_s_picture_shows():
    known = [
        progression("a", rungs={"0": (97.5, 3), "2": (99.0, 1)}),
        progression("b", preset="lecture", rungs={"3": (99.3, 1)}),
    ]
    picture = pictures(known)["ladder.svg"]
    assert picture.facts["presets"]["quick"][:4] == [[97.5, 0.1], None, [99.0, None], None]
    assert picture.digest != pictures(known[:1])["ladder.svg"].digest
    axes = picture.draw(picture.facts).axes[0]
    book, (quick, lecture) = axes.collections[0], axes.containers
    assert book.get_offsets()[11].tolist() == pytest.approx([0.33, 11.0])
    assert quick[0].get_xdata() == pytest.approx([2.5, 1.0]) and lecture[0].get_xdata() == pytest.approx([0.7])
    bar = quick[2][0].get_segments()[0]
    assert bar[:, 0].tolist() == pytest.approx([2.4, 2.6])
    low, high = axes.get_xlim()
    assert low < 0.33 and high > 2.6
    assert not pictures([])


def test_what_the_votes_picture_shows():
    facts = {"recipe": "six", "labels": "original", "mnist": True,
             "rows": [["single", [99.6, 99.7, 99.6]], ["votes of 3", [99.7]]]}  # fmt: skip
    axes = votes_picture(facts).axes[0]
    points = [line.get_xydata()[0].tolist() for line in axes.lines if line.get_marker() == "o"]
    assert [x for x, _ in points] == [99.6, 99.6, 99.7, 99.7]
    assert points[0][1] == 0 and points[1][1] < 0 and points[3][1] == 1  # equal ones one above the other
    assert [text.get_text() for text in axes.texts] == ["99.633", "99.700", "the lecture's vote, 99.67"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["single (3)", "votes of 3 (1)"]
    assert votes_picture({**facts, "mnist": False}).axes[0].texts[-1].get_text() == "99.700"


def test_which_measurement_counts():
    known = [
        progression("few", rungs={"0": (97.0, 1), "1": (98.0, 1)}),
        progression("many", rungs={"0": (97.5, 3)}),
        progression("later", rungs={"1": (98.5, 1)}, started="2026-02-01T00:00"),
        progression("tried", rungs={"2": (99.0, 9)}, changes={"epochs": 3}),
        progression("validated", rungs={"2": (99.1, 9)}, split="validation"),
        progression("digits", rungs={"2": (99.2, 9)}, data={"is_mnist": False, "title": "digits"}),
        progression("book", preset="lecture", rungs={"3": (99.3, 1)}),
    ]
    text = ladder_section(known)
    head, rows = text.splitlines()[0], [line for line in text.splitlines() if re.match(r"\| \d", line)]
    assert head.endswith("| Book | `quick` | `lecture` |")
    assert rows[0].endswith("| 97.80 | 97.50 ± 0.10 | not run |") and rows[1].endswith("| 98.50 | not run |")
    assert rows[2].endswith("| not run | not run |") and rows[3].endswith("| not run | 99.30 |")
    assert [name for name in ("few", "tried", "validated", "digits") if f"`minidl {name}`" in text] == []
    assert text.index("minidl many") < text.index("minidl book")


def test_the_book_s_number_within_two_standard_deviations():
    page = results_page(
        [
            progression(name, rungs={"0": row})
            for name, row in zip("abc", ((97.95, 3), (98.1, 3), (98.1, 1)), strict=True)
        ]
    )
    rows = [line for line in page.splitlines() if line.startswith("| 0 ")]
    assert "| yes |" in rows[0] and "| no (+3.0 sd) |" in rows[1] and "| one network, no sd |" in rows[2]


def test_a_recipe_past_the_lecture(tmp_path):
    single = {"n": 2, "mean": 99.6, "sd": 0.05, "lowest": 99.55, "highest": 99.65, "wilson": [99.4, 99.7],
              "values": [99.55, 99.65]}  # fmt: skip
    vote = {**single, "members": 2, "n": 1, "sd": None, "mean": 99.7, "values": [99.7]}
    final = {
        "recipe": "seven", "command": "minidl beyond final seven", "trained": "2026-01-01T00:00", "data": "MNIST",
        "config": {"data": {"dir": "/home/x"}, "training": {"epochs": 30}}, "is_mnist": True, "division": "writers",
        "networks": 2, "labels": [{"labels": "original", "examples": 10_000, "single": single, "ensembles": [vote]}],
        "vault": [{"time": "T", "reason": "R"}], "machine": {"processor": "P", "cores": 2, "system": "Linux-6-x"},
        "versions": {"python": "3", "numpy": "2", "minidl": "0"},
    }  # fmt: skip
    write_json(tmp_path / "run" / "final.json", final)
    chosen_on = {"n": 2, "mean": 99.4, "sd": 0.1, "lowest": 99.3, "highest": 99.5, "values": [99.3, 99.5]}
    write_json(
        tmp_path / "run" / "validation.json", {"images": 10_008, "single": chosen_on, "ensembles": [], "x": 1}
    )
    for seed in range(2):
        write_json(tmp_path / "run" / f"seed-{seed}" / "run.json", {"seed": seed})
    results.collect(tmp_path / "run", "beyond-seven", tmp_path)
    (kept,) = results.read_results(tmp_path)
    assert kept["config"]["data"] == {} and kept["machine"]["system"] == "Linux"
    page = results_page([kept])
    assert "| original | 10,000 | votes of 2 | 1 | 99.700 | - |" in page and "30 epochs" in page
    assert "| validation | 10,008 | single | 2 | 99.400 | 0.100 | 99.30 | 99.50 | - |" in page
    assert "Openings of the test set: T (R)." in page
    assert list(read_json(tmp_path / "beyond-seven.runs.json")) == ["run/seed-0", "run/seed-1"]
    picture = pictures([kept])["beyond-seven.svg"]
    assert picture.facts["rows"] == [["single", [99.55, 99.65]], ["votes of 2", [99.7]]]
    assert "(beyond-seven.svg)" in page and "ladder.svg" not in page
    row = "| [`seven`](docs/results/README.md#beyond-seven) | 2 | 99.60 ± 0.05 | of 2: 99.70 (1) |"
    assert ladder_section([kept]).splitlines()[-1] == row
    assert "seven" not in ladder_section([{**kept, "is_mnist": False}])


def test_mistakes(root, capsys):
    (root / "empty").mkdir()
    for words in (
        ("collect", str(root / "empty"), "--as", "x"),
        ("collect", str(root / "run"), "--as", "../x"),
        ("collect", str(root / "run"), "--as", "Upper Case"),
    ):
        assert run(root, *words) == 2
    (root / "run/rung-03/seed-1/run.json").unlink()
    assert run(root, "collect", str(root / "run"), "--as", "x") == 2
    (root / "run" / "results.json").write_text('{"format": 1, "rungs": [{}]}')
    assert run(root, "collect", str(root / "run"), "--as", "x") == 2
    assert not (root / "docs").exists()
    (root / "README.md").write_text("no place for the table")
    assert run(root, "write") == 2
    (root / "docs" / "results").mkdir(parents=True)
    (root / "docs/results/x.json").write_text("{}")
    assert run(root, "check") == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 7 and all(line.startswith("benchmarks.results: error: ") for line in errors)
    assert json.loads((root / "docs/results/x.json").read_text()) == {}
