"""``minidl export``: the weights of a run for PyTorch, and the module that takes them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the ``export`` command to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="write the weights of a run for PyTorch",
        description=(
            "Write the weights of a run (of minidl train, or a single one below a progression's folder) to a "
            "safetensors file with PyTorch's names, and print the source of the PyTorch module that loads it."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run")
    parser.add_argument("file", type=Path, metavar="FILE.safetensors", help="the new file")
    parser.add_argument(
        "--weights",
        choices=("best", "last"),
        help="which weights (default: best, or last where no best were kept)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the file and print the module; return 0."""
    import sys

    from minidl.experiments.exporting import export_run

    exported = export_run(args.run, args.file, args.weights)
    print(exported.source)
    print(f"{args.file}: the weights of {exported.weights}", file=sys.stderr)
    return 0
