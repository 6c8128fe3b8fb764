"""What the tests of the fake device share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from minidl import backend
from tests.device.fake import LEDGER, Ledger

kernels = pytest.mark.parametrize("kernels", [False, True], ids=["plain", "kernels"])


def fused_or_not(kernels: bool) -> Any:
    return contextlib.nullcontext() if kernels else backend.plain()


def require_clean(step: Callable[[], Any]) -> Ledger:
    """Take a step twice; the second must transfer nothing, and know no float64.

    The first may bring constants to the device. Returns what the second did.
    """
    with LEDGER.watched():
        step()
    with LEDGER.watched() as seen:
        step()
    assert not seen.transfers, f"a step must not move numbers between host and device: {seen.transfers}"
    return seen


def library(base: type) -> set[str]:
    """Return the names of all subclasses of `base` that the library has and that were imported."""
    found, queue = set(), [base]
    while queue:
        for kind in queue.pop().__subclasses__():
            queue.append(kind)
            if kind.__module__.startswith("minidl."):
                found.add(kind.__name__)
    return found
