"""``minidl speedrun``: how fast is 99 %?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minidl.cli.choices import DATA


def add_parser(subparsers: Any) -> None:
    """Add the ``speedrun`` command to the command line."""
    parser = subparsers.add_parser(
        "speedrun",
        help="99 %% on MNIST in seconds: train a few networks by the fast recipe and time them",
        description=(
            "Train a convolutional network by the recipe that reaches 99.0 %% of MNIST's test images in seconds, "
            "once for each seed; print the seconds, the accuracies, their mean and standard deviation, and the "
            "machine. The test images are used once, after the last training. Without --data it takes MNIST where it "
            "can be had, else scikit-learn's digits, and says so."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="networks (default: %(default)s)")
    parser.add_argument("--threads", type=int, metavar="N", help="cores for a training step (default: 2)")
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="cpu",
        help="where to train (default: %(default)s)",
    )
    parser.add_argument(
        "--split",
        choices=("test", "validation"),
        default="test",
        help="images to score on; validation leaves the vault shut (default: %(default)s)",
    )
    parser.add_argument("--data", choices=DATA, help="data set (no fallback)")
    parser.add_argument("--data-dir", metavar="DIR", help="folder with the data files")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="new folder for results.json (default: below runs/)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; return 0."""
    import itertools
    import time
    from datetime import datetime

    from minidl.backend import choose_device
    from minidl.data import load, load_or_digits
    from minidl.experiments.speedrun import require_sensible, speedrun
    from minidl.experiments.speedrun_table import speedrun_text

    device = choose_device(args.device)
    require_sensible(args.seeds, args.threads, args.split, args.out, device)
    clock = time.perf_counter()
    if args.data is None:
        data = load_or_digits(data_dir=args.data_dir)
    else:
        data = load(args.data, data_dir=args.data_dir)
    seconds = time.perf_counter() - clock
    folder = args.out
    if folder is None:
        name = f"speedrun-{data.name}-{datetime.now():%Y%m%d-%H%M%S}"
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        folder = next(path for path in (Path("runs") / each for each in names) if not path.exists())
    results = speedrun(
        data,
        folder,
        seeds=args.seeds,
        threads=args.threads,
        split=args.split,
        device=device,
        load_seconds=seconds,
        say=lambda line: print(line, flush=True),
    )
    print("\n" + speedrun_text(results))
    print(f"\neverything is in {folder / 'results.json'}")
    return 0
