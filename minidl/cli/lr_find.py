"""``minidl lr-find``: the learning-rate range test, with its curve."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from minidl.cli.choices import (
    add_data_options,
    add_device_option,
    add_model_options,
    add_seed_option,
    data_from,
    device_from,
    model_from,
)
from minidl.cli.picture_file import add_out_option, check_picture_name, save_picture

if TYPE_CHECKING:
    from minidl.training import LRRangeTest

RUNG = "0"


def add_parser(subparsers: Any) -> None:
    """Add the ``lr-find`` command to the command line."""
    parser = subparsers.add_parser(
        "lr-find",
        help="find a learning rate: raise it batch by batch and watch the loss",
        description=(
            "Train with a learning rate that rises after every batch, and suggest the one at which the loss falls "
            "fastest. Writes the curve as a picture, and as a table to a .csv file of the same name."
        ),
        allow_abbrev=False,
    )
    add_model_options(parser, default=RUNG)
    add_data_options(parser)
    parser.add_argument(
        "--optimizer",
        default="SGD()",
        metavar="TEXT",
        help="such as 'Momentum(momentum=0.9)' (default: SGD()); its own rate is not used",
    )
    parser.add_argument(
        "--loss", default="SoftmaxCrossEntropy()", metavar="TEXT", help="(default: SoftmaxCrossEntropy())"
    )
    parser.add_argument(
        "--regularizer", action="append", default=[], metavar="TEXT", help="such as 'L2(1e-4)' (repeatable)"
    )
    parser.add_argument(
        "--batch-size", type=int, default=100, metavar="N", help="images of a step (default: 100)"
    )
    parser.add_argument("--low", type=float, default=1e-5, metavar="RATE", help="first rate (default: 1e-5)")
    parser.add_argument("--high", type=float, default=10.0, metavar="RATE", help="last rate (default: 10)")
    parser.add_argument("--steps", type=int, default=100, metavar="N", help="rates to try (default: 100)")
    parser.add_argument(
        "--linear", action="store_true", help="rates at equal distances instead of equal ratios"
    )
    add_seed_option(parser)
    add_device_option(parser)
    add_out_option(parser, "lr-find.png")


def run(args: argparse.Namespace) -> int:
    """Run the test, print the suggestion, and write the picture and the table."""
    from minidl.data import Loader
    from minidl.errors import ConfigError
    from minidl.experiments import vocabulary
    from minidl.expressions import build
    from minidl.random import Seeds
    from minidl.training import lr_range_test
    from minidl.training.lr_finder import check_range

    check_picture_name(args.out)
    check_range(args.low, args.high, args.steps)
    if args.batch_size < 1:
        raise ConfigError(f"--batch-size must be 1 or more, got {args.batch_size}")
    optimizer = build(args.optimizer, vocabulary.optimizers(), "--optimizer")
    loss = build(args.loss, vocabulary.losses(), "--loss")
    regularizers = [build(text, vocabulary.regularizers(), "--regularizer") for text in args.regularizer]
    model = model_from(args, default=RUNG)
    data = data_from(args)
    seeds = Seeds(args.seed)
    loader = Loader(data.train.images, data.train.labels, args.batch_size, seeds=seeds)
    model.build(data.train.images.shape[1:], rng=seeds)
    model.to(device_from(args))
    found = lr_range_test(
        model,
        loss,
        optimizer,
        loader,
        regularizers=regularizers,
        low=args.low,
        high=args.high,
        steps=args.steps,
        mode="linear" if args.linear else "exponential",
    )
    _write(found, args, data.title)
    print(f"{data.title}, {len(found.rates)} of {args.steps} rates from {args.low:g} to {args.high:g}")
    if found.suggestion is not None:
        print(f"suggested rate (steepest fall):  {found.suggestion:.2g}")
        print(f"a tenth of the lowest point's:   {found.tenth_of_lowest:.2g}")
    print(found.verdict)
    print(f"wrote {args.out} and {args.out.with_suffix('.csv')}")
    return 0


def _write(found: LRRangeTest, args: argparse.Namespace, data_title: str) -> None:
    from minidl.plots import lr_range_curve
    from minidl.training import History

    network = args.model or f"rung {RUNG if args.rung is None else args.rung}"
    setting = f"{data_title}, {args.optimizer}, {network}"
    if len(setting) > 64:  # characters that fit the picture
        setting = setting[:61] + "..."
    figure = lr_range_curve(
        found.rates,
        found.losses,
        found.smoothed,
        suggestion=found.suggestion,
        lowest=found.lowest,
        divergence=found.divergence,
        title=f"Learning-rate range test\n{setting}",
    )
    columns = zip(found.rates.tolist(), found.losses.tolist(), found.smoothed.tolist(), strict=True)
    table = History([{"lr": rate, "loss": loss, "smoothed": smoothed} for rate, loss, smoothed in columns])
    table.write_csv(args.out.with_suffix(".csv"))
    save_picture(figure, args.out)
