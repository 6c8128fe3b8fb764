"""``minidl precheck``: is everything right before a long training starts?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minidl.cli.choices import add_data_options, add_model_options, add_seed_option, data_from, model_from


def add_parser(subparsers: Any) -> None:
    """Add the ``precheck`` command to the command line."""
    parser = subparsers.add_parser(
        "precheck",
        help="check data, model, loss and optimizer before training",
        description=(
            "Check data, model, loss and optimizer before training: inputs and labels, the loss of an untrained "
            "network, the gradients, and whether a handful of examples can be learned by heart."
        ),
        epilog="Exit code 0 if no check came out wrong (suspicious ones may be meant), 1 if one did.",
        allow_abbrev=False,
    )
    add_model_options(parser)
    add_data_options(parser)
    parser.add_argument(
        "--loss", default="SoftmaxCrossEntropy()", metavar="TEXT", help="as in Python (default: %(default)s)"
    )
    parser.add_argument(
        "--optimizer", default="Adam(lr=0.001)", metavar="TEXT", help="as in Python (default: %(default)s)"
    )
    parser.add_argument(
        "--regularizer",
        action="append",
        default=[],
        metavar="TEXT",
        help="such as 'L2(0.0001)'; may be repeated",
    )
    parser.add_argument(
        "--examples",
        type=int,
        default=10,
        metavar="N",
        help="examples to learn by heart, 5 to 20 (default: 10)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured to this file")
    add_seed_option(parser)


def run(args: argparse.Namespace) -> int:
    """Make the checks, printing each verdict as it comes; return 1 if one is "wrong", else 0."""
    from minidl.errors import ConfigError
    from minidl.experiments import vocabulary
    from minidl.expressions import build
    from minidl.files import write_json
    from minidl.parallel import threads
    from minidl.training.prechecks import precheck

    model = model_from(args)
    loss = build(args.loss, vocabulary.losses(), "--loss")
    optimizer = build(args.optimizer, vocabulary.optimizers(), "--optimizer")
    regularizers = [build(text, vocabulary.regularizers(), "--regularizer") for text in args.regularizer]
    if not 5 <= args.examples <= 20:
        raise ConfigError(f"--examples must be from 5 to 20, got {args.examples}")
    if args.json is not None and args.json.is_dir():
        raise ConfigError(f"--json: {args.json} is a folder; give the name of a file")
    data = data_from(args)
    subject = f"{f'rung {args.rung}' if args.rung else args.model} on {data.title}"
    print(f"checks before training: {subject}", flush=True)
    with threads(1):  # batches of ten spend more time being handed out than being worked on
        report = precheck(
            model,
            loss,
            data.train,
            data.validation,
            optimizer=optimizer,
            regularizers=regularizers,
            classes=len(data.classes),
            examples=args.examples,
            seed=args.seed,
            subject=subject,
            on_result=lambda result: print(result.row(), flush=True),
        )
    print(report.tally)
    if args.json is not None:
        options = {"loss": args.loss, "optimizer": args.optimizer, "regularizers": args.regularizer}
        write_json(args.json, {**report.as_dict(), **options, "seed": args.seed})
    return 1 if report.failed else 0
