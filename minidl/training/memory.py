"""When the memory of a device does not suffice: say for what, and which batch would fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import device_memory, namespace
from minidl.data.resident import on_device
from minidl.errors import DeviceError

SPARE = 0.9  # of the memory: the estimate may use so much; the rest is for rounding and for other programs


def placed(data: Any, device: str) -> Any:
    """Return training or validation data whose batches are on a device (`minidl.data.resident.on_device`).

    Raises
    ------
    DeviceError
        If its memory does not suffice for the images.
    """
    try:
        return on_device(data, device)
    except MemoryError:
        raise DeviceError(
            f"the memory of device {device!r} does not suffice for the {len(data.images):,} images; use fewer, or "
            "--device cpu"
        ) from None


def memory_error(model: Any, batch: int, device: str) -> DeviceError:
    """Return the error that tells how large a batch may be.

    Two small batches are sent through the network, forward and backward. What the second takes beyond the
    first is what its additional examples need; the rest is needed anyway. The network is of no use afterwards:
    its random numbers and running statistics have moved on.

    Parameters
    ----------
    model : Layer
    batch : int
        The number of examples that did not fit.
    device : str
    """
    fits = _largest_batch(model, batch, device)
    if fits is None:
        cure = "use a smaller batch size"
    elif fits < 1:
        cure = "beside the data set and the parameters not even one example would fit; use a smaller network"
    else:
        cure = f"about {min(fits, batch - 1):,} would fit; use a batch size of at most that"
    return DeviceError(
        f"the memory of device {device!r} does not suffice for a batch of {batch:,}: {cure}, or --device cpu"
    )


def _largest_batch(model: Any, batch: int, device: str) -> int | None:
    """Return an estimate; None where nobody counts memory, or it shows nothing."""
    if device_memory(device) is None:
        return None
    large = max(2, batch // 8)
    while (measured := _measured(model, large, device)) is None:
        if large == 2:
            return 0
        large = max(2, large // 4)
    (first, _), (second, free) = measured
    small = large // 2
    each = (second - first) / (large - small)
    if each <= 0:
        return None
    needed_anyway = first - small * each
    return int((SPARE * (second + free) - needed_anyway) / each)


def _measured(model: Any, large: int, device: str) -> Any:
    """Return `_memory_of` for two batches, of half this size and of this size; None if they do not fit either."""
    try:
        return [_memory_of(model, size, device) for size in (large // 2, large)]
    except MemoryError:
        return None


def _memory_of(model: Any, size: int, device: str) -> Any:
    """Return the bytes that both passes of a batch of `size` have held, with all that was there, and those free."""
    model.to()  # lets go of everything that the passes have kept
    device_memory(device, release=True)
    like = next(parameter.value for _, parameter in model.named_parameters())
    # Two of them: a batch is made while the one before is still there. In batch-last memory, as they may come.
    axes = (len(model.input_shape), *range(len(model.input_shape)))
    x, _ = (namespace(like).zeros((*model.input_shape, size), like.dtype).transpose(axes) for _ in range(2))
    with np.errstate(all="ignore"):
        y = model.forward(x, train=True)
        model.backward_parameters(y)
    return device_memory(device)
