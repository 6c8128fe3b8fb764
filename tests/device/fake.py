"""The fake device: what a test imports.

``with fake_device(): ...`` teaches minidl a device named "fake", whose arrays are those of a NumPy that
behaves like CuPy; `LEDGER` says what happened on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minidl import backend
from tests.device.fake_array import FakeArray, raw
from tests.device.fake_namespace import FAKE
from tests.device.ledger import LEDGER, Hazard, Ledger, Transfer

__all__ = [
    "FAKE",
    "LEDGER",
    "FakeArray",
    "Hazard",
    "Ledger",
    "Transfer",
    "fake_device",
    "from_host",
    "to_host",
]

NAME = "fake"


def from_host(x: np.ndarray) -> FakeArray:
    """Copy an array to the device."""
    LEDGER.transfer("upload", "to_device")
    return FakeArray(np.array(x, order="K"))


def to_host(x: FakeArray) -> np.ndarray:
    """Copy an array from the device."""
    LEDGER.transfer("download", "to_cpu")
    return np.array(x._host, order="K")


def launch(kernel: Any, size: Any, args: tuple[Any, ...]) -> None:
    """Run the NumPy twin of a kernel of minidl, as one launch."""
    for value in args:
        if isinstance(value, np.ndarray):
            raise TypeError(f"kernel {kernel.name}: got an array of the host")
    kernel.bind(args)  # the checks: types, contiguity, number of arguments
    for value in args:
        if isinstance(value, FakeArray):
            LEDGER.check_type(f"kernel {kernel.name}", value._host)
    given = raw(args)
    LEDGER.do(f"kernel {kernel.name}", lambda: kernel.line(*given))


@contextmanager
def fake_device(kernels: bool = True) -> Iterator[Ledger]:
    """Register the device inside the block, with a fresh ledger.

    Parameters
    ----------
    kernels : bool
        Whether it runs minidl's own kernels (their NumPy twins).
    """
    known = list(backend._registered)
    LEDGER.clear()
    backend.register(
        FakeArray, FAKE, NAME, from_host, to_host, launch=launch if kernels else None, memory=LEDGER.memory
    )
    try:
        yield LEDGER
    finally:
        backend._registered[:] = known
        LEDGER.clear()
