"""Networks as parallel branches of one graph end as they would alone; and the fake streams that show it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.gpu_branches import Branches
from minidl.backend import to_cpu
from minidl.data import Loader
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD, Adam, Nesterov
from minidl.training import Trainer
from tests.device.fake import FAKE, LEDGER, Hazard, from_host
from tests.device.test_device_graph import IMAGES, LABELS, small

NETWORKS, EPOCHS, STEPS = 3, 3, 2


def trainers(optimizer, place="fake"):
    """Networks with weights, batches and masks of their own: 23 images are four batches of five and a rest."""
    made = []
    for seed in range(NETWORKS):
        model = small()
        model.build(IMAGES.shape[1:], rng=seed)
        model.to(place)
        trainer = Trainer(model, SoftmaxCrossEntropy(), optimizer(), graph=STEPS, progress=False)
        made.append((trainer, Loader(IMAGES, LABELS, 5, seeds=10 + seed)))
    return made


def branched(optimizer, place="fake"):
    """Train the first epoch alone, the others as branches."""
    made = trainers(optimizer, place)
    for trainer, loader in made:
        trainer.fit(loader, 1)
    branches = Branches([trainer._replay.steps for trainer, _ in made])
    for epoch in range(1, EPOCHS):
        branches.epoch(epoch, np.full(5, made[0][0].optimizer.lr))
    return [trainer for trainer, _ in made], branches


def alone(optimizer, place="fake"):
    made = trainers(optimizer, place)
    for trainer, loader in made:
        trainer.fit(loader, EPOCHS)
    return [trainer for trainer, _ in made]


def require_equal(one, other):
    """Weights, the optimizer's memory and count, and how many masks were drawn."""
    for first, second in (
        (one.model.state_dict(), other.model.state_dict()),
        (one.optimizer.state_dict(), other.optimizer.state_dict()),
    ):
        assert first.keys() == second.keys()
        for name, value in first.items():
            pair = (to_cpu(x) if hasattr(x, "shape") else x for x in (value, second[name]))
            np.testing.assert_array_equal(*pair, err_msg=name)
    masks = [[g.bit_generator.state["state"]["counter"].tolist() for _, g in each.model.named_generators()]
             for each in (one, other)]  # fmt: skip
    assert masks[0] == masks[1]


@pytest.mark.parametrize("optimizer", [lambda: SGD(0.1), lambda: Nesterov(0.05), lambda: Adam(0.01)])
def test_branches_end_as_networks_alone(device, optimizer):
    there, branches = branched(optimizer)
    for one, other in zip(alone(optimizer), there, strict=True):
        require_equal(one, other)
    # Two graphs of two steps and one of the rest in each epoch, whatever the number of networks.
    assert branches.replays == 3 * (EPOCHS - 1)
    weights = [to_cpu(trainer.model.state_dict()["0.weight"]) for trainer in there]
    assert not np.array_equal(weights[0], weights[1])


def test_branches_have_the_nodes_of_all_and_wait_for_none_of_each_other(device):
    made = trainers(lambda: SGD(0.1))
    for trainer, loader in made:
        trainer.fit(loader, 1)
    branches = Branches([trainer._replay.steps for trainer, _ in made])
    branches._record(0, 2)  # the layers have their arrays for this batch size again
    alone = [len(single._record(single.parts[0], 2).calls) for single in branches.graphs]
    graph = branches._record(0, 2)
    assert alone[0] > 50 and len(graph.calls) == sum(alone)
    assert max(graph.depth) == max(alone)


def test_an_epoch_of_branches_asks_the_host_for_nothing_between_launches(device):
    _, branches = branched(lambda: SGD(0.1))
    for graph in branches.graphs:
        graph.begin(EPOCHS, np.full(5, 0.1))
    with device.watched() as inside:
        for index, steps in ((0, 2), (0, 2), (1, 1)):
            branches._graph(index, steps).launch(branches.stream)
    assert inside.transfers == [] and dict(inside.launches) == {"graph": 3}


def test_a_step_that_cannot_be_recorded_ends_the_capture(device, monkeypatch):
    made = trainers(lambda: SGD(0.1))
    for trainer, loader in made:
        trainer.fit(loader, 1)
    monkeypatch.setattr(made[1][0].loss, "backward", lambda: 1 / 0)
    branches = Branches([trainer._replay.steps for trainer, _ in made])
    with pytest.raises(ZeroDivisionError):
        branches.epoch(1, np.full(5, 0.1))
    assert LEDGER.recording is None


# The fake device ---------------------------------------------------------------------------------------


@pytest.fixture
def two(device):
    return [FAKE.cuda.Stream(non_blocking=True) for _ in range(2)]


def test_streams_fork_and_join(two):
    main, side = two
    x, y = from_host(np.zeros(2, np.float32)), from_host(np.zeros(2, np.float32))
    with main:
        main.begin_capture()
        x += 1
        side.wait_event(main.record())
        assert side.is_capturing()
        with side:
            y += x
        main.wait_event(side.record())
        x += y
        graph = main.end_capture()
    assert not main.is_capturing() and not side.is_capturing()
    assert x._host.tolist() == y._host.tolist() == [0, 0]
    for _ in range(2):
        graph.launch(main)
    # x is 1, y 1, x 2; then x is 3, y 4, x 7.
    assert y._host.tolist() == [4, 4] and x._host.tolist() == [7, 7]


def test_a_branch_that_should_have_waited_is_found_out(two):
    """Both branches write to one array: without an event between them, the later one comes first."""
    main, side = two
    results = []
    for waits in (True, False):
        x = from_host(np.zeros(1, np.float32))
        with main:
            main.begin_capture()
            fork = main.record()
            side.wait_event(fork)
            x += 1
            if waits:
                side.wait_event(main.record())
            with side:
                x *= 10
            main.wait_event(side.record())
            graph = main.end_capture()
        graph.launch(main)
        results.append(float(to_cpu(x)[0]))
    assert results == [10, 1]


def test_a_stream_that_is_not_waited_for_is_an_error(two):
    main, side = two
    x = from_host(np.zeros(1, np.float32))
    with main:
        main.begin_capture()
        side.wait_event(main.record())
        with side:
            x += 1
        with pytest.raises(RuntimeError, match="Unjoined"):
            main.end_capture()
    assert not main.is_capturing()


def test_what_is_launched_beside_a_capture_is_an_error(two):
    main, side = two
    x = from_host(np.zeros(1, np.float32))
    main.begin_capture()
    with side, pytest.raises(Hazard, match="not captured"):
        x += 1
    with pytest.raises(RuntimeError, match="IllegalState"):
        side.end_capture()
    main.end_capture()


def test_events_of_another_time_cannot_be_waited_for_in_a_capture(two):
    main, side = two
    before = side.record()
    main.wait_event(before)  # outside of a capture anything goes
    main.begin_capture()
    with pytest.raises(RuntimeError, match="Isolation"):
        main.wait_event(before)
    inside = main.record()
    main.end_capture()
    with pytest.raises(RuntimeError, match="Isolation"):
        side.wait_event(inside)
