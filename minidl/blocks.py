"""Walk large arrays in pieces that fit the processor's cache.

``w -= lr * g`` on a million numbers first writes the million products to memory and then reads them
back. Done piece by piece the product never leaves the cache: `w` and `g` are read once and `w` is
written once, which is all the memory traffic there has to be.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minidl.backend import Array

BLOCK = 65_536  # elements: 256 KiB of float32; the few pieces in use at a time fit a cache of 1 or 2 MiB


def blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Yield matching views of equally shaped arrays, at most `BLOCK` elements each where possible.

    Elementwise work on the views is bit for bit the work on the whole arrays.

    Parameters
    ----------
    *arrays : array
        Of one shape, in any memory order.

    Yields
    ------
    tuple of array
        Views that together cover the arrays once. Small arrays, and arrays of a GPU (where a
        piece would cost a kernel launch), come whole. C-contiguous arrays are cut anywhere;
        others along their first axis, however long its rows are.
    """
    first = arrays[0]
    if first.size <= 1.5 * BLOCK or not isinstance(first, np.ndarray):  # two short pieces cost more than one
        yield arrays
        return
    if all(array.flags.c_contiguous for array in arrays):
        arrays = tuple(array.reshape(-1) for array in arrays)
    length = arrays[0].shape[0]
    rows = max(1, BLOCK * length // first.size)
    for start in range(0, length, rows):
        yield tuple(array[start : start + rows] for array in arrays)
