"""The README keeps its promises: its commands are complete, its programs run."""

import contextlib
import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
LOOP, TRAINER = [text for language, text in BLOCKS if language == "python"]


def test_it_opens_with_two_commands_of_one_line():
    before = README.partition("```")[0]
    assert re.fullmatch(r"# minidl\s+", before)
    (first_language, first), (second_language, second) = BLOCKS[:2]
    assert (first_language, second_language) == ("sh", "sh")
    assert first.count("\n") == second.count("\n") == 1
    for command in (first, second):
        # From nothing to the result: an environment of its own, the installation, the program.
        steps = [step.strip() for step in command.split("&&")]
        assert steps[0] == "python3 -m venv .venv"
        assert steps[1].startswith(".venv/bin/pip install ")
        assert len(steps) == 3
    assert first.rstrip().endswith("&& .venv/bin/minidl progression")
    assert "'.[test]'" in second and "-m pytest" in second


@pytest.mark.skipif(shutil.which("awk") is None, reason="awk takes the command out of the README")
def test_continuous_integration_runs_the_second_command():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    program = re.search(r"command=\$\(awk '(.+?)' \"\$root/README.md\"\)", script).group(1)
    words = ["awk", program, str(ROOT / "README.md")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == BLOCKS[1][1]
    assert 'bash -c "$command"' in script


def run_loop(epochs):
    """Run the README's first program on scikit-learn's digits; return its names and what it printed."""
    program = LOOP
    for old, new in [('("mnist")', '("digits")'), ("range(10)", f"range({epochs})")]:
        assert program.count(old) == 1
        program = program.replace(old, new)
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program, "README.md", "exec"), names)
    return names, printed.getvalue().splitlines()


def test_the_loop_trains():
    names, lines = run_loop(epochs=8)
    assert len(lines) == 8
    assert float(lines[-1].split()[-1]) > 0.9
    assert names["outputs"].dtype == np.float32
    assert LOOP.count("\n") < 20


def test_the_trainer_trains_and_leaves_a_run_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, _ = run_loop(epochs=1)
    exec(compile(TRAINER, "README.md", "exec"), names)
    folder = tmp_path / "runs" / "first"
    promised = {"run.json", "history.csv", "results.json", "checkpoints"}
    assert promised - {path.name for path in folder.iterdir()} == set()
    validation = names["digits"].validation
    outputs = names["model"].forward(validation.images.astype("float32") / 255)
    assert (outputs.argmax(axis=1) == validation.labels).mean() > 0.9


def test_it_lists_every_command():
    from minidl.cli.main import COMMANDS

    assert [name for name in COMMANDS if f"`minidl {name}" not in README] == []


@pytest.mark.parametrize("folder", ["", "docs", "benchmarks", "datasets", "exercises"])
def test_links_lead_somewhere(folder):
    page = ROOT / folder / "README.md"
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if not link.startswith("http")]
    assert [link for link in links if not page.parent.joinpath(link).exists()] == []


def test_the_folders_it_names_are_there():
    listing = next(text for language, text in BLOCKS if language == "" and "minidl/layers" in text)
    folders = [line.split()[0] for line in listing.splitlines()]
    assert len(folders) > 10
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []
