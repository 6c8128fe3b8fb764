"""Jumps of the loss are found, by the batch, and nothing else is called one."""

import math

import numpy as np
import pytest

from minidl.errors import StateError
from minidl.layers import Dense, Sequential
from minidl.monitoring import LossJumps
from minidl.monitoring.jumps import REFRESH


def watch(losses, batches=100, **options):
    monitor = LossJumps(**options)
    model = Sequential([Dense(1)])
    model.build((1,), rng=0)
    monitor.start(model, batches=batches)
    for loss in losses:
        monitor.observe(loss, lr=0.1)
    monitor.finish()
    return monitor


def noisy(steps, spread=0.2, seed=0):
    """A loss that falls from 2.3 to a tenth of it, scattering by `spread` of its size."""
    rng = np.random.default_rng(seed)
    return 2.3 * np.exp(-2.3 * np.arange(steps) / steps + spread * rng.normal(size=steps))


@pytest.mark.parametrize("spread", [0.05, 0.2, 0.6, 1.0])
def test_noise_is_no_jump(spread, capsys):
    assert watch(noisy(2000, spread)).jumps.rows == []
    assert capsys.readouterr().err == ""


def test_a_jump_is_named_with_epoch_and_batch(capsys):
    losses = noisy(1000)
    losses[641] = 9.0
    monitor = watch(losses)
    (row,) = monitor.jumps.rows
    assert (row["epoch"], row["batch"], row["step"]) == (7, 42, 642)
    assert row["loss"] == 9.0 and row["usual"] == pytest.approx(np.median(losses[500:600]), rel=0.05)
    assert row["spreads"] > 6
    line = capsys.readouterr().err
    assert (
        line.startswith("monitor: epoch 7, batch 42: the loss jumped to 9, where 0.")
        and line.count("\n") == 1
    )


def test_the_limit_by_hand():
    # Losses e^-2, e^-1, 1, e, e^2 over and over: median of the logarithms 0, median distance from it 1, so
    # s = 1.4826, and with threshold 2 the limit is e^2.9652 = 19.4.
    pattern = [math.exp(k) for k in (-2, -1, 0, 1, 2)] * (4 * REFRESH // 5)
    assert len(watch([*pattern, 19.3], window=50, threshold=2.0).jumps.rows) == 0
    (row,) = watch([*pattern, 19.5], window=50, threshold=2.0).jumps.rows
    assert row["usual"] == pytest.approx(1.0) and row["spreads"] == pytest.approx(math.log(19.5) / 1.4826)


def test_a_loss_that_hardly_scatters_must_still_double():
    steady = [1.0] * 100
    assert watch([*steady, 1.99]).jumps.rows == []
    assert len(watch([*steady, 2.01]).jumps.rows) == 1


def test_a_level_that_stays_up_is_one_event_and_becomes_usual():
    losses = np.concatenate([np.full(300, 0.1), np.full(700, 5.0)])
    assert [row["step"] for row in watch(losses).jumps.rows] == [301]


def test_the_window_survives_the_epochs_and_travels_with_the_state():
    losses = noisy(400)
    losses[350] = 30.0
    whole = watch(losses, batches=7)
    first = watch(losses[:210], batches=7)
    second = LossJumps()
    second.load_state_dict(first.state_dict())
    second.start(first.model, batches=7, epochs=30)
    for loss in losses[210:]:
        second.observe(loss, lr=0.1)
    second.finish()
    assert second.jumps.rows == whole.jumps.rows and len(whole.jumps.rows) == 1
    assert second.state_dict()["recent"].tolist() == whole.state_dict()["recent"].tolist()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_a_jump_at_any_time(value, capsys):
    (row,) = watch([1.0, 1.0, value, 1.0]).jumps.rows
    assert row["step"] == 3 and not math.isfinite(row["loss"])


def test_blocks_by_hand():
    # 100 batches an epoch: rows of two batches.
    monitor = watch([4.0, 2.0, 1.0, 1.0, 0.5])
    assert monitor.table.rows == [
        {"epoch": 1, "step": 2, "lr": 0.1, "loss": 3.0, "highest": 4.0},
        {"epoch": 1, "step": 4, "lr": 0.1, "loss": 1.0, "highest": 1.0},
    ]
    # Three batches an epoch: a row for each, also for the last of an epoch.
    assert [row["loss"] for row in watch([3.0, 2.0, 1.0, 0.5], batches=3).table.rows] == [3.0, 2.0, 1.0, 0.5]


def test_numpy_scalars_are_losses_too():
    assert watch(list(np.float32([1, 2, 3])), batches=3).table.rows[2]["loss"] == 3.0


def test_start_comes_first():
    with pytest.raises(StateError, match=r"call start\(model"):
        LossJumps().observe(1.0)
