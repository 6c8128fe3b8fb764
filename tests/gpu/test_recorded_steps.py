"""Whole recorded trainings by the CUDA text of every kernel, run on the CPU: the numbers are those of the CPU's layers.

The device is the fake one, which records and replays; where it would run a kernel's NumPy line, it runs the CUDA
text, its threads in shuffled order.
"""

from __future__ import annotations

from collections import Counter

import pytest

from minidl.kernels.gpu import gemm
from tests.device import fake
from tests.device.fake import LEDGER, fake_device, raw
from tests.device.test_device_side_by_side import EPOCHS, HELD_OUT, fit_together, require_equal, trainer
from tests.gpu.cuda_on_cpu import run_on_cpu


@pytest.fixture
def ran(library, monkeypatch):
    """Count how often each kernel's CUDA text ran."""
    counts = Counter()

    def launch(kernel, size, args):
        given = raw(args)
        kernel.bind(given)
        written = tuple(argument.name for argument in kernel.arguments if argument.written)

        def act():
            counts[kernel.name] += 1
            results = run_on_cpu(library, kernel, kernel.grid(size), given, updated=written, order="shuffled")
            for argument, value in zip(kernel.arguments, given, strict=True):
                if argument.written and value is not None:
                    value[...] = results[argument.name].reshape(value.shape)

        LEDGER.do(f"kernel {kernel.name}", act)

    # In so small a network, too, some products are cut into shares, and only the thinnest have the thin kernel.
    monkeypatch.setattr(gemm, "SHORTEST_SHARE", 4)
    monkeypatch.setattr(gemm, "THIN_ROWS", 4)
    monkeypatch.setattr(fake, "launch", launch)
    with fake_device():
        yield counts


def test_a_recorded_training(ran):
    alone, loader = trainer(0, schedule=None)
    alone.fit(loader, EPOCHS, HELD_OUT)
    there, loader = trainer(0, device="fake", schedule=None, graph=2)
    there.fit(loader, EPOCHS, HELD_OUT)
    require_equal(alone, there)
    assert there._replay.steps.replays > 0
    # 23 images in batches of five, three epochs: fifteen steps, each of which has a batch, a loss and two masks.
    assert ran["next_batch"] == ran["tally"] == 15 and ran["dropout"] == 30
    assert {"gemm_thin", "gemm_tile", "gemm_shares", "conv_pool", "advance"} <= ran.keys()


def test_networks_side_by_side(ran):
    alone = [trainer(seed, schedule=None) for seed in range(2)]
    for made, loader in alone:
        made.fit(loader, EPOCHS, HELD_OUT)
    together = fit_together([trainer(seed, device="fake", schedule=None) for seed in range(2)], graph="auto")
    for (one, _), other in zip(alone, together, strict=True):
        require_equal(one, other)
    assert ran["next_batch"] == 15 and ran["dropout_gains"] == 30
