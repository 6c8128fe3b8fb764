"""``minidl data``: which data sets there are, fetching and checking them, and looking at them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from minidl.data import DataSet
    from minidl.data.sources import Source

FETCHABLE = ("mnist", "fashion", "kmnist")
WRITERS = "qmnist"  # no images: who wrote those of MNIST
ALL = (*FETCHABLE, "digits")


def add_parser(subparsers: Any) -> None:
    """Add the ``data`` command to the command line."""
    parser = subparsers.add_parser(
        "data",
        help="list, fetch, verify and show data sets",
        description="List, fetch, verify and show the data sets.",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="name the data sets and say which are on this machine")
    fetching = actions.add_parser("fetch", help="download data sets")
    fetching.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join((*FETCHABLE, WRITERS))} (default: mnist)"
    )
    verifying = actions.add_parser("verify", help="check the files against the published digests")
    verifying.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"{', '.join((*FETCHABLE, WRITERS))} (default: all data sets that are here)",
    )
    showing = actions.add_parser("show", help="write a sheet of samples as a PNG image")
    showing.add_argument(
        "name", nargs="?", default="mnist", metavar="NAME", help=f"{', '.join(ALL)} (default: mnist)"
    )
    showing.add_argument(
        "--split",
        choices=("train", "validation"),
        default="train",
        help="where the samples come from (default: train; the test images stay in the vault)",
    )
    showing.add_argument(
        "--per-class", type=int, default=10, metavar="N", help="samples of each class, a row (default: 10)"
    )
    showing.add_argument("--out", type=Path, metavar="FILE", help="the image (default: samples-NAME.png)")
    for action in (listing, fetching, verifying, showing):
        action.add_argument(
            "--data-dir", type=Path, metavar="DIR", help="a folder to search first, and to download to"
        )


def run(args: argparse.Namespace) -> int:
    """Carry out the action asked for."""
    actions = {"list": _list, "fetch": _fetch, "verify": _verify, "show": _show}
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from minidl.data.digits import TITLE
    from minidl.data.places import find_folder, search_folders
    from minidl.data.qmnist import CITATION, LICENCE
    from minidl.data.sources import SOURCES

    row = "{:9}{:33}{:>9}  {:12}{}"
    print(row.format("name", "data set", "download", "on disk", "licence"))
    folders = []
    for known in SOURCES.values():
        folder = find_folder(known, args.data_dir)
        if folder is not None:
            folders.append(f"{known.title} is in {folder}")
        here = "yes" if folder is not None else "no"
        print(row.format(known.name, known.title, f"{known.megabytes} MB", here, known.licence))
    print(row.format("digits", TITLE, "none", "built in", "CC BY 4.0 (UCI); needs scikit-learn"))
    print("\nsearched: " + ", ".join(map(str, search_folders(args.data_dir))))
    for line in folders:
        print(line)
    print("\nto cite:")
    for known in SOURCES.values():
        print(f"{known.name:9}{known.citation}")
    print(f"{WRITERS:9}{CITATION} (labels: who wrote MNIST's digits; {LICENCE})")
    return 0


def _fetch(args: argparse.Namespace) -> int:
    from minidl.data.datasets import read_folder
    from minidl.data.fetch import fetch
    from minidl.data.places import download_folder, find_folder
    from minidl.errors import DataError

    names = args.names or ["mnist"]
    sets = _with_files(names)
    if WRITERS in names:
        _writers(args.data_dir, fetch=True)
    for known in sets:
        folder = find_folder(known, args.data_dir)
        if folder is not None:
            read_folder(known, folder)
            print(f"{known.title} is already in {folder}, and its four files are good")
            continue
        folder = download_folder(known, args.data_dir)
        if folder is None:
            raise DataError(
                f"{known.title}: no folder to download to can be written; name one with --data-dir"
            )
        print(f"downloading {known.title} ({known.megabytes} MB) to {folder}", flush=True)
        fetch(known, folder)
        print(f"{known.title}: four files, checked")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from minidl.data.datasets import read_folder
    from minidl.data.fetch import UnavailableError
    from minidl.data.places import find_folder, search_folders
    from minidl.data.sources import SOURCES

    searched = ", ".join(map(str, search_folders(args.data_dir)))
    found = 0
    sets = _with_files(args.names)
    if WRITERS in args.names:
        _writers(args.data_dir, fetch=False)
        found += 1
    for known in sets if args.names else list(SOURCES.values()):
        folder = find_folder(known, args.data_dir)
        if folder is None:
            if args.names:
                raise UnavailableError(
                    f"{known.title} is not in any of the folders searched ({searched}); "
                    f"fetch it with `minidl data fetch {known.name}`"
                )
            continue
        found += 1
        data = read_folder(known, folder)
        total = len(data.train) + len(data.validation) + len(data.vault)
        print(f"{known.title} in {folder}: {total:,} images, the published files ({known.algorithm.upper()})")
    if not found:
        raise UnavailableError(
            f"no data set is in any of the folders searched ({searched}); fetch one with `minidl data fetch`"
        )
    return 0


def _with_files(names: list[str]) -> list[Source]:
    """Return the data sets of images among the names, refusing what has no files to fetch or to check."""
    from minidl.data.sources import SOURCES
    from minidl.errors import ConfigError

    if "digits" in names:
        raise ConfigError("'digits' needs no download: it comes with scikit-learn (pip install scikit-learn)")
    unknown = next((name for name in names if name not in (*FETCHABLE, WRITERS)), None)
    if unknown is not None:
        choices = ", ".join((*FETCHABLE, WRITERS))
        raise ConfigError(f"unknown data set {unknown!r}: choose one of {choices}")
    return [SOURCES[name] for name in names if name != WRITERS]


def _writers(data_dir: Path | None, *, fetch: bool) -> None:
    """Bring QMNIST's label files here if asked to, and say that both are good."""
    from minidl.data.qmnist import FILES, TITLE, fetch_label_files, find_label_file, qmnist_labels

    if fetch:
        fetch_label_files(data_dir)
    for part, known in FILES.items():
        rows = len(qmnist_labels(part, data_dir=data_dir, download=False))
        print(f"{TITLE}, {find_label_file(known, data_dir)}: {rows:,} rows, the published file (SHA-256)")


def _show(args: argparse.Namespace) -> int:
    from minidl.data import load
    from minidl.errors import ConfigError
    from minidl.files import atomic_write

    if args.per_class < 1:
        raise ConfigError(f"--per-class must be 1 or more, got {args.per_class}")
    data = load(args.name, data_dir=args.data_dir)
    figure = _sheet(data, args.split, args.per_class)
    out = args.out or Path(f"samples-{args.name}.png")
    with atomic_write(out, "wb") as stream:
        figure.savefig(stream, format="png")
    print(out)
    return 0


def _sheet(data: DataSet, split: str, per_class: int) -> Any:
    """Draw the first `per_class` examples of every class, a row for each."""
    from minidl.errors import ConfigError
    from minidl.plots.samples import sample_sheet

    part = getattr(data, split)
    columns = min(per_class, int(np.bincount(part.labels, minlength=len(data.classes)).min()))
    rows = [np.flatnonzero(part.labels == label)[:columns] for label in range(len(data.classes))]
    chosen = part.subset(np.concatenate(rows))
    names = [data.classes[label] for label in chosen.labels]
    try:
        return sample_sheet(chosen.images, names, columns=columns, title=f"{data.title}, {split} split")
    except ImportError:
        raise ConfigError(
            "drawing needs matplotlib, which is not installed: pip install matplotlib"
        ) from None
