"""Schedules: closed forms by hand, the lecture's numbers, and PyTorch."""

import dataclasses
import math

import numpy as np
import pytest

from minidl.errors import ConfigError
from minidl.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseTime,
    Linear,
    MultiStep,
    OneCycle,
    StepDecay,
    Warmup,
)

EVERY = [
    Constant(0.1),
    StepDecay(0.1),
    MultiStep(0.1),
    Exponential(0.1, 3),
    InverseTime(0.1, 3),
    Linear(0.1),
    Cosine(0.1),
    OneCycle(0.1),
    Warmup(Cosine(0.1)),
]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Constant(0.1), [0.1, 0.1, 0.1, 0.1, 0.1]),
        (StepDecay(0.8, factor=0.5, every=0.25), [0.8, 0.4, 0.2, 0.1, 0.05]),
        (MultiStep(0.8, factor=0.1, at=(0.5, 0.75)), [0.8, 0.8, 0.08, 0.008, 0.008]),
        # exp(-4 t): a factor 1/e each quarter
        (Exponential(1.0, k=4), [1, math.exp(-1), math.exp(-2), math.exp(-3), math.exp(-4)]),
        # 1 / (1 + 4 t)
        (InverseTime(1.0, k=4), [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]),
        (Linear(0.8), [0.8, 0.6, 0.4, 0.2, 0]),
        (Linear(0.8, final=0.4), [0.8, 0.7, 0.6, 0.5, 0.4]),
        # (1 + cos(pi t)) / 2 at 1/4 is (1 + sqrt(1/2)) / 2
        (Cosine(2.0), [2, 1 + math.sqrt(0.5), 1, 1 - math.sqrt(0.5), 0]),
        (Cosine(2.0, final=1.0), [2, 1.5 + math.sqrt(0.125), 1.5, 1.5 - math.sqrt(0.125), 1]),
        # peak at 1/2; half way up (0.04 + 1) / 2, half way down (1 + 0.04/1e4) / 2
        (OneCycle(1.0, pct_start=0.5), [0.04, 0.52, 1, (1 + 4e-6) / 2, 4e-6]),
        # the ramp takes the first half, the inner line the second
        (Warmup(Linear(0.8), fraction=0.5), [0, 0.4, 0.8, 0.4, 0]),
        (Warmup(Constant(0.8), fraction=0.5, start=0.5), [0.4, 0.6, 0.8, 0.8, 0.8]),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, list) else "",
)
def test_by_hand_at_quarters(schedule, expected):
    rates = [schedule(quarter / 4) for quarter in range(5)]
    assert rates == pytest.approx(expected, rel=1e-12, abs=1e-17)


def test_half_every_five_epochs_whatever_the_rounding():
    # AAR. In floating point (15/30) / (5/30) need not be 3.
    for epochs in (30, 60, 35, 55):
        schedule = StepDecay(1.0, factor=0.5, every=5 / epochs)
        assert [schedule(e / epochs) for e in range(epochs)] == [0.5 ** (e // 5) for e in range(epochs)]


def test_factor_per_epoch_as_exponential():
    # 0.98 after each of 150 epochs (An et al.): k = -150 log 0.98.
    schedule = Exponential(1e-3, k=-150 * math.log(0.98))
    assert schedule(37 / 150) == pytest.approx(1e-3 * 0.98**37)


def test_one_cycle_momentum_runs_the_other_way():
    schedule = OneCycle(0.1)
    assert [schedule.momentum(t) for t in (0, 0.15, 0.3, 0.65, 1)] == pytest.approx(
        [0.95, 0.90, 0.85, 0.90, 0.95]
    )


def test_one_cycle_against_pytorch():
    # PyTorch ends the first phase at step pct * total - 1 and the second at total - 1; within a phase
    # the curves are the same function of the fraction of the phase.
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    total, pct = 40, 0.3
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0, momentum=0.9)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.5, total_steps=total)
    schedule, top = OneCycle(0.5), pct * total - 1
    for step in range(total):
        if step <= top:
            progress = pct * step / top
        else:
            progress = pct + (1 - pct) * (step - top) / (total - 1 - top)
        group = optimizer.param_groups[0]
        assert schedule(progress) == pytest.approx(group["lr"], rel=1e-9)
        assert schedule.momentum(progress) == pytest.approx(group["momentum"], rel=1e-9)
        if step < total - 1:
            optimizer.step()
            theirs.step()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Cosine(0.5, final=0.1), lambda s, o: s.CosineAnnealingLR(o, T_max=20, eta_min=0.1)),
        (Linear(0.5), lambda s, o: s.LinearLR(o, start_factor=1.0, end_factor=0.0, total_iters=20)),
        (StepDecay(0.5, 0.1, every=5 / 20), lambda s, o: s.StepLR(o, step_size=5, gamma=0.1)),
        (MultiStep(0.5, 0.1, at=(6 / 20, 18 / 20)), lambda s, o: s.MultiStepLR(o, [6, 18], gamma=0.1)),
        (Exponential(0.5, k=-20 * math.log(0.9)), lambda s, o: s.ExponentialLR(o, gamma=0.9)),
    ],
    ids=["cosine", "linear", "step", "multistep", "exponential"],
)
def test_against_pytorch(ours, theirs):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    scheduler = theirs(torch.optim.lr_scheduler, optimizer)
    for step in range(20):
        assert ours(step / 20) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("schedule", EVERY, ids=lambda schedule: type(schedule).__name__)
class TestEverySchedule:
    def test_pure_and_plain(self, schedule):
        points = np.linspace(0, 1, 101)
        rates = [schedule(t) for t in points]
        assert rates == [schedule(t) for t in points]  # no hidden count
        assert rates[::-1] == [schedule(t) for t in points[::-1]]
        assert all(type(rate) is float and 0 <= rate <= 0.1 + 1e-15 for rate in rates)

    def test_frozen_and_comparable(self, schedule):
        assert schedule == dataclasses.replace(schedule)
        assert hash(schedule) == hash(dataclasses.replace(schedule))
        field = dataclasses.fields(schedule)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(schedule, field, 1)

    @pytest.mark.parametrize("progress", [-0.01, 1.01, 7, math.nan])
    def test_progress_is_a_fraction(self, schedule, progress):
        with pytest.raises(ConfigError, match=r"progress must lie in \[0, 1\]"):
            schedule(progress)


def test_momentum_checks_progress_too():
    with pytest.raises(ConfigError, match="progress"):
        OneCycle(0.1).momentum(3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Constant(-1),
        lambda: StepDecay(0.1, every=0),
        lambda: MultiStep(0.1, at=(5,)),
        lambda: Exponential(0.1, k=-1),
        lambda: InverseTime(0.1, k=-1),
        lambda: Linear(-0.1),
        lambda: Cosine(0.1, final=-1),
        lambda: OneCycle(0.1, pct_start=0),
        lambda: Warmup(Constant(0.1), fraction=1),
    ],
)
def test_bad_options(make):
    with pytest.raises(ConfigError, match=r"got \w+\("):
        make()
