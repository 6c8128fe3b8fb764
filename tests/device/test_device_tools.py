"""Everything that hangs on a training, or looks at a network, with the network on the fake device."""

from __future__ import annotations

import importlib.util
import pkgutil
import sys
from pathlib import Path

import numpy as np
import pytest

import minidl
from minidl.backend import device_of, to_cpu
from minidl.cli.main import main
from minidl.data import Loader
from minidl.experiments.config import Config
from minidl.experiments.scoring import TrainedRun
from minidl.experiments.training_run import prepare
from minidl.gradcheck import check_model
from minidl.layers import BatchNorm, Conv2D, Dense, Flatten, ReLU, Sequential, fold_batchnorm
from minidl.losses import SoftmaxCrossEntropy
from minidl.monitoring import Filters, Histograms, LossJumps, Monitor, UpdateRatios
from minidl.monitoring.place import Place
from minidl.monitoring.probe import look_inside
from minidl.optimizers import SGD
from minidl.training import (
    BestWeights,
    Callback,
    EarlyStopping,
    NaNGuard,
    Progress,
    ReduceOnPlateau,
    Snapshots,
    WeightAverage,
    export_weights,
    import_weights,
    lr_range_test,
)
from minidl.training.unfreeze import Freeze, Unfreeze
from tests.device.checks import library
from tests.device.fake import FakeArray, from_host
from tests.device.parity import digits, fit, small_network
from tests.device.test_device_training import Steps

# Those that leave the step alone, and those that read from the device at a clock of their own.
SILENT = {
    "NaNGuard": NaNGuard,
    "BestWeights": BestWeights,
    "Progress": Progress,
    "EarlyStopping": lambda: EarlyStopping(patience=2),
    "ReduceOnPlateau": ReduceOnPlateau,
    "WeightAverage": WeightAverage,
    "Snapshots": lambda: Snapshots(every=2),
    "Freeze": lambda: Freeze("1"),
    "Unfreeze": lambda: Unfreeze(2, "1"),
}
AT_A_CLOCK = {
    "Monitor": lambda: Monitor(every=4),
    "UpdateRatios": lambda: UpdateRatios(every=4),
    "Histograms": lambda: Histograms(every=4),
    "LossJumps": LossJumps,
    "Filters": Filters,
}
# No part of a training by a Trainer, or nothing but a reader of rows of the history.
OTHERS = {"Sampler", "TensorBoard", "_KeepConfiguration", "Pruning", "_Lines", "_Losses"}


def test_no_callback_is_missing_from_the_tables():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: one of the callbacks belongs to it")
    for _, name, _ in pkgutil.walk_packages(minidl.__path__, "minidl."):
        if "Callback" in Path(importlib.util.find_spec(name).origin).read_text():
            importlib.import_module(name)
    assert library(Callback) == {*SILENT, *AT_A_CLOCK, *OTHERS}


@pytest.mark.parametrize("name", SILENT)
def test_a_callback_that_leaves_the_step_alone(device, name):
    watch = Steps()
    schedule = {"schedule": None} if name == "ReduceOnPlateau" else {}
    trainer = fit("fake", callbacks=[SILENT[name](), watch], **schedule)
    assert watch.transfers == [] and len(trainer.history) >= 2


@pytest.mark.parametrize("name", [name for name in AT_A_CLOCK if name != "Filters"])
def test_a_callback_that_reads_at_a_clock(device, name, tmp_path):
    watch = Steps()
    fit("fake", callbacks=[AT_A_CLOCK[name](), watch], run_dir=tmp_path / "run")
    assert len(watch.transfers) > 0 and list((tmp_path / "run" / "monitor").iterdir())


def network(device_name: str = "fake") -> Sequential:
    model = Sequential([Conv2D(3, 3), BatchNorm(), ReLU(), Flatten(), Dense(10)])
    model.build((1, 12, 12), rng=1)
    return model.to(device_name)


def test_filters_and_a_look_inside(device):
    images, labels = digits(8)
    x = images.astype(np.float32) / 255
    loss = SoftmaxCrossEntropy()
    there, host = (look_inside(network(name), x, loss, labels) for name in ("fake", "cpu"))
    assert there.loss == pytest.approx(host.loss, rel=1e-6)
    for a, b in zip(there.layers, host.layers, strict=True):
        assert isinstance(a.output, np.ndarray)
        np.testing.assert_allclose(a.output, b.output, rtol=1e-4, atol=1e-5)
    filters = Filters()
    model = network()
    filters.start(model, loss, (x, labels), batches=4)
    filters.look(Place.of_step(1, 4))


def test_the_rate_test(device):
    loader = Loader(*digits(), 10, seeds=0)
    there, host = (
        lr_range_test(small_network(name), SoftmaxCrossEntropy(), SGD(0.1), loader, steps=12)
        for name in ("fake", "cpu")
    )
    np.testing.assert_allclose(there.losses, host.losses, rtol=1e-3)


def test_weights_go_out_and_come_in(device, tmp_path):
    source, target = network(), network()
    for _, parameter in source.named_parameters():
        parameter.value += 1
    export_weights(source, tmp_path / "weights.safetensors")
    import_weights(target, tmp_path / "weights.safetensors")
    for (_, a), (_, b) in zip(source.named_parameters(), target.named_parameters(), strict=True):
        assert isinstance(b.value, FakeArray)
        np.testing.assert_array_equal(to_cpu(b.value), to_cpu(a.value))


def test_folding_and_the_gradient_check(device):
    model, x = network(), from_host(np.random.default_rng(0).random((4, 1, 12, 12), np.float32))
    model.forward(x, train=True)
    folded = fold_batchnorm(model)
    np.testing.assert_allclose(to_cpu(folded.forward(x)), to_cpu(model.forward(x)), rtol=1e-4, atol=1e-5)
    images, labels = digits(4)
    check_model(
        network(), SoftmaxCrossEntropy(), images[:3] / 255.0, labels[:3], max_entries=5
    ).raise_if_failed()
    assert device_of(next(model.named_parameters())[1].value) == "fake"


@pytest.mark.parametrize("command", ["evaluate RUN", "ensemble RUN RUN", "lr-find", "progression"])
def test_a_command_without_a_gpu_says_so_in_one_line(command, capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # as if it were not installed
    words = [str(tmp_path) if word == "RUN" else word for word in command.split()]
    assert main([*words, "--device", "cuda"]) == 2
    assert "device 'cuda' is not available: CuPy is" in capsys.readouterr().err


def test_a_trained_run_is_scored_where_it_is_asked_to(device, tmp_path):
    config = Config().with_values(
        data__name="digits", data__subset=60, training__epochs=1, training__device="cpu", training__threads=1
    )
    prepare(config).fit(tmp_path / "run", progress=False)
    there, host = (TrainedRun(tmp_path / "run", device=name) for name in ("fake", "cpu"))
    assert isinstance(next(there.model.named_parameters())[1].value, FakeArray)
    a, b = (run.score("validation").facts for run in (there, host))
    assert (a["accuracy"], a["loss"]) == pytest.approx((b["accuracy"], b["loss"]), rel=1e-5)
