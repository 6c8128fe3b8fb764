"""Generators whose numbers are known beforehand, so that dropout can be followed by hand."""

import numpy as np


class Dice:
    """Stands in for ``np.random.default_rng()``: `random` returns the arrays of a list, one after the other."""

    def __init__(self, throws):
        self.throws = list(throws)
        self.asked = 0

    def random(self, size=None):
        shape = () if size is None else tuple(np.atleast_1d(size))
        if self.asked == len(self.throws):
            raise ValueError(
                f"generator.random was called more than {self.asked} times: once in a forward pass is enough"
            )
        numbers = self.throws[self.asked]
        if shape != numbers.shape:
            raise ValueError(
                f"generator.random was asked for the shape {shape}; x has the shape {numbers.shape}"
            )
        self.asked += 1
        return numbers.copy()


class Caller:
    """Stands in for ``np.random.default_rng()``: `random` is the function that it is made with."""

    def __init__(self, random):
        self.random = random
