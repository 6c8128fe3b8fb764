"""The data and the checks that the tests of all demonstrations share."""

from __future__ import annotations

import json
import re

import pytest

from minidl.data import load


@pytest.fixture(scope="session")
def digits():
    """scikit-learn's digits; no demonstration may open their vault."""
    data = load("digits")
    yield data
    assert data.vault.openings == []


@pytest.fixture
def shown(digits, tmp_path, monkeypatch):
    """Run a demonstration and return its text and its numbers, having checked the files and the sentences."""

    pytest.importorskip("matplotlib")
    monkeypatch.setattr("minidl.plots.style.PIXELS_PER_INCH", 40)  # coarse pictures are written faster

    def show(module, name, plan, pictures=None):
        out = tmp_path / "new" / name
        text = module.run(digits, out, plan=plan)
        pictures = [name] if pictures is None else pictures
        assert sorted(path.name for path in out.iterdir()) == sorted(
            [f"{name}.json", *(f"{picture}.png" for picture in pictures)]
        )
        for picture in pictures:
            assert (out / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
        found = json.loads((out / f"{name}.json").read_text())
        assert found["data"] == "scikit-learn digits (NOT MNIST)" and found["seed"] == 0
        last = text.split("\n\n")[-1]
        assert len(re.findall(r"\.(?= |$)", last)) == 2, last
        assert "nan" not in text and "inf" not in text
        return text, found

    return show
