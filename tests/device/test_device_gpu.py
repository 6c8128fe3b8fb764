"""On a real GPU: the numbers of the CPU, gradients, a training, checkpoints, and no waiting inside a step.

``python -m pytest -m gpu tests`` runs these where CuPy sees a GPU; elsewhere they are skipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minidl.backend import choose_device, device_of, namespace, to_device
from minidl.data import Loader
from minidl.data.resident import on_device
from minidl.errors import DeviceError
from minidl.experiments.ladder import INPUT_SHAPE, build_model
from minidl.layers.catalogue import LAYERS, LOSSES
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD, Adam
from minidl.training import Callback, Trainer, WeightAverage
from tests.device.checks import fused_or_not, kernels
from tests.device.parity import (
    OPTIMIZERS,
    assert_alike,
    check_layer_parity,
    check_loss_parity,
    check_optimizer_parity,
    check_slopes,
    fit,
)

if choose_device("auto") != "cuda":
    pytest.skip("there is no GPU that CuPy sees", allow_module_level=True)

pytestmark = pytest.mark.gpu
types = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])


@types
@kernels
@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.label)
def test_layer(case, kernels, dtype):
    with fused_or_not(kernels):
        check_layer_parity(case, "cuda", dtype)


@kernels
@pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.label)
def test_slopes(case, kernels):
    with fused_or_not(kernels):
        check_slopes(case, "cuda")


@types
@kernels
@pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.label)
def test_loss(case, kernels, dtype):
    with fused_or_not(kernels):
        check_loss_parity(case, "cuda", dtype)


@types
@kernels
@pytest.mark.parametrize("label", OPTIMIZERS)
def test_optimizer(label, kernels, dtype):
    with fused_or_not(kernels):
        check_optimizer_parity(label, "cuda", dtype)


@kernels
def test_a_training_follows_that_of_the_cpu(kernels):
    with fused_or_not(kernels):
        assert_alike(fit("cpu"), fit("cuda"))


@pytest.mark.parametrize(("first", "then"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_a_checkpoint_moves(tmp_path, first, then):
    class Killed(Exception):
        pass

    class Kill(Callback):
        def on_batch_end(self, trainer: Any) -> None:
            if trainer.epoch == 3:
                raise Killed

    whole = fit("cpu", 4, optimizer=Adam, callbacks=[WeightAverage(0.9)])
    with pytest.raises(Killed):
        fit(first, 4, optimizer=Adam, callbacks=[WeightAverage(0.9), Kill()], run_dir=tmp_path / "run")
    again = fit(then, 4, optimizer=Adam, callbacks=[WeightAverage(0.9)], run_dir=tmp_path / "run")
    assert_alike(whole, again)


SPIN = r"""
extern "C" __global__ void spin(long long cycles) {
    long long start = clock64();
    while (clock64() - start < cycles) { }
}
"""


@kernels
@pytest.mark.parametrize("rung", ["0", "1", "3", "10"])
def test_the_host_never_waits_inside_a_step(rung, kernels):
    """The device is kept busy for a second; a host that comes back from a whole step before has not waited."""
    images = np.random.default_rng(0).integers(0, 256, (40, *INPUT_SHAPE), dtype=np.uint8)
    model, loss, optimizer = build_model(rung, "lecture"), SoftmaxCrossEntropy(), SGD(0.03)
    model.build(INPUT_SHAPE, rng=0)
    model.to("cuda")
    parameters = list(model.named_parameters())
    xp = namespace(parameters[0][1].value)
    spin, done = xp.RawKernel(SPIN, "spin"), xp.cuda.Event()
    with fused_or_not(kernels):
        batches = on_device(Loader(images, np.arange(40) % 10, 10), "cuda").epoch(0)
        for number, (x, y) in enumerate(batches):
            if number == 2:
                spin((1,), (1,), (np.int64(2_000_000_000),))
                done.record()
            optimizer.prepare(parameters)
            loss.forward(model.forward(x, train=True), y)
            model.backward_parameters(loss.backward())
            optimizer.step(parameters)
    assert not done.done, "two steps took longer than the second that the device was busy: the host waited"
    xp.cuda.get_current_stream().synchronize()


def test_memory_that_does_not_suffice():
    model = build_model("10", "lecture")
    model.build(INPUT_SHAPE, rng=0)
    model.to("cuda")
    xp = namespace(next(model.named_parameters())[1].value)
    pool = xp.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(size=pool.total_bytes() + 200 * 2**20)
    try:
        wide = np.zeros((20_000, *INPUT_SHAPE), np.uint8)
        trainer = Trainer(model, SoftmaxCrossEntropy(), SGD(0.1), progress=False)
        with pytest.raises(DeviceError, match="does not suffice for a batch of 20,000: about .* would fit"):
            trainer.fit(Loader(wide, np.zeros(20_000, int), 20_000), 1)
    finally:
        pool.set_limit(size=0)


def test_arrays_come_back_as_they_went():
    for array in (
        np.arange(6.0).reshape(2, 3).T,
        np.array(3),
        np.zeros((0, 2)),
        np.arange(5, dtype=np.uint8),
    ):
        there = to_device(array, "cuda")
        assert device_of(there) == "cuda" and there.dtype == array.dtype
        np.testing.assert_array_equal(to_device(there, "cpu"), array)
