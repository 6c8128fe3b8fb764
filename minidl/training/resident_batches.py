"""The batches of recorded training steps: tables on a device, of which each step takes the next rows.

The batches are those of the loader, bit for bit, in its order. What an epoch needs from the host are the places of
its images, written once before the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import Array, namespace, to_device
from minidl.data.resident import Resident
from minidl.kernels.gpu.batch import next_batch


def why_not_resident(loader: Any, dtype: Any) -> str | None:
    """Return why a loader's batches cannot be gathered on a device, as the end of a sentence; None if they can."""
    if not isinstance(loader, Resident):
        given = type(getattr(loader, "loader", loader)).__name__
        return f"the batches come from {given}, not from a minidl.data.Loader"
    if not loader.on_device:
        return (
            "the images are augmented on the host (RandomShift, or ExpandedShifts, would do it on the device)"
        )
    if loader.loader.mix is not None:
        return f"{type(loader.loader.mix).__name__} mixes each batch with numbers from the host"
    if loader.windows is None or len(loader.windows.shape) != 3:
        return "the inputs are not images (C, H, W)"
    if loader.pixels.dtype != np.uint8:
        return f"the images are {loader.pixels.dtype}, not bytes"
    if loader.loader.dtype != dtype:
        return f"the loader gives {loader.loader.dtype} to a model of {np.dtype(dtype)}"
    if getattr(loader.targets, "dtype", None) != np.int64:
        return "the targets are not one class for each image"
    return None


class ResidentBatches:
    """All batches of one size of an epoch, for one network or several that share the images.

    Parameters
    ----------
    sources : sequence of Resident
        Where each network's batches come from, all of the same images.
    count, batch : int
        Batches in an epoch, and examples in each.
    dtype : numpy.dtype
        Of the inputs.

    Attributes
    ----------
    x : array, shape (networks, C, H, W, batch)
    y : array of int64, shape (networks * batch,)
    rate : array, shape (1,)
        Learning rate of the step; another such array may take its place.
    position : array of int64, shape (1,)
        Number of the batch that the next launch begins with.
    """

    def __init__(self, sources: Sequence[Resident], count: int, batch: int, dtype: Any) -> None:
        self.source, self.networks = sources[0], len(sources)
        self.count, self.batch = count, batch
        xp, rows = namespace(self.source.pixels), batch * len(sources)
        assert self.source.windows is not None
        shape = self.source.windows.shape
        self.order = xp.empty((count, rows), "int64")
        self.corners = xp.empty((count, rows), "int64")
        self.rates = xp.empty((count,), dtype)
        self.rate = xp.empty((1,), dtype)
        self.position = xp.empty((1,), "int64")
        self.x = xp.empty((self.networks, *shape, batch), dtype)
        self.y = xp.empty((rows,), "int64")

    def start(self, places: Sequence[tuple[np.ndarray, np.ndarray]], rates: np.ndarray) -> None:
        """Begin an epoch: upload each network's (order, corners) and the learning rate of every step."""
        for table, columns in zip((self.order, self.corners), zip(*places, strict=True), strict=True):
            parts = [np.reshape(column, (self.count, self.batch)) for column in columns]
            table[...] = to_device(np.concatenate(parts, axis=1), self.source.device)
        self.rates[...] = to_device(rates.astype(self.rates.dtype), self.source.device)
        self.position.fill(0)

    def load(self, step: int) -> tuple[Array, Array]:
        """Gather batch number ``position + step`` and its learning rate; return inputs and labels."""
        source = self.source
        next_batch(
            self.x.size, source.pixels, source.targets, source.grid, self.order, self.corners, self.rates,
            self.position, self.x, self.y, self.rate, step, self.networks, self.batch, source.grid.size,
            source.scale / source.std, source.mean / source.std,
        )  # fmt: skip
        return self.x, self.y
