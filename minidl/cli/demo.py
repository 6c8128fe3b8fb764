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
    Demo("gradient-steps", "gradient steps too small, right, too large and far too large; one rate for two curvatures",
         "minidl.experiments.concepts.gradient_steps", needs_data=False),
    Demo("grid-random", "nine trainings on a grid against nine at random, when one parameter matters",
         "minidl.experiments.grid_random"),
    Demo("transfer", "from digits 0-4 to 5-9 with few labels, and what borrowed features are worth",
         "minidl.experiments.transfer"),
    Demo("svm", "a network and a support vector machine over the size of the training set",
         "minidl.experiments.training_size",
         full="the book's settings: up to 50,000 images, five draws, about an hour"),
    Demo("rates", "learning rates from too low to too high: the lecture's cartoon and real runs",
         "minidl.experiments.concepts.rates"),
    Demo("batches", "batch size and the noise of the loss curve", "minidl.experiments.concepts.batches"),
    Demo("init", "initial weights too large, right, too small and zero; the book's N(0, 1) against N(0, 1/n)",
         "minidl.experiments.concepts.initialisation"),
    Demo("random-labels", "a network learns random labels by heart, and generalises from true ones only",
         "minidl.experiments.concepts.random_labels"),
    Demo("size", "capacity and training-set size: polynomials by degree, networks by width and by images",
         "minidl.experiments.concepts.size"),
    Demo("tanh", "sigmoid against tanh: the lecture's two convolutions, accuracy over the epochs",
         "minidl.experiments.concepts.tanh"),
    Demo("tuned", "descent, momentum and Adam, each at the best rate of its own grid",
         "minidl.experiments.concepts.tuned"),
    Demo("l1-l2", "few large weights under L1, many small ones under L2; the ellipses of two weights",
         "minidl.experiments.concepts.penalties"),
    Demo("bias-variance", "the targets of bias and variance, and both measured over the width of a network",
         "minidl.experiments.concepts.bias_variance"),
    Demo("votes", "votes of networks against the binomial of independent ones; dropout as an ensemble",
         "minidl.experiments.concepts.votes"),
    Demo("snapshots", "six cycles of the learning rate in one training, and the vote of its snapshots",
         "minidl.experiments.concepts.snapshots"),
    Demo("stopping", "when to stop: by the cost or by the accuracy, beside the book's numbers",
         "minidl.experiments.concepts.stopping"),
    Demo("rotated-five", "a 5 turned by 15 degrees: its pixels, its neighbours, and what networks say",
         "minidl.experiments.concepts.rotated_five"),
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
