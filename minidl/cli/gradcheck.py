"""``minidl gradcheck``: compare every gradient of the library with central differences."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minidl.gradcheck import GradientReport

HEADER = ("layer or loss", "mode", "worst tensor", "relative error", "verdict")


def add_parser(subparsers: Any) -> None:
    """Add the ``gradcheck`` command to the command line."""
    parser = subparsers.add_parser(
        "gradcheck",
        help="check the gradients of every layer and loss",
        description=(
            "Compare the gradients of every layer and loss of the library, in float64, with central differences. "
            "Exit code 1 if one is wrong."
        ),
        allow_abbrev=False,
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of inputs and parameters (default: 0)"
    )
    parser.add_argument(
        "--layer", metavar="NAME", help="only this layer or loss, such as Conv2D or SoftmaxCrossEntropy"
    )


def run(args: argparse.Namespace) -> int:
    """Print the table; return 0 if every gradient is right, else 1."""
    from minidl.errors import ConfigError
    from minidl.layers.catalogue import LAYERS, LOSSES

    chosen = args.layer.casefold() if args.layer else None
    layers = [case for case in LAYERS if chosen in (None, case.kind.casefold())]
    losses = [case for case in LOSSES if chosen in (None, case.kind.casefold())]
    if not layers and not losses:
        known = sorted({case.kind for case in LAYERS} | {case.kind for case in LOSSES})
        raise ConfigError(f"--layer {args.layer}: no such layer or loss; choose one of {', '.join(known)}")

    labels = [case.label for case in layers] + [case.label for case in losses]
    width = max(map(len, [HEADER[0], *labels]))
    print(_row(width, *HEADER))
    print(_row(width, "-" * width, "-----", "-" * 12, "-" * 14, "-------"))
    failed: list[GradientReport] = []
    for case in layers:
        for train in (True, False):
            _print(width, case.label, case.check(seed=args.seed, train=train), failed)
    for loss_case in losses:
        _print(width, loss_case.label, loss_case.check(seed=args.seed), failed)

    checks = 2 * len(layers) + len(losses)
    print(f"\n{checks - len(failed)} of {checks} checks passed")
    for report in failed:
        print(f"\n{report}")
    return 1 if failed else 0


def _print(width: int, label: str, report: GradientReport, failed: list[GradientReport]) -> None:
    from minidl.gradcheck import verdict

    if not report.ok:
        failed.append(report)
    worst = report.worst
    name, error = ("-", 0.0) if worst is None else (worst.name, worst.error)
    word = verdict(error) if report.ok else "FAILED"
    print(_row(width, label, report.mode, name, f"{error:.1e}", word), flush=True)


def _row(width: int, label: str, mode: str, tensor: str, error: str, word: str) -> str:
    return f"{label:<{width}}  {mode:<5}  {tensor:<14}  {error:>14}  {word}"
