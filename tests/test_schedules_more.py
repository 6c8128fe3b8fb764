"""Schedules that came later: steps by a constant, 1/sqrt(t), cycles, restarts, and compositions."""

import dataclasses
import math

import numpy as np
import pytest

from minidl.errors import ConfigError
from minidl.experiments import vocabulary
from minidl.expressions import build
from minidl.schedules import (
    Chain,
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    InverseSqrt,
    InverseTime,
    Linear,
    MultiStep,
    OneCycle,
    Product,
    StepDecay,
    StepDecrease,
    Triangular,
    Warmup,
    sample,
)

EVERY = [
    StepDecrease(0.1, 0.02),
    InverseSqrt(0.1, 100),
    Triangular(0.01, 0.1),
    Triangular(0.01, 0.1, 2, "triangular2"),
    Triangular(0.01, 0.1, 2, "exp_range"),
    CosineRestarts(0.1),
    CosineRestarts(0.1, 3, multiplier=2, final=0.01),
    CosineRestarts(0.1, steps=100),
    Chain([Linear(0, final=0.1), Cosine(0.1)], [0.2]),
    Product([Triangular(0.01, 0.1), Exponential(1, k=2)]),
]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        # 0.05 less 0.01 for each quarter begun and done
        (StepDecrease(0.05, every=0.25), [0.05, 0.04, 0.03, 0.02, 0.01]),
        (StepDecrease(0.02, every=0.25), [0.02, 0.01, 0, 0, 0]),  # never negative
        (StepDecrease(0.05, 0.02, every=0.25, final=0.02), [0.05, 0.03, 0.02, 0.02, 0.02]),
        # n = 1 + 8 t: 1, 3, 5, 7, 9
        (InverseSqrt(3.0, steps=8), [3, 3 / 3**0.5, 3 / 5**0.5, 3 / 7**0.5, 1]),
        # two cycles: bottom, top, bottom, top, bottom
        (Triangular(0.2, 1.0, cycles=2), [0.2, 1, 0.2, 1, 0.2]),
        # one cycle: 0.2 + 0.8 / 2 half way up
        (Triangular(0.2, 1.0, cycles=1), [0.2, 0.6, 1, 0.6, 0.2]),
        # the second cycle is half as high: 0.2 + 0.8 / 2
        (Triangular(0.2, 1.0, cycles=2, mode="triangular2"), [0.2, 1, 0.2, 0.6, 0.2]),
        # height 0.8 * 0.0001 ** t: 0.08 at 1/4, 0.0008 at 3/4
        (Triangular(0.2, 1.0, cycles=2, mode="exp_range", shrink=1e-4), [0.2, 0.28, 0.2, 0.2008, 0.2]),
        # two half cosines; at the very end the second has come down
        (CosineRestarts(2.0, cycles=2), [2, 1, 2, 1, 0]),
        (CosineRestarts(2.0, cycles=2, final=1.0), [2, 1.5, 2, 1.5, 1]),
        # cycles of 1/4 and 3/4: at 1/2 a third of the second, (1 + cos 60°) = 1.5, at 3/4 (1 + cos 120°) = 0.5
        (CosineRestarts(2.0, cycles=2, multiplier=3), [2, 2, 1.5, 0.5, 0]),
        # up in the first half, then level, then down in the last quarter
        (Chain([Linear(0, final=0.8), Constant(0.8), Linear(0.8)], [0.5, 0.75]), [0, 0.4, 0.8, 0.8, 0]),
        (Chain([Linear(0.8), Linear(0.4)], [0.5]), [0.8, 0.4, 0.4, 0.2, 0]),
        (Chain([Cosine(0.8)], []), [0.8, 0.4 + 0.2 * 2**0.5, 0.4, 0.4 - 0.2 * 2**0.5, 0]),
        # (0.2, 1, 0.2, 1, 0.2) times (1, 3/4, 1/2, 1/4, 0)
        (Product([Triangular(0.2, 1.0, cycles=2), Linear(1)]), [0.2, 0.75, 0.1, 0.25, 0]),
        (Product([Constant(0.5), Constant(0.5), Constant(0.5)]), [0.125] * 5),
    ],
)
def test_by_hand_at_quarters(schedule, expected):
    assert [schedule(quarter / 4) for quarter in range(5)] == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_a_hundredth_less_every_three_epochs_whatever_the_rounding():
    # FAU. 3/21 is no binary fraction, so 9/21 / (3/21) need not be 3.
    for epochs in (21, 30, 33):
        schedule = StepDecrease(0.5, 0.01, every=3 / epochs)
        rates = [schedule(e / epochs) for e in range(epochs)]
        assert rates == pytest.approx([0.5 - 0.01 * (e // 3) for e in range(epochs)], rel=1e-12)


def test_inverse_square_root_counts_steps_from_one():
    # Erratum 15: alpha_0 / sqrt(t) as printed is undefined at t = 0.
    schedule = InverseSqrt(0.1, steps=50)
    assert [schedule(step / 50) for step in range(50)] == pytest.approx(
        [0.1 / math.sqrt(n) for n in range(1, 51)]
    )


def triangular_with_the_formula_of_the_readme(base, top, cycles, t, lr):
    """Return the widely copied form, in which the height is measured from `lr`."""
    cycle = math.floor(1 + cycles * t)
    x = abs(2 * cycles * t - 2 * cycle + 1)
    return base + (top - lr) * max(0, 1 - x)


def test_the_triangle_reaches_its_upper_bound():
    # The copied formula overshoots it if lr is anything below base: here the optimizer's rate is still 0.
    assert Triangular(0.2, 1.0, cycles=1)(0.5) == 1.0
    assert triangular_with_the_formula_of_the_readme(0.2, 1.0, 1, 0.5, lr=0.2) == 1.0
    assert triangular_with_the_formula_of_the_readme(0.2, 1.0, 1, 0.5, lr=0.0) == pytest.approx(1.2)


@pytest.mark.parametrize("steps", [60, 100, 17, 601])
def test_snapshot_cycles_are_the_papers_formula_for_every_step(steps):
    # alpha_0 / 2 (cos(pi mod(n - 1, ceil(T/M)) / ceil(T/M)) + 1), M = 6; 60 is divisible, the others are not.
    schedule, length = CosineRestarts(0.4, steps=steps), math.ceil(steps / 6)
    for n in range(1, steps + 1):
        expected = 0.4 / 2 * (math.cos(math.pi * ((n - 1) % length) / length) + 1)
        assert schedule((n - 1) / steps) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_restart_is_at_its_step_whatever_the_rounding():
    # 6 steps of warm-up, then six cycles of 9: (t - 0.1) / 0.9 may round to just below k / 6.
    schedule = Warmup(CosineRestarts(0.1), fraction=6 / 60)
    assert [schedule((6 + 9 * k) / 60) for k in range(6)] == pytest.approx([0.1] * 6)
    growing = CosineRestarts(0.1, cycles=3, multiplier=1.1)
    assert [growing(t) for t in (10 / 33.1, 21 / 33.1)] == pytest.approx([0.1, 0.1])


def test_six_equal_cycles_need_no_number_of_steps_where_it_is_divisible():
    with_steps, without = CosineRestarts(0.4, steps=600), CosineRestarts(0.4)
    assert [without(n / 600) for n in range(600)] == pytest.approx([with_steps(n / 600) for n in range(600)])


@pytest.mark.parametrize(
    ("schedule", "ends"),
    [
        (Cosine(0.1), []),
        (CosineRestarts(0.1), [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1]),
        (CosineRestarts(0.1, 3, multiplier=2), [1 / 7, 3 / 7, 1]),
        (CosineRestarts(0.1, steps=100), [0.17, 0.34, 0.51, 0.68, 0.85, 1]),  # the last is cut short
        (Triangular(0.1, 1, cycles=4), [0.25, 0.5, 0.75, 1]),
        (OneCycle(0.1), [1]),
        (Warmup(CosineRestarts(0.1, 2), fraction=0.2), [0.6, 1]),
        (Chain([OneCycle(0.1), CosineRestarts(0.1, 2)], [0.4]), [0.4, 0.7, 1]),
        (Product([CosineRestarts(0.1, 2), Linear(1)]), [0.5, 1]),
    ],
)
def test_where_cycles_end(schedule, ends):
    assert schedule.cycle_ends() == pytest.approx(ends, rel=1e-12)
    assert schedule.cycle_ends()[-1:] in [(), (1.0,)]  # exactly: the last snapshot is the end of the training


@pytest.mark.parametrize(
    "schedule",
    [
        CosineRestarts(0.1),
        CosineRestarts(0.1, 3, multiplier=2),
        Triangular(0.01, 0.1),
        CosineRestarts(0.1, 7),
    ],
)
def test_the_rate_is_lowest_just_before_a_cycle_ends(schedule):
    for end in schedule.cycle_ends():
        assert schedule(end - 1e-6) < 0.0101


# momentum


def test_momentum_of_compositions():
    cycle = OneCycle(0.1, pct_start=0.5)
    assert Cosine(0.1).momentum(0.3) is None
    # 0.95 during the warm-up, then one cycle over the rest
    warm = Warmup(cycle, fraction=0.2)
    assert [warm.momentum(t) for t in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([0.95, 0.95, 0.95, 0.85, 0.95])
    # what sets none leaves the momentum where the part before it ended, or as the optimizer has it
    chain = Chain([Constant(0.1), cycle, Cosine(0.1)], [0.2, 0.6])
    assert chain.momentum(0.1) is None
    assert [chain.momentum(t) for t in (0.2, 0.4, 0.6, 0.9)] == pytest.approx([0.95, 0.85, 0.95, 0.95])
    assert Product([cycle, Linear(1)]).momentum(0.5) == pytest.approx(0.85)


# PyTorch

torch_schedules = [
    (Triangular(0.1, 0.5, cycles=2), {"step_size_up": 10, "mode": "triangular"}),
    (Triangular(0.1, 0.5, cycles=2, mode="triangular2"), {"step_size_up": 10, "mode": "triangular2"}),
    (
        Triangular(0.1, 0.5, cycles=2, mode="exp_range", shrink=0.97**40),
        {"step_size_up": 10, "mode": "exp_range", "gamma": 0.97},
    ),
]


@pytest.mark.parametrize(("ours", "options"), torch_schedules, ids=lambda value: getattr(value, "mode", ""))
def test_cyclic_against_pytorch(ours, options):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    theirs = torch.optim.lr_scheduler.CyclicLR(optimizer, 0.1, 0.5, cycle_momentum=False, **options)
    follow(ours, optimizer, theirs, 40)


@pytest.mark.parametrize(("first", "multiplier", "cycles"), [(10, 1, 4), (5, 2, 3), (4, 3, 2)])
def test_restarts_against_pytorch(first, multiplier, cycles):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, first, multiplier, eta_min=0.01)
    total = sum(first * multiplier**k for k in range(cycles))
    follow(CosineRestarts(0.5, cycles, multiplier, final=0.01), optimizer, theirs, total)


def test_a_chain_against_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    scheduler = torch.optim.lr_scheduler
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    theirs = scheduler.SequentialLR(
        optimizer,
        [
            scheduler.LinearLR(optimizer, start_factor=0.1, end_factor=1.0, total_iters=10),
            scheduler.CosineAnnealingLR(optimizer, T_max=30),
        ],
        milestones=[10],
    )
    follow(Chain([Linear(0.05, final=0.5), Cosine(0.5)], [10 / 40]), optimizer, theirs, 40)


def test_inverse_forms_against_pytorchs_lambda():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for ours, factor in (
        (InverseTime(0.5, k=0.2 * 20), lambda epoch: 1 / (1 + 0.2 * epoch)),
        (InverseSqrt(0.5, steps=20), lambda step: (step + 1) ** -0.5),
    ):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        follow(ours, optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor), 20)


def follow(ours, optimizer, theirs, steps):
    for step in range(steps):
        assert ours(step / steps) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        theirs.step()


# properties


@pytest.mark.parametrize("schedule", EVERY, ids=lambda schedule: type(schedule).__name__)
class TestEverySchedule:
    def test_pure_and_plain(self, schedule):
        points = np.linspace(0, 1, 101)
        rates = [schedule(t) for t in points]
        assert rates[::-1] == [schedule(t) for t in points[::-1]]
        assert all(type(rate) is float and 0 <= rate <= 0.1 + 1e-15 for rate in rates)

    def test_frozen_comparable_and_hashable(self, schedule):
        assert schedule == dataclasses.replace(schedule)
        assert hash(schedule) == hash(dataclasses.replace(schedule))
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(schedule, dataclasses.fields(schedule)[0].name, 1)

    @pytest.mark.parametrize("progress", [-0.01, 1.01, math.nan])
    def test_progress_is_a_fraction(self, schedule, progress):
        for function in (schedule, schedule.momentum):
            with pytest.raises(ConfigError, match=r"progress must lie in \[0, 1\]"):
                function(progress)

    def test_its_repr_builds_it_again(self, schedule):
        assert build(repr(schedule), vocabulary.schedules(), "the schedule") == schedule


@pytest.mark.parametrize(
    ("schedule", "joins"),
    [
        (Triangular(0.01, 0.1, 3, "triangular2"), [1 / 6, 1 / 3, 1 / 2, 2 / 3]),
        (Triangular(0.01, 0.1, 3, "exp_range"), [1 / 6, 1 / 3, 1 / 2, 2 / 3]),
        (OneCycle(0.1), [0.3]),
        (Warmup(Cosine(0.1), fraction=0.1), [0.1]),
        (Chain([Linear(0, final=0.1), Constant(0.1), Cosine(0.1)], [0.1, 0.6]), [0.1, 0.6]),
    ],
)
def test_no_jump_at_the_joins(schedule, joins):
    for t in joins:
        assert schedule(t - 1e-7) == pytest.approx(schedule(t + 1e-7), abs=1e-5)


def test_jumps_where_there_should_be_one():
    for end in CosineRestarts(0.1).cycle_ends()[:-1]:
        assert CosineRestarts(0.1)(end - 1e-6) < 1e-6 and CosineRestarts(0.1)(end) == 0.1


def test_every_schedule_can_be_named_on_the_command_line():
    names = vocabulary.schedules()
    assert set(names) == {
        *("Constant", "StepDecay", "StepDecrease", "MultiStep", "Exponential", "InverseTime", "InverseSqrt"),
        *("Linear", "Cosine", "Triangular", "CosineRestarts", "OneCycle", "Warmup", "Chain", "Product"),
    }
    assert build("MultiStep(0.1, at=[1/3, 2/3])", names, "x") == MultiStep(0.1, at=(1 / 3, 2 / 3))
    assert build("Chain([Cosine(0.1), Constant(0)], at=[0.9])", names, "x").at == (0.9,)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: StepDecrease(0.1, -0.01), "amount must be a finite number"),
        (lambda: StepDecrease(0.1, final=0.2), "final must not be above lr"),
        (lambda: StepDecrease(0.1, every=0), "every must be a fraction"),
        (lambda: StepDecay(math.inf), "lr must be a finite number"),
        (lambda: Constant("0.1"), "lr must be a finite number"),
        (lambda: MultiStep(0.1, at=0.5), "at must be a list or a tuple"),
        (lambda: InverseSqrt(0.1, 0), "steps must be a finite number, at least 1"),
        (lambda: Triangular(0.1, 0.01), "base_lr must not be above max_lr"),
        (lambda: Triangular(0.1, 1, cycles=0), "cycles must be a whole number"),
        (lambda: Triangular(0.1, 1, cycles=1.5), "cycles must be a whole number"),
        (lambda: Triangular(0.1, 1, cycles=10**7), "cycles must be at most 1000"),
        (
            lambda: Triangular(0.1, 1, mode="sawtooth"),
            "mode must be one of triangular, triangular2, exp_range",
        ),
        (lambda: Triangular(0.1, 1, mode="exp_range", shrink=0), "shrink must be above 0"),
        (lambda: CosineRestarts(0.1, multiplier=0.5), "multiplier must be a finite number, at least 1"),
        (lambda: CosineRestarts(0.1, cycles=100, multiplier=2), "a millionth"),
        (lambda: CosineRestarts(0.1, multiplier=2, steps=100), "steps is for equal cycles"),
        (lambda: CosineRestarts(0.1, steps=1.5), "steps must be a whole number"),
        (lambda: Warmup(0.1), "inner takes schedules"),
        (lambda: Chain([Cosine(0.1), Cosine(0.1)], []), "2 parts have 1 milestones"),
        (lambda: Chain([Cosine(0.1)] * 3, [0.5, 0.5]), "must increase"),
        (lambda: Chain([Cosine(0.1)] * 2, [1.0]), "lie between 0 and 1"),
        (lambda: Chain([], []), "parts takes schedules"),
        (lambda: Chain([0.1, Cosine(0.1)], [0.5]), "parts takes schedules"),
        (lambda: Product([]), "factors takes schedules"),
        (lambda: Product(Cosine(0.1)), "factors must be a list or a tuple"),
        (lambda: Product([OneCycle(0.1), OneCycle(1)]), "only one of the factors may set the momentum"),
        (lambda: StepDecay(0.1, factor=1e300, every=0.1)(1), "is no finite number"),
        (lambda: sample(Product([Constant(1e300), Constant(1e300)])), "not a finite number everywhere"),
        (lambda: sample(Constant(1), steps=10**8), "steps must be from 1 to 1,000,000"),
        (lambda: sample(Constant(1), points=1), "points must be at least 2"),
    ],
)
def test_bad_options(make, complaint):
    with pytest.raises(ConfigError, match=complaint) as caught:
        make()
    assert "\n" not in str(caught.value)


# tables


def test_a_table_of_the_steps_a_training_sees():
    table = sample(Linear(0.8), steps=4)
    assert table["progress"].tolist() == [0, 0.25, 0.5, 0.75]
    assert table["lr"] == pytest.approx([0.8, 0.6, 0.4, 0.2])
    assert "momentum" not in table


def test_a_table_without_steps_covers_both_ends_and_has_the_momentum():
    table = sample(Chain([Constant(0.1), OneCycle(0.1)], [0.5]), points=5)
    assert table["progress"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert np.isnan(table["momentum"]).tolist() == [True, True, False, False, False]
    assert table["momentum"][2] == pytest.approx(0.95)


def test_any_function_of_progress_can_be_tabulated():
    assert sample(lambda t: 1 - t, points=3)["lr"].tolist() == [1, 0.5, 0]
