"""Options that several commands share: which model, which data, which seed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minidl.data import DataSet
    from minidl.layers import Layer

DATA = ("mnist", "digits", "fashion", "kmnist")
SPLITS = ("lecture", "random", "stratified", "writers")


def add_model_options(parser: Any, default: str | None = None) -> None:
    """Add ``--rung ID`` and ``--model TEXT``, of which one may be given.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Or a group of one.
    default : str, optional
        The rung that is taken when neither option is given, for the help; `model_from` gets the same.
    """
    group = parser.add_mutually_exclusive_group()
    taken = "" if default is None else f" (default: {default})"
    group.add_argument(
        "--rung", metavar="ID", help=f"a network of the progression, such as 0, 3 or 2b{taken}"
    )
    group.add_argument(
        "--model",
        metavar="TEXT",
        help="a model as in Python: 'Sequential([Flatten(), Dense(100), ReLU(), Dense(10)])'",
    )


def model_from(args: argparse.Namespace, default: str | None = None, preset: str = "express") -> Layer:
    """Return the model that was chosen, not yet built.

    Parameters
    ----------
    args : argparse.Namespace
        With the options of `add_model_options`.
    default : str, optional
        The rung to take when none was chosen.
    preset : {"quick", "express", "lecture", "corrected"}
        The recipe a rung's initial weights and dropout are for (`minidl.experiments.recipes`).

    Raises
    ------
    ConfigError
        If the choice names no rung or no model, or if none was made and there is no default.
    """
    from minidl.errors import ConfigError
    from minidl.experiments import vocabulary
    from minidl.experiments.ladder import build_model
    from minidl.expressions import build
    from minidl.layers import Layer, Sequential

    if args.model is None:
        rung = default if args.rung is None else args.rung
        if rung is None:
            raise ConfigError(
                "no model was chosen; give --rung ID or --model 'Sequential([Flatten(), Dense(10)])'"
            )
        return build_model(rung, preset)
    model = build(args.model, {"Sequential": Sequential, **vocabulary.layers()}, "--model")
    if not isinstance(model, Layer):
        raise ConfigError(f"--model: expected a layer such as Sequential([...]), got {args.model!r}")
    return model


def add_data_options(parser: Any) -> None:
    """Add ``--data NAME``, ``--data-dir DIR``, ``--split NAME``, ``--fold I/K`` and ``--subset N``."""
    parser.add_argument(
        "--data",
        choices=DATA,
        help="data set (default: MNIST where it can be had, else scikit-learn's digits)",
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="folder with the data files")
    parser.add_argument(
        "--split",
        choices=SPLITS,
        default="lecture",
        help="which images validate: the last ones (lecture, the default), random, stratified, or of other writers",
    )
    parser.add_argument("--fold", metavar="I/K", help="fold I of K validates (default: a hold-out set)")
    parser.add_argument(
        "--subset", type=int, metavar="N", help="only the first N training images (default: all)"
    )


def data_from(args: argparse.Namespace) -> DataSet:
    """Return the data set that was chosen; without a choice, MNIST or, with a loud line, the digits.

    Raises
    ------
    ConfigError
        If ``--subset`` is not between 1 and the number of training images, or the split makes no sense.
    DataError
        If the data set that was named cannot be had or is damaged.
    """
    from dataclasses import replace

    from minidl.data import load, load_or_digits, resplit
    from minidl.data.resplit import parse_fold
    from minidl.errors import ConfigError

    subset = args.subset
    if subset is not None and subset < 1:  # before a download
        raise ConfigError(f"--subset must be at least 1, got {subset}")
    if args.fold is not None:
        parse_fold(args.fold)
    if args.data is None:
        data = load_or_digits(data_dir=args.data_dir)
    else:
        data = load(args.data, data_dir=args.data_dir)
    data = resplit(data, args.split, args.fold, data_dir=args.data_dir)
    if subset is None:
        return data
    if subset > len(data.train):
        raise ConfigError(
            f"--subset must be at most {len(data.train):,}, the training images of {data.title}, got {subset:,}"
        )
    return replace(data, train=data.train.subset(subset))


def add_device_option(parser: Any) -> None:
    """Add ``--device NAME``."""
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: auto)"
    )


def device_from(args: argparse.Namespace) -> str:
    """Return the device that the option names, and say which, unless it is the CPU and nobody asked."""
    from minidl.backend import choose_device

    device = choose_device(args.device)
    if (args.device, device) != ("auto", "cpu"):
        print(f"device {device}")
    return device


def add_seed_option(parser: Any) -> None:
    """Add ``--seed N``."""
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="seed of every random number (default: 0)"
    )


def seed(text: str) -> int:
    """Read a seed: a whole number, 0 or more. For ``type=`` of an option."""
    if not text.strip().isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or more, got {text!r}")
    return int(text)
