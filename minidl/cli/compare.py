"""``minidl compare``: is one way of training better than another?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minidl.cli.picture_file import add_out_option, check_picture_name, save_picture


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``minidl``."""
    parser = subparsers.add_parser(
        "compare",
        help="is one way of training better than another? means, intervals, p values, a sentence to quote",
        description=(
            "Compare groups of finished runs. A group is NAME=RUN,RUN,...; runs without names are put together if "
            "they differ in nothing but the seed. RUN may also be a folder of runs, such as minidl train --seeds 5 "
            "or --folds 5 leaves. What is compared is on record in the folders: the validation accuracy, or with "
            "--split test that of an earlier minidl evaluate --split test; the vault stays shut."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run, a folder of runs, or NAME=RUN,RUN")
    parser.add_argument(
        "--split",
        choices=("validation", "test"),
        default="validation",
        help="which images (default: validation)",
    )
    parser.add_argument(
        "--weights",
        choices=("best", "last"),
        help="of which epoch (default: best, or last where some run kept none)",
    )
    parser.add_argument(
        "--test",
        choices=("welch", "student", "paired", "permutation", "folds", "mcnemar"),
        help=(
            "t-test for unequal variances (default) or equal ones, t-test of pairs of the same seed, permutation "
            "test; folds (the default for cross-validations) compares fold by fold and allows for the training "
            "images that folds share; mcnemar compares two single networks image by image"
        ),
    )
    parser.add_argument(
        "--correction",
        choices=("holm", "bonferroni", "none"),
        default="holm",
        help="for testing several pairs (default: holm)",
    )
    parser.add_argument(
        "--alpha", type=float, default=0.05, metavar="P", help="level of significance (default: 0.05)"
    )
    parser.add_argument(
        "--baseline", metavar="NAME", help="compare all with this group instead of every pair"
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="folder with the data files")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to this file as well")
    add_out_option(parser, "comparison.png")


def run(args: argparse.Namespace) -> int:
    """Compare, print the outcome and draw it; return 0."""
    from minidl.experiments.comparing import compare_runs
    from minidl.experiments.comparison_table import comparison_text
    from minidl.files import write_json
    from minidl.plots.comparison import comparison_plot

    check_picture_name(args.out)
    result = compare_runs(
        args.runs,
        split=args.split,
        weights=args.weights,
        test=args.test,
        correction=args.correction,
        alpha=args.alpha,
        baseline=args.baseline,
        data_dir=args.data_dir,
    )
    figure = comparison_plot(**result.picture())
    save_picture(figure, args.out)
    if args.json is not None:
        write_json(args.json, result.table())
    print(comparison_text(result))
    print(f"\nthe picture is {args.out}")
    return 0
