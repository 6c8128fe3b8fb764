"""``minidl demo``: small experiments from the lecture, each with a picture and two sentences."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minidl.cli.choices import add_data_options, add_seed_option, data_from
from minidl.errors import ConfigError


@dataclass(frozen=True)
class Demo:
    """One experiment.

    Parameters
    ----------
    name : str
        Its name on the command line.
    help : str
        What it shows, for ``minidl demo --help``.
    module : str
        Where it is. The module offers ``run(data, out, *, seed) -> str``: `data` a `DataSet`, `out` the
        folder to write pictures and results to (it may not exist yet), `seed` an int. What it returns is
        printed. It is imported when it runs, so that ``minidl --help`` is quick.
    needs_data : bool
        If not, nothing in it is random either: it is run with ``run(None, out)``, without options for both.
    full : str
        What the option ``--full`` does, for an experiment that takes ``full=True``; empty where there is none.
    """

    name: str
    help: str
    module: str
    needs_data: bool = True
    full: str = ""


DEMOS = (
    Demo("imbalance", "a rare class, and what accuracy hides", "minidl.experiments.imbalance"),
    Demo("landscapes", "optimizers race through a ravine and off a saddle point; Nesterov's three forms",
         "minidl.experiments.landscapes", needs_data=False),
    Demo("grid-random", "nine trainings on a grid against nine at random, when one parameter matters",
         "minidl.experiments.grid_random"),
    Demo("transfer", "from digits 0-4 to 5-9 with few labels, and what borrowed features are worth",
         "minidl.experiments.transfer"),
    Demo("svm", "a network and a support vector machine over the size of the training set",
         "minidl.experiments.training_size",
         full="the book's settings: up to 50,000 images, five draws, about an hour"),
)  # fmt: skip


def add_parser(subparsers: Any) -> None:
    """Add the ``demo`` command to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="run a small experiment of the lecture",
        description="Run a small experiment of the lecture; it prints its result and writes a picture.",
        allow_abbrev=False,
    )
    choices = parser.add_subparsers(title="experiments", dest="demo", metavar="NAME", required=True)
    for demo in DEMOS:
        options = choices.add_parser(demo.name, help=demo.help, description=demo.help, allow_abbrev=False)
        if demo.needs_data:
            add_data_options(options)
        options.add_argument(
            "--out", type=Path, metavar="DIR", help="the folder for the results (default: demo-NAME)"
        )
        if demo.needs_data:
            add_seed_option(options)
        if demo.full:
            options.add_argument("--full", action="store_true", help=demo.full)


def run(args: argparse.Namespace) -> int:
    """Run the experiment asked for."""
    demo = next(demo for demo in DEMOS if demo.name == args.demo)
    module = importlib.import_module(demo.module)
    out = args.out or Path(f"demo-{demo.name}")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out: {out} is a file; name a folder, which may be new")
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("drawing needs matplotlib, which is not installed: pip install matplotlib")
    options = {"seed": args.seed} if demo.needs_data else {}
    if demo.full:
        options["full"] = args.full
    print(module.run(data_from(args) if demo.needs_data else None, out, **options))
    print(f"written to {out}")
    return 0
