"""``minidl progression``: the lecture's networks, one after another."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

# Options that set a field of `minidl.experiments.recipes.Recipe`, by field name.
_RECIPE_OPTIONS: dict[str, dict[str, Any]] = {
    "epochs": {"type": int, "metavar": "N", "help": "passes over the training images"},
    "batch_size": {"type": int, "metavar": "N", "help": "images per step"},
    "init": {
        "choices": ("nielsen", "fan-in"),
        "help": "initial weights: sqrt(1/n_out) as in network3, or by fan-in",
    },
    "shuffle": {
        "choices": ("never", "once", "epoch"),
        "help": "order of the images; network3 never shuffles",
    },
    "l2_scaling": {
        "choices": ("network3", "book"),
        "help": "scaling of the L2 parameter; they differ tenfold",
    },
    "dropout_masks": {
        "choices": ("shared", "independent"),
        "help": "network3 gives all layers and networks one seed",
    },
    "report": {
        "choices": ("best", "last"),
        "help": "weights that are tested: best validation epoch, or last",
    },
    "vote": {"choices": ("hard", "soft"), "help": "how the ensemble votes"},
    "vote_weights": {"choices": ("best", "last"), "help": "weights of the members that vote"},
}


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``minidl``."""
    parser = subparsers.add_parser(
        "progression",
        help="train the lecture's networks, 97.80 %% to 99.67 %%, and write a report",
        description=(
            "Train the networks of the lecture's MNIST progression and print the table beside the lecture's numbers. "
            "Without --data it takes MNIST where it can be had, else scikit-learn's digits, and says so. "
            "Everything is written to a folder, with results.json and report.html; a stopped progression goes on "
            "with --resume."
        ),
        allow_abbrev=False,
    )
    parser.add_argument(
        "--preset",
        choices=("quick", "express", "lecture", "corrected"),
        help="quick (default): minutes; express: modern training; lecture: the published settings, hours; "
        "corrected: these with fan-in weights, shuffling and independent dropout masks",
    )
    parser.add_argument("--rungs", metavar="LIST", help="such as 0,3-5,10 (default: all; besides: 1b, 2b)")
    parser.add_argument("--seeds", type=int, metavar="N", help="networks of each rung (default 1)")
    parser.add_argument(
        "--data", choices=("mnist", "digits", "fashion", "kmnist"), help="data set (no fallback)"
    )
    parser.add_argument("--data-dir", metavar="DIR", help="folder with the data files")
    parser.add_argument(
        "--split",
        choices=("test", "validation"),
        help="images to score on (default test); validation leaves the vault shut, for those who try recipes",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="where to compute (default auto)")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="networks trained at once (default: one for each core)"
    )
    parser.add_argument(
        "--cluster", metavar="ADDRESS", help="a Dask scheduler whose workers train the networks; --jobs is not used"
    )
    parser.add_argument("--out", metavar="DIR", help="new folder for the results (default: below runs/)")
    parser.add_argument("--resume", metavar="DIR", help="go on with the progression in this folder")
    settings = parser.add_argument_group("settings of the recipe, for every rung")
    for name, options in _RECIPE_OPTIONS.items():
        settings.add_argument("--" + name.replace("_", "-"), **options)


def run(args: argparse.Namespace) -> int:
    """Run the command; return 0."""
    from minidl.experiments.plan import default_folder, read_plan
    from minidl.experiments.progression import Progression
    from minidl.experiments.report import write_progression_report
    from minidl.experiments.steps import ladder_steps, write_steps
    from minidl.experiments.steps_text import steps_markdown, steps_text
    from minidl.experiments.table import full_table

    if args.resume is not None:
        folder = Path(args.resume)
        _refuse_options(args)
        plan = read_plan(folder)
        data = _load(plan.data, args.data_dir)
    else:
        plan = _new_plan(args)  # before the data: a slip of the pen should not cost a download
        data = _load(args.data, args.data_dir)
        plan = replace(plan, data=data.name, command=f"{plan.command} --data {data.name}")
        folder = Path(args.out) if args.out is not None else default_folder(data.name, plan.preset)
    progression = Progression(plan, data, folder, say=_say, cluster=args.cluster)
    print(f"device {plan.device}, {progression.company}, results in {folder}")
    try:
        results = progression.run()
    except KeyboardInterrupt:
        print(f"\nStopped. To go on: minidl progression --resume {shlex.quote(str(folder))}", file=sys.stderr)
        raise
    scored = progression.open_for_report()
    report = write_progression_report(folder, test_images=scored.images, test_labels=scored.labels)
    print("\n" + full_table(results))
    if plan.seeds > 1:
        found = ladder_steps(folder, results)
        write_steps(folder, found, steps_markdown(found))
        print("\n" + steps_text(found))
    print(f"\nall of it took {results['seconds']:.0f} s; the report is {report}")
    return 0


def _load(name: str | None, data_dir: str | None) -> Any:
    from minidl.data import load, load_or_digits

    return load_or_digits(data_dir=data_dir) if name is None else load(name, data_dir=data_dir)


def _new_plan(args: argparse.Namespace) -> Any:
    from minidl.backend import choose_device
    from minidl.errors import ConfigError
    from minidl.experiments.ladder import parse_rungs
    from minidl.experiments.plan import Plan, default_jobs
    from minidl.parallel import available_cores

    changes = {name: getattr(args, name) for name in _RECIPE_OPTIONS if getattr(args, name) is not None}
    device = choose_device(args.device or "auto")
    rungs = tuple(rung.id for rung in parse_rungs(args.rungs or "all"))
    preset, seeds = args.preset or "quick", 1 if args.seeds is None else args.seeds
    for option, value in (("--seeds", seeds), ("--jobs", args.jobs)):
        if value is not None and value < 1:
            raise ConfigError(f"{option} must be at least 1, got {value}")
    folder = Path(args.out) if args.out is not None else None
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: this exists already; choose another --out, or go on with --resume")
    options = [
        f"--preset {preset}",
        f"--rungs {args.rungs or 'all'}",
        f"--seeds {seeds}",
    ]
    options += [f"--{name.replace('_', '-')} {value}" for name, value in changes.items()]
    split = args.split or "test"
    options += [] if split == "test" else [f"--split {split}"]
    if args.cluster is not None and args.jobs is not None:
        raise ConfigError("--jobs is for this machine, --cluster for others; leave out one of them")
    networks = seeds * sum(5 if rung == "11" else 1 for rung in rungs)
    jobs = 1 if args.cluster is not None else args.jobs or default_jobs(device, networks)
    command = "minidl progression " + " ".join(options)
    threads = available_cores() if jobs == 1 and args.cluster is None else 1
    return Plan(preset, rungs, seeds, args.data or "mnist", device, jobs, changes, command, threads, split)


def _refuse_options(args: argparse.Namespace) -> None:
    from minidl.errors import ConfigError

    fixed = ["preset", "rungs", "seeds", "data", "split", "device", "jobs", "out", *_RECIPE_OPTIONS]
    given = ["--" + name.replace("_", "-") for name in fixed if getattr(args, name) is not None]
    if given:
        raise ConfigError(f"--resume takes everything from the folder; leave out {', '.join(given)}")


def _say(line: str) -> None:
    """Print a line without tearing a progress bar that may be on the terminal."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        tqdm.write(line, file=sys.stdout)
    else:
        print(line, flush=True)
