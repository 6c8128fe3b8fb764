"""Lowering the rate when validation stagnates: by hand, as Nielsen has it, against PyTorch, and resumed."""

import numpy as np
import pytest

from minidl.errors import CheckpointError, ConfigError
from minidl.files import read_json
from minidl.optimizers import Adam
from minidl.schedules import Cosine
from minidl.training import Callback, EarlyStopping, ReduceOnPlateau
from tests.training.toys import blobs, loader, trainer


def rates(plateau, values, lr=1.0):
    """Return the rate after each value."""
    found = []
    for value in values:
        lr = plateau.update(value, lr)
        found.append(lr)
    return found


@pytest.mark.parametrize(
    ("options", "values", "expected"),
    [
        # two without improvement: halved; the count starts again, so the next halving is two later
        ({"patience": 2}, [0.5, 0.6, 0.6, 0.5, 0.5, 0.6], [1, 1, 1, 0.5, 0.5, 0.25]),
        # an improvement in between forgives
        ({"patience": 2}, [0.5, 0.4, 0.6, 0.5, 0.7, 0.6], [1, 1, 1, 1, 1, 1]),
        ({"patience": 1, "factor": 0.1}, [0.5, 0.5, 0.5], [1, 0.1, 0.01]),
        # the best value stays the best after a reduction
        ({"patience": 1}, [0.9, 0.5, 0.6, 0.7], [1, 0.5, 0.25, 0.125]),
        # lower is better
        ({"patience": 2, "metric": "loss"}, [0.5, 0.4, 0.6, 0.5, 0.3], [1, 1, 1, 0.5, 0.5]),
        # 0.55 is not better than 0.5 by more than 0.05 (0.0625 is, all exact in binary)
        ({"patience": 1, "min_delta": 0.0625}, [0.5, 0.5625, 0.625], [1, 0.5, 0.5]),
        ({"patience": 1, "metric": "loss", "min_delta": 0.0625}, [0.5, 0.4375, 0.375], [1, 0.5, 0.5]),
        # two epochs of grace after each reduction
        ({"patience": 1, "cooldown": 2}, [0.5] * 8, [1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]),
        # never below
        ({"patience": 1, "min_lr": 0.3}, [0.5] * 4, [1, 0.5, 0.3, 0.3]),
        # NaN is no improvement, and no best value
        ({"patience": 2}, [float("nan"), float("nan"), 0.1, 0.2], [1, 0.5, 0.5, 0.5]),
    ],
)
def test_by_hand(options, values, expected):
    assert rates(ReduceOnPlateau(**options), values) == pytest.approx(expected, rel=1e-12)


def test_a_rate_at_its_lower_bound_is_not_counted_as_lowered():
    plateau = ReduceOnPlateau(patience=1, min_lr=0.5)
    rates(plateau, [0.5] * 5)
    assert plateau.reductions == 1


def test_nielsens_exercise():
    """Halve at no-improvement-in-ten, end when the rate has dropped to 1/128: after seven times ten epochs."""
    plateau = ReduceOnPlateau.nielsen()
    lr, stopped = 0.5, []
    for epoch in range(1, 72):
        lr = plateau.update(0.9, lr)
        assert lr == 0.5 / 2 ** ((epoch - 1) // 10)
        stopped.append(plateau.stop)
    assert stopped == [False] * 70 + [True] and lr == 0.5 / 128


@pytest.mark.parametrize(
    ("options", "reductions"),
    [
        ({"stop_at": 1 / 1024}, 10),  # 2 ** 10
        ({"factor": 0.1, "stop_at": 1 / 1000}, 3),  # 0.1 * 0.1 * 0.1 is not quite 0.001 in floating point
        ({"factor": 0.1, "stop_at": 1 / 1024}, 4),  # 1/1000 is still above
    ],
)
def test_nielsens_text(options, reductions):
    plateau, lr = ReduceOnPlateau.nielsen(patience=1, **options), 0.3
    lr = plateau.update(0.9, lr)
    while not plateau.stop:
        lr = plateau.update(0.9, lr)
    assert plateau.reductions == reductions
    assert lr == pytest.approx(0.3 * plateau.factor**reductions)


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cooldown": 3},
        {"min_delta": 0.1},
        {"min_lr": 0.01, "cooldown": 1},
        {"factor": 0.1, "patience": 1},
    ],
)
def test_against_pytorch(options, metric):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    options = {"factor": 0.5, "patience": 3, **options}
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode="min" if metric == "loss" else "max",
        factor=options["factor"],
        patience=options["patience"] - 1,  # theirs counts the epochs that are forgiven
        threshold=options.get("min_delta", 0.0),
        threshold_mode="abs",
        cooldown=options.get("cooldown", 0),
        min_lr=options.get("min_lr", 0.0),
        eps=0.0,
    )
    ours, lr = ReduceOnPlateau(metric=metric, **options), 0.4
    walk = np.random.default_rng(3).normal(size=200).cumsum() * 0.1
    for value in walk.tolist():
        lr = ours.update(value, lr)
        theirs.step(value)
        assert lr == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
    assert ours.reductions >= 3


# in the Trainer


def plateau_trainer(callbacks=(), plateau=None, **options):
    plateau = plateau or ReduceOnPlateau(0.5, "loss", 1, min_delta=0.02)
    return trainer(callbacks=[plateau, *callbacks], **options)


def test_the_trainer_follows_the_validation():
    run = plateau_trainer()
    history = run.fit(loader(blobs()), 8, blobs(seed=1))
    by_hand = ReduceOnPlateau(0.5, "loss", 1, min_delta=0.02)
    expected = [0.05, *rates(by_hand, history["val_loss"], 0.05)]
    assert history["lr"] == expected[:-1] and run.optimizer.lr == expected[-1]
    assert len(set(expected)) > 2  # something happened


def test_it_ends_the_training_at_a_fraction_of_the_first_rate():
    plateau = ReduceOnPlateau(0.5, "loss", 1, min_delta=100.0, stop_at=1 / 4)
    run = plateau_trainer(plateau=plateau)
    assert run.fit(loader(blobs()), 50, blobs(seed=1))["lr"] == [0.05, 0.05, 0.025]
    assert run.stop and run.optimizer.lr == 0.05 / 4


def test_a_second_fit_is_a_new_run():
    run = plateau_trainer(plateau=ReduceOnPlateau(0.5, "loss", 1, min_delta=100.0, stop_at=1 / 4))
    run.fit(loader(blobs()), 50, blobs(seed=1))
    assert run.fit(loader(blobs()), 50, blobs(seed=1))["lr"] == [0.0125, 0.0125, 0.00625]


class StopIn(Callback):
    """Interrupt the training as Ctrl-C would, in the middle of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, trainer):
        if trainer.epoch == self.epoch and trainer.batch == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("epoch", [1, 3, 4, 6])
@pytest.mark.parametrize("min_delta", [0.02, 100.0])  # 100: lowered after epochs 2, 4, 6, …, with one of grace
def test_interrupted_and_resumed_ends_with_the_same_bits(tmp_path, min_delta, epoch, same, capsys):
    options = {"factor": 0.5, "metric": "loss", "patience": 1, "min_delta": min_delta, "cooldown": 1}

    def make(name, *callbacks):
        plateau = ReduceOnPlateau(**options)
        return plateau_trainer(callbacks, plateau, run_dir=tmp_path / name, optimizer=Adam(0.02))

    whole = make("whole").fit(loader(blobs()), 9, blobs(seed=1))
    first = make("run", StopIn(epoch))
    with pytest.raises(KeyboardInterrupt):
        first.fit(loader(blobs()), 9, blobs(seed=1))
    second = first if same else make("run")
    second.callbacks = [each for each in second.callbacks if not isinstance(each, StopIn)]
    resumed = second.fit(loader(blobs()), 9, blobs(seed=1), resume=True)
    assert resumed.rows == whole.rows
    for name in ("checkpoints/last.safetensors", "checkpoints/best.safetensors", "history.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert len(set(whole["lr"])) >= 2


def test_a_stopped_run_stays_stopped(tmp_path):
    def make():
        plateau = ReduceOnPlateau(0.5, "loss", 1, min_delta=100.0, stop_at=1 / 4)
        return plateau_trainer(plateau=plateau, run_dir=tmp_path)

    make().fit(loader(blobs()), 50, blobs(seed=1))
    assert len(make().fit(loader(blobs()), 50, blobs(seed=1), resume=True)) == 3
    assert read_json(tmp_path / "results.json")["stopped_early"] is True


def test_other_options_are_another_run(tmp_path):
    plateau_trainer(run_dir=tmp_path).fit(loader(blobs()), 1, blobs(seed=1))
    with pytest.raises(CheckpointError, match=r"callbacks\.ReduceOnPlateau\.factor \(was 0\.5, now 0\.1\)"):
        other = ReduceOnPlateau(0.1, "loss", 1, min_delta=0.02)
        plateau_trainer(plateau=other, run_dir=tmp_path).fit(loader(blobs()), 2, blobs(seed=1), resume=True)


def test_it_goes_with_early_stopping():
    run = plateau_trainer([EarlyStopping("loss", patience=3, min_delta=0.02)])
    history = run.fit(loader(blobs()), 30, blobs(seed=1))
    assert len(history) < 30 and history["lr"][-1] < 0.05


@pytest.mark.parametrize("epochs", [1, 5])
def test_a_schedule_as_well_is_refused_before_anything_is_written(tmp_path, epochs):
    run = plateau_trainer(schedule=Cosine(0.1), run_dir=tmp_path / "run")
    with pytest.raises(ConfigError, match=r"schedule=Cosine\(lr=0\.1, final=0\.0\).*not both"):
        run.fit(loader(blobs()), epochs, blobs(seed=1))
    assert not (tmp_path / "run").exists()


def test_no_validation_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="there is no validation to judge by"):
        plateau_trainer(run_dir=tmp_path / "run").fit(loader(blobs()), 1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"factor": 1}, "factor must be between 0 and 1"),
        ({"factor": 0}, "factor must be between 0 and 1"),
        ({"metric": "error"}, "metric must be 'accuracy' or 'loss'"),
        ({"patience": 0}, "patience must be an integer >= 1"),
        ({"patience": 1.5}, "patience must be an integer >= 1"),
        ({"min_delta": -1}, "min_delta must be a finite number >= 0"),
        ({"cooldown": True}, "cooldown must be an integer >= 0"),
        ({"min_lr": -0.1}, "min_lr must be a finite number >= 0"),
        ({"stop_at": 1}, "stop_at must be a fraction between 0 and 1"),
        ({"stop_at": 0.1, "min_lr": 0.1}, "give one of the two"),
    ],
)
def test_bad_options(options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        ReduceOnPlateau(**options)
