"""Recorded training steps: replays are eager steps, bit for bit, and what cannot be recorded is refused.

On the fake device, recording carries nothing out; products by cuBLAS and transfers fail in it, as in CUDA.
"""

from __future__ import annotations

import numpy as np
import pytest

from minidl import layers as kinds
from minidl.backend import to_cpu
from minidl.data import ExpandedShifts, Loader, RandomShift, Split
from minidl.errors import ConfigError
from minidl.experiments.ladder import INPUT_SHAPE, build_model
from minidl.kernels import products
from minidl.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Sequential, Sigmoid
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD, Adam, Momentum, Nesterov
from minidl.regularizers import L1, L2
from minidl.schedules import OneCycle
from minidl.training import Callback, Trainer, graph, graph_limits
from minidl.training.step_graph import StepGraph
from tests.device.fake import LEDGER
from tests.device.fake_stream import current_allocator

rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (23, 1, 12, 12), dtype=np.uint8)
LABELS = rng.integers(0, 10, 23)
DIGITS = rng.integers(0, 256, (12, *INPUT_SHAPE), dtype=np.uint8)


def small():
    """The kinds of layers of the ladder, on images of 12x12."""
    layers = [Conv2D(3, 3), MaxPool2D(2), Sigmoid(), Conv2D(4, 2), ReLU(), Flatten(), Dropout(0.3)]
    return Sequential([*layers, Dense(20), ReLU(), Dropout(0.5, scaling="test"), Dense(10)])


def trained(model, optimizer, steps, *, images=IMAGES, epochs=3, loader=None, place="fake", **options):
    """Train on a device; return everything that a checkpoint would have, and the trainer."""
    model.build(images.shape[1:], rng=1)
    model.to(place)
    loader = Loader(images, LABELS[: len(images)], 5, seeds=3, **(loader or {}))
    trainer = Trainer(model, SoftmaxCrossEntropy(), optimizer, graph=steps, progress=False, **options)
    trainer.fit(loader, epochs, Split(images[:4], LABELS[:4]))
    arrays = {**model.state_dict(), **{f"of {k}": v for k, v in trainer.optimizer.state_dict().items()}}
    state = {name: to_cpu(x) if hasattr(x, "shape") else x for name, x in arrays.items()}
    for name, generator in model.named_generators():
        state[f"masks {name}"] = generator.bit_generator.state["state"]["counter"]
    return state, trainer


def require_equal(first, second):
    assert first[0].keys() == second[0].keys()
    for name, value in first[0].items():
        np.testing.assert_array_equal(value, second[0][name], err_msg=name)
    assert first[1].history.rows == second[1].history.rows
    assert first[1].optimizer.lr == second[1].optimizer.lr


@pytest.fixture
def own_products(device, monkeypatch):
    """Let eager steps use minidl's own products, too: cuBLAS adds in another order."""
    monkeypatch.setattr(products, "capturing", lambda x: not isinstance(x, np.ndarray))


# 23 images in batches of 5: four full ones and a rest of three. By two: one step eagerly in the first epoch,
# then graphs of two and of one; by 100: more than there are.
@pytest.mark.parametrize("steps", [1, 2, 100])
@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        (lambda: SGD(0.1), {}),
        (lambda: Momentum(0.1, momentum=0.8, weight_decay=0.01, clip_norm=0.5), {"regularizers": [L1(0.01)]}),
        (
            lambda: Nesterov(0.1, momentum=0.9),
            {"schedule": OneCycle(0.1, min_momentum=0.9, max_momentum=0.9), "regularizers": [L2(0.02)]},
        ),
        (lambda: Adam(0.01), {"schedule": OneCycle(0.01)}),
    ],
)
def test_replays_are_eager_steps(own_products, steps, optimizer, options):
    eager = trained(small(), optimizer(), "off", **options)
    replayed = trained(small(), optimizer(), steps, **options)
    require_equal(eager, replayed)
    assert replayed[1]._replay.steps.replays > 0
    assert not np.array_equal(eager[0]["0.weight"], trained(small(), SGD(0.0), "off")[0]["0.weight"])


# Nodes of the graph of one step, at most: what a GPU has to start.
NODES = {"0": 14, "1": 18, "3": 28, "10": 45}


@pytest.mark.parametrize("rung", NODES)
def test_the_rungs(own_products, monkeypatch, rung):
    nodes, record = [], StepGraph._record

    def counted(self, part, steps):
        with LEDGER.watched(float32_only=True) as inside:
            graph = record(self, part, steps)
        nodes.append(inside.count)
        return graph

    monkeypatch.setattr(StepGraph, "_record", counted)
    options = {"images": DIGITS, "epochs": 2 if rung == "10" else 3}
    runs = [trained(build_model(rung, "lecture"), Nesterov(0.05), steps, **options) for steps in ("off", 1)]
    require_equal(*runs)
    assert nodes and max(nodes) <= NODES[rung]


@pytest.mark.parametrize(
    "loader",
    [
        {"augment": RandomShift(2), "mean": 0.3, "std": 0.4},
        {"shuffle": "never", "drop_last": True},
        {"images": ExpandedShifts(IMAGES), "shuffle": "once"},
        {"batch_size": 23},
        {"batch_size": 40},
        {"batch_size": 1},
    ],
    ids=["shift", "never", "expanded", "one batch", "no full batch", "single images"],
)
def test_batches_are_those_of_the_loader(own_products, loader):
    def run(steps):
        options = dict(loader)
        model, images = small(), options.pop("images", IMAGES)
        batch = options.pop("batch_size", 5)
        model.build(IMAGES.shape[1:], rng=1)
        model.to("fake")
        trainer = Trainer(model, SoftmaxCrossEntropy(), SGD(0.1), graph=steps, progress=False)
        trainer.fit(Loader(images, LABELS, batch, seeds=3, **options), 2)
        return {name: to_cpu(value) for name, value in model.state_dict().items()}, trainer

    require_equal(run("off"), run(2))


def test_every_kind_of_layer_said_to_be_recordable_is(own_products):
    wrapped = kinds.Residual(Sequential([Conv2D(2, 3, padding="same"), kinds.BatchNorm(), kinds.ELU()]))
    pools = [kinds.AvgPool2D(2, padding="same"), kinds.L2Pool2D(2), kinds.LeakyReLU(), MaxPool2D(2, stride=1)]
    dense = [kinds.Identity(), Dropout(0.2), Dense(9), kinds.Tanh(), kinds.Reshape((3, 3)), Flatten()]

    def model():
        import copy

        heads = [kinds.Softmax(), Dense(10)]
        body = [Conv2D(2, 3), wrapped, *pools, Flatten(), *dense, Sigmoid(), ReLU(), *heads]
        return Sequential(copy.deepcopy(body))

    def globally():
        return Sequential([Conv2D(10, 3), kinds.GlobalAvgPool2D()])

    used = {type(layer) for built in (model(), globally()) for _, layer in built.named_layers()}
    assert used == set(graph_limits.RECORDABLE)
    for make in (model, globally):
        require_equal(trained(make(), SGD(0.1), "off"), trained(make(), SGD(0.1), 2))


def test_an_epoch_of_replays_asks_the_host_for_nothing(device):
    """Between the first launch of an epoch and the last there is no transfer, and few launches."""
    seen = []

    class Watch(StepGraph):
        def _run(self, index, after):
            with device.watched() as inside:
                super()._run(index, after)
            seen.append(inside)

    original, graph.StepGraph = graph.StepGraph, Watch
    try:
        _, trainer = trained(small(), SGD(0.1), 2, epochs=3)
    finally:
        graph.StepGraph = original
    later = seen[-2:]  # the full batches and the rest of the third epoch
    assert [inside.transfers for inside in later] == [[], []]
    assert [dict(inside.launches) for inside in later] == [{"graph": 2}, {"graph": 1}]
    assert trainer.history.rows[-1]["train_loss"] > 0


def test_recording_allocates_from_a_pool_of_its_own(device, monkeypatch):
    allocators = set()
    record = StepGraph._steps

    def steps(self, part, count):
        allocators.add(getattr(current_allocator(), "__self__", None))
        return record(self, part, count)

    monkeypatch.setattr(StepGraph, "_steps", steps)
    _, trainer = trained(small(), SGD(0.1), 2)
    assert allocators == {trainer._replay.steps.pool}


def test_a_validation_of_another_size_between_epochs_changes_nothing(own_products):
    """The layers let go of their arrays then, but the graph has their addresses."""
    runs = []
    for steps in ("off", 2):
        model = small()
        model.build(IMAGES.shape[1:], rng=1)
        model.to("fake")
        trainer = Trainer(model, SoftmaxCrossEntropy(), Nesterov(0.1), graph=steps, progress=False)
        trainer.fit(Loader(IMAGES, LABELS, 5, seeds=3), 4, Split(IMAGES, LABELS))
        runs.append(({name: to_cpu(x) for name, x in model.state_dict().items()}, trainer))
    require_equal(*runs)
    steps = runs[1][1]._replay.steps
    held = {id(array) for workspace in steps._held for array in workspace.values()}
    assert held  # while the graphs live


def test_each_graph_is_recorded_once(device, monkeypatch):
    recorded, record = [], StepGraph._record
    monkeypatch.setattr(
        StepGraph,
        "_record",
        lambda self, part, steps: recorded.append((part.batch, steps)) or record(self, part, steps),
    )
    trained(small(), Momentum(0.1), 2, epochs=5)
    assert sorted(recorded) == [(3, 1), (5, 1), (5, 2)]


def test_options_changed_between_epochs_are_recorded_anew(own_products):
    """Here the momentum, a penalty, and a layer that is frozen: all are written into the graph."""

    class Change(Callback):
        def on_epoch_end(self, trainer, row):
            if trainer.epoch == 2:
                trainer.optimizer.momentum = 0.3
                trainer.regularizers[0].strength = 0.5
                dict(trainer.model.named_parameters())["0.weight"].frozen = True

    runs = [
        trained(small(), Momentum(0.1), steps, epochs=4, callbacks=[Change()], regularizers=[L2(0.01)])
        for steps in ("off", 2)
    ]
    require_equal(*runs)


@pytest.mark.parametrize("step", ["product", "transfer"])
def test_what_cuda_refuses_fails_on_the_fake_device_too(device, monkeypatch, capsys, step):
    def spoiled(forward):
        def call(self, outputs, targets, weights=None):
            if step == "product":
                outputs.T @ outputs
            else:
                float(outputs[0, 0])
            return forward(self, outputs, targets, weights)

        return call

    monkeypatch.setattr(SoftmaxCrossEntropy, "forward", spoiled(SoftmaxCrossEntropy.forward))
    with pytest.raises(
        ConfigError, match=r"cannot be recorded as a graph \((NotImplementedError|RuntimeError): "
    ):
        trained(small(), SGD(0.1), 2)
    assert LEDGER.recording is None
    _, trainer = trained(small(), SGD(0.1), "auto")
    assert trainer._replay.steps.replays == 0 and trainer.history.rows[-1]["epoch"] == 3
    assert capsys.readouterr().err.count("its steps are launched one by one") == 1


def test_steps_of_a_graph_divide_the_epoch_if_they_can():
    # 5,000 = 100 x 50; 390 = 10 x 39; 97 is prime: 50 and singles, and 3 are fewer than that.
    assert [graph.block_of(full) for full in (5_000, 390, 97, 3)] == [50, 39, 50, 50]


def test_a_resumed_run_goes_on_bit_for_bit(own_products, tmp_path):
    class Stop(Callback):
        def on_epoch_start(self, trainer):
            if trainer.epoch == 3:
                raise KeyboardInterrupt

    def run(folder, callbacks=(), resume=False):
        model = small()
        model.build(IMAGES.shape[1:], rng=1)
        model.to("fake")
        made = Trainer(
            model, SoftmaxCrossEntropy(), Adam(0.01), graph=2, progress=False, run_dir=folder, callbacks=callbacks
        )  # fmt: skip
        made.fit(Loader(IMAGES, LABELS, 5, seeds=3), 4, Split(IMAGES[:4], LABELS[:4]), resume=resume)
        return {name: to_cpu(value) for name, value in model.state_dict().items()}, made

    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", [Stop()])
    require_equal(whole, run(tmp_path / "cut", resume=True))
