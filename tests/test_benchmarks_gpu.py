"""The GPU benchmark goes through all its motions on the fake device; a number from there is never a result."""

from __future__ import annotations

import json

import pytest

from benchmarks import gpu, gpu_steps
from benchmarks.gpu_targets import targets_of
from tests.device.fake import fake_device

TINY = (
    "--rungs 0 --batches 3 --together 0 --seconds 0.01 --rounds 2 --images 9 --no-parity --data digits "
    "--speedrun-seeds 2 --speedrun-epochs 1 --speedrun-images 200 --json"
).split()


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    file = tmp_path_factory.mktemp("gpu") / "gpu.json"
    with pytest.MonkeyPatch.context() as patch, fake_device():
        patch.setattr("minidl.experiments.speedrun.FEWEST_IMAGES", 1)
        patch.setattr("benchmarks.gpu_calls.CALLS", 3)
        patch.setattr("benchmarks.gpu_calls.NODES", 5)
        assert gpu.main([*TINY, str(file)], device="fake") == 0
    return json.loads(file.read_text())


def test_it_says_that_this_is_no_measurement(record):
    assert record["is_measurement"] is False
    assert record["device"] == "fake, which is no GPU: not a measurement"


def test_nothing_failed_and_every_form_of_minidl_was_timed(record):
    entries = [*record["calls"], *record["steps"], *record["together"], record["speedrun"]]
    assert [entry["name"] for entry in entries if entry.get("failed")] == []
    timed = {entry["form"] for entry in record["steps"] if "value" in entry}
    assert timed >= {"plain", "fused", "graph"}
    assert all(entry["value"]["median"] > 0 for entry in record["steps"] if "value" in entry)
    assert record["together"][0]["value"]["median"] > 0
    assert record["speedrun"]["value"]["seeds"] == 2
    called = {entry["name"] for entry in record["calls"] if "value" in entry}
    assert called >= {
        "add(out=)",
        "sum",
        "as_strided",
        "sliding_window_view",
        "node of a graph of 1,000 launches",
    }


def test_what_is_left_out_has_a_reason(record):
    entries = [*record["calls"], *record["steps"]]
    missing = {entry["name"]: entry["left_out"] for entry in entries if "value" not in entry}
    assert missing["ElementwiseKernel"] == "this device has no ElementwiseKernel"
    assert missing["rung 0, batch 3, torch graph"]
    assert record["parity"] == {"outcome": "not run", "left_out": "--no-parity"}


def test_targets_are_met_missed_or_not_measured():
    record = {"speedrun": None}
    nothing = targets_of(record, {}, ["0", "10"], [10, 128])
    assert {target["outcome"] for target in nothing} == {"not measured"}
    steps = {
        ("0", 10): {"graph": 20.0, "torch eager": 110.0, "torch graph": 19.0},
        ("0", 128): {"plain": 150.0, "torch eager": 200.0},
        ("10", 10): {"graph": 170.0, "together": 310.0},
    }
    record["speedrun"] = {"value": {"data": "MNIST", "seconds": 0.2, "validation_accuracy": 98.9}}
    found = {
        target["target"]: (target["outcome"], target["found"])
        for target in targets_of(record, steps, ["0", "10"], [10, 128])
    }
    assert found["rung 0, batch 128: plain no slower than PyTorch eager"] == ("met", "1.33x")
    assert found["rung 0, batch 10: graph 5x as fast as PyTorch eager"] == ("met", "5.50x")
    assert found["rung 0, batch 10: graph on par with PyTorch's CUDA graphs"] == ("missed", "0.95x")
    assert found["rung 10, batch 10: graph 5x as fast as PyTorch eager"][0] == "not measured"
    # A million steps of 170 µs are 170 s, of 310 µs 310 s.
    assert found["rung 10 at the lecture's settings under 3 minutes"][0] == "met"
    assert found["five networks of rung 10 under 5 minutes"][0] == "missed"
    assert found["speedrun to 99.0 % under 0.3 s of training (here on validation images)"][0] == "missed"


def test_without_a_gpu_it_says_so_in_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("minidl.backend._cuda_problem", lambda: "CuPy is not installed")
    assert gpu.main(["--json", str(tmp_path / "gpu.json")]) == 2
    output = capsys.readouterr()
    assert output.out == "" and len(output.err.splitlines()) == 1
    assert output.err == "benchmarks.gpu: device 'cuda' is not available: CuPy is not installed\n"
    assert not list(tmp_path.iterdir())


def test_one_failure_does_not_lose_the_rest_and_time_runs_out(capsys):
    benchmark = gpu.Benchmark(gpu._options([]), "fake")
    assert benchmark._attempt(lambda: 1 / 0) == {
        "left_out": "ZeroDivisionError: division by zero",
        "failed": True,
    }
    benchmark.options.minutes = 0.0
    assert benchmark._attempt(lambda: 1) == {"left_out": "no time left: --minutes 0"}


def test_a_failure_of_parity_is_an_exit_code(monkeypatch, tmp_path, capsys):
    class Done:
        returncode, stdout = 1, "FAILED tests/gpu/test_on_a_gpu.py\n1 failed"

    monkeypatch.setattr(gpu.subprocess, "run", lambda *args, **options: Done)
    benchmark = gpu.Benchmark(gpu._options(["--json", str(tmp_path / "gpu.json")]), "fake")
    assert benchmark._parity()["outcome"] == "failed"
    assert "1 failed" in capsys.readouterr().out
    benchmark.options.minutes = 0.0  # nothing else
    with fake_device():
        assert benchmark.run() == 1
    assert "parity tests FAILED" in capsys.readouterr().err
    assert json.loads((tmp_path / "gpu.json").read_text())["parity"]["summary"] == "1 failed"


def test_pytorchs_steps_on_the_cpu():
    pytest.importorskip("torch", reason="the peer of this benchmark")
    found = gpu_steps.torch_steps("0", 3, 0.01, 2, "eager", device="cpu")
    assert len(found) == 2 and min(found) > 0
