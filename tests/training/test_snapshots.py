"""Snapshots: when they are taken, where they are kept, and that they vote."""

import numpy as np
import pytest

from minidl.errors import CheckpointError, ConfigError, StateError
from minidl.evaluation import accuracy, hard_vote, soft_vote
from minidl.layers import Dense, ReLU, Sequential
from minidl.losses import SoftmaxCrossEntropy, softmax
from minidl.optimizers import SGD
from minidl.schedules import Cosine, CosineRestarts, Warmup
from minidl.training import Callback, Snapshots, Trainer, WeightAverage, load_weights, predict
from tests.training.toys import blobs, loader, network, trainer


class Watch(Callback):
    """Keep rate and weights of every step."""

    def __init__(self):
        self.rates, self.weights = [], []

    def on_batch_end(self, trainer):
        self.rates.append(trainer.optimizer.lr)
        self.weights.append({name: x.copy() for name, x in trainer.model.state_dict().items()})


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "schedule, steps",
    [
        (CosineRestarts(0.1, cycles=3), [8, 16, 24]),
        (CosineRestarts(0.1, cycles=5), [5, 10, 15, 20, 24]),  # 24/5 = 4.8 steps each
        (CosineRestarts(0.1, cycles=2, multiplier=2), [8, 24]),
        (Warmup(CosineRestarts(0.1, cycles=2), fraction=0.25), [15, 24]),  # 6 steps, then twice 9
    ],
)
def test_taken_after_the_last_step_of_each_cycle(schedule, steps):
    # 24 steps: 4 epochs of 6. The rate is at its lowest in the step, and jumps up in the next one.
    watch, snapshots = Watch(), Snapshots()
    trainer(schedule=schedule, callbacks=[watch, snapshots]).fit(loader(blobs()), 4)
    assert len(snapshots) == len(steps)
    for step, weights in zip(steps, snapshots, strict=True):
        assert same(weights, watch.weights[step - 1])
        assert watch.rates[step - 1] < watch.rates[step - 2]
        assert step == 24 or watch.rates[step] > watch.rates[step - 1]


def test_taken_every_few_epochs():
    watch, snapshots = Watch(), Snapshots(every=2)
    trainer(callbacks=[watch, snapshots]).fit(loader(blobs()), 5)
    assert [
        same(weights, watch.weights[step - 1]) for step, weights in zip((12, 24), snapshots, strict=True)
    ] == [
        True,
        True,
    ]


def test_in_the_folder_of_the_run(tmp_path):
    watch, snapshots = Watch(), Snapshots()
    run = trainer(
        run_dir=tmp_path,
        schedule=CosineRestarts(0.1, cycles=2),
        callbacks=[watch, snapshots, WeightAverage(0.9)],
    )
    run.fit(loader(blobs()), 2, blobs(seed=1))
    files = sorted(path.name for path in (tmp_path / "checkpoints").glob("snapshot-*"))
    assert files == ["snapshot-01.safetensors", "snapshot-02.safetensors"]
    assert not snapshots._kept  # nothing is held in memory as well
    model = network(1)
    state = load_weights(model, tmp_path / "checkpoints/snapshot-01.safetensors")
    assert state == {"epoch": 1, "step": 6}
    assert same(model.state_dict(), watch.weights[5])  # the training's own weights, not the average
    for found in (snapshots, Snapshots.of_run(tmp_path)):
        assert [same(weights, watch.weights[step - 1]) for step, weights in zip((6, 12), found, strict=True)]
    (tmp_path / "checkpoints/snapshot-01.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"snapshot-01\.safetensors"):
        list(snapshots)


def test_of_a_finished_run_that_is_loaded_again(tmp_path):
    def make(snapshots):
        return trainer(run_dir=tmp_path, schedule=CosineRestarts(0.1, cycles=2), callbacks=[snapshots])

    make(Snapshots()).fit(loader(blobs()), 2)
    again = Snapshots()
    make(again).fit(loader(blobs()), 2, resume=True)
    assert len(again) == len(list(again)) == 2


def test_snapshots_vote():
    """Six networks of one training: their votes are combined, and the trained model stays as it is."""
    split, unseen = blobs(150, noise=1.2), blobs(400, noise=1.2, seed=1)
    model = Sequential([Dense(12), ReLU(), Dense(3)])
    model.build((6,), rng=0)
    snapshots = Snapshots()
    Trainer(model, SoftmaxCrossEntropy(), SGD(0.5), schedule=CosineRestarts(0.5), callbacks=[snapshots]).fit(
        loader(split), 12
    )
    last = predict(model, unseen.images)
    model.layers[0].parameters["bias"].value += 1  # so that the model's own weights are no snapshot
    own = predict(model, unseen.images)
    outputs = snapshots.outputs(model, unseen.images)
    assert outputs.shape == (6, 400, 3) and outputs.dtype == np.float32
    assert np.array_equal(outputs[-1], last) and np.array_equal(predict(model, unseen.images), own)
    assert not np.array_equal(outputs[0], outputs[1])

    singles = [accuracy(each.argmax(axis=1), unseen.labels) for each in outputs]
    for votes in (soft_vote(softmax(outputs)), hard_vote(outputs.argmax(axis=2))):
        assert accuracy(votes, unseen.labels) >= np.mean(singles)
    # The mean probability by hand, for one image.
    expected = np.mean([np.exp(z) / np.exp(z).sum() for z in outputs[:, 7].astype(float)], axis=0)
    assert soft_vote(softmax(outputs))[7] == expected.argmax()


def test_a_second_fit_starts_again():
    snapshots = Snapshots(every=1)
    run = trainer(callbacks=[snapshots])
    run.fit(loader(blobs()), 2)
    run.fit(loader(blobs()), 1)
    assert len(snapshots) == len(list(snapshots)) == 1
    assert same(next(iter(snapshots)), run.model.state_dict())


def test_misuse(tmp_path):
    for every in (0, -1, True, 1.5):
        with pytest.raises(ConfigError, match="every must be a number of epochs >= 1"):
            Snapshots(every)
    for options in ({}, {"schedule": Cosine(0.1)}, {"schedule": lambda progress: 0.1}):
        with pytest.raises(ConfigError, match="the schedule has no cycles"):
            trainer(run_dir=tmp_path / "run", callbacks=[Snapshots()], **options).fit(loader(blobs()), 1)
    with pytest.raises(ConfigError, match="every=3 leaves none in 2 epochs"):
        trainer(run_dir=tmp_path / "run", callbacks=[Snapshots(3)]).fit(loader(blobs()), 2)
    assert not (tmp_path / "run").exists()  # refused before anything was written
    with pytest.raises(StateError, match="there are none yet"):
        Snapshots().outputs(network(), blobs().images)
