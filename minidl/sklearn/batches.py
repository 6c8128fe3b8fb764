"""Examples in batches, with targets of any kind and a weight for each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.random import Seeds


class Batches:
    """What a `Trainer` trains on: rows of a table in a new order every epoch.

    Parameters
    ----------
    x : numpy.ndarray, shape (N, D)
    y : numpy.ndarray, shape (N,) or (N, K)
    weights : numpy.ndarray, shape (N,)
    batch_size : int
    seeds : Seeds
        The order of epoch e depends on these and e alone.
    start : int
        What the first epoch is called: the epochs before it, in earlier trainings of the same network.
    """

    def __init__(
        self, x: np.ndarray, y: np.ndarray, weights: np.ndarray, batch_size: int, seeds: Seeds, start: int = 0
    ) -> None:
        self.x, self.y, self.weights = x, y, weights
        self.batch_size = batch_size
        self.seeds = seeds
        self.start = start

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return math.ceil(len(self.x) / self.batch_size)

    def epoch(self, epoch: int) -> Iterator[tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]]:
        """Yield ``(x, (y, weights))``, the last batch with the rest."""
        order: Any = self.seeds.generator("shuffle", str(self.start + epoch)).permutation(len(self.x))
        for first in range(0, len(order), self.batch_size):
            rows = order[first : first + self.batch_size]
            x = self.x.take(rows, axis=0)  # faster than x[rows]
            yield x, (self.y.take(rows, axis=0), self.weights[rows])
