"""A loader's batches, made on a GPU.

The images stay there as bytes: 47 MB for MNIST, 45 MB for the lecture's expanded data with a border, which
`ExpandedShifts` and `RandomShift` read through windows. Once per epoch the order goes up; from then on
a batch is gathered, scaled and mixed where it will be used, and the host has nothing to send.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from minidl.backend import Array, device_of, launcher, namespace, to_device
from minidl.data.augment import ExpandedShifts, RandomShift
from minidl.data.augment.sampling import pad
from minidl.data.loader import Loader
from minidl.kernels.gpu import gather


class Resident:
    """The batches of a `Loader`, on a device; the numbers are those of the loader itself.

    Parameters
    ----------
    loader : Loader
        Or a `minidl.multitask.TaskLoader`. What it augments, other than by a `RandomShift` alone, is gathered
        and augmented on the CPU and goes up as bytes, batch by batch: those changes are written for NumPy, or need
        more random numbers than there are pixels.
    device : str

    Attributes
    ----------
    loader : Loader
    on_device : bool
        Whether the images are on the device; False where the CPU augments them.
    pixels, grid : array
        Only there with `on_device`: all images, flat, and where in them the pixels of a window lie, counted from
        its corner.
    targets : array, or mapping of arrays
        Of all examples.
    """

    def __init__(self, loader: Loader, device: str) -> None:
        self.loader, self.device = loader, device
        self.examples, self.batch_size = loader.examples, loader.batch_size
        self.scale, self.mean, self.std = loader.scale, loader.mean, loader.std
        self.windows = _windows_of(loader)
        self.on_device = self.windows is not None
        self.targets = moved(getattr(loader, "targets", loader.labels), device)
        if self.windows is not None:
            self.pixels = to_device(self.windows.images, device).reshape(-1)
            self.grid = to_device(self.windows.grid, device)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.loader)

    def epoch(self, epoch: int) -> Iterator[tuple[Array, Any]]:
        """Yield the batches of epoch `epoch`, counted from 0."""
        if self.windows is None:
            yield from self._augmented_batches(epoch)
            return
        loader = self.loader
        order, corners = (to_device(table, self.device) for table in self.places(epoch))
        mixing = loader.seeds.generator("mix", str(int(epoch)))
        for start in range(0, self.examples, self.batch_size):
            part = slice(start, min(start + self.batch_size, self.examples))
            yield self._mixed(*self._gathered(self.windows, order[part], corners[part]), mixing)

    def places(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return which example comes when in an epoch, and where in `pixels` its window begins: (examples,) each."""
        assert self.windows is not None
        order = self.loader.order(epoch)[: self.examples]
        return order, self.windows.corners(order, self.loader, epoch)

    def _gathered(self, windows: _Windows, order: Array, corners: Array) -> tuple[Array, Any]:
        """Return the images of the examples `order`, whose windows begin at `corners`, scaled, and their targets."""
        if launcher(self.pixels) is not None and self.pixels.dtype == np.uint8:
            options: dict[str, Any] = {
                "scale": self.scale / self.std,
                "offset": self.mean / self.std,
                "dtype": self.loader.dtype,
            }
            if not isinstance(self.targets, Mapping):
                options |= {"labels": self.targets, "order": order}
            x, y = gather.batch(self.pixels, corners, self.grid, windows.shape, **options)
            return x, _rows(self.targets, order) if y is None else y
        if windows.border:
            batch = self.pixels.take(corners[:, None] + self.grid)
        else:
            batch = self.pixels.reshape(-1, self.grid.size).take(order, axis=0)
        return self._scaled(batch.reshape(-1, *windows.shape)), _rows(self.targets, order)

    def _augmented_batches(self, epoch: int) -> Iterator[tuple[Array, Any]]:
        loader = self.loader
        order, start = loader.order(epoch)[: self.examples], 0
        order_there = to_device(order, self.device)
        mixing = loader.seeds.generator("mix", str(int(epoch)))
        for batch in loader.augmented(order, epoch):
            rows = order_there[start : start + len(batch)]
            x = self._scaled(to_device(batch, self.device))
            yield self._mixed(x, _rows(self.targets, rows), mixing)
            start += len(batch)

    def _scaled(self, batch: Array) -> Array:
        # As in `Loader.epoch`.
        factor, offset = self.scale / self.std, self.mean / self.std
        x = namespace(batch).multiply(batch, factor, dtype=self.loader.dtype)
        if offset:
            x -= offset
        return x

    def _mixed(self, x: Array, y: Any, generator: np.random.Generator) -> tuple[Array, Any]:
        return (x, y) if self.loader.mix is None else self.loader.mix(x, y, generator)


class Moved:
    """The batches of anything with ``epoch(e)``, brought to a device one by one."""

    def __init__(self, loader: Any, device: str) -> None:
        self.loader, self.device = loader, device
        self.scale = getattr(loader, "scale", 1 / 255)
        self.mean, self.std = getattr(loader, "mean", 0.0), getattr(loader, "std", 1.0)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.loader)

    def epoch(self, epoch: int) -> Iterator[tuple[Array, Any]]:
        """Yield the batches of epoch `epoch`, counted from 0."""
        for x, y in self.loader.epoch(epoch):
            yield to_device(x, self.device), moved(y, self.device)


def on_device(data: Any, device: str) -> Any:
    """Return training or validation data whose batches, or images and labels, are on a device.

    Parameters
    ----------
    data : Loader, Split, or anything that `Trainer.fit` takes
    device : str
        For "cpu", and for data that are there already, `data` itself is returned.
    """
    if device == "cpu" or data is None or isinstance(data, Resident | Moved):
        return data
    if isinstance(data, Loader) and (type(data).epoch is Loader.epoch or hasattr(data, "targets")):
        return Resident(data, device)
    if hasattr(data, "epoch"):
        return Moved(data, device)
    return SimpleNamespace(
        images=to_device(np.asarray(data.images), device), labels=moved(data.labels, device)
    )


class _Windows(NamedTuple):
    """Images as windows of larger ones: pixel p of a window lies at ``corner + grid[p]`` of the flat array."""

    images: np.ndarray  # (N, C, H + 2 border, W + 2 border)
    shape: tuple[int, ...]  # of one window
    grid: np.ndarray  # (pixels of a window,)
    border: int

    def corners(self, order: np.ndarray, loader: Loader, epoch: int) -> np.ndarray:
        """Return where the window of each example of an epoch begins."""
        row: Any = 0
        column: Any = 0
        image = order
        if isinstance(loader.images, ExpandedShifts):
            image, row, column = loader.images.places(order)
        elif isinstance(loader.augment, RandomShift):
            generator = loader.seeds.generator("augment", str(int(epoch)))
            sizes = [min(loader.batch_size, len(order) - s) for s in range(0, len(order), loader.batch_size)]
            row, column = np.concatenate([loader.augment.windows(size, generator) for size in sizes], axis=1)
        whole = math.prod(self.images.shape[1:])
        return image * whole + row * self.images.shape[-1] + column


def _windows_of(loader: Loader) -> _Windows | None:
    """Return the images of a loader as windows; None if it changes them otherwise."""
    images, augment = loader.images, loader.augment
    if isinstance(images, ExpandedShifts):
        if augment is not None:
            return None
        padded, shape, border = images.padded, images.shape[1:], 1
    elif augment is None:
        padded, shape, border = images, images.shape[1:], 0
    elif type(augment) is RandomShift and augment.pixels <= min(images.shape[2:]):
        border, shape = augment.pixels, images.shape[1:]
        padded = pad(images, border, augment.fill, augment.value)
    else:
        return None
    if len(shape) < 3:
        return _Windows(padded, shape, np.arange(math.prod(shape)), 0)
    strides = [math.prod(padded.shape[axis + 1 :]) for axis in range(1, padded.ndim)]
    grid = sum(
        np.arange(size).reshape(-1, *[1] * (len(shape) - axis - 1)) * stride
        for axis, (size, stride) in enumerate(zip(shape, strides, strict=True))
    )
    return _Windows(padded, shape, np.asarray(grid).reshape(-1), border)


def _rows(columns: Any, rows: Array) -> Any:
    """Return the targets of some examples."""
    if isinstance(columns, Mapping):
        return {name: column.take(rows, axis=0) for name, column in columns.items()}
    return columns.take(rows, axis=0)


def moved(targets: Any, device: str) -> Any:
    """Return targets, one array or several, on a device."""
    if isinstance(targets, Mapping):
        return {name: moved(column, device) for name, column in targets.items()}
    if isinstance(targets, tuple):
        return tuple(moved(column, device) for column in targets)
    return to_device(targets, device) if device_of(targets) != device else targets
