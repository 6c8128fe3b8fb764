"""Where data files are looked for, in which order, and where a download goes.

1. the folder given (``--data-dir``, ``data_dir=``);
2. the folder named by the environment variable ``MINIDL_DATA_DIR``;
3. ``datasets/`` of the current folder, then of the checkout minidl is run from;
4. the user's cache: ``~/.cache/minidl`` on Linux, ``~/Library/Caches/minidl`` on macOS,
   ``%LOCALAPPDATA%\\minidl`` on Windows.

In each of them the files may lie in a sub-folder (``mnist/``, or torchvision's ``MNIST/raw/``) or
directly. The three data sets use the same four file names, so files lying directly in a folder are
told apart by their content.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from minidl.data.idx import read_bytes
from minidl.data.sources import SHAPES, TEST_LABELS, TRAIN_LABELS, Source, owner_of
from minidl.errors import DataError

VARIABLE = "MINIDL_DATA_DIR"


def search_folders(data_dir: str | Path | None = None) -> list[Path]:
    """Return the folders to search, best first, existing or not, each once."""
    folders = chosen_folders(data_dir)
    folders.append(Path("datasets"))
    for folder in (checkout_folder(), user_cache()):
        if folder is not None and folder.resolve() not in [known.resolve() for known in folders]:
            folders.append(folder)
    return folders


def chosen_folders(data_dir: str | Path | None = None) -> list[Path]:
    """Return the folders the user named, by argument and by environment variable."""
    named = [data_dir, os.environ.get(VARIABLE)]
    return [Path(folder).expanduser() for folder in named if folder]


def require_chosen_folders(data_dir: str | Path | None = None) -> None:
    """Raise a `DataError` if a folder the user named is not there: most likely a slip of the pen."""
    for given, origin in ((data_dir, "the data folder"), (os.environ.get(VARIABLE), VARIABLE)):
        if given and not os.path.isdir(Path(given).expanduser()):
            raise DataError(f"{origin} {str(given)!r} is not a folder: create it, or correct the name")


def checkout_folder() -> Path | None:
    """Return ``datasets/`` of the checkout this code runs from, or None if it is installed."""
    root = Path(__file__).resolve().parents[2]
    folder = root / "datasets"
    return folder if (root / "setup.cfg").is_file() and (folder / "README.md").is_file() else None


def user_cache() -> Path | None:
    """Return minidl's folder in the user's cache, or None if the user has no home."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
    else:
        base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "minidl"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "minidl"
    return home / ".cache" / "minidl"


def download_folder(known: Source | str, data_dir: str | Path | None = None) -> Path | None:
    """Return the folder a download of `known` goes to: a data set, or the name of a sub-folder.

    A folder the user named is taken as it is, so that a mistake shows; otherwise the first of the
    checkout's ``datasets/`` and the user's cache that can be written to. None if there is none.
    """
    name = known if isinstance(known, str) else known.folders[0]
    chosen = chosen_folders(data_dir)
    if chosen:
        return chosen[0] / name
    for base in (checkout_folder(), user_cache()):
        if base is not None and _writable(base):
            return base / name
    return None


def find_folder(known: Source, data_dir: str | Path | None = None) -> Path | None:
    """Return the first search folder that holds all four files of `known`, or None.

    Raises
    ------
    DataError
        If a folder comes first that holds some of the four files, unless it is the one a download
        would complete.
    """
    unfinished = download_folder(known, data_dir)
    for base in search_folders(data_dir):
        for folder in (*(base / name for name in known.folders), base):
            missing = [file for file in SHAPES if find_file(folder, file) is None]
            if len(missing) == len(SHAPES) or (folder == base and _belongs_to_another(known, folder)):
                continue
            if not missing:
                return folder
            if folder != unfinished:
                raise DataError(
                    f"{folder}: lacks {' and '.join(missing)} (.gz or not) of {known.title}, though other "
                    "files of it are there; add what is missing or take the folder out of the search"
                )
    return None


def find_file(folder: Path, file: str) -> Path | None:
    """Return the path of `file` in `folder`, compressed or not, or None."""
    for path in (folder / f"{file}.gz", folder / file):
        if os.path.isfile(path):
            return path
    return None


def _belongs_to_another(known: Source, folder: Path) -> bool:
    # The label files are small, so this costs nothing beside reading the data.
    for file in (TEST_LABELS, TRAIN_LABELS):
        path = find_file(folder, file)
        if path is not None:
            owner = owner_of(file, read_bytes(path))
            return owner is not None and owner is not known
    return False


def _writable(folder: Path) -> bool:
    while not os.path.exists(folder) and folder != folder.parent:
        folder = folder.parent
    return os.path.isdir(folder) and os.access(folder, os.W_OK)
