"""Whole training steps and whole trainings on the fake device, beside the same on the CPU."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from minidl.backend import to_cpu
from minidl.data import Loader, Split
from minidl.data.mix import Mixup
from minidl.data.resident import on_device
from minidl.errors import DeviceError, DivergenceError
from minidl.experiments.ladder import INPUT_SHAPE, build_model
from minidl.layers import Dense, Flatten, ReLU, Sequential
from minidl.losses import SoftmaxCrossEntropy
from minidl.monitoring import Monitor
from minidl.optimizers import SGD, Adam, Momentum
from minidl.training import Callback, Trainer, WeightAverage, evaluate, load_weights, predict
from minidl.training.checkpoint import capture, restore
from tests.device.checks import fused_or_not, kernels, require_clean
from tests.device.fake import LEDGER, FakeArray, from_host
from tests.device.parity import assert_alike, digits, fit, small_network

# Launches of one step, batch 10: as the plain layers, and with fused kernels.
STEP_BUDGET = {"0": (40, 11), "1": (80, 16), "3": (128, 24), "10": (150, 38)}


class Steps(Callback):
    """Keep the transfers between the first batch of an epoch and the last; the first epoch is left out."""

    order = 1000

    def __init__(self) -> None:
        self.transfers: list[Any] = []
        self.seen = 0

    def on_batch_end(self, trainer: Any) -> None:
        if trainer.epoch > 1 and trainer.batch > 0:
            self.transfers += LEDGER.transfers[self.seen :]
        self.seen = len(LEDGER.transfers)


@kernels
@pytest.mark.parametrize("rung", STEP_BUDGET)
def test_the_step_of_a_rung(device, rung, kernels):
    generator = np.random.default_rng(0)
    x = from_host(generator.random((10, *INPUT_SHAPE)).astype(np.float32))
    y = from_host(generator.integers(0, 10, 10))
    model, loss, optimizer = build_model(rung, "lecture"), SoftmaxCrossEntropy(), SGD(0.03)
    model.build(INPUT_SHAPE, rng=0)
    model.to("fake")
    parameters = list(model.named_parameters())

    def step() -> None:
        optimizer.prepare(parameters)
        value = loss.forward(model.forward(x, train=True), y)
        model.backward_parameters(loss.backward())
        optimizer.step(parameters)
        assert value.dtype == np.float32 and value.shape == ()

    with fused_or_not(kernels):
        seen = require_clean(step)
    assert seen.count <= STEP_BUDGET[rung][kernels], dict(seen.launches)


def test_a_training_follows_that_of_the_cpu(device):
    host, watch = fit("cpu"), Steps()
    there = fit("fake", callbacks=[watch])
    assert watch.transfers == []
    assert_alike(host, there)
    assert host.history.rows[-1]["val_accuracy"] > 0.5  # it has learned something to be compared


@pytest.mark.parametrize(
    "mode", [{"decay": 0.9}, {"mode": "polyak", "start": 1}, {"decay": 0.9, "batchnorm": "recompute"}]
)
def test_averaged_weights(device, mode):
    host, watch = fit("cpu", callbacks=[WeightAverage(**mode)]), Steps()
    there = fit("fake", callbacks=[WeightAverage(**mode), watch])
    assert watch.transfers == []
    assert_alike(host, there)


def test_mixup_uploads_its_draws_and_the_step_nothing(device):
    host, watch = fit("cpu", loader={"mix": Mixup(0.4)}), Steps()
    there = fit("fake", loader={"mix": Mixup(0.4)}, callbacks=[watch])
    assert {transfer.where.partition(":")[0] for transfer in watch.transfers} == {"mix.py"}
    assert_alike(host, there)


def test_the_monitor_reads_at_its_own_clock(device, tmp_path):
    watch = Steps()
    there = fit("fake", callbacks=[Monitor(every=3), watch], run_dir=tmp_path / "run")
    host = fit("cpu", callbacks=[Monitor(every=3)], run_dir=tmp_path / "host")
    assert_alike(host, there)
    mine, theirs = (t.callbacks[[type(c) for c in t.callbacks].index(Monitor)] for t in (there, host))
    for a, b in zip(mine.updates.table.rows, theirs.updates.table.rows, strict=True):
        for name in ("gradient_norm", "ratio/1.weight", "ratio/5.weight"):
            assert a[name] == pytest.approx(b[name], rel=1e-2), name
    assert [row["loss"] for row in mine.jumps.table.rows] == pytest.approx(
        [row["loss"] for row in theirs.jumps.table.rows], rel=1e-3
    )


def test_evaluation_waits_once(device):
    model, split = small_network("fake"), Split(*digits(30))
    there = on_device(split, "fake")
    with LEDGER.watched() as seen:
        score = evaluate(model, SoftmaxCrossEntropy(), there, batch_size=7)
    assert [transfer.what for transfer in seen.transfers] == [
        "float(x)",
        "float(x)",
    ]  # the loss, and the hits
    assert score == pytest.approx(
        evaluate(small_network(), SoftmaxCrossEntropy(), split, batch_size=7), rel=1e-5
    )
    found = predict(model, split.images, batch_size=7)
    np.testing.assert_allclose(
        found, predict(small_network(), split.images, batch_size=7), rtol=1e-4, atol=1e-6
    )


def test_a_loss_that_is_not_finite_is_found(device):
    class Spoil(Callback):
        def on_batch_end(self, trainer):
            if trainer.epoch == 2 and trainer.batch == 3:
                next(iter(trainer.model.named_parameters()))[1].value.fill(float("nan"))

    with pytest.raises(DivergenceError, match=r"epoch 2 of 3.*parameter 1.weight"):
        fit("fake", callbacks=[Spoil()])


@pytest.mark.parametrize(("first", "then"), [("fake", "cpu"), ("cpu", "fake")])
def test_a_checkpoint_moves_between_devices(device, tmp_path, first, then):
    def parts():
        return {"optimizer": Adam, "callbacks": [WeightAverage(0.9)]}

    whole = fit("cpu", 4, **parts())
    run_dir = tmp_path / "run"
    with pytest.raises(Killed):
        fit(first, 4, **{**parts(), "callbacks": [WeightAverage(0.9), Kill()]}, run_dir=run_dir)
    again = fit(then, 4, **parts(), run_dir=run_dir)
    assert_alike(whole, again)
    weights = small_network("fake")
    load_weights(weights, run_dir / "checkpoints" / "last.safetensors")
    for (_, a), (_, b) in zip(weights.named_parameters(), again.model.named_parameters(), strict=True):
        assert isinstance(a.value, FakeArray)
        np.testing.assert_array_equal(to_cpu(a.value), to_cpu(b.value))


def test_what_is_restored_lies_where_the_model_does(device):
    trainer = fit("cpu", 1, callbacks=[WeightAverage(0.9)])
    stateful = {"average": trainer.callbacks[[type(c) for c in trainer.callbacks].index(WeightAverage)]}
    tensors, state = capture(trainer.model, trainer.optimizer, stateful)
    optimizer, average = Momentum(0.1), WeightAverage(0.9)
    restore(small_network("fake"), optimizer, {"average": average}, tensors, state)
    found = [*optimizer.state_dict().values(), *average.weights.values()]
    assert [type(x) for x in found if hasattr(x, "shape")] == [FakeArray] * 10


def test_an_average_follows_its_model_to_another_device(device):
    model, average = small_network(), WeightAverage(0.5, warmup=False)
    average.update(model)
    expected = {name: (p.value + (p.value + 1)) / 2 for name, p in model.named_parameters()}
    model.to("fake")
    for _, parameter in model.named_parameters():
        parameter.value += 1
    with LEDGER.watched() as seen:
        average.update(model)
        average.update(model)
    assert len(seen.transfers) == len(expected)  # once
    for name, x in average.weights.items():
        np.testing.assert_allclose(to_cpu(x), expected[name] + 0.25, rtol=1e-5, atol=1e-6)


class Killed(Exception):
    pass


class Kill(Callback):
    """End a run in the middle of its third epoch."""

    def on_batch_end(self, trainer: Any) -> None:
        if trainer.epoch == 3 and trainer.batch == 2:
            raise Killed


@pytest.mark.parametrize(
    "capacity", [4_000_000, 1_000_000]
)  # in the second not even the first trial batch fits
def test_device_memory_that_does_not_suffice(device, capacity):
    LEDGER.capacity = capacity
    images, labels = digits(1600)

    def trainer() -> Trainer:
        model = Sequential([Flatten(), Dense(200), ReLU(), Dense(200), ReLU(), Dense(10)])
        model.build((1, 12, 12))
        return Trainer(model.to("fake"), SoftmaxCrossEntropy(), SGD(0.1), progress=False)

    with pytest.raises(
        DeviceError, match=r"does not suffice for a batch of 1,600: about \d+ would fit"
    ) as caught:
        trainer().fit(Loader(images, labels, 1600), 1)
    message = str(caught.value)
    del caught  # and with it the arrays of the step that failed
    fits = int(re.search(r"about (\d+) would", message).group(1))
    trainer().fit(Loader(images, labels, fits), 1)  # so many do fit,
    with pytest.raises(DeviceError, match="does not suffice"):
        trainer().fit(Loader(images, labels, fits * 2), 1)  # and it was not much too careful

    LEDGER.capacity = 300_000
    with pytest.raises(DeviceError, match="does not suffice for the 1,600 images; use fewer"):
        trainer().fit(Loader(images, labels, 10), 1)
