"""``minidl exercise train``: a student's classes beside ours, on handwritten digits."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minidl.cli.choices import add_data_options, add_seed_option
from minidl.cli.exercise_options import add_work_arguments

if TYPE_CHECKING:
    from minidl.grading.student.training import Curve


def add_parser(subparsers: Any) -> None:
    """Add the ``train`` command."""
    parser = subparsers.add_parser(
        "train",
        help="train a network with your classes beside ours",
        description=(
            "Train a small network twice, from the same weights on the same images: with your classes and with "
            "ours. Prints both accuracies and draws both curves. Your code runs in this process."
        ),
        allow_abbrev=False,
    )
    add_work_arguments(parser)
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="passes over the images (default: the exercise's)"
    )
    network = parser.add_mutually_exclusive_group()
    network.add_argument(
        "--rung",
        metavar="R",
        help="another network of the progression, where the exercise trains one (exercise 8)",
    )
    network.add_argument(
        "--model",
        metavar="TEXT",
        help="another network, as in `minidl train --model`: 'Flatten(), Dense(10)'",
    )
    add_data_options(parser)
    add_seed_option(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="the picture: a name that ends in .png, .svg or .pdf (default: training.png in your folder)",
    )


def run(args: argparse.Namespace) -> int:
    """Train both, print the table, write the picture."""
    from minidl.cli.choices import data_from
    from minidl.cli.picture_file import check_picture_name, save_picture
    from minidl.errors import ConfigError
    from minidl.grading.student.folder import Work
    from minidl.grading.student.training import another_network, compare, plan_of
    from minidl.plots.student import side_by_side

    if args.epochs is not None and args.epochs < 1:
        raise ConfigError(f"--epochs must be at least 1, got {args.epochs}")
    work = Work.find(args.exercise, args.folder, args.exercises)
    out = work.folder / "training.png" if args.out is None else args.out
    check_picture_name(out)
    another_network(plan_of(work), work.exercise, args.rung, args.model)
    work.sources()  # before data are fetched
    data = data_from(args)
    done = compare(
        work,
        data,
        images=args.subset,
        epochs=args.epochs,
        seed=args.seed,
        rung=args.rung,
        model=args.model,
    )

    exercise, files = work.exercise, ", ".join(work.exercise.handed_in)
    print(f"Exercise {exercise.number} on {data.title}: {done.model}")
    print(
        f"{done.images:,} training images, {done.epochs} epoch{'s' * (done.epochs > 1)}, batches of {done.batch_size}."
    )
    print(f"Yours: {', '.join(done.classes)} from {files}; everything else is ours.\n")
    print(f"{'':<6} {'accuracy':>10} {'last loss':>10} {'seconds':>8}")
    print(_row("yours", done.yours))
    print(_row("ours", done.ours))
    print(f"\n{done.verdict()}")
    title = f"Exercise {exercise.number} on {data.title}: {', '.join(done.classes)}"
    curves = [(curve.losses, curve.accuracies) for curve in (done.yours, done.ours)]
    save_picture(side_by_side(*curves, title=title), out)
    print(f"Picture: {out}")
    return 0


def _row(name: str, curve: Curve) -> str:
    accuracy = f"{100 * curve.accuracies[-1]:.2f} %"
    return f"{name:<6} {accuracy:>10} {curve.losses[-1]:>10.4f} {curve.seconds:>8.1f}"
