"""The benchmark of everything around the training step, in small; DeZero's column; a student's layer among ours."""

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import minidl
from benchmarks import footprint, foreign, models, train_step, whole
from minidl.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Sequential

ROOT = Path(__file__).resolve().parents[1]


def kinds(model):
    return [type(step).__name__ for step in model._steps]


def gradients(model, batch, threads=None):
    ((x, y),) = models.random_batches(batch, 1)
    step = models.training_step(model)
    if threads is None:
        loss = step(x, y)
    else:
        with minidl.threads(threads):
            loss = step(x, y)
    return loss, {name: np.array(parameter.grad) for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("place", foreign.PLACES.values())
@pytest.mark.parametrize("threads", [None, 2])
def test_a_foreign_layer_changes_no_result(place, threads):
    batch = 5 if threads is None else 64  # enough for two threads to share the convolutions
    loss, ours = gradients(foreign.model(None), batch, threads)
    other, theirs = gradients(foreign.model(place), batch, threads)
    np.testing.assert_allclose(other, loss, rtol=1e-6)
    for name, gradient in ours.items():
        scale = np.abs(gradient).max()
        np.testing.assert_allclose(theirs[name], gradient, rtol=1e-4, atol=1e-6 * scale, err_msg=name)


@pytest.mark.parametrize("place", foreign.PLACES.values())
def test_beside_a_foreign_layer_the_rest_keeps_its_fast_path(place):
    ours, theirs = kinds(foreign.model(None)), kinds(foreign.model(place))
    assert ours[0] == "ConvMaxPool"  # the first convolution with its pooling
    expected = [*ours]
    expected[place - 1] = "Foreign"  # one step less before it: two layers are one
    assert theirs == expected
    assert kinds(foreign.model(None, fused=False))[:2] == ["Conv2D", "MaxPool2D"]


def test_only_the_pair_around_the_foreign_layer_is_run_apart():
    layers = [
        Conv2D(1, 3),
        foreign.StudentReLU(),
        MaxPool2D(2),
        Conv2D(3, 3),
        ReLU(),
        MaxPool2D(2),
        Flatten(),
        Dense(2),
    ]
    model = Sequential(layers)
    model.build((1, 12, 12))
    assert kinds(model) == ["Conv2D", "Foreign", "MaxPool2D", "ConvMaxPool", "ReLU", "Flatten", "Dense"]


def test_a_place_without_a_relu_is_refused():
    with pytest.raises(ValueError, match="layer 1 of rung 3 is no ReLU"):
        foreign.model(1)


@pytest.fixture(scope="module")
def short_run(tmp_path_factory):
    file = tmp_path_factory.mktemp("whole") / "whole.json"
    words = (
        "--images 60 --rung 0 --batch 16 --rungs 0 --inference-batches 1,8 --memory-rung 4 --imports 2 "
        "--foreign-batches 4 --threads 1 --seconds 0.02 --rounds 1 --no-torch --json"
    )
    assert whole.main([*words.split(), str(file)]) == 0
    return json.loads(file.read_text())


def test_a_short_run_measures_every_part(short_run):
    assert set(whole.PARTS) <= set(short_run)
    assert [(row["rung"], row["batch"]) for row in short_run["inference"]] == [("0", 1), ("0", 8)]
    assert all(row["minidl"] > 0 for row in short_run["inference"])
    images = {row["augmentation"]: row["images"] for row in short_run["epoch"]}
    assert images == {"none": 60, "shift": 60, "affine": 60, "expanded": 300}
    for row in short_run["epoch"]:
        assert row["images_per_second"] == pytest.approx(row["images"] / row["seconds"])
        assert row["epoch_over_steps"] == pytest.approx(row["seconds"] / row["steps_seconds"])
        assert row["loading_seconds"] > 0  # measured apart, so noise may make it longer than the whole
    memory = short_run["memory"]
    assert memory["images"] == 300 and 10 < memory["before_mib"] < memory["peak_mib"] < memory["bar_mib"]
    assert len(short_run["import"]["minidl_all_ms"]) == 2
    assert short_run["import"]["numpy_ms"] > 0 and short_run["import"]["modules"] > 20
    assert [row["student"] for row in short_run["foreign"]] == [
        foreign.OURS,
        *foreign.PLACES,
        foreign.UNFUSED,
    ]
    assert short_run["foreign"][0]["median_ratio"] == 1.0


def test_an_epoch_is_compared_with_as_many_steps(monkeypatch):
    monkeypatch.setattr(
        whole, "_seconds", lambda batches, work: float(len(list(batches)))
    )  # a batch a second
    words = "--images 60 --rung 0 --batch 16 --threads 1 --rounds 1 --no-torch".split()
    rows = whole.measure_epochs(whole.parse_arguments(words))
    # 60 / 16 gives 4 batches, 300 / 16 gives 19.
    assert [row["steps_seconds"] for row in rows] == [4, 4, 4, 19]
    assert [row["epoch_over_steps"] for row in rows] == [1, 1, 1, 1]


def test_peak_memory_is_that_of_the_process():
    source = (
        "import numpy as np; from benchmarks.footprint import peak_memory; before = peak_memory(); "
        "ones = np.ones(80 * 2**20, np.uint8); del ones; print(peak_memory() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert 75 < float(done.stdout) < 100


def test_a_process_that_fails_is_not_measured():
    with pytest.raises(RuntimeError, match="rung 3 does not train on expanded images"):
        footprint.measure_memory("3", 10, 10)


@pytest.mark.parametrize("words", [["--parts", "memroy"], ["--images", "0"], ["--threads", "0"]])
def test_a_wrong_option_exits_with_2(words, capsys):
    with pytest.raises(SystemExit) as exit_:
        whole.main(words)
    assert exit_.value.code == 2 and "error" in capsys.readouterr().err


# DeZero ------------------------------------------------------------------------------------------


def test_dezero_gets_a_column_and_a_ratio(monkeypatch):
    def slow(number):
        time.sleep(0.002)
        return 2.3

    entries = [
        train_step.Contestant("minidl", "", 1, lambda number: time.sleep(0.0002) or 2.3),
        train_step.Contestant("DeZero", "", 1, slow),
    ]
    monkeypatch.setattr(train_step, "contestants", lambda *arguments: entries)
    options = argparse.Namespace(threads=[1], seconds=0.03, rounds=1, dezero=True)
    result = train_step.measure("0", 4, options, [])
    expected = entries[1].median / entries[0].median
    assert result["dezero_over_minidl_median"] == pytest.approx(expected, rel=0.01) and expected > 2
    assert "torch_over_minidl_median" not in result
    names, line = train_step.header(True), train_step.row(result, 100.0, True)
    assert line[names.index("DeZero") :].startswith(f"{entries[1].median:.0f} ")
    assert f"{result['dezero_over_minidl_median']:.2f}" in line
    assert "DeZero" not in train_step.header(False)


@pytest.mark.skipif(importlib.util.find_spec("dezero") is None, reason="DeZero is not installed")
@pytest.mark.filterwarnings("ignore")  # of the package itself
@pytest.mark.parametrize("rung", ["0", "3"])
def test_the_dezero_twin_computes_the_same_loss(rung):
    batches = models.random_batches(3, 1)
    ours = models.training_step(models.minidl_model(rung))
    theirs = train_step.dezero_step(rung, batches)
    for _ in range(3):  # the second and third step show that the updates agree as well
        np.testing.assert_allclose(ours(*batches[0]), theirs(0), rtol=1e-5)
