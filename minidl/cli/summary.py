"""``minidl summary``: the layers, shapes, parameters and FLOPs of a rung of the progression."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the ``summary`` command to the command line."""
    parser = subparsers.add_parser(
        "summary",
        help="print the layers, shapes and parameter counts of a rung",
        description="Print the layers, shapes, parameter counts and FLOPs of a rung of the progression.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--rung", required=True, metavar="N", help="the rung, numbered as by `minidl progression`"
    )
    parser.add_argument(
        "--preset",
        choices=("quick", "express", "lecture", "corrected"),
        default="lecture",
        help="the settings the network is built for (default: lecture)",
    )


def run(args: argparse.Namespace) -> int:
    """Build the rung's network for 28x28 grey images and print its table."""
    from minidl.experiments.ladder import INPUT_SHAPE, build_model

    model = build_model(args.rung, args.preset)
    model.build(INPUT_SHAPE)
    model.summary()
    return 0
