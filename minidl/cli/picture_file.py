"""The image file that a command writes: its option, the check of its name, and the writing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
_NO_DATES = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def add_out_option(parser: argparse.ArgumentParser, default: str) -> None:
    """Add ``--out FILE`` to a command that writes a picture."""
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(default),
        metavar="FILE",
        help=f"the picture: a name that ends in .png, .svg or .pdf (default: {default})",
    )


def check_picture_name(path: Path) -> None:
    """Refuse a name that no picture can have, before the work is done that leads to it.

    Raises
    ------
    ConfigError
        If the name does not end in one of `FORMATS` or is that of a folder.
    """
    from minidl.errors import ConfigError

    if path.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"--out {path}: a picture's name ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        )
    if path.is_dir():
        raise ConfigError(f"--out {path}: this is a folder; give the name of a file")


def save_picture(figure: Figure, path: Path) -> None:
    """Write the figure in the format of its name, atomically; the same picture gives the same bytes."""
    from matplotlib import rc_context

    from minidl.files import atomic_write

    check_picture_name(path)
    kind = path.suffix.lower()
    with rc_context({"svg.hashsalt": "minidl"}), atomic_write(path, "wb") as stream:
        figure.savefig(stream, format=kind[1:], metadata=_NO_DATES[kind])
