"""``minidl plot schedule``: learning-rate schedules as curves."""

from __future__ import annotations

import argparse
from typing import Any

from minidl.cli.picture_file import add_out_option, check_picture_name, save_picture


def add_parser(subparsers: Any) -> None:
    """Add the picture ``schedule`` to ``minidl plot``."""
    parser = subparsers.add_parser(
        "schedule",
        help="learning rate (and momentum) against training progress",
        description=(
            "Draw one or more schedules, written as in Python: "
            "minidl plot schedule 'Warmup(Cosine(0.1), fraction=0.05)' 'OneCycle(0.5)'"
        ),
        allow_abbrev=False,
    )
    parser.add_argument("schedules", nargs="+", metavar="SCHEDULE", help="such as 'Cosine(0.1)'")
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="label the axis with epochs instead of the fraction done"
    )
    parser.add_argument(
        "--batches",
        type=int,
        metavar="N",
        help="batches per epoch: draw the rate of every step as a training sees it (needs --epochs)",
    )
    parser.add_argument("--log", action="store_true", help="logarithmic axis for the learning rate")
    add_out_option(parser, "schedule.png")


def run(args: argparse.Namespace) -> int:
    """Build the schedules, draw them and write the picture."""
    from minidl.errors import ConfigError
    from minidl.experiments import vocabulary
    from minidl.expressions import build
    from minidl.plots import schedule_curves
    from minidl.schedules import sample

    check_picture_name(args.out)
    for option, value in (("--epochs", args.epochs), ("--batches", args.batches)):
        if value is not None and value < 1:
            raise ConfigError(f"{option} must be 1 or more, got {value}")
    if args.batches is not None and args.epochs is None:
        raise ConfigError("--batches needs --epochs: the steps of a training are their product")
    names = vocabulary.schedules()
    steps = None if args.batches is None else args.epochs * args.batches
    curves = {text: sample(build(text, names, "SCHEDULE"), steps) for text in args.schedules}
    figure = schedule_curves(curves, epochs=args.epochs, steps=steps is not None, log=args.log)
    save_picture(figure, args.out)
    print(f"wrote {args.out}")
    return 0
