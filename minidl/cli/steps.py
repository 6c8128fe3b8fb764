"""``minidl steps``: which steps of the ladder are more than scatter?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the ``steps`` command to the command line."""
    parser = subparsers.add_parser(
        "steps",
        help="say which steps of a progression are real improvements",
        description=(
            "Compare every rung of a progression with the one before it: Welch's t-test over the seeds and McNemar's "
            "test over the images, pooled over the seeds, both corrected for the number of steps by Holm. Prints a "
            "table and a paragraph, and writes steps.json and steps.md into the folder. The test set stays in its "
            "vault."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of minidl progression --seeds 5")
    parser.add_argument(
        "--alpha",
        type=float,
        default=0.05,
        metavar="A",
        help="level of significance for all steps together (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; return 0."""
    from minidl.experiments.records import read_progression
    from minidl.experiments.steps import ladder_steps, write_steps
    from minidl.experiments.steps_text import steps_markdown, steps_text

    found = ladder_steps(args.folder, read_progression(args.folder), args.alpha)
    written = write_steps(args.folder, found, steps_markdown(found))
    print(steps_text(found))
    print(f"\nwritten to {written[0]} and {written[1]}")
    return 0
