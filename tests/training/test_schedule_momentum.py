"""Momentum that a schedule sets: passed on by compositions, and what resuming makes of it."""

import pytest

from minidl.errors import CheckpointError
from minidl.optimizers import Momentum
from minidl.schedules import Chain, Constant, Cosine, OneCycle, Warmup
from minidl.training import Callback
from tests.training.toys import blobs, loader, trainer


class Watch(Callback):
    """Note the momentum of every step; interrupt in the middle of an epoch if asked to."""

    def __init__(self, stop_in=None):
        self.seen = []
        self.stop_in = stop_in

    def on_batch_end(self, trainer):
        self.seen.append(trainer.optimizer.momentum)
        if trainer.epoch == self.stop_in and trainer.batch == 2:
            raise KeyboardInterrupt


def momenta(schedule, epochs=4):
    watch = Watch()
    run = trainer(schedule=schedule, optimizer=Momentum(0.1, 0.5), callbacks=[watch])
    run.fit(loader(blobs()), epochs)
    return watch.seen


def test_a_schedule_without_momentum_leaves_the_optimizers_alone():
    assert momenta(Cosine(0.1)) == momenta(lambda t: 0.1) == [0.5] * 24


def test_a_warm_up_passes_the_cycle_on():
    schedule = Warmup(OneCycle(0.1), fraction=0.25)
    assert momenta(schedule) == [schedule.momentum(step / 24) for step in range(24)]
    assert min(momenta(schedule)) < 0.9


def test_a_chain_takes_over_where_its_cycle_begins():
    seen = momenta(Chain([Constant(0.1), OneCycle(0.1), Constant(0.01)], [0.25, 0.75]))
    assert seen[:6] == [0.5] * 6  # a quarter of 24 steps
    assert seen[6] == 0.95 and min(seen[6:18]) < 0.9
    assert seen[18:] == pytest.approx([0.95] * 6)


@pytest.mark.parametrize("schedule", [Cosine(0.1), Chain([Constant(0.1), OneCycle(0.1)], [0.5])])
def test_another_momentum_is_another_run_where_the_optimizers_counts(tmp_path, schedule):
    def fit(momentum, **options):
        run = trainer(schedule=schedule, optimizer=Momentum(0.1, momentum), run_dir=tmp_path)
        return run.fit(loader(blobs()), 2, **options)

    fit(0.9)
    with pytest.raises(CheckpointError, match=r"training\.optimizer\.momentum \(was 0\.9, now 0\.5\)"):
        fit(0.5, resume=True)


def test_an_interrupted_chain_ends_with_the_same_bits(tmp_path, capsys):
    def make(name, stop_in=None):
        schedule = Chain([OneCycle(0.1), Cosine(0.05)], [0.5])
        return trainer(
            schedule=schedule,
            optimizer=Momentum(0.1, 0.9),
            run_dir=tmp_path / name,
            callbacks=[Watch(stop_in)],
        )

    make("whole").fit(loader(blobs()), 6)
    for stop_in in (2, 5):  # in the cycle, and after it, when the momentum is what it left
        name = f"stopped-{stop_in}"
        with pytest.raises(KeyboardInterrupt):
            make(name, stop_in).fit(loader(blobs()), 6)
        make(name).fit(loader(blobs()), 6, resume=True)
        last = "checkpoints/last.safetensors"
        assert (tmp_path / name / last).read_bytes() == (tmp_path / "whole" / last).read_bytes()
