"""From a split to batches: which examples, in which order, as floating-point numbers.

The images stay as they are, uint8, and are never copied as a whole. A batch is gathered by its
indices, augmented, and scaled into floats, in that order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidl.data.augment import COPIES, ExpandedShifts
from minidl.errors import ConfigError, DataError
from minidl.random import Seeds, as_seeds

SHUFFLES = ("epoch", "once", "never")
Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Loader:
    """Batches of a split, epoch by epoch.

    The order and the augmentation of epoch e depend on `seeds` and e alone, never on what was drawn
    before, so a run taken up at epoch e sees the batches it would have seen. In every epoch each
    example comes exactly once (less the rest, with `drop_last`).

    Parameters
    ----------
    images : numpy.ndarray or ExpandedShifts
        Shape (N, C, H, W), usually uint8. Kept, not copied.
    labels : numpy.ndarray
        Shape (N,), integers. With `ExpandedShifts` the labels of the original images will do.
    batch_size : int
        Examples per batch; the last batch of an epoch has the rest.
    shuffle : {"epoch", "once", "never"}
        A new order every epoch; one order for all epochs (Nielsen's expanded data); the order given.
    seeds : Seeds or int
        Streams used: "shuffle" and "augment".
    augment : callable, optional
        ``augment(images, generator) -> images`` on the gathered batch, before scaling.
    scale : float
        Factor from grey levels to inputs; 1/255 gives 0 to 1.
    drop_last : bool
        Leave out the last batch if it is not full.
    dtype : dtype
        Of the batches.

    Attributes
    ----------
    examples : int
        Examples delivered per epoch.

    Examples
    --------
    >>> images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    >>> loader = Loader(images, np.arange(5), batch_size=2, shuffle="never", scale=1)
    >>> len(loader)
    3
    >>> for x, y in loader.epoch(0):
    ...     print(x.shape, x.dtype, y)
    (2, 1, 1, 1) float32 [0 1]
    (2, 1, 1, 1) float32 [2 3]
    (1, 1, 1, 1) float32 [4]
    """

    def __init__(
        self,
        images: np.ndarray | ExpandedShifts,
        labels: np.ndarray,
        batch_size: int,
        *,
        shuffle: str = "epoch",
        seeds: Seeds | int = 0,
        augment: Augment | None = None,
        scale: float = 1 / 255,
        drop_last: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        labels = np.asarray(labels)
        if isinstance(images, ExpandedShifts) and COPIES * len(labels) == len(images):
            labels = images.expand_labels(labels)
        _check_examples(images, labels)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ConfigError(f"Loader: batch_size must be an integer >= 1, got {batch_size!r}")
        if shuffle not in SHUFFLES:
            raise ConfigError(f"Loader: shuffle must be one of {', '.join(SHUFFLES)}, got {shuffle!r}")
        if drop_last and batch_size > len(labels):
            raise ConfigError(
                f"Loader: with drop_last no batch is left: batch_size is {batch_size:,}, but there are only "
                f"{len(labels):,} examples"
            )
        self.images = images
        self.labels = labels.astype(np.int64, copy=False)
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.seeds = as_seeds(seeds)
        self.augment = augment
        self.scale = scale
        self.dtype = np.dtype(dtype)
        self.examples = len(labels) - len(labels) % self.batch_size if drop_last else len(labels)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return math.ceil(self.examples / self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Return the indices of all examples in the order of epoch `epoch`: (N,), int64."""
        if self.shuffle == "never":
            return np.arange(len(self.labels))
        names = ("shuffle", str(int(epoch))) if self.shuffle == "epoch" else ("shuffle",)
        return self.seeds.generator(*names).permutation(len(self.labels))

    def epoch(self, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the batches of epoch `epoch`, counted from 0.

        Yields
        ------
        x : numpy.ndarray
            Shape (n, C, H, W), `dtype`; a new array every time.
        y : numpy.ndarray
            Shape (n,), int64.
        """
        order = self.order(epoch)
        generator = self.seeds.generator("augment", str(int(epoch)))
        for start in range(0, self.examples, self.batch_size):
            chosen = order[start : min(start + self.batch_size, self.examples)]
            if isinstance(self.images, ExpandedShifts):
                batch = self.images[chosen]
            else:
                batch = self.images.take(chosen, axis=0)  # faster than images[chosen]
            if self.augment is not None:
                batch = self.augment(batch, generator)
            # One pass: gathered grey levels in, scaled floats out.
            yield np.multiply(batch, self.scale, dtype=self.dtype), self.labels[chosen]


def _check_examples(images: np.ndarray | ExpandedShifts, labels: np.ndarray) -> None:
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"Loader: labels must be integers of shape (N,), got {labels.dtype} of shape {labels.shape}"
        )
    if len(images) != len(labels):
        raise DataError(
            f"Loader: {len(images):,} images but {len(labels):,} labels; give one label for each image"
        )
    if len(labels) == 0:
        raise DataError("Loader: there are no examples; give at least one image")
