"""The seed tree: one seed, many independent streams, each with a name.

Every random number in minidl comes from a stream named by what it is for: ``("3", "init")`` is the
initial weights of layer 3, ``("shuffle", "7")`` the order of the images in epoch 7. A stream depends
on the seed and its name alone, never on what was drawn before, so adding a layer or skipping an
epoch changes nothing elsewhere and an interrupted run can be taken up at any epoch.

Streams are `numpy.random.SeedSequence` children (NumPy documentation, "Parallel random number
generation"): the name is hashed into the spawn key.
"""

from __future__ import annotations

import zlib

import numpy as np

from minidl.errors import ConfigError


class Seeds:
    """A node of the seed tree.

    Parameters
    ----------
    seed : int
        The root seed, zero or more.
    path : tuple of str
        Names from the root to this node.

    Examples
    --------
    >>> Seeds(0).child("3").generator("init").integers(100)
    np.int64(30)
    >>> Seeds(0).generator("3", "init").integers(100)   # the same stream by its full name
    np.int64(30)
    """

    def __init__(self, seed: int = 0, path: tuple[str, ...] = ()) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise ConfigError(f"seed must be an integer >= 0, got {seed!r}")
        self.seed = int(seed)
        self.path = path

    def child(self, name: str) -> Seeds:
        """Return the node `name` below this one."""
        return Seeds(self.seed, (*self.path, str(name)))

    def generator(self, *names: str) -> np.random.Generator:
        """Return a fresh generator at the start of the stream `names` below this node."""
        path = (*self.path, *map(str, names))
        key = tuple(zlib.crc32(name.encode()) for name in path)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def __repr__(self) -> str:
        return f"Seeds({self.seed}, path={self.path})"


def as_seeds(rng: int | Seeds | np.random.Generator) -> Seeds:
    """Turn what a caller has (a seed, a node, a generator) into a node of the seed tree.

    A `numpy.random.Generator` is asked for one number, which becomes the seed.
    """
    if isinstance(rng, Seeds):
        return rng
    if isinstance(rng, np.random.Generator):
        return Seeds(int(rng.integers(2**63)))
    return Seeds(rng)
