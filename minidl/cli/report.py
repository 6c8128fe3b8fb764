"""``minidl report``: write the report of a run anew from what its folder holds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the ``report`` command to the command line."""
    parser = subparsers.add_parser(
        "report",
        help="write report.html of a run: curves, verdicts, monitors",
        description=(
            "Write report.html into a run's folder: configuration, curves, verdicts, and what the monitors recorded. "
            "May be called while the run is going on."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder")


def run(args: argparse.Namespace) -> int:
    """Write the report and say where it is."""
    from minidl.errors import DataError
    from minidl.experiments.report import write_run_report

    if not any((args.run / name).is_file() for name in ("run.json", "history.csv")):
        raise DataError(
            f"{args.run}: there is no run here, neither run.json nor history.csv; give a run's folder"
        )
    print(f"the report is {write_run_report(args.run)}")
    return 0
