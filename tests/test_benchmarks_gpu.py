"""The GPU benchmark goes through all its motions on the fake device; a number from there is never a result."""

from __future__ import annotations

import json

import pytest

from benchmarks import gpu, gpu_steps
from benchmarks.gpu_targets import targets_of
from tests.device.fake import fake_device
from tests.device.fake_cublas import FakeCublas

TINY = (
    "--rungs 0 --batches 3 --together 0 --seconds 0.01 --rounds 2 --images 9 --no-parity --data digits "
    "--speedrun-seeds 2 --speedrun-epochs 1 --speedrun-images 200 --json"
).split()


@pytest.fixture
def device():
    with fake_device() as ledger:
        yield ledger


@pytest.fixture(scope="module")
def printed():
    return []


@pytest.fixture(scope="module")
def record(tmp_path_factory, printed):
    file = tmp_path_factory.mktemp("gpu") / "gpu.json"
    with pytest.MonkeyPatch.context() as patch, fake_device():
        patch.setattr("builtins.print", lambda *words, **options: printed.append(" ".join(words)))
        patch.setattr("benchmarks.gpu_cublas.loaded_library", FakeCublas)
        patch.setattr("benchmarks.gpu_products.NODES", 2)
        patch.setattr("minidl.experiments.speedrun.FEWEST_IMAGES", 1)
        patch.setattr("benchmarks.gpu_steps.MEMBERS", 2)
        patch.setattr("benchmarks.gpu_calls.CALLS", 3)
        patch.setattr("benchmarks.gpu_calls.NODES", 5)
        assert gpu.main([*TINY, str(file)], device="fake") == 0
    return json.loads(file.read_text())


def test_it_says_that_this_is_no_measurement(record):
    assert record["is_measurement"] is False
    assert record["device"] == "fake, which is no GPU: not a measurement"


def test_nothing_failed_and_every_form_of_minidl_was_timed(record):
    tables = ("calls", "products", "steps", "together")
    entries = [*(entry for table in tables for entry in record[table]), record["speedrun"]]
    assert [entry["name"] for entry in entries if entry.get("failed")] == []
    timed = {entry["form"] for entry in record["steps"] if "value" in entry}
    assert timed >= {"plain", "fused", "graph"}
    assert all(entry["value"]["median"] > 0 for entry in record["steps"] if "value" in entry)
    ways = {entry["form"]: entry["value"]["median"] for entry in record["together"]}
    assert list(ways) == ["one after another", "branches of one graph", "side by side"]
    assert min(ways.values()) > 0
    # Epochs that record are not among the rounds.
    assert [len(entry["value"]["rounds"]) for entry in record["together"]] == [2, 2, 2]
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


def test_cublas_in_a_graph_is_tried_with_every_product(record, printed):
    *products, verdict = record["products"]
    # Rung 0 is 784-100-10; the first layer needs no gradient of its inputs.
    names = [entry["name"].removeprefix("rung 0, batch 3, ") for entry in products]
    assert names == [
        "dense 784 to 100, forward (3 x 784)(784 x 100)",
        "dense 784 to 100, weights (784 x 3)(3 x 100)",
        "dense 100 to 10, forward (3 x 100)(100 x 10)",
        "dense 100 to 10, weights (100 x 3)(3 x 10)",
        "dense 100 to 10, inputs (3 x 10)(10 x 100)",
    ]
    for entry in products:
        assert entry["value"]["bit_equal"] is True
        assert entry["value"]["cublas"] > 0 and entry["value"]["minidl"] > 0
    assert verdict == {
        "name": "cublasSgemm by ctypes in a graph",
        "unit": "",
        "predicted": "works, bit-equal to eager",
        "value": "works, bit-equal to eager",
    }
    assert f"{verdict['name']}: {verdict['value']} (predicted works, bit-equal to eager)" in printed
    line = next(line for line in printed if line.startswith("rung 0, batch 3, dense 784 to 100, forward"))
    assert "cuBLAS" in line and "minidl" in line and line.endswith(", bit-equal to eager")


def test_five_networks_have_a_row_for_each_way_with_its_prediction(device, monkeypatch, tmp_path, capsys):
    ways = {"sequential_steps": [9.0, 8.0], "branch_steps": [4.0, 5.0], "side_by_side_steps": [3.0, 2.0]}
    for name, rounds in ways.items():
        monkeypatch.setattr(gpu_steps, name, lambda *args, rounds=rounds: rounds)
    benchmark = gpu.Benchmark(gpu._options(["--json", str(tmp_path / "gpu.json")]), "fake")
    benchmark._together("10")
    assert capsys.readouterr().out.splitlines() == [
        "5 networks of rung 10, batch 10, one after another: 8.5 µs per step of all (predicted 440)",
        "5 networks of rung 10, batch 10, branches of one graph: 4.5 µs per step of all (predicted 150-250)",
        "5 networks of rung 10, batch 10, side by side: 2.5 µs per step of all (predicted 110-160)",
    ]
    assert benchmark.steps == {("10", 10): {"together": 2.5}}
    assert [entry["predicted"] for entry in benchmark.record["together"]] == ["440", "150-250", "110-160"]
    # Only the last is what minidl does, and what the target is about.
    monkeypatch.setattr(gpu_steps, "side_by_side_steps", lambda *args: 1 / 0)
    benchmark.steps.clear()
    benchmark._together("10")
    assert benchmark.steps == {}
    assert benchmark.record["together"][-1]["left_out"] == "ZeroDivisionError: division by zero"


def test_networks_one_after_another_take_the_sum_of_their_times(monkeypatch):
    seeds = []
    monkeypatch.setattr(
        gpu_steps, "graph_steps", lambda *args: seeds.append(args[-1]) or [1.0 + args[-1], 2.0]
    )
    assert gpu_steps.sequential_steps("10", 10, "fake", 100, 2) == [1 + 2 + 3 + 4 + 5, 10]
    assert seeds == [0, 1, 2, 3, 4]


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
