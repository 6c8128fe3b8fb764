"""``minidl beyond``: recipes past the lecture's 99.67 %."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from minidl.cli.choices import DATA


def add_parser(subparsers: Any) -> None:
    """Add the ``beyond`` command to the command line."""
    parser = subparsers.add_parser(
        "beyond",
        help="recipes past the lecture, chosen on other writers' digits, tested once",
        description=(
            "Recipes past the lecture's 99.67 %%: batch norm, deeper stacks, elastic distortions, averaged weights, "
            "votes. They are trained and compared on validation images by people who wrote none of the training "
            "images; the test set is opened once for a recipe, by `final`, and that is on record."
        ),
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list", help="the recipes, and what is known of them", allow_abbrev=False,
        description="Print all recipes with their cost and results, or all of one recipe.",
    )  # fmt: skip
    listing.add_argument("recipe", nargs="?", metavar="RECIPE", help="only this one, with every setting")
    train = actions.add_parser(
        "train", help="train networks of a recipe", allow_abbrev=False,
        description="Train networks of a recipe, seeds 0, 1, …; the same command again goes on, or adds seeds.",
    )  # fmt: skip
    train.add_argument("recipe", metavar="RECIPE")
    train.add_argument("--seeds", type=int, default=1, metavar="N", help="networks (default: %(default)s)")
    train.add_argument(
        "--jobs", type=int, metavar="N", help="networks trained at once (default: one for each core)"
    )
    train.add_argument(
        "--cluster", metavar="ADDRESS", help="a Dask scheduler whose workers train the networks"
    )
    train.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    train.add_argument("--epochs", type=int, metavar="N", help="for a try: other than the recipe's")
    train.add_argument("--subset", type=int, metavar="N", help="for a try: only the first N training images")
    final = actions.add_parser(
        "final", help="open the test set for a recipe, once", allow_abbrev=False,
        description="Score all networks of a recipe and their votes on the test images. This can be done once.",
    )  # fmt: skip
    final.add_argument("recipe", metavar="RECIPE")
    for each in (listing, train, final):
        each.add_argument("--data", choices=DATA, help="data set (no fallback)")
        each.add_argument(
            "--out", type=Path, metavar="DIR", help="folder of all recipes (default: runs/beyond)"
        )
    for each in (train, final):
        each.add_argument("--data-dir", metavar="DIR", help="folder with the data files")


def run(args: argparse.Namespace) -> int:
    """Run the command; return 0."""
    return {"list": _list, "train": _train, "final": _final}[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from minidl.experiments.beyond.recipes import find_recipe
    from minidl.experiments.beyond.table import overview, recipe_text
    from minidl.experiments.beyond.training import default_folder

    if args.recipe is not None:
        print(recipe_text(find_recipe(args.recipe)))
    else:
        print(overview(args.out or default_folder(args.data or "mnist")))
    return 0


def _train(args: argparse.Namespace) -> int:
    from minidl.backend import choose_device
    from minidl.errors import ConfigError
    from minidl.experiments.beyond.recipes import find_recipe
    from minidl.experiments.beyond.table import validation_text
    from minidl.experiments.beyond.training import default_folder, load_divided, train_recipe
    from minidl.experiments.plan import default_jobs

    recipe = find_recipe(args.recipe)
    for option in ("seeds", "jobs", "epochs", "subset"):
        value = getattr(args, option)
        if value is not None and value < 1:
            raise ConfigError(f"--{option} must be at least 1, got {value}")
    if args.cluster is not None and args.jobs is not None:
        raise ConfigError("--jobs is for this machine, --cluster for others; leave out one of them")
    device = choose_device(args.device)
    data = load_divided(args.data, args.data_dir)
    folder = (args.out or default_folder(data.name)) / recipe.name
    jobs = 1 if args.cluster is not None else args.jobs or default_jobs(device, args.seeds)
    print(f"{data.title}, recipe {recipe.name}, device {device}, results in {folder}")
    try:
        found = train_recipe(
            recipe, data, folder, args.seeds, epochs=args.epochs, subset=args.subset, device=device, jobs=jobs,
            cluster=args.cluster, say=lambda line: print(line, flush=True),
        )  # fmt: skip
    except KeyboardInterrupt:
        print(
            f"\nStopped. The same command goes on: {shlex.join(['minidl', *sys.argv[1:]])}", file=sys.stderr
        )
        raise
    print(validation_text(found))
    return 0


def _final(args: argparse.Namespace) -> int:
    from minidl.experiments.beyond.final import final_results
    from minidl.experiments.beyond.recipes import find_recipe
    from minidl.experiments.beyond.table import final_text
    from minidl.experiments.beyond.training import default_folder, load_divided, read_recipe

    recipe = find_recipe(args.recipe)
    folder = (args.out or default_folder(args.data or "mnist")) / recipe.name
    name = read_recipe(folder)["data"]["name"]
    print(final_text(final_results(folder, load_divided(args.data or name, args.data_dir))))
    return 0
