"""What a second process is worth: the same search of short trials on one process and on two.

    python -m benchmarks.search [--trials 40] [--jobs 2] [--pairs 3] [--epochs 1] [--images 50000] [--json FILE]

Both searches run the same trials (the lecture's rung 0 with another learning rate and batch size each, on noise,
one thread each) in turn, so that the load of the machine meets both alike; each pair gives one ratio. The time is that
of the whole search, the start of the processes included: ``cold`` the first time, when they are started and import the
library, ``warm`` afterwards, when they are still there. On a machine that does something else the ratios say as much
about that as about minidl: the load average is printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from minidl.data import DataSet, Split
from minidl.data.splits import Vault
from minidl.experiments.config_file import config_from
from minidl.experiments.search import Search
from minidl.experiments.search_plan import SearchPlan, Stage
from minidl.experiments.search_records import read_trials
from minidl.files import write_json
from minidl.parallel import available_cores
from minidl.search import Integer, Log, Space

GOAL = 1.8


def noise(images: int) -> DataSet:
    """Return a data set of random pixels and labels."""
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        pixels = rng.integers(0, 256, (count, 1, 28, 28), dtype=np.uint8)
        return Split(pixels, rng.integers(0, 10, count))

    return DataSet("mnist", "noise", "drawn here", [str(k) for k in range(10)], split(images), split(1000),
                   Vault(split(1)))  # fmt: skip


def plan(trials: int, epochs: int) -> SearchPlan:
    """Return the search that is timed."""
    config = config_from(
        {
            "data": {"name": "mnist", "batch_size": 20},
            "model": {"rung": "0"},
            "training": {"epochs": epochs, "optimizer": "SGD(lr=0.1)", "monitor": "none", "threads": 1},
        }
    )
    space: Space = {"training.optimizer.lr": Log(1e-4, 1), "data.batch_size": Integer(18, 22)}
    return SearchPlan(config, space, stages=(Stage(trials),))


def timed(asked: SearchPlan, data: DataSet, jobs: int) -> tuple[float, list[Any]]:
    """Run a search; return its seconds and the outcomes of its trials."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        Search(asked, data, Path(folder) / "search", jobs=jobs, say=lambda line: None).run()
        seconds = time.perf_counter() - start
        return seconds, [row["value"] for row in read_trials(Path(folder) / "search")]


def measure(trials: int, jobs: int, pairs: int, epochs: int, images: int) -> dict[str, Any]:
    """Time the searches in turn; return the seconds of every one, and the ratios."""
    asked, data = plan(trials, epochs), noise(images)
    timed(plan(2, 1), data, 1)  # warm-up
    one, several, load = [], [], []
    for _ in range(pairs):
        load.append(os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"))
        alone, first = timed(asked, data, 1)
        together, second = timed(asked, data, jobs)
        if first != second:
            raise RuntimeError("the trials had other outcomes with other processes: this is a bug of minidl")
        one.append(alone)
        several.append(together)
        print(
            f"{alone:8.1f} s {together:8.1f} s {alone / together:8.2f}   load before {load[-1]:.1f}",
            flush=True,
        )
    ratios = [alone / together for alone, together in zip(one, several, strict=True)]
    return {"trials": trials, "jobs": jobs, "epochs": epochs, "images": images, "one": one, "several": several,
            "cold": ratios[0], "warm": statistics.median(ratios[1:] or ratios), "load": load}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Print the times of every pair and the ratios."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search", description=__doc__.partition("\n")[0]
    )
    for name, default in (("trials", 40), ("jobs", 2), ("pairs", 3), ("epochs", 1), ("images", 50_000)):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"(default {default})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured to this file")
    args = parser.parse_args(argv)
    if min(args.trials, args.jobs, args.pairs, args.epochs, args.images) < 1 or args.jobs < 2:
        parser.error("all numbers must be at least 1, and --jobs at least 2")
    print(
        f"{args.trials} trials of {args.epochs} epochs of {args.images:,} images, {available_cores()} cores"
    )
    print(f"{'1 process':>10} {args.jobs:>3} of them {'ratio':>6}")
    found = measure(args.trials, args.jobs, args.pairs, args.epochs, args.images)
    print(f"cold {found['cold']:.2f}, warm {found['warm']:.2f} (the goal on two cores that are free: {GOAL})")
    if args.json is not None:
        write_json(args.json, {**found, "machine": machine.describe(("numpy", "joblib", "minidl"))})
    return 0


if __name__ == "__main__":
    sys.exit(main())
