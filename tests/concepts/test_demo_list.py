"""Every demonstration of the command line: it is there, is documented, and refuses too little data."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from minidl.cli.demo import DEMOS
from minidl.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "demos.md"
CONCEPTS = [
    demo for demo in DEMOS if demo.module.startswith("minidl.experiments.concepts.") and demo.needs_data
]


@pytest.mark.parametrize("demo", CONCEPTS, ids=lambda demo: demo.name)
def test_a_single_image_is_too_few(demo, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    assert main(["demo", demo.name, "--data", "digits", "--subset", "1", "--out", str(out)]) == 2
    told = capsys.readouterr()
    complaint = [line for line in told.err.splitlines() if line.startswith("minidl: error: ")]
    assert len(complaint) == 1 and f"the demonstration '{demo.name}'" in complaint[0]
    assert not out.exists() and told.out == ""


def test_every_demonstration_can_be_run_and_is_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    for demo in DEMOS:
        parameters = inspect.signature(importlib.import_module(demo.module).run).parameters
        assert list(parameters)[:2] == ["data", "out"], demo.name
        assert f"`minidl demo {demo.name}" in text, demo.name
    assert "(demos.md)" in (PAGE.parent / "README.md").read_text(encoding="utf-8")
