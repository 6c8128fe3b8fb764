"""Watching changes nothing; what it leaves behind survives any interruption to the bit."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from minidl.data import Loader
from minidl.errors import CheckpointError, ConfigError, DivergenceError, StateError
from minidl.files import read_json
from minidl.layers import (
    BatchNorm,
    Branches,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Tanh,
)
from minidl.losses import SoftmaxCrossEntropy
from minidl.monitoring import Filters, Histograms, LossJumps, Monitor, UpdateRatios, first_filters
from minidl.monitoring.storage import Stack, Table
from minidl.optimizers import SGD, Adam, Momentum, Nesterov
from minidl.parallel import threads
from minidl.training import Callback, Trainer
from tests.monitoring.watched_run import data, network, trainer

ROOT = Path(__file__).parents[2]
FILES = {
    "batches.csv",
    "filters.safetensors",
    "histograms.safetensors",
    "layers.csv",
    "updates.csv",
}


class Rattle:
    """A student's layer with random numbers of its own, drawn in every forward pass."""

    def __init__(self):
        self.generator = np.random.default_rng(3)

    def forward(self, x):
        self.mask = (self.generator.random(x.shape) < 0.8).astype(x.dtype)
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


def convolutional():
    return [Conv2D(4, 3), ReLU(), MaxPool2D(2), Conv2D(3, 2), MaxPool2D(2), Tanh(), Flatten(), Dense(3)]


def mixed():
    head = Branches({"a": Dense(4), "b": Sequential([Dense(4), Sigmoid()])}, merge="concat")
    return [
        Flatten(),
        Dense(10),
        BatchNorm(),
        ReLU(),
        Dropout(0.4),
        Residual(Sequential([Dense(10), Tanh()])),
        head,
        Rattle(),
        Dense(3),
    ]


def wide():
    """At batch 10 the gradient of the second dense layer is kept as two factors."""
    return [Flatten(), Dense(2000), ReLU(), Dense(300), ReLU(), Dense(3)]


def weights_after(layers, callbacks, optimizer, epochs=3):
    model = Sequential(layers)
    model.build((1, 8, 8), rng=0)
    run = Trainer(model, SoftmaxCrossEntropy(), optimizer, callbacks=callbacks, progress=False)
    history = run.fit(data(), epochs, None)
    generators = [repr(g.bit_generator.state) for _, g in model.named_generators()]
    gradients = {name: p.grad.copy() for name, p in model.named_parameters()}
    return history.rows, {**model.state_dict(), **gradients}, optimizer.state_dict(), generators


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("count", [None, 2])
@pytest.mark.parametrize("layers", [convolutional, mixed, wide])
@pytest.mark.parametrize(
    "optimizer", [lambda: Adam(0.01), lambda: Nesterov(0.05, momentum=0.9, form="lookahead")]
)
def test_a_training_is_the_same_to_the_bit_with_and_without(layers, optimizer, count, capsys):
    def both():
        return (
            weights_after(layers(), [], optimizer()),
            weights_after(layers(), [Monitor(every=1)], optimizer()),
        )

    if count is None:
        plain, watched = both()
    else:
        with threads(count):
            plain, watched = both()
    assert plain[0] == watched[0] and plain[3] == watched[3]
    assert same(plain[1], watched[1]) and same(plain[2], watched[2])


def contents(folder):
    return {path.name: path.read_bytes() for path in (Path(folder) / "monitor").iterdir()}


def everything(folder):
    """The monitors' files and the checkpoint, which holds the window of the losses."""
    return contents(folder) | {"last": (Path(folder) / "checkpoints/last.safetensors").read_bytes()}


def test_the_files_of_a_run(tmp_path, capsys):
    monitor = Monitor(every=7)
    trainer(tmp_path, [monitor]).fit(data(), 4)
    warnings = [name for name in contents(tmp_path) if name.startswith("warnings-")]
    assert FILES <= contents(tmp_path).keys() and warnings
    table = Table("updates.csv")
    table.read(tmp_path / "monitor")
    assert [(row["epoch"], row["step"]) for row in table.rows][:4] == [(1, 1), (1, 8), (1, 15), (2, 22)]
    assert len(table.rows) == len(range(1, 81, 7))
    stack = Stack("histograms.safetensors")
    stack.read(tmp_path / "monitor")
    arrays = stack.arrays()
    assert arrays["activation/1 ReLU"].shape == (12, 50) and arrays["gradient/1 ReLU"].shape == (12, 65)
    filters = Stack("filters.safetensors")
    filters.read(tmp_path / "monitor")
    # At the start, and at the first look after the steps have doubled: 1, 8, 22 (of 15, 22), 50 (of 43, 50).
    assert filters.arrays()["step"].tolist() == [0, 1, 8, 22, 50]
    np.testing.assert_array_equal(filters.arrays()["filters"][0], first_filters(network()))
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == len(monitor.warnings) == len({entry["kind"] for entry in monitor.warnings})
    assert all(line.startswith("monitor: epoch ") for line in printed)


class StopIn(Callback):
    def __init__(self, epoch, batch):
        self.epoch, self.batch = epoch, batch

    def on_batch_end(self, trainer):
        if (trainer.epoch, trainer.batch) == (self.epoch, self.batch):
            raise KeyboardInterrupt


@pytest.mark.parametrize("epoch", [1, 2, 5, 8])
@pytest.mark.parametrize("every", [None, 7])
def test_interrupted_and_resumed_leaves_the_same_files(tmp_path, epoch, every, capsys):
    trainer(tmp_path / "whole", [Monitor(every)]).fit(data(), 8)
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "part", [Monitor(every), StopIn(epoch, 11)]).fit(data(), 8)
    trainer(tmp_path / "part", [Monitor(every)]).fit(data(), 8, resume=True)
    assert everything(tmp_path / "part") == everything(tmp_path / "whole")


def test_killed_at_random_moments_and_resumed_leaves_the_same_files(tmp_path):
    def start(folder):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "tests.monitoring.watched_run", str(tmp_path / folder), "30"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    whole = start("whole")
    whole.communicate(timeout=120)
    assert whole.returncode == 0
    chance = random.Random(4)
    for _ in range(4):
        process = start("killed")
        for _ in range(chance.randint(1, 6)):
            process.stdout.readline()
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
    process = start("killed")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0 and int(output.split()[0]) > 1
    assert everything(tmp_path / "killed") == everything(tmp_path / "whole")


def test_of_many_looks_every_second_histogram_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minidl.monitoring.histograms.KEPT", 10)
    monitor = Histograms(every=4)
    trainer(tmp_path / "whole", [monitor]).fit(data(), 5)  # 100 steps, 25 looks: every fourth
    assert [step for _, step in monitor.histograms.places] == [1, 17, 33, 49, 65, 81, 97]
    assert len(monitor.table.rows) == 25
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "part", [Histograms(every=4), StopIn(4, 9)]).fit(data(), 5)
    trainer(tmp_path / "part", [Histograms(every=4)]).fit(data(), 5, resume=True)
    assert everything(tmp_path / "part") == everything(tmp_path / "whole")


def test_another_interval_is_refused_on_resuming(tmp_path, capsys):
    trainer(tmp_path, [Monitor(every=7)]).fit(data(), 1)
    before = contents(tmp_path)
    with pytest.raises(CheckpointError, match=r"Monitor\.every \(was 7, now 5\)"):
        trainer(tmp_path, [Monitor(every=5)]).fit(data(), 2, resume=True)
    assert contents(tmp_path) == before


def test_damaged_files_cost_a_line_and_not_the_run(tmp_path, capsys):
    trainer(tmp_path, [Monitor(every=7)]).fit(data(), 2)
    (tmp_path / "monitor/updates.csv").write_text("epoch,step\n1\n")
    (tmp_path / "monitor/histograms.safetensors").write_bytes(b"")
    (tmp_path / "monitor/warnings-layers.json").write_text("{")
    capsys.readouterr()
    monitor = Monitor(every=7)
    trainer(tmp_path, [monitor]).fit(data(), 4, resume=True)
    errors = capsys.readouterr().err
    assert all(name in errors for name in ("updates.csv", "histograms.safetensors", "warnings-layers.json"))
    assert monitor.updates.table.rows[0]["epoch"] == 3


def test_a_new_run_forgets_the_last_one(capsys):
    monitor = Monitor(every=7)
    run = trainer(None, [monitor])
    run.fit(data(), 2)
    rows = len(monitor.updates.table.rows)
    run.fit(data(), 2)
    assert len(monitor.updates.table.rows) == rows and monitor.updates.table.rows[0]["step"] == 1


def test_after_a_divergence_the_files_are_there(tmp_path, capsys):
    with pytest.raises(DivergenceError):
        trainer(tmp_path, [Monitor(every=2)], optimizer=SGD(1e38)).fit(data(), 3)
    assert {"updates.csv", "layers.csv"} <= contents(tmp_path).keys()


def test_in_a_hand_written_loop_it_is_the_same_as_in_the_trainer(capsys):
    watched = Monitor(every=7)
    trainer(None, [watched], keep_best=None).fit(data(), 2)

    model, loss, optimizer, loader = network(), SoftmaxCrossEntropy(), Momentum(0.4, 0.9), data()
    xs, ys = zip(*loader.epoch(0), strict=True)
    monitor = Monitor(every=7)
    probe = np.concatenate(xs)[:64], np.concatenate(ys)[:64]
    monitor.start(model, loss, probe, batches=len(loader))
    for epoch in range(2):
        for x, y in loader.epoch(epoch):
            value = loss.forward(model.forward(x, train=True), y)
            model.backward_parameters(loss.backward())
            monitor.observe_gradients()
            optimizer.step(model.named_parameters())
            monitor.observe(value, lr=optimizer.lr)
    monitor.finish()
    for name in ("updates", "histograms", "jumps"):
        assert getattr(monitor, name).table.rows == getattr(watched, name).table.rows
    with pytest.raises(StateError, match=r"call start\(model"):
        Monitor().observe(1.0)


def test_each_monitor_works_on_its_own(tmp_path, capsys):
    parts = [UpdateRatios(7), Histograms(7), Filters(7), LossJumps()]
    trainer(tmp_path / "parts", parts).fit(data(), 2)
    monitor = Monitor(7)
    trainer(tmp_path / "all", [monitor]).fit(data(), 2)
    one, other = contents(tmp_path / "parts"), contents(tmp_path / "all")
    assert one.keys() == other.keys()
    assert [n for n in one if one[n] != other[n]] == ["filters.safetensors"]  # there at every look
    assert [step for _, step in parts[2].stack.places] == [0, 1, 8, 15, 22, 29, 36]


def test_filters_of_a_dense_layer_are_images():
    model = Sequential([Flatten(), Dense(30)])
    model.build((1, 4, 6), rng=0)
    filters = first_filters(model)
    weight = dict(model.named_parameters())["1.weight"].value
    assert filters.shape == (20, 1, 4, 6)
    np.testing.assert_array_equal(filters[7, 0], weight[:, 7].reshape(4, 6))


def test_filters_that_are_no_images_are_refused_but_not_by_the_monitor(capsys):
    model = Sequential([Dense(4), Dense(3)])
    model.build((6,), rng=0)
    with pytest.raises(ConfigError, match="no images"):
        Filters().start(model, batches=10)
    Monitor().start(model, batches=10)


def test_the_probe_is_the_beginning_of_the_first_epoch(capsys):
    monitor = Monitor()
    trainer(None, [monitor]).fit(data(), 1)
    x, y = monitor.probe
    assert x.shape == (64, 1, 8, 8) and y.shape == (64,)
    first = next(iter(data().epoch(0)))
    np.testing.assert_array_equal(x[:10], first[0])
    small = Loader(data().images[:30], data().labels[:30], 10)
    trainer(None, [monitor]).fit(small, 1)
    assert len(monitor.probe[0]) == 30


def test_warnings_appear_above_a_progress_bar(monkeypatch, capsys):
    tqdm = pytest.importorskip("tqdm", reason="the progress bar")
    lines = []
    monkeypatch.setattr(tqdm.tqdm, "write", lambda line, file: lines.append((line, file)))
    monitor = Monitor(every=7)
    trainer(None, [monitor]).fit(data(), 3)
    assert len(lines) == len(monitor.warnings) > 0 and lines[0][1] is sys.stderr
    assert capsys.readouterr().err == ""


def test_run_json_names_the_interval(tmp_path, capsys):
    trainer(tmp_path, [Monitor()]).fit(data(), 1)
    assert read_json(tmp_path / "run.json")["training"]["callbacks"]["Monitor"] == {"every": None}
