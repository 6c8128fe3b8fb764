"""``minidl plot curves``: loss and accuracy of runs against epochs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minidl.cli.picture_file import add_out_option, check_picture_name, save_picture


def add_parser(subparsers: Any) -> None:
    """Add the picture ``curves`` to ``minidl plot``."""
    parser = subparsers.add_parser(
        "curves",
        help="loss and accuracy of runs against epochs",
        description="Draw the training and validation curves of one run, or of several over each other.",
        allow_abbrev=False,
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's folder")
    parser.add_argument(
        "--log", action="store_true", help="logarithmic axes, and the error rate instead of the accuracy"
    )
    add_out_option(parser, "curves.png")


def run(args: argparse.Namespace) -> int:
    """Read the histories, draw them and write the picture."""
    from minidl.errors import DataError
    from minidl.experiments.records import read_history
    from minidl.plots import training_curves

    check_picture_name(args.out)
    histories = []
    for folder in args.runs:
        history = read_history(folder)
        if history is None:
            raise DataError(
                f"{folder / 'history.csv'}: there is no readable history; give the folder of a run"
            )
        histories.append(history)
    title = ", ".join(folder.name for folder in args.runs) if len(args.runs) < 4 else f"{len(args.runs)} runs"
    figure = training_curves(histories, log=args.log, title=title)
    save_picture(figure, args.out)
    print(f"wrote {args.out}")
    return 0
