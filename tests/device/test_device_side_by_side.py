"""Several trainers that take their steps together end as they would alone."""

from __future__ import annotations

import numpy as np
import pytest

from minidl.backend import to_cpu
from minidl.data import Loader, RandomShift, Split
from minidl.data.resident import Resident
from minidl.errors import ConfigError
from minidl.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Sequential
from minidl.losses import MeanSquaredError, SoftmaxCrossEntropy
from minidl.monitoring import Monitor
from minidl.optimizers import SGD, Adam, Nesterov
from minidl.random import Seeds
from minidl.regularizers import L2
from minidl.schedules import OneCycle
from minidl.training import Callback, Trainer
from minidl.training.side_by_side import SideBySide, fit_side_by_side

rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (23, 1, 8, 8), dtype=np.uint8)
LABELS = rng.integers(0, 4, 23)
HELD_OUT = Split(IMAGES[:7], LABELS[:7])
EPOCHS = 3


def trainer(seed, optimizer=lambda: Nesterov(0.05), folder=None, device="cpu", dtype=np.float64, **options):
    """One network of a vote, its own initial weights, masks and batches."""
    seeds = Seeds(seed)
    layers = [
        Conv2D(3, 3),
        MaxPool2D(2),
        ReLU(),
        Flatten(),
        Dropout(0.4),
        Dense(9),
        ReLU(),
        Dropout(0.2),
        Dense(4),
    ]
    model = Sequential(layers)
    model.build((1, 8, 8), rng=seeds.child("model"), dtype=dtype)
    model.to(device)
    loader = Loader(IMAGES, LABELS, 5, seeds=seeds.child("loader"), augment=RandomShift(1), dtype=dtype)
    options = {
        "schedule": OneCycle(0.05),
        "regularizers": [L2(0.01)],
        "loss": SoftmaxCrossEntropy(),
        **options,
    }
    run_dir = None if folder is None else folder / str(seed)
    made = Trainer(
        model, options.pop("loss"), optimizer(), progress=False, seed=seed, run_dir=run_dir, **options
    )  # fmt: skip
    return made, loader if device == "cpu" else Resident(loader, device)


def fit_together(pairs, graph="off", **options):
    trainers, loaders = zip(*pairs, strict=True)
    fit_side_by_side(trainers, loaders, EPOCHS, HELD_OUT, graph=graph, **options)
    return trainers


def require_equal(one, other, tolerance=1e-10):
    for (name, first), (_, second) in zip(
        one.model.named_parameters(), other.model.named_parameters(), strict=True
    ):
        np.testing.assert_allclose(
            to_cpu(first.value), to_cpu(second.value), rtol=0, atol=tolerance, err_msg=name
        )
    first, second = one.optimizer.state_dict(), other.optimizer.state_dict()
    assert first.keys() == second.keys() and first["step"] == second["step"]
    for name in first.keys() - {"step"}:
        np.testing.assert_allclose(
            to_cpu(first[name]) if hasattr(first[name], "shape") else first[name],
            to_cpu(second[name]) if hasattr(second[name], "shape") else second[name], atol=tolerance,
        )  # fmt: skip
    for row, other_row in zip(one.history.rows, other.history.rows, strict=True):
        assert row.keys() == other_row.keys()
        np.testing.assert_allclose(list(row.values()), list(other_row.values()), atol=1e-9)
    masks = [
        [
            generator.bit_generator.state["state"]["counter"].tolist()
            for _, generator in each.model.named_generators()
        ]
        for each in (one, other)
    ]
    assert masks[0] == masks[1]


@pytest.mark.parametrize("optimizer", [lambda: Nesterov(0.05), lambda: SGD(0.1), lambda: Adam(0.01)])
@pytest.mark.parametrize("where", ["cpu", "device", "graph"])
def test_networks_side_by_side_end_as_alone(device, where, optimizer):
    alone = [trainer(seed, optimizer) for seed in range(3)]
    for made, loader in alone:
        made.fit(loader, EPOCHS, HELD_OUT)
    place = "cpu" if where == "cpu" else "fake"
    # The schedule's momentum changes, which cannot be recorded; here it does not.
    options = {"schedule": OneCycle(0.05, min_momentum=0.9, max_momentum=0.9)} if where == "graph" else {}
    if where == "graph":
        alone = [trainer(seed, optimizer, **options) for seed in range(3)]
        for made, loader in alone:
            made.fit(loader, EPOCHS, HELD_OUT)
    together = fit_together(
        [trainer(seed, optimizer, device=place, **options) for seed in range(3)],
        graph="auto" if where == "graph" else "off",
    )
    for (one, _), other in zip(alone, together, strict=True):
        require_equal(one, other)
    graph = together[0]._replay._together._graph
    assert (graph is not None and graph.replays > 0) == (where == "graph")


def test_a_step_of_five_takes_no_more_launches_than_that_of_two(device):
    counts = []
    for networks in (2, 5):
        pairs = [trainer(seed, device="fake", dtype=np.float32, schedule=None) for seed in range(networks)]
        trainers, loaders = zip(*pairs, strict=True)
        for each in trainers:
            each.epoch, each.epochs = 1, 1
        together = SideBySide(trainers, loaders)
        x, y = np.zeros((networks, 1, 8, 8, 5), np.float32), np.zeros(5 * networks, np.int64)
        arguments = [device_array(x), device_array(y)]
        together._step(*arguments)
        with device.watched() as inside:
            together._step(*arguments)
        assert inside.transfers == []
        counts.append(inside.count)
    assert counts[0] == counts[1] < 60


def device_array(x):
    from minidl.backend import to_device

    return to_device(x, "fake")


class Stop(Callback):
    """Interrupt one network's training after its second epoch."""

    def on_epoch_end(self, trainer, row):
        if trainer.epoch == 2:
            raise KeyboardInterrupt


def test_an_interrupted_training_goes_on(device, tmp_path, capsys):
    whole = fit_together([trainer(seed, folder=tmp_path / "whole") for seed in range(3)])
    # The second network is interrupted after its second epoch; the third has seen one only.
    pairs = [
        trainer(seed, folder=tmp_path / "cut", callbacks=[Stop()] if seed == 1 else []) for seed in range(3)
    ]
    with pytest.raises(KeyboardInterrupt):
        fit_together(pairs)
    assert "Stopped in epoch 2" in capsys.readouterr().err
    resumed = fit_together([trainer(seed, folder=tmp_path / "cut") for seed in range(3)], resume=True)
    for one, other in zip(whole, resumed, strict=True):
        require_equal(one, other)
    again = fit_together([trainer(seed, folder=tmp_path / "cut") for seed in range(3)], resume=True)
    for one, other in zip(whole, again, strict=True):
        require_equal(one, other)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"optimizer": lambda: SGD(0.1)}, "optimizers differ"),
        ({"optimizer": lambda: Nesterov(0.05, weight_decay=0.1)}, "optimizers differ"),
        ({"schedule": None}, "schedules or epochs differ"),
        ({"regularizers": []}, "losses or regularizers differ"),
    ],
)
def test_trainers_that_differ_are_refused(given, reason):
    with pytest.raises(ConfigError, match=f"side by side: .*{reason}.*one after another"):
        fit_together([trainer(0), trainer(1, **given)])


def test_a_network_that_stops_early_keeps_its_best_weights(tmp_path):
    """The others go on; what they learn must not reach it."""

    class StopAfterTwo(Callback):
        def on_epoch_end(self, trainer, row):
            trainer.stop = trainer.epoch == 2

    def made(seed):
        return trainer(seed, callbacks=[StopAfterTwo()] if seed == 1 else [])

    alone = [made(seed) for seed in range(3)]
    for each, loader in alone:
        each.fit(loader, EPOCHS, HELD_OUT)
    together = fit_together([made(seed) for seed in range(3)])
    assert [len(each.history.rows) for each in together] == [3, 2, 3]
    for (one, _), other in zip(alone, together, strict=True):
        require_equal(one, other)


def test_callbacks_that_look_into_steps_are_refused():
    with pytest.raises(ConfigError, match="Monitor looks into every step"):
        fit_together([trainer(seed, callbacks=[Monitor()] if seed else []) for seed in range(2)])


def test_losses_and_clipping_that_cannot_be_shared_are_refused():
    with pytest.raises(ConfigError, match="plain SoftmaxCrossEntropy"):
        fit_together([trainer(seed, loss=MeanSquaredError()) for seed in range(2)])
    with pytest.raises(ConfigError, match="clip_norm"):
        fit_together([trainer(seed, lambda: SGD(0.1, clip_norm=1.0)) for seed in range(2)])
