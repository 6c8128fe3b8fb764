"""``minidl evaluate``: how good a trained network is, class by class."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minidl.cli.choices import DATA, add_device_option, device_from


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``minidl``."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a trained network: accuracy, precision, recall, confusion matrix",
        description=(
            "Score the network of a run (of minidl train, or a single one below a progression's folder) and write "
            "evaluation.json and evaluation.html into the run's folder. --split test opens the vault; the run's "
            "vault.json keeps a list of every opening. --report adds ROC curves, calibration, averages and intervals, "
            "as a page, CSV tables and PNG pictures in the folder evaluation/ of the run."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run")
    parser.add_argument(
        "--weights",
        choices=("best", "last"),
        help="which weights (default: best, or last where no best were kept)",
    )
    parser.add_argument(
        "--split",
        choices=("validation", "test"),
        default="validation",
        help="which images (default: validation)",
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="also write a full report, every table as CSV and every picture as PNG",
    )
    parser.add_argument("--data", choices=DATA, help="score on this data set (default: the run's own)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="folder with the data files")
    add_device_option(parser)


def run(args: argparse.Namespace) -> int:
    """Score the run and print the outcome; return 0."""
    from minidl.experiments.evaluation_report import evaluation_text, write_evaluation_report
    from minidl.experiments.scoring import TrainedRun

    device = device_from(args)
    trained = TrainedRun(
        args.run, weights=args.weights, data_name=args.data, data_dir=args.data_dir, device=device
    )
    outcome = trained.score(args.split)
    report = write_evaluation_report(args.run, outcome)
    print(evaluation_text(outcome.facts))
    if args.report:
        from minidl.experiments.full_report import write_full_report

        report = write_full_report(args.run, outcome)
    print(f"\nthe report is {report}")
    return 0
