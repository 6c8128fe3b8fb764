"""Single calls on a GPU: what CuPy's and PyTorch's cost the host, and what a node of a graph costs.

The predictions are those that were written down before anything was measured; see docs/gpu.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.backend import to_cpu, to_device
from minidl.kernels.gpu.counters import advance

NODES = 1000
CALLS = 500  # fewer than a stream queues, so that the host never waits for the device


@dataclass(frozen=True)
class Call:
    """One thing to measure, with its prediction."""

    name: str
    unit: str
    predicted: str
    measure: Callable[[], Any]


def calls(device: str) -> Iterator[Call]:
    """Yield everything to measure on a device with CuPy's interface."""
    from minidl.backend import namespace

    x = to_device(np.ones((64, 64), np.float32), device)
    xp, out = namespace(x), to_device(np.ones((64, 64), np.float32), device)
    counter = to_device(np.zeros(1, np.int64), device)
    stream = xp.cuda.get_current_stream()

    def host(call: Callable[[], Any], count: int = CALLS) -> Callable[[], float]:
        return lambda: host_microseconds(call, stream.synchronize, count)

    us = "µs of the host per call"
    yield Call("add(out=)", us, "10-18", host(lambda: xp.add(x, x, out=out)))
    yield Call("ElementwiseKernel", us, "8-12", lambda: host(_elementwise(xp, x, out))())
    yield Call(
        "a kernel of minidl (RawKernel)", us, "4-8 for the bare launch", host(lambda: advance(1, counter, 1))
    )
    yield Call("2-D dot(out=)", us, "12-18", host(lambda: xp.dot(x, x, out=out)))
    yield Call("sum", us, "20-30", host(lambda: x.sum()))
    shape, strides = (60, 60, 5, 5), (256, 4, 256, 4)
    strided = xp.lib.stride_tricks.as_strided
    sliding = xp.lib.stride_tricks.sliding_window_view
    yield Call("as_strided", us, "1-3", host(lambda: strided(x, shape, strides)))
    yield Call("sliding_window_view", us, "60-150", host(lambda: sliding(x, (5, 5)), 50))
    yield Call(
        "node of a graph of 1,000 launches", "µs per node", "1.2-1.6",
        lambda: graph_microseconds(xp.cuda.Stream(non_blocking=True), lambda: advance(1, counter, 1), NODES),
    )  # fmt: skip
    yield Call(
        "random numbers in a graph", "two replays", "different numbers", lambda: _random_in_a_graph(xp)
    )
    yield Call("PyTorch add(out=)", us, "4-5", lambda: _torch_call("add"))
    yield Call("PyTorch mm(out=)", us, "8", lambda: _torch_call("mm"))


def host_microseconds(call: Callable[[], Any], wait: Callable[[], Any], count: int) -> float:
    """Return what a call costs the host, the least of five rounds; the device works on meanwhile."""
    found = []
    for _ in range(6):  # the first compiles
        wait()
        start = time.perf_counter()
        for _ in range(count):
            call()
        found.append((time.perf_counter() - start) / count * 1e6)
    wait()
    return min(found[1:])


def graph_microseconds(stream: Any, call: Callable[[], Any], nodes: int) -> float:
    """Return what a call costs in a graph of so many, one after another: the least of five rounds of ten launches."""
    with stream:
        call()  # compiles
        graph = recorded(stream, call, nodes)
        found = []
        for _ in range(6):
            stream.synchronize()
            start = time.perf_counter()
            for _ in range(10):
                graph.launch(stream)
            stream.synchronize()
            found.append((time.perf_counter() - start) / 10 / nodes * 1e6)
    return min(found[1:])


def recorded(stream: Any, call: Callable[[], Any], count: int = 1) -> Any:
    """Return the graph of so many calls on the current stream, which must be `stream`."""
    stream.begin_capture()
    try:
        for _ in range(count):
            call()
    except BaseException:
        with suppress(RuntimeError):  # CUDA's own complaint about a capture that went wrong
            stream.end_capture()
        raise
    return stream.end_capture()


class LeftOut(Exception):
    """Why something was not measured."""


def _elementwise(xp: Any, x: Any, out: Any) -> Callable[[], Any]:
    make = getattr(xp, "ElementwiseKernel", None)
    if make is None:
        raise LeftOut("this device has no ElementwiseKernel")
    kernel = make("float32 x", "float32 y", "y = 2 * x + 1", "benchmark_elementwise")
    return lambda: kernel(x, out)


def _random_in_a_graph(xp: Any) -> str:
    stream = xp.cuda.Stream(non_blocking=True)
    generator, out = xp.random.default_rng(1), xp.empty(8, "float32")
    if not callable(getattr(generator, "random", None)):
        raise LeftOut("this device has no random.default_rng")
    with stream:
        generator.random(8, dtype="float32", out=out)
        graph = recorded(stream, lambda: generator.random(8, dtype="float32", out=out))
        seen = []
        for _ in range(2):
            graph.launch(stream)
            stream.synchronize()
            seen.append(to_cpu(out).copy())
    return "the same numbers" if (seen[0] == seen[1]).all() else "different numbers"


def _torch_call(name: str) -> float:
    from benchmarks.gpu_steps import torch_problem

    problem = torch_problem()
    if problem is not None:
        raise LeftOut(problem)
    import torch

    x = torch.ones((64, 64), device="cuda")
    out, function = torch.empty_like(x), getattr(torch, name)
    return host_microseconds(lambda: function(x, x, out=out), torch.cuda.synchronize, CALLS)
