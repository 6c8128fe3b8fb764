"""What monitoring costs: the same training with and without `Monitor`, in turn.

    python -m benchmarks.monitoring [--rungs 0,3] [--batches 10,128] [--pairs 7] [--json FILE]

Both trainings run for the same epochs on the same images (noise) with a run folder each; their blocks
alternate (without, with, without, …) so that the machine's clock and load meet both alike, and each
pair gives one ratio. The columns:

- ``plain``: median time of a step without the monitor, loader and trainer included, in microseconds;
- ``first epoch``: median over the pairs of (with / without - 1) for the first epoch, in which the monitor looks
  more often (steps 1, 3, 9, 27, …);
- ``later``: the same for the epochs after it, what a long training pays: the default interval;
- ``CPU``: the same from the processor's time of the process, which other programs disturb less;
- ``a look``: time of one look, in milliseconds, and how many steps it takes as long as.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, models
from minidl.data import Loader
from minidl.experiments.ladder import CLASSES, INPUT_SHAPE
from minidl.files import write_json
from minidl.losses import SoftmaxCrossEntropy
from minidl.monitoring import Monitor
from minidl.monitoring.place import Place
from minidl.optimizers import SGD
from minidl.parallel import threads
from minidl.training import Callback, Trainer

IMAGES = 50_000  # MNIST's training set
HEADER = f"{'rung':<5} {'batch':>5} {'plain, us':>10} {'first epoch':>12} {'later':>8} {'CPU':>7}   a look"
LIMIT = 0.05


class Clock(Callback):
    """The time of every epoch, by the clock and by the processor, the other callbacks included."""

    order = 10**6  # the last to be called

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.processor: list[float] = []

    def on_fit_start(self, trainer: Any) -> None:
        self._last = time.perf_counter(), time.process_time()

    def on_epoch_end(self, trainer: Any, row: dict[str, Any]) -> None:
        now = time.perf_counter(), time.process_time()
        self.wall.append(now[0] - self._last[0])
        self.processor.append(now[1] - self._last[1])
        self._last = now


def train(rung: str, loader: Loader, epochs: int, callbacks: list[Any]) -> Clock:
    """Train a rung with a run folder; return the times of its epochs."""
    model, clock = models.minidl_model(rung), Clock()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        trainer = Trainer(
            model,
            SoftmaxCrossEntropy(),
            SGD(lr=0.01),
            callbacks=[*callbacks, clock],
            keep_best=None,
            run_dir=Path(folder) / "run",
            progress=False,
        )
        gc.collect()
        gc.disable()
        try:
            trainer.fit(loader, epochs)
        finally:
            gc.enable()
        return clock


def look_seconds(rung: str, loader: Loader, repeats: int = 9) -> float:
    """Return the median time of one look at a rung."""
    monitor, taken = Monitor(), []
    train(rung, Loader(loader.images[:640], loader.labels[:640], loader.batch_size), 1, [monitor])
    for number in range(repeats):
        monitor.before()
        with contextlib.redirect_stderr(io.StringIO()):
            start = time.perf_counter()
            monitor.look(Place(1, 1, 10**6 + number))
            taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def measure(rung: str, batch: int, pairs: int, images: int, epochs: int) -> dict[str, Any]:
    """Time one network at one batch size and return the numbers as plain values."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, *INPUT_SHAPE), dtype=np.uint8)
    loader = Loader(pixels, rng.integers(0, CLASSES, images), batch)
    train(rung, loader, 1, [])  # warm-up
    plain, first, later, processor = [], [], [], []
    for _ in range(pairs):
        without, watched = train(rung, loader, epochs, []), train(rung, loader, epochs, [Monitor()])
        plain += [seconds / len(loader) for seconds in without.wall]
        first.append(watched.wall[0] / without.wall[0] - 1)
        later.append(sum(watched.wall[1:]) / sum(without.wall[1:]) - 1)
        processor.append(sum(watched.processor[1:]) / sum(without.processor[1:]) - 1)
    step, look = statistics.median(plain), look_seconds(rung, loader)
    return {
        "rung": rung,
        "batch": batch,
        "images": images,
        "epochs": epochs,
        "pairs": pairs,
        "plain_us": round(1e6 * step, 2),
        "first_epoch": round(statistics.median(first), 4),
        "later": round(statistics.median(later), 4),
        "later_processor": round(statistics.median(processor), 4),
        "later_pairs": [round(x, 4) for x in later],
        "look_ms": round(1e3 * look, 3),
        "look_in_steps": round(look / step, 1),
    }


def row(result: dict[str, Any]) -> str:
    """Return one line of the table."""
    verdict = "" if result["later"] < LIMIT else f"  above {LIMIT:.0%}"
    shares = f"{result['first_epoch']:>12.1%} {result['later']:>8.1%} {result['later_processor']:>7.1%}"
    look = f"{result['look_ms']:.1f} ms = {result['look_in_steps']:.0f} steps"
    return f"{result['rung']:<5} {result['batch']:>5} {result['plain_us']:>10.0f} {shares}   {look}{verdict}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rungs", default="0,3")
    parser.add_argument("--batches", default="10,128")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--epochs", type=int, default=3, help="of each training, the first is reported apart")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    if options.epochs < 2 or options.pairs < 1:
        parser.error("--epochs must be at least 2 and --pairs at least 1")
    info = machine.describe(("numpy",))
    print(machine.headline(info))
    print(HEADER)
    results = []
    with threads(1):
        for rung in options.rungs.split(","):
            for batch in map(int, options.batches.split(",")):
                results.append(measure(rung, batch, options.pairs, options.images, options.epochs))
                print(row(results[-1]), flush=True)
    if options.json:
        write_json(options.json, {"machine": info, "results": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
