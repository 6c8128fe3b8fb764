"""From a split to batches: which examples, in which order, as floating-point numbers.

The images stay as they are, uint8, and are never copied as a whole. A batch is gathered by its
indices, augmented, scaled into floats, and mixed, in that order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from minidl.data.augment import COPIES, ExpandedShifts
from minidl.data.augment.base import is_number
from minidl.errors import ConfigError, DataError
from minidl.random import Seeds, as_seeds

SHUFFLES = ("epoch", "once", "never")
Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]
Mixing = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]


class Sampler(Protocol):
    """What chooses the examples of an epoch in place of a permutation of all."""

    def __len__(self) -> int:
        """Return the number of examples per epoch, the same in every epoch."""

    def indices(self, epoch: int, generator: np.random.Generator) -> np.ndarray:
        """Return the examples of epoch `epoch` in order, repeated or left out as need be: (len,), int64."""


class Loader:
    """Batches of a split, epoch by epoch.

    The order, the augmentation and the mixing of epoch e depend on `seeds` and e alone, never on what
    was drawn before, so a run taken up at epoch e sees the batches it would have seen. In every epoch
    each example comes exactly once (less the rest, with `drop_last`), unless a `sampler` decides.

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
        Streams used: "shuffle", "augment", "mix" and "sample".
    augment : callable, optional
        ``augment(images, generator) -> images`` on the gathered batch, before scaling
        (`minidl.data.augment`).
    mix : callable, optional
        ``mix(x, y, generator) -> (x, targets)`` on the finished batch (`minidl.data.mix`).
    sampler : Sampler, optional
        Chooses the examples of each epoch, instead of `shuffle`.
    scale : float
        Factor from grey levels to inputs; 1/255 gives 0 to 1.
    mean, std : float
        Subtracted after scaling, and divided by. `minidl.data.mean_and_std` of the training images
        brings the inputs to mean 0 and standard deviation 1 (AAR).
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
        mix: Mixing | None = None,
        sampler: Sampler | None = None,
        scale: float = 1 / 255,
        mean: float = 0.0,
        std: float = 1.0,
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
        if sampler is not None and shuffle != "epoch":
            raise ConfigError(
                f"Loader: a sampler decides the order of the examples; leave out shuffle={shuffle!r}"
            )
        count = len(labels) if sampler is None else len(sampler)
        if count < 1:
            raise DataError("Loader: the sampler gives no examples; it needs at least one per epoch")
        if drop_last and batch_size > count:
            raise ConfigError(
                f"Loader: with drop_last no batch is left: batch_size is {batch_size:,}, but there are only "
                f"{count:,} examples"
            )
        _check_scaling(scale, mean, std)
        self.images = images
        self.labels = labels.astype(np.int64, copy=False)
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.seeds = as_seeds(seeds)
        self.augment = augment
        self.mix = mix
        self.sampler = sampler
        self.scale = scale
        self.mean, self.std = float(mean), float(std)
        self.dtype = np.dtype(dtype)
        self.examples = count - count % self.batch_size if drop_last else count

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return math.ceil(self.examples / self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Return the indices of the examples in the order of epoch `epoch`: int64, (N,) without a sampler."""
        if self.sampler is not None:
            return self._sampled(int(epoch), self.sampler)
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
            Shape (n,), int64; what `mix` makes of it, where there is one.
        """
        order = self.order(epoch)[: self.examples]
        mixing = self.seeds.generator("mix", str(int(epoch)))
        # One factor and one offset: ``(batch * scale - mean) / std``.
        factor, offset = self.scale / self.std, self.mean / self.std
        start = 0
        for batch in self.augmented(order, epoch):
            # One pass: gathered grey levels in, scaled floats out.
            x, y = (
                np.multiply(batch, factor, dtype=self.dtype),
                self.labels[order[start : start + len(batch)]],
            )
            if offset:
                x -= offset
            yield (x, y) if self.mix is None else self.mix(x, y, mixing)
            start += len(batch)

    def augmented(self, order: np.ndarray, epoch: int) -> Iterator[np.ndarray]:
        """Yield the images of the batches of an epoch whose `order` is given, augmented and not yet scaled."""
        generator = self.seeds.generator("augment", str(int(epoch)))
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            if isinstance(self.images, ExpandedShifts):
                batch = self.images[chosen]
            else:
                batch = self.images.take(chosen, axis=0)  # faster than images[chosen]
            yield batch if self.augment is None else self.augment(batch, generator)

    def _sampled(self, epoch: int, sampler: Sampler) -> np.ndarray:
        order = np.asarray(sampler.indices(epoch, self.seeds.generator("sample", str(epoch))))
        if order.shape != (len(sampler),) or order.dtype.kind not in "iu":
            raise DataError(
                f"Loader: {type(sampler).__name__}.indices must give {len(sampler):,} integers for every epoch, "
                f"got {order.dtype} of shape {order.shape} for epoch {epoch}"
            )
        if not 0 <= order.min() <= order.max() < len(self.labels):
            raise DataError(
                f"Loader: {type(sampler).__name__}.indices reach from {order.min()} to {order.max()}, but there "
                f"are {len(self.labels):,} examples"
            )
        return order.astype(np.int64, copy=False)


def _check_scaling(scale: float, mean: float, std: float) -> None:
    for option, value in (("scale", scale), ("mean", mean), ("std", std)):
        if not is_number(value):
            raise ConfigError(f"Loader: {option} must be a finite number, got {value!r}")
    if std <= 0:
        raise ConfigError(f"Loader: std must be above 0, got {std!r}")


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
