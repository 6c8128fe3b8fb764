"""Training steps on a GPU, timed: minidl in its four forms, and PyTorch in its own.

Each function returns microseconds per step, one number for each round. The clock starts and stops with the device
idle, and between the two are many steps, so what is timed is the whole of it: host, launches and kernels, whichever
takes longest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from benchmarks import models
from benchmarks.gpu_branches import Branches
from minidl.backend import namespace, plain, to_device
from minidl.data import Loader
from minidl.data.resident import Resident
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD
from minidl.training import Trainer
from minidl.training.side_by_side import fit_side_by_side
from minidl.training.step_graph import StepGraph

BATCHES_IN_TURN = 8
WARM_UP_STEPS = 10
MEMBERS = 5


def timed(step: Callable[[int], Any], wait: Callable[[], Any], seconds: float, rounds: int) -> list[float]:
    """Return microseconds per step of `rounds` blocks of about ``seconds / rounds`` each."""
    for number in range(WARM_UP_STEPS):
        step(number)
    wait()
    start = time.perf_counter()
    step(0)
    wait()
    count = max(2, math.ceil(seconds / rounds / max(1e-6, time.perf_counter() - start)))
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        for number in range(count):
            step(number)
        wait()
        found.append((time.perf_counter() - start) / count * 1e6)
    return found


def minidl_steps(rung: str, batch: int, device: str, seconds: float, rounds: int, fused: bool) -> list[float]:
    """Time steps launched one by one: the plain layers, or with fused kernels."""
    model = models.minidl_model(rung)
    model.to(device)
    batches = [
        (to_device(x, device), to_device(y, device)) for x, y in models.random_batches(batch, BATCHES_IN_TURN)
    ]
    step = models.training_step(model)
    stream = namespace(batches[0][0]).cuda.get_current_stream()
    with nullcontext() if fused else plain():
        return timed(
            lambda number: step(*batches[number % len(batches)]), stream.synchronize, seconds, rounds
        )


def graph_steps(rung: str, batch: int, device: str, images: int, rounds: int, seed: int = 0) -> list[float]:
    """Time replayed steps: epochs of a Trainer, without the first, in which it records."""
    trainer, loader = _trainer(rung, batch, images, seed, device, graph="auto")
    _recorded_steps(trainer, loader, rounds + 1)
    return [seconds / len(loader) * 1e6 for seconds in trainer.timings["train_seconds"][1:]]


def sequential_steps(rung: str, batch: int, device: str, images: int, rounds: int) -> list[float]:
    """Time replayed steps of five networks, one network after another: the sum of their times."""
    each = [graph_steps(rung, batch, device, images, rounds, seed) for seed in range(MEMBERS)]
    return [sum(times) for times in zip(*each, strict=True)]


def branch_steps(rung: str, batch: int, device: str, images: int, rounds: int) -> list[float]:
    """Time replayed steps of five networks whose steps are parallel branches of one graph."""
    pairs = [_trainer(rung, batch, images, seed, device, graph="auto") for seed in range(MEMBERS)]
    branches = Branches([_recorded_steps(trainer, loader, 1) for trainer, loader in pairs])
    steps = len(pairs[0][1])
    rates, found = np.full(steps, float(pairs[0][0].optimizer.lr)), []
    for number in range(1, rounds + 2):  # the first records
        start = time.perf_counter()
        branches.epoch(number, rates)
        found.append((time.perf_counter() - start) / steps * 1e6)
    return found[1:]


def _recorded_steps(trainer: Trainer, loader: Loader, epochs: int) -> StepGraph:
    """Train by replaying; return what replays."""
    trainer.fit(loader, epochs)
    if trainer._replay is None or not trainer._replay.steps.replays:
        raise RuntimeError("the steps were not recorded")
    steps: StepGraph = trainer._replay.steps
    return steps


def side_by_side_steps(rung: str, batch: int, device: str, images: int, rounds: int) -> list[float]:
    """Time replayed steps of five networks at once."""
    pairs = [_trainer(rung, batch, images, seed, device) for seed in range(MEMBERS)]
    trainers = [trainer for trainer, _ in pairs]
    loaders = [Resident(loader, device) for _, loader in pairs]
    fit_side_by_side(trainers, loaders, rounds + 1, graph="auto")
    if trainers[0]._replay._together._graph is None:
        raise RuntimeError("the steps were not recorded")
    # The first trainer's epoch is that of all: the others find it done.
    return [seconds / len(loaders[0]) * 1e6 for seconds in trainers[0].timings["train_seconds"][1:]]


def _trainer(
    rung: str, batch: int, images: int, seed: int, device: str, graph: str = "off"
) -> tuple[Trainer, Loader]:
    model = models.minidl_model(rung, seed)
    model.to(device)
    split = models.noise_split(max(batch, images - images % batch), np.random.default_rng(0))
    loader = Loader(split.images, split.labels, batch, seeds=seed)
    optimizer = SGD(models.LEARNING_RATE)
    return Trainer(
        model, SoftmaxCrossEntropy(), optimizer, progress=False, graph=graph, keep_best=None
    ), loader


def torch_problem() -> str | None:
    """Return why PyTorch cannot be timed on a GPU here, None if it can."""
    try:
        import torch
    except ImportError:
        return "PyTorch is not installed"
    return None if torch.cuda.is_available() else "PyTorch sees no GPU"


def torch_steps(
    rung: str, batch: int, seconds: float, rounds: int, form: str = "eager", device: str = "cuda"
) -> list[float]:
    """Time PyTorch's steps.

    Parameters
    ----------
    form : {"eager", "graph", "compiled"}
        "graph": the whole step as a CUDA graph, with batches copied to its input, as PyTorch's documentation
        has it. "compiled": ``torch.compile`` of the network.
    """
    import torch

    # float32 as in minidl, and whatever cuDNN finds fastest.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    net = models.torch_twin(models.minidl_model(rung)).train().to(device)
    data = [
        (torch.from_numpy(x).to(device), torch.from_numpy(y).to(device))
        for x, y in models.random_batches(batch, BATCHES_IN_TURN)
    ]
    optimizer = torch.optim.SGD(net.parameters(), lr=models.LEARNING_RATE)
    forward: Any = torch.compile(net) if form == "compiled" else net

    def step(x: Any, y: Any) -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(forward(x), y).backward()
        optimizer.step()

    def wait() -> None:
        if device != "cpu":
            torch.cuda.synchronize()

    if form != "graph":
        return timed(lambda number: step(*data[number % len(data)]), wait, seconds, rounds)
    x, y = (tensor.clone() for tensor in data[0])
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step(x, y)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(x, y)

    def replay(number: int) -> None:
        images, labels = data[number % len(data)]
        x.copy_(images)
        y.copy_(labels)
        graph.replay()

    return timed(replay, wait, seconds, rounds)
