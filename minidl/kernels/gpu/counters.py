"""Numbers that live on the device, so that a recorded step can count.

A graph repeats its launches with the very arguments they were recorded with. What changes from step to step,
such as the number of the step or of the dropout mask, must therefore be read from memory of the device, and
one of the launches must change it.
"""

from __future__ import annotations

import numpy as np

from minidl.backend import Array, capturing, namespace
from minidl.kernels.gpu.launch import Kernel


def _advance(counter: np.ndarray, by: int) -> None:
    """``counter += by``."""
    counter += by


advance = Kernel(
    "advance",
    r"""
extern "C" __global__ void advance(int64* counter, int by) {
    if (blockIdx.x == 0 && threadIdx.x == 0) counter[0] += by;  // one thread: no two may add at once
}
""",
    _advance,
    fused=False,
)


class Counter:
    """A whole number on the device of an array.

    Parameters
    ----------
    like : array

    Attributes
    ----------
    array : array of one int64
        What kernels read.
    """

    def __init__(self, like: Array) -> None:
        self.array = namespace(like).zeros(1, "int64")

    def count(self, value: int) -> Array:
        """Return the array, with `value` in it; or, where a graph is recorded, with one more than before.

        Writing a number from the host is a launch, not a transfer. Whoever replays a graph sets the number
        before the first replay, and afterwards tells the host how far it has come.
        """
        if capturing(self.array):
            advance(1, self.array, 1)
        else:
            self.array.fill(value)
        return self.array
