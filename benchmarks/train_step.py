"""One training step (forward, loss, backward, SGD update) in minidl, PyTorch and DeZero, side by side.

    python -m benchmarks.train_step [--rungs 0,1,3,10] [--batches 10,128] [--json FILE]

See benchmarks/README.md for how it measures and what the columns mean.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import machine, models
from benchmarks.contest import BLAS, Contestant, in_turn, numbers, words
from minidl.files import write_json
from minidl.kernels import products
from minidl.layers import Conv2D, Dense
from minidl.parallel import available_cores

BATCHES_IN_TURN = 8
DEZERO = "DeZero"
PRODUCTS = "products"


def minidl_step(rung: str, batches: list) -> Callable[[int], Any]:
    """Return the training step as a minidl user writes it."""
    step = models.training_step(models.minidl_model(rung))
    return lambda number: step(*batches[number % len(batches)])


def torch_step(rung: str, batches: list, variant: str) -> Callable[[int], Any]:
    """Return the training step as a PyTorch user writes it; the input needs no gradient."""
    import torch

    net = models.torch_twin(models.minidl_model(rung)).train()
    tensors = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in batches]
    if variant == "channels-last":
        net = net.to(memory_format=torch.channels_last)
        tensors = [(x.contiguous(memory_format=torch.channels_last), y) for x, y in tensors]
    optimizer = torch.optim.SGD(net.parameters(), lr=models.LEARNING_RATE)
    forward: Any = torch.compile(net) if variant == "compiled" else net

    def step(number: int) -> Any:
        x, y = tensors[number % len(tensors)]
        optimizer.zero_grad(set_to_none=True)
        value = torch.nn.functional.cross_entropy(forward(x), y)
        value.backward()
        optimizer.step()
        return value.detach()

    return step


def dezero_step(rung: str, batches: list) -> Callable[[int], Any]:
    """Return the training step as a DeZero user writes it; the gradient for the input cannot be left out."""
    dezero = models.import_dezero()
    net = models.dezero_twin(models.minidl_model(rung))
    # Labels as bytes, as DeZero's own MNIST has them: wider integers would turn the gradients into float64.
    data = [(x, y.astype(np.uint8)) for x, y in batches]
    optimizer = dezero.optimizers.SGD(models.LEARNING_RATE).setup(net)

    def step(number: int) -> Any:
        x, y = data[number % len(data)]
        value = dezero.functions.softmax_cross_entropy(net(x), y)
        net.cleargrads()
        value.backward()
        optimizer.update()
        return value.data

    return step


def products_step(rung: str, batches: list) -> Callable[[int], Any] | None:
    """Return the matrix products of a training step and nothing else; None with convolutions.

    A convolution can be computed by many products; a dense layer has three, ``x W``, ``x^T dy`` and, above the
    first, ``dy W^T``, each in the form that is fastest here. No step built on this BLAS takes less time.
    """
    model = models.minidl_model(rung)
    layers = [layer for _, layer in model.named_layers() if isinstance(layer, Dense)]
    if any(isinstance(layer, Conv2D) for _, layer in model.named_layers()):
        return None
    rng = np.random.default_rng(0)
    inputs = [x.reshape(len(x), -1) for x, _ in batches]
    arrays = []
    for layer in layers:
        weight = layer.parameters["weight"].value
        x, dy = (rng.standard_normal((len(inputs[0]), size), dtype=np.float32) for size in weight.shape)
        arrays.append((weight, x, dy, np.empty_like(weight), np.empty_like(x), np.empty_like(dy)))

    def step(number: int) -> Any:
        for place, (weight, hidden, dy, dw, dx, y) in enumerate(arrays):
            x = hidden if place else inputs[number % len(inputs)]
            products.dense_forward(x, weight, out=y)
            products.dense_backward_weight(x, dy, out=dw)
            if place:
                products.dense_backward_input(dy, weight, out=dx)
        return 0.0

    return step


def contestants(
    rung: str, batch: int, thread_counts: Sequence[int], variants: Sequence[str], dezero: bool = False
) -> list[Contestant]:
    """Return minidl, the PyTorch variants and, if wanted, DeZero, each at every thread count.

    On several threads minidl comes in two forms: within ``minidl.threads(count)``, which splits the
    batch, and without, where only the matrix products use the threads of BLAS.
    """
    batches = models.random_batches(batch, BATCHES_IN_TURN)
    entries = [
        Contestant("minidl", variant, count, minidl_step(rung, batches))
        for count in thread_counts
        for variant in (["", BLAS] if count > 1 else [""])
    ]
    alone = products_step(rung, batches)
    if alone is not None:
        entries += [
            Contestant(PRODUCTS, variant, count, alone)
            for count in thread_counts
            for variant in (["", BLAS] if count > 1 else [""])
        ]
    entries += [
        Contestant("PyTorch", variant, count, torch_step(rung, batches, variant))
        for variant in variants
        for count in thread_counts
    ]
    if dezero:
        entries += [
            Contestant(DEZERO, BLAS if count > 1 else "", count, dezero_step(rung, batches))
            for count in thread_counts
        ]
    return entries


def require_same_loss(entries: Sequence[Contestant]) -> None:
    """Run one step of each contestant and compare the losses: equal weights, equal data, equal result."""
    entries = [entry for entry in entries if entry.framework != PRODUCTS]
    losses = [float(entry.step(0)) for entry in entries]
    for entry, loss in zip(entries, losses, strict=True):
        if not math.isclose(loss, losses[0], rel_tol=1e-4):
            raise RuntimeError(
                f"{entry.name} has the loss {loss:.6f} where {entries[0].name} has {losses[0]:.6f} "
                "for the same weights and images: they do not compute the same network"
            )


def measure(rung: str, batch: int, options: argparse.Namespace, variants: Sequence[str]) -> dict[str, Any]:
    """Time one network at one batch size and return the numbers as plain values."""
    model = models.minidl_model(rung)
    entries = contestants(rung, batch, options.threads, variants, options.dezero)
    if not any("Dropout" in type(layer).__name__ for _, layer in model.named_layers()):
        require_same_loss(entries)  # the random masks of dropout differ between the libraries
    in_turn(entries, options.seconds, options.rounds)
    result: dict[str, Any] = {
        "rung": rung,
        "batch": batch,
        "parameters": model.parameter_count(),
        "useful_flops_per_step": batch * models.training_flops(model),
        "contestants": [
            {
                "framework": entry.framework,
                "variant": entry.variant,
                "threads": entry.threads,
                "steps": len(entry.nanoseconds),
                "median_us": round(entry.median, 2),
                "minimum_us": round(entry.minimum, 2),
            }
            for entry in entries
        ],
    }
    ours = [entry for entry in entries if entry.framework == "minidl"]
    result["gflops"] = round(result["useful_flops_per_step"] / min(e.median for e in ours) / 1e3, 2)
    alone = min((entry.median for entry in entries if entry.framework == PRODUCTS), default=None)
    for framework, name in (("PyTorch", "torch"), (DEZERO, "dezero")):
        theirs = [entry for entry in entries if entry.framework == framework]
        for kind in ("median", "minimum") if theirs else ():
            ratio = min(getattr(e, kind) for e in theirs) / min(getattr(e, kind) for e in ours)
            result[f"{name}_over_minidl_{kind}"] = round(ratio, 3)
        if theirs and alone is not None:
            result[f"{name}_over_products_median"] = round(min(e.median for e in theirs) / alone, 3)
    return result


def limits(results: Sequence[dict[str, Any]]) -> list[str]:
    """Return a line for every measurement of which the products alone were timed too."""
    lines = []
    for result in results:
        alone = [entry for entry in result["contestants"] if entry["framework"] == PRODUCTS]
        if alone:
            best = min(entry["median_us"] for entry in alone)
            line = (
                f"Rung {result['rung']}, batch {result['batch']}: the matrix products alone take {best:.0f}"
            )
            if "torch_over_products_median" in result:
                line += f"; no step with them has a ratio above {result['torch_over_products_median']:.2f}"
            lines.append(line + ".")
    return lines


def header(dezero: bool) -> str:
    """Return the names of the columns."""
    theirs = f"{DEZERO:<30}  {'ratio':<13}  " if dezero else ""
    return f"rung  batch  {'minidl':<30}  {'PyTorch':<30}  {'ratio':<13}  {theirs}GFLOP/s (of peak)"


def row(result: dict[str, Any], peak: float, dezero: bool = False) -> str:
    """Return one line of the table."""

    def best(framework: str) -> str:
        entries = [entry for entry in result["contestants"] if entry["framework"] == framework]
        if not entries:
            return "-"
        entry = min(entries, key=lambda entry: entry["median_us"])
        how = f"{entry['threads']}t" + (f" {entry['variant']}" if entry["variant"] else "")
        return f"{entry['median_us']:.0f} ({entry['minimum_us']:.0f}) {how}"

    def ratio(name: str) -> str:
        if f"{name}_over_minidl_median" not in result:
            return "-"
        return f"{result[f'{name}_over_minidl_median']:.2f} ({result[f'{name}_over_minidl_minimum']:.2f})"

    theirs = f"{best(DEZERO):<30}  {ratio('dezero'):<13}  " if dezero else ""
    fraction = f"{result['gflops']:.1f} ({result['gflops'] / peak:.0%})"
    return (
        f"{result['rung']:>4}  {result['batch']:>5}  {best('minidl'):<30}  {best('PyTorch'):<30}  "
        f"{ratio('torch'):<13}  {theirs}{fraction}"
    )


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_step",
        description=str(__doc__).partition("\n")[0],
        allow_abbrev=False,
    )
    parser.add_argument("--rungs", type=words, default=["0", "1", "3", "10"], metavar="LIST")
    parser.add_argument("--batches", type=numbers, default=[10, 128], metavar="LIST")
    parser.add_argument("--threads", type=numbers, default=[1, 2], metavar="LIST")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each contestant (default: 4)")
    parser.add_argument("--rounds", type=int, default=4, help="blocks to split them into (default: 4)")
    parser.add_argument("--compile", action="store_true", help="torch.compile too (needs a C++ compiler)")
    parser.add_argument("--no-torch", action="store_true", help="leave out PyTorch")
    parser.add_argument("--no-dezero", action="store_true", help="leave out DeZero where it is installed")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    options = parser.parse_args(argv)
    if options.seconds <= 0 or options.rounds < 1:
        parser.error("--seconds and --rounds must be positive")
    options.dezero = not options.no_dezero and importlib.util.find_spec("dezero") is not None
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write the JSON file if one was asked for."""
    options = parse_arguments(argv)
    variants = ["", "channels-last"] + (["compiled"] if options.compile else [])
    if options.no_torch or importlib.util.find_spec("torch") is None:
        if not options.no_torch:
            warn("PyTorch is not installed (pip install '.[bench]'): timing minidl without it.")
        variants = []
    available = available_cores()
    if max(options.threads) > available:
        warn(f"{max(options.threads)} threads were asked for where this process has {available} cores.")
    peaks = {count: machine.sgemm_peak(count) for count in options.threads}
    info = machine.describe(("numpy", "torch", "dezero"))
    print(machine.headline(info))
    print("float32 matrix product:", ", ".join(f"{rate:.0f} GFLOP/s at {n}t" for n, rate in peaks.items()))
    print("Microseconds for one training step: median (minimum) at the best thread count.\n")
    print(header(options.dezero))
    results = []
    for rung in options.rungs:
        for batch in options.batches:
            results.append(measure(rung, batch, options, variants))
            print(row(results[-1], max(peaks.values()), options.dezero), flush=True)
    print("", *limits(results), sep="\n")
    after = {count: machine.sgemm_peak(count) for count in options.threads}
    drift = max(abs(after[count] / peaks[count] - 1) for count in peaks)
    if drift > 0.1:
        warn(f"The matrix product changed by {drift:.0%} meanwhile: the machine was not quiet.")
    if options.json:
        write_json(
            options.json,
            {
                "benchmark": "train_step",
                "machine": info,
                "sgemm_gflops": {str(n): round(rate, 1) for n, rate in peaks.items()},
                "sgemm_gflops_after": {str(n): round(rate, 1) for n, rate in after.items()},
                "seconds": options.seconds,
                "rounds": options.rounds,
                "results": results,
            },
        )
    return 0


def warn(text: str) -> None:
    """Say something about the measurement, beside the table."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
