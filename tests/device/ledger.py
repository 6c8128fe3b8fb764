"""What happens on the fake device, written down: launches, transfers, names used, graphs recorded."""

from __future__ import annotations

import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_HERE = str(Path(__file__).parent)


class Hazard(AssertionError):
    """Something that a real device would let pass and that is always a mistake."""


class Transfer(NamedTuple):
    """Numbers that crossed between host and device, or the host waiting for the device."""

    kind: str  # "upload", "download", "wait"
    what: str  # the operation
    where: str  # file:line of the code that asked for it


class Ledger:
    """The log of one fake device.

    Attributes
    ----------
    transfers : list of Transfer
    launches : Counter
        How many kernels each operation would start on a GPU: about one for an elementwise function, none for a
        view, more where an operand has to be copied first.
    names : set of (name, keywords)
        Every name of CuPy that was used, with the keywords it was given.
    float32_only : bool
        Whether an array of float64 is a `Hazard`.
    capacity, used, held : int
        Bytes of memory, where that is limited: all, those of living arrays, and the most there were of these
        since memory was released.
    recording : tests.device.fake_stream.Capture, or None
        The graph that is being recorded: its calls are written down and not carried out.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.transfers: list[Transfer] = []
        self.launches: Counter[str] = Counter()
        self.names: set[tuple[str, tuple[str, ...]]] = set()
        self.float32_only = False
        self.recording: Any = None
        self.capacity: int | None = None
        self.used = self.held = 0

    def transfer(self, kind: str, what: str) -> None:
        """Note a transfer; refuse it while a graph is being recorded, as CUDA does."""
        if self.recording is not None:
            raise RuntimeError(f"{what}: the stream is capturing, a transfer is not permitted at {caller()}")
        self.transfers.append(Transfer(kind, what, caller()))

    def uses(self, name: str, keywords: object = ()) -> None:
        self.names.add((name, tuple(sorted(keywords))))  # type: ignore[call-overload]

    def check_type(self, what: str, array: np.ndarray) -> None:
        if self.float32_only and array.dtype in (np.float64, np.complex128):
            raise Hazard(f"{what} gives {array.dtype} at {caller()}, where all should be float32")

    def run(
        self,
        name: str,
        compute: Callable[[], np.ndarray],
        out: np.ndarray | None = None,
        launches: int = 1,
    ) -> np.ndarray:
        """Carry out a call, or record it; return its result, which is `out` if that is given."""
        self.launches[name] += launches
        if self.recording is None:
            result = np.asarray(compute())
            self.check_type(name, result)
            if out is None:
                return result
            np.copyto(out, result, casting="same_kind")
            return out
        if out is None:
            # The shape must be known; what is in the array before the first replay must not matter.
            result = np.asarray(compute())
            self.check_type(name, result)
            out = np.zeros_like(result)
            if result.dtype.kind == "f":
                out.fill(np.nan)
        target = out
        self.recording.append(lambda: np.copyto(target, compute(), casting="same_kind"))
        return target

    def do(self, name: str, act: Callable[[], None], launches: int = 1) -> None:
        """Carry out, or record, a call that writes to arrays of its own choice."""
        self.launches[name] += launches
        if self.recording is None:
            act()
        else:
            self.recording.append(act)

    def allocate(self, array: np.ndarray, size: int) -> None:
        """Count the memory of a new array until it and all views of it are gone."""
        if self.capacity is None:
            return
        if self.used + size > self.capacity:
            raise MemoryError(
                f"Out of memory allocating {size:,} bytes (allocated so far: {self.used:,} bytes)."
            )
        self.used += size
        self.held = max(self.held, self.used)
        weakref.finalize(array, self._free, size).atexit = False

    def _free(self, size: int) -> None:
        self.used -= size

    def memory(self, release: bool) -> tuple[int, int]:
        """Return bytes held and bytes free, as a pool of memory has it."""
        assert self.capacity is not None
        if release:
            self.held = self.used
        return self.held, self.capacity - self.held

    @contextmanager
    def watched(self, *, float32_only: bool = True) -> Iterator[Ledger]:
        """Yield a ledger that has, when the block ends, what happened inside it; `self` goes on as well."""
        inside, before = Ledger(), (len(self.transfers), self.launches.copy(), self.float32_only)
        self.float32_only = float32_only
        try:
            yield inside
        finally:
            inside.transfers = self.transfers[before[0] :]
            inside.launches = self.launches - before[1]
            self.float32_only = before[2]

    @property
    def count(self) -> int:
        """All launches together."""
        return self.launches.total()


def caller() -> str:
    """Return file:line of the nearest frame outside of the fake device."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_machinery(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def _is_machinery(file: str) -> bool:
    path = Path(file)
    fake = str(path.parent) == _HERE and not path.name.startswith("test_")
    return fake or path.name in ("backend.py", "contextlib.py") or "numpy" in path.parts


LEDGER = Ledger()
