"""``minidl plot PICTURE …``: pictures that need no training. One file per picture."""

from __future__ import annotations

import argparse
from typing import Any

from minidl.cli import plot_augmentation, plot_curves, plot_schedule

# Each module offers add_parser(subparsers), which adds a parser of the picture's name, and
# run(args) -> exit code, like the commands in `minidl.cli.main`.
PICTURES = {
    "schedule": plot_schedule,
    "augmentation": plot_augmentation,
    "curves": plot_curves,
}


def add_parser(subparsers: Any) -> None:
    """Add the ``plot`` command to the command line."""
    parser = subparsers.add_parser(
        "plot",
        help="draw a picture: " + ", ".join(PICTURES),
        description="Draw a picture; `minidl plot PICTURE --help` explains it.",
        allow_abbrev=False,
    )
    pictures = parser.add_subparsers(title="pictures", dest="picture", metavar="PICTURE", required=True)
    for module in PICTURES.values():
        module.add_parser(pictures)


def run(args: argparse.Namespace) -> int:
    """Draw the picture asked for."""
    return PICTURES[args.picture].run(args)
