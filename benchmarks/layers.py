"""Layer by layer against torch.nn.functional: forward and backward, over shapes that go beyond MNIST.

    python -m benchmarks.layers [--kinds conv,pool] [--only "3x3"] [--batch 64] [--seconds 0.5] [--json FILE]

Each library works in the memory order its own layers hand on (minidl batch-last above a convolution,
PyTorch contiguous or channels-last, whichever is faster here), at its best number of threads. The
gradient is computed for the input and for the parameters. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.contest import Contestant, numbers, run_block, words
from minidl import layers, losses
from minidl.files import write_json

HEADER = f"{'layer':<44} {'minidl':>16} {'PyTorch':>24} {'both':>6} {'forward':>8}"


@dataclass(frozen=True)
class Case:
    """One layer on one shape.

    Parameters
    ----------
    kind : str
        What the geometric means are taken over.
    name : str
        As in the table.
    shape : tuple of int
        Of one input example.
    layer : callable
        Returns the minidl layer, not yet built.
    functional : callable
        The same in PyTorch: ``functional(F, x, parameters) -> y``.
    """

    kind: str
    name: str
    shape: tuple[int, ...]
    layer: Callable[..., Any]
    functional: Callable[..., Any]


def conv(channels: int, filters: int, size: int, kernel: int, stride: int = 1, same: bool = True) -> Case:
    """Return a convolution of square images with a square kernel."""
    margin = kernel // 2 if same else 0
    name = f"conv {kernel}x{kernel} {channels}->{filters} {size}x{size}"
    return Case(
        "conv",
        name + (f" stride {stride}" if stride > 1 else "") + (" same" if same else ""),
        (channels, size, size),
        lambda: layers.Conv2D(filters, kernel, stride=stride, padding=margin),
        lambda F, x, p: F.conv2d(x, p[0], p[1], stride=stride, padding=margin),
    )


def conv_cases() -> list[Case]:
    """Return the lecture's convolutions and the grid beyond them."""
    lecture = [conv(1, 20, 28, 5, same=False), conv(20, 40, 12, 5, same=False)]
    grid = [
        conv(channels, filters, size, kernel)
        for kernel in (3, 5)
        for channels, filters, size in ((1, 32, 32), (3, 32, 64), (16, 32, 32), (32, 64, 16), (64, 128, 8))
    ]
    strided = [
        conv(channels, filters, size, kernel, stride=2)
        for kernel in (3, 5)
        for channels, filters, size in ((3, 32, 64), (32, 64, 32), (64, 128, 16))
    ]
    return [*lecture, *grid, *strided, conv(128, 128, 8, 3), conv(128, 128, 16, 3)]


def other_cases() -> list[Case]:
    """Return pooling, normalisation, dropout, activations and dense layers."""
    images = ((20, 24, 24), (32, 32, 32), (128, 8, 8))
    cases: list[Case] = []
    for shape in images:
        text = "x".join(map(str, shape))
        cases += [
            Case("pool", f"max pool 2x2 {text}", shape, lambda: layers.MaxPool2D(2),
                 lambda F, x, p: F.max_pool2d(x, 2)),
            Case("pool", f"max pool 3x3 stride 2 {text}", shape, lambda: layers.MaxPool2D(3, stride=2),
                 lambda F, x, p: F.max_pool2d(x, 3, 2)),
            Case("pool", f"average pool 2x2 {text}", shape, lambda: layers.AvgPool2D(2),
                 lambda F, x, p: F.avg_pool2d(x, 2)),
            Case("norm", f"batch norm {text}", shape, layers.BatchNorm,
                 lambda F, x, p: F.batch_norm(x, None, None, p[0], p[1], training=True)),
            Case("activation", f"ReLU {text}", shape, layers.ReLU, lambda F, x, p: F.relu(x)),
        ]  # fmt: skip
    for features, units in ((784, 100), (640, 1000), (1000, 1000)):
        cases.append(
            Case("dense", f"dense {features}->{units}", (features,), partial(layers.Dense, units),
                 lambda F, x, p: F.linear(x, p[0].T, p[1]))
        )  # fmt: skip
    cases += [
        Case("norm", "batch norm 1000", (1000,), layers.BatchNorm,
             lambda F, x, p: F.batch_norm(x, None, None, p[0], p[1], training=True)),
        Case("dropout", "dropout 0.5 1000", (1000,), lambda: layers.Dropout(0.5),
             lambda F, x, p: F.dropout(x, 0.5)),
        Case("dropout", "dropout 0.5 40x4x4", (40, 4, 4), lambda: layers.Dropout(0.5),
             lambda F, x, p: F.dropout(x, 0.5)),
        Case("activation", "sigmoid 20x12x12", (20, 12, 12), layers.Sigmoid, lambda F, x, p: x.sigmoid()),
        Case("activation", "tanh 20x12x12", (20, 12, 12), layers.Tanh, lambda F, x, p: x.tanh()),
    ]  # fmt: skip
    return cases


def cases() -> list[Case]:
    """Return everything that is measured, losses apart."""
    return [*conv_cases(), *other_cases()]


def batch_last(array: np.ndarray) -> np.ndarray:
    """Return the same numbers with images lying batch-last in memory, as minidl's convolutions hand them on."""
    if array.ndim != 4:
        return array
    return np.ascontiguousarray(array.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)


def minidl_steps(
    case: Case, x: np.ndarray
) -> tuple[Callable[[int], Any], Callable[[int], Any], list[np.ndarray]]:
    """Return forward, forward with backward, and the parameters."""
    layer = layers.Sequential([case.layer()])
    layer.build(case.shape, rng=0)
    # The network's input comes from a loader, in C order; everything above a convolution is batch-last.
    x = x if x.shape[1] <= 3 else batch_last(x)
    dy = batch_last(np.ones((len(x), *layer.output_shape), np.float32))

    def forward(number: int) -> Any:
        return layer.forward(x, train=True).flat[0]

    def both(number: int) -> Any:
        layer.forward(x, train=True)
        return layer.backward(dy).flat[0]

    return forward, both, [parameter.value for _, parameter in layer.named_parameters()]


def torch_steps(
    case: Case, x: np.ndarray, parameters: list[np.ndarray], variant: str
) -> tuple[Callable[[int], Any], Callable[[int], Any]]:
    """Return forward, and forward with backward."""
    import torch
    import torch.nn.functional as F

    order = torch.channels_last if variant and x.ndim == 4 else torch.contiguous_format
    images = torch.from_numpy(x).contiguous(memory_format=order).requires_grad_()
    weights = []
    for value in parameters:
        tensor = torch.from_numpy(value.copy())
        weights.append(
            (tensor.contiguous(memory_format=order) if tensor.ndim == 4 else tensor).requires_grad_()
        )
    shape = case.functional(F, images, weights).shape
    dy = torch.ones(shape)
    dy = dy.contiguous(memory_format=order) if dy.ndim == 4 else dy

    def forward(number: int) -> Any:
        return _first(case.functional(F, images, weights))

    def both(number: int) -> Any:
        grads = torch.autograd.grad(case.functional(F, images, weights), [images, *weights], dy)
        return _first(grads[0])

    return forward, both


def _first(tensor: Any) -> Any:
    return tensor.detach()[(0,) * tensor.ndim]


def measure(case: Case, options: argparse.Namespace, variants: Sequence[str]) -> dict[str, Any]:
    """Time one layer and return the numbers as plain values."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((options.batch, *case.shape), dtype=np.float32)
    entries: dict[str, list[Contestant]] = {"forward": [], "both": []}
    for count in options.threads:
        forward, both, parameters = minidl_steps(case, x)
        entries["forward"].append(Contestant("minidl", "", count, forward))
        entries["both"].append(Contestant("minidl", "", count, both))
        for variant in variants if x.ndim == 4 else variants[:1]:
            forward, both = torch_steps(case, x, parameters, variant)
            entries["forward"].append(Contestant("PyTorch", variant, count, forward))
            entries["both"].append(Contestant("PyTorch", variant, count, both))
    return {"kind": case.kind, "name": case.name, **_timed(entries, options)}


def measure_loss(name: str, options: argparse.Namespace, variants: Sequence[str]) -> dict[str, Any]:
    """Time one loss with its gradient, 10 classes."""
    rng = np.random.default_rng(0)
    outputs = rng.standard_normal((options.batch, 10), dtype=np.float32)
    labels = rng.integers(0, 10, options.batch)
    goal: Any = labels if name == "SoftmaxCrossEntropy" else np.eye(10, dtype=np.float32)[labels]
    loss = getattr(losses, name)()

    def forward(number: int) -> Any:
        return loss.forward(outputs, goal)

    def both(number: int) -> Any:
        loss.forward(outputs, goal)
        return loss.backward()[0, 0]

    entries = {
        "forward": [Contestant("minidl", "", 1, forward)],
        "both": [Contestant("minidl", "", 1, both)],
    }
    if variants:
        for kind, step in zip(("forward", "both"), _torch_loss(name, outputs, goal), strict=True):
            entries[kind].append(Contestant("PyTorch", "", 1, step))
    return {"kind": "loss", "name": f"{name} of 10", **_timed(entries, options)}


def _torch_loss(
    name: str, outputs: np.ndarray, goal: np.ndarray
) -> tuple[Callable[[int], Any], Callable[[int], Any]]:
    import torch
    import torch.nn.functional as F

    functions: dict[str, Any] = {
        "SoftmaxCrossEntropy": F.cross_entropy,
        "SigmoidCrossEntropy": F.binary_cross_entropy_with_logits,
        "MeanSquaredError": F.mse_loss,
    }
    function = functions[name]
    z, t = torch.from_numpy(outputs).requires_grad_(), torch.from_numpy(goal)

    def forward(number: int) -> Any:
        return function(z, t).detach()

    def both(number: int) -> Any:
        return torch.autograd.grad(function(z, t), z)[0][0, 0]

    return forward, both


def _timed(entries: dict[str, list[Contestant]], options: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for kind, contestants in entries.items():
        for _ in range(options.rounds):
            for entry in contestants:
                run_block(entry, options.seconds / options.rounds)
        best: dict[str, Any] = {}
        for framework in ("minidl", "PyTorch"):
            found = [entry for entry in contestants if entry.framework == framework]
            if found:
                fastest = min(found, key=lambda entry: entry.median)
                best[framework] = {
                    "threads": fastest.threads,
                    "variant": fastest.variant,
                    "median_us": round(fastest.median, 2),
                    "minimum_us": round(fastest.minimum, 2),
                }
        if len(best) == 2:
            best["ratio"] = round(best["PyTorch"]["median_us"] / best["minidl"]["median_us"], 3)
        result[kind] = best
    return result


def row(result: dict[str, Any]) -> str:
    """Return one line of the table."""

    def told(framework: str) -> str:
        if framework not in result["both"]:
            return "-"
        entry = result["both"][framework]
        variant = f" {entry['variant']}" if entry["variant"] else ""
        return f"{entry['median_us']:.0f} {entry['threads']}t{variant}"

    ratios = [
        f"{result[kind]['ratio']:.2f}" if "ratio" in result[kind] else "-" for kind in ("both", "forward")
    ]
    return f"{result['name']:<44} {told('minidl'):>16} {told('PyTorch'):>24} {ratios[0]:>6} {ratios[1]:>8}"


def means(results: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return geometric mean and lowest ratio of every kind of layer, forward with backward."""
    kinds: dict[str, list[float]] = {}
    for result in results:
        if "ratio" in result["both"]:
            kinds.setdefault(result["kind"], []).append(result["both"]["ratio"])
    return {
        kind: {
            "geometric_mean": round(math.exp(sum(map(math.log, ratios)) / len(ratios)), 3),
            "lowest": min(ratios),
        }
        for kind, ratios in kinds.items()
    }


LOSSES = ("SoftmaxCrossEntropy", "SigmoidCrossEntropy", "MeanSquaredError")
KINDS = ("conv", "pool", "norm", "dropout", "activation", "dense", "loss")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write the JSON file if one was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.layers", description=str(__doc__).partition("\n")[0], allow_abbrev=False
    )
    parser.add_argument("--kinds", type=words, default=list(KINDS), metavar="LIST", help=", ".join(KINDS))
    parser.add_argument("--only", metavar="TEXT", default="", help="only layers with this in their name")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=numbers, default=[1, 2], metavar="LIST")
    parser.add_argument("--seconds", type=float, default=0.6, help="for each contestant (default: 0.6)")
    parser.add_argument("--rounds", type=int, default=3, help="blocks to split them into (default: 3)")
    parser.add_argument("--no-torch", action="store_true", help="time minidl only")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.kinds) - set(KINDS))
    if unknown or options.batch < 1 or options.seconds <= 0 or options.rounds < 1:
        parser.error(
            f"--kinds: there is no {', '.join(unknown)}; there are {', '.join(KINDS)}"
            if unknown
            else "--batch, --seconds and --rounds must be positive"
        )
    variants = ["", "channels-last"]
    if options.no_torch or importlib.util.find_spec("torch") is None:
        if not options.no_torch:
            print("PyTorch is not installed (pip install '.[bench]'): timing minidl alone.", file=sys.stderr)
        variants = []
    info = machine.describe(("numpy", "torch"))
    print(machine.headline(info))
    print(
        f"Batch {options.batch}; microseconds for forward and backward, median; PyTorch's time / minidl's.\n"
    )
    print(HEADER)
    results = []
    for case in cases():
        if case.kind in options.kinds and options.only in case.name:
            results.append(measure(case, options, variants))
            print(row(results[-1]), flush=True)
    for name in LOSSES if "loss" in options.kinds and not options.only else ():
        results.append(measure_loss(name, options, variants))
        print(row(results[-1]), flush=True)
    summary = means(results)
    for kind, values in summary.items():
        print(f"{kind}: geometric mean {values['geometric_mean']:.2f}, lowest {values['lowest']:.2f}")
    if options.json:
        write_json(
            options.json,
            {
                "benchmark": "layers",
                "machine": info,
                "batch": options.batch,
                "results": results,
                "summary": summary,
            },
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
