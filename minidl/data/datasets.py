"""Loading a data set by its name, and splitting it as the lecture does.

The lecture's split (UU, after Nielsen): the first 50,000 images of the training file train, its
last 10,000 validate, the 10,000 of the test file are kept for the end, in the vault.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from minidl.data.digits import TITLE as DIGITS_TITLE
from minidl.data.digits import digits_arrays
from minidl.data.fetch import UnavailableError, fetch
from minidl.data.places import (
    download_folder,
    find_file,
    find_folder,
    require_chosen_folders,
    search_folders,
)
from minidl.data.sources import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    Source,
    read_file,
    source,
)
from minidl.data.splits import DataSet, Split, Vault
from minidl.errors import ConfigError, DataError

VALIDATION = 10_000
NAMES = ("mnist", "fashion", "kmnist", "digits")


def load(
    name: str = "mnist",
    *,
    data_dir: str | Path | None = None,
    download: bool = True,
    progress: bool = True,
) -> DataSet:
    """Load a data set: from this machine if it is there, else from the network.

    The folders searched, in this order: `data_dir`, the environment variable ``MINIDL_DATA_DIR``,
    ``datasets/`` here and in the checkout, the user's cache (see `minidl.data.places`). Every file is
    checked against its published digest each time it is read.

    Parameters
    ----------
    name : {"mnist", "fashion", "kmnist", "digits"}
        "digits" comes with scikit-learn and is announced on standard error, because it is not MNIST.
    data_dir : str or Path, optional
        A folder with the four files, or with a sub-folder ``mnist`` (``fashion``, ``kmnist``).
    download : bool
        Whether to use the network when no folder has the data.
    progress : bool
        Whether to show a bar while downloading, on a terminal.

    Returns
    -------
    DataSet
        For the three large sets 50,000 training, 10,000 validation and 10,000 test images; for the
        digits 1,197, 300 and 300.

    Raises
    ------
    ConfigError
        If there is no data set of that name.
    DataError
        If a file is damaged, or the data can neither be found nor downloaded (`UnavailableError`).

    Examples
    --------
    >>> digits = load("digits")
    >>> digits.train.images.shape
    (1197, 1, 28, 28)
    """
    if name == "digits":
        _announce("the data are scikit-learn's 1,797 digits at 28x28, NOT MNIST")
        return _digits()
    return _load(source(name), data_dir, download, progress, attempts=4, timeout=20.0)


def load_or_digits(
    name: str = "mnist",
    *,
    data_dir: str | Path | None = None,
    download: bool = True,
    progress: bool = True,
) -> DataSet:
    """Load `name` like `load`, or scikit-learn's digits where it cannot be had.

    This is for a program started without naming a data set, which should run anywhere. Where the user
    asked for a data set by name, call `load`: it fails rather than use another.

    The digits step in only if no search folder has the files and they cannot be downloaded (each
    mirror is tried once and may be silent for 5 seconds). One line on standard error says so. A
    damaged or incomplete data set on this machine, and a named folder that does not exist or cannot
    be written to, raise a `DataError` as in `load`: a fallback would hide the fault.

    Parameters
    ----------
    name, data_dir, download, progress
        See `load`.

    Returns
    -------
    DataSet
        Its `name`, `title` and `is_mnist` tell which one it is.
    """
    if name == "digits":
        return load(name)
    known = source(name)
    try:
        return _load(known, data_dir, download, progress, attempts=1, timeout=5.0)
    except UnavailableError as error:
        try:
            digits = _digits()
        except ConfigError as missing:
            raise DataError(f"{error}; and {missing}") from None
        _announce(f"NOT {known.title}: using scikit-learn's 1,797 digits instead, because {error}")
        return digits


def _load(
    known: Source,
    data_dir: str | Path | None,
    download: bool,
    progress: bool,
    attempts: int,
    timeout: float,
) -> DataSet:
    require_chosen_folders(data_dir)
    folder = find_folder(known, data_dir)
    if folder is None:
        folder = _download(known, data_dir, download, progress, attempts, timeout)
    return read_folder(known, folder)


def _download(
    known: Source,
    data_dir: str | Path | None,
    download: bool,
    progress: bool,
    attempts: int,
    timeout: float,
) -> Path:
    searched = ", ".join(map(str, search_folders(data_dir)))
    absent = f"{known.title} is not in any of the folders searched ({searched})"
    advice = "datasets/README.md says where to get the files and where to put them"
    if not download:
        raise UnavailableError(f"{absent} and downloading is switched off; {advice}")
    folder = download_folder(known, data_dir)
    if folder is None:
        raise UnavailableError(f"{absent} and none can be written to; name one with --data-dir; {advice}")
    print(f"minidl: downloading {known.title} ({known.megabytes} MB) to {folder}", file=sys.stderr)
    try:
        fetch(known, folder, attempts=attempts, timeout=timeout, progress=progress)
    except UnavailableError as error:
        raise UnavailableError(f"{absent} and {error}; {advice}") from None
    return folder


def read_folder(known: Source, folder: Path) -> DataSet:
    """Read and check the four files of `known` in `folder`, and split them as the lecture does."""
    arrays = {}
    for file in (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS):
        path = find_file(folder, file)
        if path is None:
            raise DataError(f"{folder}: has no {file}.gz; fetch it with `minidl data fetch {known.name}`")
        arrays[file] = read_file(known, file, path)
    train = _split(arrays[TRAIN_IMAGES][:, np.newaxis], arrays[TRAIN_LABELS])
    test = _split(arrays[TEST_IMAGES][:, np.newaxis], arrays[TEST_LABELS])
    border = len(train) - VALIDATION
    return DataSet(
        name=known.name,
        title=known.title,
        source=str(folder),
        classes=list(known.classes),
        train=Split(train.images[:border], train.labels[:border]),
        validation=Split(train.images[border:], train.labels[border:]),
        vault=Vault(test),
    )


def _digits() -> DataSet:
    train, validation, test = (_split(images, labels) for images, labels in digits_arrays())
    return DataSet(
        name="digits",
        title=DIGITS_TITLE,
        source="scikit-learn",
        classes=list("0123456789"),
        train=train,
        validation=validation,
        vault=Vault(test),
    )


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    labels = labels.astype(np.int64)
    # Every part of the program shares these arrays, so nobody may write to them.
    images.flags.writeable = False
    labels.flags.writeable = False
    return Split(images, labels)


def _announce(line: str) -> None:
    print(f"minidl: ATTENTION: {line}", file=sys.stderr, flush=True)
