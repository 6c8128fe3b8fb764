"""Another division of the training file into training and validation images.

The lecture's division (the last 10,000 images validate) has the writers on both sides: by QMNIST's
records 251 of the 305 writers of the validation images also wrote training images. Here the file is divided
anew; the test images stay where they are.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from minidl.data.partition import Fold, hold_out, k_fold
from minidl.data.qmnist import writers
from minidl.data.splits import DataSet, Split
from minidl.errors import ConfigError
from minidl.random import Seeds

SPLITS = ("lecture", "random", "stratified", "writers")
STRATIFIED = ("stratified", "writers")
# Not the seed of the run: runs that are compared have to be validated on the same images.
SEEDS = Seeds(0, ("split",))


def resplit(
    data: DataSet,
    split: str = "lecture",
    fold: str | None = None,
    *,
    data_dir: str | Path | None = None,
    download: bool = True,
    progress: bool = True,
) -> DataSet:
    """Return the data set with other training and validation images, drawn once and for all.

    Parameters
    ----------
    data : DataSet
        As loaded.
    split : {"lecture", "random", "stratified", "writers"}
        "lecture": in the order of the file, the last images validate. "random": drawn at random.
        "stratified": drawn so that both parts have the same shares of the classes. "writers": no writer is on
        both sides, and classes and NIST's two databases are in proportion, as they are in the test set; of
        MNIST only.
    fold : str, optional
        ``"2/5"``: of five folds the second validates, the others train. Without, the validation images are as
        many as in the lecture's division (with writers: as near to it as whole writers allow).
    data_dir, download, progress
        Where QMNIST's labels are looked for, and whether they may be fetched; only for "writers".

    Returns
    -------
    DataSet
        `data` itself for the lecture's division.

    Raises
    ------
    ConfigError
        If there is no such split or fold, or the writers of the data set are not known.
    DataError
        If QMNIST's labels cannot be had, or do not fit.
    """
    _require_split(data, split)
    which = None if fold is None else parse_fold(fold)
    if which is not None:
        number, count = which
        parts = fold_parts(data, split, count, data_dir=data_dir, download=download, progress=progress)
        return take_fold(data, split, parts, number)
    if split == "lecture":
        return data
    strata, groups = _strata(data, split, data_dir, download, progress)
    part = hold_out(strata, len(data.validation), stratified=split in STRATIFIED, groups=groups, seeds=SEEDS)
    return _divide(data, part, split)


def fold_parts(
    data: DataSet,
    split: str,
    count: int,
    *,
    data_dir: str | Path | None = None,
    download: bool = True,
    progress: bool = True,
) -> list[Fold]:
    """Return the positions in the training file that each fold of a cross-validation trains on and holds out.

    Parameters
    ----------
    data : DataSet
        As loaded.
    split : {"lecture", "random", "stratified", "writers"}
        As in `resplit`; "lecture" makes blocks in the order of the file.
    count : int
        Folds.
    data_dir, download, progress
        As in `resplit`.

    Raises
    ------
    ConfigError, DataError
        As in `resplit`.
    """
    _require_split(data, split)
    strata, groups = _strata(data, split, data_dir, download, progress)
    return k_fold(
        strata,
        count,
        stratified=split in STRATIFIED,
        groups=groups,
        shuffle=split != "lecture",
        seeds=SEEDS,
    )


def take_fold(data: DataSet, split: str, parts: list[Fold], number: int) -> DataSet:
    """Return the data set of which fold `number` (from 1) validates, by the positions of `fold_parts`."""
    return _divide(data, parts[number - 1], f"{split}, fold {number}/{len(parts)}")


def parse_fold(text: str) -> tuple[int, int]:
    """Return (2, 5) of ``"2/5"``.

    Raises
    ------
    ConfigError
        If it is not that, with 1 <= 2 <= 5 and at least two folds.
    """
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip())
    number, count = (int(part) for part in found.groups()) if found else (0, 0)
    if not (count >= 2 and 1 <= number <= count):
        raise ConfigError(f"fold must be such as 2/5, the second of five, got {text!r}")
    return number, count


def _require_split(data: DataSet, split: str) -> None:
    if split not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    if split == "writers" and not data.is_mnist:
        raise ConfigError(
            f"split writers: nobody recorded the writers of {data.title}; use it with mnist, or take stratified"
        )


def _strata(
    data: DataSet, split: str, data_dir: str | Path | None, download: bool, progress: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return what is to be in proportion on both sides, and what is not to be torn apart."""
    labels = np.concatenate([data.train.labels, data.validation.labels])
    if split != "writers":
        return labels, None
    known = writers(labels, data_dir=data_dir, download=download, progress=progress)
    return 2 * labels + known.students, known.writer


def _divide(data: DataSet, part: Fold, name: str) -> DataSet:
    labels = np.concatenate([data.train.labels, data.validation.labels])
    images = np.concatenate([data.train.images, data.validation.images])
    sides = []
    for chosen in part:
        side = Split(images[chosen], labels[chosen])
        side.images.flags.writeable = side.labels.flags.writeable = False
        sides.append(side)
    return replace(data, train=sides[0], validation=sides[1], split=name)
