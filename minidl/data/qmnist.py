"""Who wrote which digit of MNIST.

MNIST's own files do not say. C. Yadav and L. Bottou traced every image back to NIST's records (Cold Case:
The Lost MNIST Digits, NeurIPS 2019, arXiv:1905.10498); their label files have eight columns for each
image, in the order of MNIST's files. A person's digits resemble each other, so a validation set with
writers of the training set looks better than strangers' digits will: `writers` keeps them apart.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minidl.data.fetch import UnavailableError, fetch_one
from minidl.data.idx import decode_idx, read_bytes, unpack
from minidl.data.places import (
    chosen_folders,
    download_folder,
    find_file,
    require_chosen_folders,
    search_folders,
)
from minidl.errors import ConfigError, DataError

TITLE = "QMNIST's labels"
FOLDERS = ("qmnist", "QMNIST/raw")
MIRROR = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"
MEGABYTES = 1.0
LICENCE = "BSD-style"
CITATION = "C. Yadav, L. Bottou, Cold Case: The Lost MNIST Digits, NeurIPS 2019, arXiv:1905.10498"
COLUMNS = ("class", "hsf", "writer", "index", "NIST code", "global index", "duplicate", "unused")
ROWS = 60_000
SD1 = 4  # value of the column hsf: NIST's Special Database 1, high-school students; the others are SD-3


@dataclass(frozen=True)
class LabelFile:
    """One of the two label files.

    Attributes
    ----------
    name : str
        Without ``.gz``.
    sha256 : str
        Of the uncompressed content. Computed from the published .gz file, whose MD5 is in `md5`.
    md5 : str
        Of the published .gz file, as in torchvision's list.
    """

    name: str
    sha256: str
    md5: str

    def decode(self, content: bytes, path: Path) -> np.ndarray:
        """Check the bytes of the file and return its (60000, 8) int32 array.

        Raises
        ------
        DataError
            If it is not the published file.
        """
        raw = unpack(content, path)
        table = decode_idx(raw, path)
        digest = hashlib.sha256(raw).hexdigest()
        if digest != self.sha256:
            raise DataError(
                f"{path}: is not the published {self.name} of QMNIST (its SHA-256 is {digest}, expected "
                f"{self.sha256}); delete it and fetch it again with `minidl data fetch qmnist`"
            )
        return table


FILES = {
    "train": LabelFile(
        "qmnist-train-labels-idx2-int",
        sha256="bb1b6e1ec7b04fd5696f1ed50b5f58f8ef195118edd5c93c81783df9740b8ac5",
        md5="0058f8dd561b90ffdd0f734c6a30e5e4",
    ),
    "test": LabelFile(
        "qmnist-test-labels-idx2-int",
        sha256="92d0ccb8c25f9c6534270fb4be7e1d24a1c6d315edfc8a638bfbd31c70f362dd",
        md5="5b5b05890a5e13444e108efe57b788aa",
    ),
}


class Writers(NamedTuple):
    """Who wrote the 60,000 images of MNIST's training file, in its order.

    Attributes
    ----------
    writer : (60000,) int64 array
        A number for each of the 539 people.
    students : (60000,) boolean array
        Whether the image is from NIST's SD-1, written by high-school students and harder to read; the others
        are from SD-3, written by employees of the Census Bureau. The test set has half of each.
    """

    writer: np.ndarray
    students: np.ndarray


def writers(
    labels: np.ndarray,
    *,
    data_dir: str | Path | None = None,
    download: bool = True,
    progress: bool = True,
) -> Writers:
    """Return who wrote the images of MNIST's training file.

    Parameters
    ----------
    labels : (60000,) integer array
        The labels of MNIST's training file, in its order: they have to be those in QMNIST's.
    data_dir, download, progress
        As in `minidl.data.load`.

    Raises
    ------
    DataError
        If the file is damaged or cannot be had, or the labels differ.
    """
    table = qmnist_labels("train", data_dir=data_dir, download=download, progress=progress)
    labels = np.asarray(labels)
    if labels.shape != (ROWS,) or not np.array_equal(labels, table[:, 0]):
        raise DataError(
            f"the {labels.size:,} labels are not those of MNIST's training file in its order, so their writers are "
            "not known; give the training and the validation labels, one after the other"
        )
    return Writers(table[:, 2].astype(np.int64), table[:, 1] == SD1)


def qmnist_labels(
    part: str = "train",
    *,
    data_dir: str | Path | None = None,
    download: bool = True,
    progress: bool = True,
) -> np.ndarray:
    """Return one of QMNIST's label files, from this machine if it is there, else from the network.

    Searched are the folders of `minidl.data.places`, each first for a sub-folder ``qmnist``, then the
    folder itself; of the folders the user named also a folder ``qmnist`` beside them.

    Parameters
    ----------
    part : {"train", "test"}
        MNIST's training images, or the 60,000 test images of which MNIST's are the first 10,000.
    data_dir, download, progress
        As in `minidl.data.load`.

    Returns
    -------
    (60000, 8) int32 array
        Columns as in `COLUMNS`.

    Raises
    ------
    ConfigError
        If there is no such part.
    DataError
        If the file is damaged, or cannot be had (`UnavailableError`).
    """
    if part not in FILES:
        raise ConfigError(f"qmnist_labels: part must be train or test, got {part!r}")
    known = FILES[part]
    require_chosen_folders(data_dir)
    path = find_label_file(known, data_dir)
    if path is None:
        path = _download(known, data_dir, download, progress)
    return known.decode(read_bytes(path), path)


def find_label_file(known: LabelFile, data_dir: str | Path | None = None) -> Path | None:
    """Return where the file lies, compressed or not, or None."""
    chosen = chosen_folders(data_dir)
    for base in search_folders(data_dir):
        folders = [*(base / name for name in FOLDERS), base]
        if base in chosen:
            folders += [base.resolve().parent / name for name in FOLDERS]
        for folder in folders:
            path = find_file(folder, known.name)
            if path is not None:
                return path
    return None


def fetch_label_files(data_dir: str | Path | None = None, *, progress: bool = True) -> list[Path]:
    """Return the paths of both files after fetching what is not here and checking what is.

    Raises
    ------
    DataError
        If a file is damaged or cannot be had.
    """
    require_chosen_folders(data_dir)
    paths = []
    for known in FILES.values():
        path = find_label_file(known, data_dir) or _download(known, data_dir, True, progress)
        known.decode(read_bytes(path), path)
        paths.append(path)
    return paths


def _download(known: LabelFile, data_dir: str | Path | None, download: bool, progress: bool) -> Path:
    absent = f"{known.name}.gz, {TITLE}, is in none of the folders searched"
    if not download:
        raise UnavailableError(f"{absent} and downloading is switched off; put it beside MNIST's files")
    folder = download_folder(FOLDERS[0], data_dir)
    if folder is None:
        raise UnavailableError(f"{absent} and none can be written to; name one with --data-dir")
    print(f"minidl: downloading {known.name}.gz ({MEGABYTES / 2} MB) to {folder}", file=sys.stderr)
    try:
        return fetch_one(
            folder,
            known.name,
            [f"{MIRROR}{known.name}.gz"],
            lambda path: known.decode(read_bytes(path), path),
            progress=progress,
        )
    except UnavailableError as error:
        raise UnavailableError(f"{absent} and {error}; put it beside MNIST's files") from None
