"""``minidl COMMAND …``: find the command, run it, turn errors into one line and an exit code."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Sequence

from minidl._version import __version__
from minidl.cli import (
    beyond,
    compare,
    data,
    demo,
    ensemble,
    evaluate,
    exercise,
    export,
    gradcheck,
    grade,
    lr_find,
    plot,
    precheck,
    progression,
    report,
    search,
    speedrun,
    steps,
    summary,
    train,
)
from minidl.errors import MinidlError

# Each module offers add_parser(subparsers), which adds a parser of the module's name, and
# run(args) -> exit code. They import what they need inside `run`, so that `minidl --help` is quick.
COMMANDS = {
    "progression": progression,
    "steps": steps,
    "beyond": beyond,
    "train": train,
    "evaluate": evaluate,
    "compare": compare,
    "ensemble": ensemble,
    "export": export,
    "data": data,
    "gradcheck": gradcheck,
    "precheck": precheck,
    "lr-find": lr_find,
    "search": search,
    "speedrun": speedrun,
    "plot": plot,
    "report": report,
    "summary": summary,
    "demo": demo,
    "exercise": exercise,
    "grade": grade,
}

EXIT_USER_ERROR = 2  # argparse uses 2 for a wrong option as well
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="minidl",
        description="A small deep-learning framework on NumPy for teaching.",
        epilog="`minidl COMMAND --help` explains a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"minidl {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for module in COMMANDS.values():
        module.add_parser(subparsers)
    return parser


def _nearest(word: str, parser: argparse.ArgumentParser, command: str) -> str:
    """Return ``"; did you mean --epochs?"`` for a misspelt option of a command, or nothing."""
    known: set[str] = set()
    parsers = [parser]
    while parsers:
        for action in parsers.pop()._actions:
            known.update(action.option_strings)
            if isinstance(action, argparse._SubParsersAction):
                choices = action.choices
                parsers += [choices[command]] if command in choices else choices.values()
    near = difflib.get_close_matches(word.partition("=")[0], sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``minidl``; those of the process when left out.

    Returns
    -------
    int
        The exit code: 0 when all went well, 2 for an error the user can mend (printed as one line
        ``minidl: error: …``), 130 after Ctrl-C, 141 when the reader of a pipe went away.
        A wrong option leaves through `SystemExit` with code 2, as argparse does. Any other
        exception is a bug and keeps its traceback.
    """
    parser = build_parser()
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.error(
            f"unrecognized arguments: {' '.join(unknown)}{_nearest(unknown[0], parser, args.command)}"
        )
    try:
        code = COMMANDS[args.command].run(args)
        sys.stdout.flush()  # a closed pipe shows itself here, not while the interpreter shuts down
        return code
    except BrokenPipeError:
        # `minidl … | head`: nobody reads any more. What is left in the buffer goes nowhere quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except MinidlError as error:
        line = " ".join(str(error).splitlines())  # a name that the user gave may hold a line break
        print(f"minidl: error: {line}", file=sys.stderr)
        return EXIT_USER_ERROR
    except OSError as error:
        if error.filename is None:
            raise
        # A folder without write permission, a full disk, a path that is not there.
        print(f"minidl: error: {error.filename}: {error.strerror}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("minidl: stopped", file=sys.stderr)
        return EXIT_INTERRUPTED
