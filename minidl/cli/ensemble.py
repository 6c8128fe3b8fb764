"""``minidl ensemble``: trained networks vote."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minidl.cli.choices import add_device_option, device_from
from minidl.cli.picture_file import add_out_option, check_picture_name, save_picture


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``minidl``."""
    parser = subparsers.add_parser(
        "ensemble",
        help="let trained networks vote, and see what independent errors would have bought",
        description=(
            "Let networks vote by plurality and by mean probability, and average their weights where they are of "
            "one architecture; beside it what the binomial formula promises for independent networks, and how far "
            "these err together. RUN is a run or a folder of runs (minidl train --seeds, a rung of a progression, a "
            "search). --split test opens the vault; vault.json in each run's folder keeps a list of every opening."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run, or a folder of runs")
    parser.add_argument(
        "--take",
        choices=("best", "last", "snapshots", "all"),
        default="best",
        help="which weights of each run vote: best (default), last, its snapshots, or all of them",
    )
    parser.add_argument(
        "--top", type=int, metavar="K", help="only the K runs of the best validation accuracy"
    )
    parser.add_argument(
        "--split",
        choices=("validation", "test"),
        default="validation",
        help="which images (default: validation)",
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="folder with the data files")
    add_device_option(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to this file as well")
    add_out_option(parser, "ensemble.png")


def run(args: argparse.Namespace) -> int:
    """Let the networks vote, print the outcome and draw it; return 0."""
    from minidl.experiments.voting import gather, score_and_picture
    from minidl.experiments.voting_table import voting_table, voting_text
    from minidl.files import write_json
    from minidl.plots.ensemble import ensemble_plot

    check_picture_name(args.out)
    voters = gather(
        args.runs, take=args.take, top=args.top, split=args.split, data_dir=args.data_dir, device=device_from(args)
    )
    score, picture = score_and_picture(voters)
    print(voting_text(voters, score))
    if args.json is not None:
        write_json(args.json, voting_table(voters, score))
    save_picture(ensemble_plot(**picture), args.out)
    print(f"\nthe picture is {args.out}")
    return 0
