"""``minidl plot augmentation``: digits beside what augmentations make of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.cli.choices import add_data_options, add_seed_option, data_from
from minidl.cli.picture_file import add_out_option, check_picture_name, save_picture

if TYPE_CHECKING:
    from minidl.data import Split


def add_parser(subparsers: Any) -> None:
    """Add the picture ``augmentation`` to ``minidl plot``."""
    parser = subparsers.add_parser(
        "augmentation",
        help="training images before and after augmentation",
        description=(
            "Draw training images and random variants of them, a block of columns for each augmentation, "
            "written as in Python: minidl plot augmentation 'RandomAffine(rotation=10)' 'Elastic(pixels=1.4)'"
        ),
        allow_abbrev=False,
    )
    parser.add_argument(
        "augmentations", nargs="+", metavar="AUGMENTATION", help="such as 'RandomAffine(rotation=10)'"
    )
    parser.add_argument(
        "--examples", type=int, default=6, metavar="N", help="images, each of another class (default: 6)"
    )
    parser.add_argument("--variants", type=int, default=4, metavar="N", help="of each image (default: 4)")
    add_data_options(parser)
    add_seed_option(parser)
    add_out_option(parser, "augmentation.png")


def run(args: argparse.Namespace) -> int:
    """Augment the images, draw them and write the picture."""
    from minidl.errors import ConfigError
    from minidl.experiments import vocabulary
    from minidl.expressions import build
    from minidl.plots.augmentation import augmentation_sheet
    from minidl.random import Seeds

    check_picture_name(args.out)
    for option, value, most in (("--examples", args.examples, 100), ("--variants", args.variants, 12)):
        if not 1 <= value <= most:
            raise ConfigError(f"{option} must be from 1 to {most}, got {value}")
    names = vocabulary.augmentations()
    augmentations = {text: build(text, names, "AUGMENTATION") for text in args.augmentations}
    data = data_from(args)
    images = _one_of_each(data.train, args.examples)
    repeated = np.repeat(images, args.variants, axis=0)
    variants = {
        text: augment(repeated, Seeds(args.seed).generator("augment")).reshape(
            len(images), args.variants, *images.shape[1:]
        )
        for text, augment in augmentations.items()
    }
    figure = augmentation_sheet(images, variants, title=f"{data.title}: augmented training images")
    save_picture(figure, args.out)
    print(f"wrote {args.out}")
    return 0


def _one_of_each(split: Split, count: int) -> np.ndarray:
    """Return the first example of every class, then the second ones, until there are `count`."""
    # How many of the same class came before each example.
    order = np.argsort(split.labels, kind="stable")
    ordered = split.labels[order]
    rank = np.empty(len(split), np.int64)
    rank[order] = np.arange(len(split)) - np.searchsorted(ordered, ordered)
    chosen = np.lexsort((split.labels, rank))[:count]
    return split.images[chosen]
