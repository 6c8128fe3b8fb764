"""``minidl gradcheck``: the table, the choice of a layer, and the exit codes."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from minidl.cli import gradcheck
from minidl.errors import ConfigError
from minidl.layers import ReLU, catalogue


def run(*words):
    parser = argparse.ArgumentParser()
    gradcheck.add_parser(parser.add_subparsers(dest="command"))
    return gradcheck.run(parser.parse_args(["gradcheck", *words]))


class NoSlope(ReLU):
    """A ReLU that forgets to cut the gradient off."""

    def backward(self, dy):
        return 1.5 * super().backward(dy)


def test_the_whole_table(capsys):
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    for case in catalogue.LAYERS:
        rows = [line for line in lines if line.startswith(case.label + "  ")]
        assert len(rows) == 2 and " train " in rows[0] and " eval " in rows[1]
        assert all(row.endswith((" good", " fine with kinks")) for row in rows)
    for loss in catalogue.LOSSES:
        assert any(line.startswith(loss.label + "  ") and " loss " in line for line in lines)
    checks = 2 * len(catalogue.LAYERS) + len(catalogue.LOSSES)
    assert f"{checks} of {checks} checks passed" in lines
    assert len({len(line) - len(line.rsplit("  ", 1)[1]) for line in lines[: checks + 2]}) == 1  # aligned


def test_one_layer_whatever_its_capitals(capsys):
    assert run("--layer", "maxpool2d", "--seed", "3") == 0
    lines = capsys.readouterr().out.splitlines()[2:-2]
    assert lines and all(line.startswith("MaxPool2D(") for line in lines)
    assert run("--layer", "SoftDice") == 0
    assert "4 of 4 checks passed" in capsys.readouterr().out


def test_another_seed_is_another_check(capsys):
    outputs = []
    for seed in ("0", "0", "1"):
        run("--layer", "Tanh", "--seed", seed)
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] != outputs[2]


def test_an_unknown_layer_is_named_with_the_choices():
    with pytest.raises(
        ConfigError, match=r"--layer Convolution: no such layer or loss; choose one of AvgPool2D, .*"
    ):
        run("--layer", "Convolution")


def test_a_wrong_gradient_gives_exit_code_one_and_a_report(capsys, monkeypatch):
    broken = (catalogue.LayerCase("NoSlope()", NoSlope, (4,)), *catalogue.LAYERS[:1])
    monkeypatch.setattr(catalogue, "LAYERS", broken)
    assert run() == 1
    out = capsys.readouterr().out
    assert "FAILED" in out and "off by a constant factor of 1.5" in out
    rows = [line for line in out.splitlines() if line.startswith("Dense(4) ")]
    assert len(rows) == 2 and all(row.endswith("good") for row in rows)
    assert np.isfinite(float(out.split("NoSlope()")[1].split()[2]))
