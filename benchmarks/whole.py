"""Everything around the training step: inference, whole epochs, memory, import, a student's layer among ours.

    python -m benchmarks.whole [--parts inference,epoch,memory,import,foreign] [--json FILE]

See benchmarks/README.md for what each part measures.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks import footprint, foreign, machine, models
from benchmarks.contest import BLAS, Contestant, in_turn, numbers, words
from minidl import layers, parallel
from minidl.data import ExpandedShifts, Loader, RandomAffine, RandomShift
from minidl.files import write_json

# Inference ---------------------------------------------------------------------------------------


def measure_inference(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time forward passes in evaluation mode; return images per second of minidl, and of PyTorch where it is."""
    rows = []
    for rung in options.rungs:
        for batch in options.inference_batches:
            ((x, _),) = models.random_batches(batch, 1)
            entries = [
                Contestant("minidl", variant, count, _forward(models.minidl_model(rung), x))
                for count in options.threads
                for variant in (["", BLAS] if count > 1 else [""])
            ]
            if options.torch:
                step = _torch_forward(rung, x)
                entries += [Contestant("PyTorch", "", count, step) for count in options.threads]
            in_turn(entries, options.seconds, options.rounds)
            rows.append({"rung": rung, "batch": batch, **_rates(entries, batch)})
            ratio = rows[-1].get("minidl_over_torch")
            print(
                f"{rung:>4}  {batch:>5}  {rows[-1]['minidl']:>14,.0f}"
                + (f"  {rows[-1]['PyTorch']:>15,.0f}  {ratio:>5.2f}" if ratio is not None else ""),
                flush=True,
            )
    return rows


def _forward(model: layers.Sequential, x: np.ndarray) -> Callable[[int], Any]:
    return lambda number: model.forward(x)[0, 0]


def _torch_forward(rung: str, x: np.ndarray) -> Callable[[int], Any]:
    import torch

    net, images = models.torch_twin(models.minidl_model(rung)).eval(), torch.from_numpy(x)

    def step(number: int) -> Any:
        with torch.inference_mode():
            return net(images)[0, 0]

    return step


def _rates(entries: Sequence[Contestant], batch: int) -> dict[str, float]:
    """Return images per second of each library at its best, and their ratio."""
    found: dict[str, float] = {}
    for entry in entries:
        found[entry.framework] = max(found.get(entry.framework, 0.0), batch / entry.median * 1e6)
    if "PyTorch" in found:
        found["minidl_over_torch"] = found["minidl"] / found["PyTorch"]
    return found


# Whole epochs ------------------------------------------------------------------------------------


def measure_epochs(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time epochs with loading and augmentation, loading alone, and the same steps on batches that lie ready."""
    split = models.noise_split(options.images, np.random.default_rng(0))
    expanded = ExpandedShifts(split.images)
    loaders = {
        "none": Loader(split.images, split.labels, options.batch),
        "shift": Loader(split.images, split.labels, options.batch, augment=RandomShift(1)),
        "affine": Loader(
            split.images, split.labels, options.batch, augment=RandomAffine(rotation=10, scale=0.1, shift=2)
        ),
        "expanded": Loader(expanded, split.labels, options.batch, shuffle="once"),
    }
    ready = list(loaders["none"].epoch(0))
    step = models.training_step(models.minidl_model(options.rung))
    with parallel.threads(max(options.threads)):
        for x, y in ready[:3]:
            step(x, y)
        rows = []
        for name, loader in loaders.items():
            times: dict[str, list[float]] = {"seconds": [], "loading_seconds": [], "steps_seconds": []}
            for epoch in range(options.rounds):
                times["loading_seconds"].append(_seconds(loader.epoch(epoch), lambda x, y: None))
                times["seconds"].append(_seconds(loader.epoch(epoch), step))
                times["steps_seconds"].append(_seconds(iter(ready), step) * len(loader) / len(ready))
            row: dict[str, Any] = {key: statistics.median(values) for key, values in times.items()}
            row |= {"augmentation": name, "images": loader.examples}
            row["images_per_second"] = loader.examples / row["seconds"]
            row["epoch_over_steps"] = row["seconds"] / row["steps_seconds"]
            rows.append(row)
            print(
                f"{name:<12}{loader.examples:>9,}{row['seconds']:>10.2f}{row['images_per_second']:>12,.0f}"
                f"{row['loading_seconds']:>10.2f}{row['steps_seconds']:>10.2f}{row['epoch_over_steps']:>8.2f}",
                flush=True,
            )
    return rows


def _seconds(batches: Iterator[tuple[np.ndarray, np.ndarray]], work: Callable[..., Any]) -> float:
    start = time.perf_counter()
    for x, y in batches:
        work(x, y)
    return time.perf_counter() - start


# All together ------------------------------------------------------------------------------------


def run_inference(options: argparse.Namespace) -> Any:
    """Print and return images per second."""
    print("Inference, images per second (evaluation mode, data ready in memory, best thread count):")
    print(
        f"{'rung':>4}  {'batch':>5}  {'minidl':>14}" + (f"  {'PyTorch':>15}  ratio" if options.torch else "")
    )
    return measure_inference(options)


def run_epoch(options: argparse.Namespace) -> Any:
    """Print and return the times of whole epochs."""
    print(f"An epoch of rung {options.rung} at batch {options.batch}, seconds:")
    print(
        f"{'augmentation':<12}{'images':>9}{'epoch':>10}{'images/s':>12}{'loading':>10}{'steps':>10}{'ratio':>8}"
    )
    return measure_epochs(options)


def run_memory(options: argparse.Namespace) -> Any:
    """Print and return the peak memory of a training run."""
    found = footprint.measure_memory(options.memory_rung, options.images, max(1, options.images // 5))
    print(
        f"Peak memory of an epoch of rung {found['rung']} on {found['images']:,} expanded images: "
        f"{found['peak_mib']:.0f} MiB ({found['before_mib']:.0f} before the training), bar {found['bar_mib']:.0f} MiB: "
        + ("kept" if found["peak_mib"] < found["bar_mib"] else "NOT kept")
    )
    return found


def run_import(options: argparse.Namespace) -> Any:
    """Print and return what importing costs."""
    found = footprint.measure_import(options.imports)
    print(
        f"import numpy {found['numpy_ms']:.0f} ms; import minidl adds {found['minidl_ms']:.0f} ms, "
        f"{found['minidl_cpu_ms']:.0f} ms of CPU time ({found['modules']} modules), bar {found['bar_ms']:.0f} ms: "
        + ("kept" if found["minidl_ms"] < found["bar_ms"] else "NOT kept")
    )
    return found


def run_foreign(options: argparse.Namespace) -> Any:
    """Print and return what a student's layer costs."""
    print("Rung 3 with a student's ReLU in one place, microseconds for a training step, median and minimum:")
    return foreign.measure(options.foreign_batches, options.threads, options.seconds, options.rounds)


PARTS = {
    "inference": run_inference,
    "epoch": run_epoch,
    "memory": run_memory,
    "import": run_import,
    "foreign": run_foreign,
}


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.whole", description=str(__doc__).partition("\n")[0], allow_abbrev=False
    )
    parser.add_argument("--parts", type=words, default=list(PARTS), metavar="LIST", help=", ".join(PARTS))
    parser.add_argument("--rungs", type=words, default=["0", "3", "10"], metavar="LIST", help="for inference")
    parser.add_argument("--inference-batches", type=numbers, default=[1, 128, 1024], metavar="LIST")
    parser.add_argument("--rung", default="3", metavar="ID", help="for whole epochs (default: 3)")
    parser.add_argument("--batch", type=int, default=128, help="for whole epochs (default: 128)")
    parser.add_argument("--images", type=int, default=50_000, help="of an epoch, before expansion")
    parser.add_argument("--memory-rung", default="10", metavar="ID", help="for the memory (default: 10)")
    parser.add_argument("--imports", type=int, default=15, help="interpreters started (default: 15)")
    parser.add_argument("--foreign-batches", type=numbers, default=[10, 128], metavar="LIST")
    parser.add_argument("--threads", type=numbers, default=[1, 2], metavar="LIST")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each contestant (default: 2)")
    parser.add_argument("--rounds", type=int, default=2, help="blocks, and epochs, of each (default: 2)")
    parser.add_argument("--no-torch", action="store_true", help="leave out PyTorch")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    options = parser.parse_args(argv)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown or not options.parts:
        parser.error(f"--parts: there is no {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    if min(options.batch, options.images, options.imports, options.rounds) < 1 or options.seconds <= 0:
        parser.error("all numbers must be positive")
    options.torch = not options.no_torch and importlib.util.find_spec("torch") is not None
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Measure each part, print its table, and write the JSON file if one was asked for."""
    options = parse_arguments(argv)
    info = machine.describe(("numpy", "torch"))
    print(machine.headline(info))
    load = info["load_average"]
    if load is not None and load[0] > 0.5:
        print(f"load {load[0]:.1f} before the start: read ratios, not times", file=sys.stderr)
    results: dict[str, Any] = {}
    for part in options.parts:
        print()
        results[part] = PARTS[part](options)
    if options.json:
        write_json(options.json, {"benchmark": "whole", "machine": info, "rounds": options.rounds, **results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
