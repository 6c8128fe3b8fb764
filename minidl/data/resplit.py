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
    if split not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    which = None if fold is None else parse_fold(fold)
    if split == "lecture" and which is None:
        return data
    if split == "writers" and not data.is_mnist:
        raise ConfigError(
            f"split writers: nobody recorded the writers of {data.title}; use it with mnist, or take stratified"
        )
    labels = np.concatenate([data.train.labels, data.validation.labels])
    images = np.concatenate([data.train.images, data.validation.images])
    strata, groups = labels, None
    if split == "writers":
        known = writers(labels, data_dir=data_dir, download=download, progress=progress)
        strata, groups = 2 * labels + known.students, known.writer
    stratified = split in ("stratified", "writers")
    if which is None:
        part = hold_out(strata, len(data.validation), stratified=stratified, groups=groups, seeds=SEEDS)
    else:
        number, count = which
        shuffle = split != "lecture"
        folds = k_fold(strata, count, stratified=stratified, groups=groups, shuffle=shuffle, seeds=SEEDS)
        part = folds[number - 1]
    return _divide(data, images, labels, part, split if fold is None else f"{split}, fold {fold}")


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


def _divide(data: DataSet, images: np.ndarray, labels: np.ndarray, part: Fold, name: str) -> DataSet:
    sides = []
    for chosen in part:
        side = Split(images[chosen], labels[chosen])
        side.images.flags.writeable = side.labels.flags.writeable = False
        sides.append(side)
    return replace(data, train=sides[0], validation=sides[1], split=name)
