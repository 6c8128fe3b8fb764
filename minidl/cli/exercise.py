"""``minidl exercise …``: the exercises, for students and for those who write them. One file per command."""

from __future__ import annotations

import argparse
from typing import Any

from minidl.cli import (
    exercise_build,
    exercise_check,
    exercise_list,
    exercise_package,
    exercise_start,
    exercise_submit,
    exercise_train,
    exercise_verify,
)

# Each module offers add_parser(subparsers), which adds a parser of the command's name, and
# run(args) -> exit code, like the commands in `minidl.cli.main`.
COMMANDS = {
    "list": exercise_list,
    "start": exercise_start,
    "check": exercise_check,
    "train": exercise_train,
    "submit": exercise_submit,
    "build": exercise_build,
    "verify": exercise_verify,
    "package": exercise_package,
}


def add_parser(subparsers: Any) -> None:
    """Add the ``exercise`` command to the command line."""
    parser = subparsers.add_parser(
        "exercise",
        help="exercises: " + ", ".join(COMMANDS),
        description="Work on the exercises; `minidl exercise COMMAND --help` explains a command.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(
        title="commands", dest="exercise_command", metavar="COMMAND", required=True
    )
    for module in COMMANDS.values():
        module.add_parser(commands)


def run(args: argparse.Namespace) -> int:
    """Run the command asked for."""
    return COMMANDS[args.exercise_command].run(args)
