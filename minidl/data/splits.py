"""A data set as the rest of minidl sees it: two splits to work with and a vault.

The test split lies in a `Vault`, which notes who opened it and why: every choice (epochs, learning
rate, which network) is made on the validation split, and a number chosen by looking at the test
split would measure nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np

from minidl.data.sources import require_labels
from minidl.errors import ConfigError, DataError


@dataclass(frozen=True)
class Split:
    """Images with their labels, in the order of the file they come from.

    Parameters
    ----------
    images : numpy.ndarray
        Shape (N, 1, 28, 28), uint8: 0 is background, 255 is ink. Read-only where minidl loaded it.
    labels : numpy.ndarray
        Shape (N,), int64.

    Raises
    ------
    DataError
        If there are not as many labels as images.
    """

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        if self.labels.ndim != 1 or len(self.images) != len(self.labels):
            raise DataError(
                f"a split needs one label for each image, got images of shape {self.images.shape} and "
                f"labels of shape {self.labels.shape}; check that both files belong together"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, chosen: int | Sequence[int] | np.ndarray) -> Split:
        """Return the first `chosen` examples, or those at the indices `chosen`.

        The first n share their memory with this split; examples picked by index are copied.

        Raises
        ------
        ConfigError
            If there are not that many examples.
        """
        if isinstance(chosen, int | np.integer):
            if not 0 < chosen <= len(self):
                raise ConfigError(
                    f"subset: asked for {chosen:,} examples of a split of {len(self):,}; "
                    f"give a number from 1 to {len(self):,}"
                )
            return Split(self.images[:chosen], self.labels[:chosen])
        indices = np.asarray(chosen)
        counted = indices.dtype != bool and indices.size > 0
        if counted and not -len(self) <= indices.min() <= indices.max() < len(self):
            raise ConfigError(
                f"subset: the indices reach from {indices.min()} to {indices.max()}, but the split has "
                f"{len(self):,} examples"
            )
        return Split(self.images[indices], self.labels[indices])


class Vault:
    """Keeps the test split, and a list of every time it was taken out.

    Parameters
    ----------
    split : Split
        The test examples.

    Attributes
    ----------
    openings : list of dict
        One ``{"time": ISO 8601 in UTC, "reason": str}`` for every call of `open`, oldest first.
    """

    def __init__(self, split: Split) -> None:
        self._split = split
        self.openings: list[dict[str, str]] = []

    def open(self, reason: str) -> Split:
        """Return the test split, and note when and for what it was asked.

        Parameters
        ----------
        reason : str
            What the examples are used for, such as ``"final accuracy of rung 5, seed 0"``.
        """
        if not isinstance(reason, str) or not reason.strip():
            raise ConfigError("the vault opens only for a stated reason: vault.open('final accuracy of …')")
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.openings.append({"time": now, "reason": reason})
        return self._split

    def __len__(self) -> int:
        return len(self._split)

    def __repr__(self) -> str:
        return f"Vault({len(self):,} examples, opened {len(self.openings)} times)"


@dataclass(frozen=True)
class DataSet:
    """A data set, split three ways.

    Parameters
    ----------
    name : str
        ``"mnist"``, ``"fashion"``, ``"kmnist"`` or ``"digits"``.
    title : str
        The name for tables and reports: ``"MNIST"``, or ``"scikit-learn digits (NOT MNIST)"``.
    source : str
        The folder it was read from, or the package that brings it.
    classes : list of str
        What labels 0, 1, … mean.
    train, validation : Split
    vault : Vault
        The test split.
    split : str
        How the training file was divided into training and validation images (`minidl.data.resplit`):
        ``"lecture"`` as loaded.

    Raises
    ------
    DataError
        If a label is outside the classes.
    """

    name: str
    title: str
    source: str
    classes: list[str]
    train: Split
    validation: Split
    vault: Vault
    split: str = "lecture"

    def __post_init__(self) -> None:
        for part, split in (("training", self.train), ("validation", self.validation)):
            require_labels(split.labels, len(self.classes), f"{self.title}, {part} labels")

    @property
    def is_mnist(self) -> bool:
        """Whether this is MNIST itself, so that its results may be set beside the lecture's."""
        return self.name == "mnist"
