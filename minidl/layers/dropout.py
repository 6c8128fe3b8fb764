"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.backend import Array, namespace
from minidl.errors import ConfigError
from minidl.kernels.gpu import dropout as gpu
from minidl.layers.base import Layer, Shape
from minidl.random import Seeds

_LEVELS = 1 << 16
_UNITS = 16  # that one block of Philox, four words of 64 bits, decides about
_MASK = 1 << 64  # blocks from one mask to the next: one more in the counter's second word


class Dropout(Layer):
    """While training, set each input to zero with probability `p`, independently of all others.

    A network with n droppable units is a family of 2^n thinned networks that share their weights; each
    step trains one of them and the full network at test time stands for their average. Its weights must
    then be scaled so that a unit receives in the mean what it received in training::

        scaling="train"   training: y = x * mask / (1 - p)      test: y = x              (inverted)
        scaling="test"    training: y = x * mask                test: y = x * (1 - p)    (the lecture)

    Backward, with the mask of the forward pass: ``dx = dy * mask / (1 - p)`` or ``dx = dy * mask``.

    Parameters
    ----------
    p : float
        Probability of **dropping** a unit, 0 <= p < 1. It is realised in steps of 1/65536, and the
        scaling uses the realised value. (Slide AAR calls the same number p and multiplies by p at test
        time, which is right at 0.5 only: the factor is 1 - p.)
    scaling : {"train", "test"}
        Which side is scaled.
    seed : int, optional
        A fixed seed for the masks. By default they come from the network's seed and the layer's path, so
        that no two layers share a mask. (In Nielsen's network3 every layer of every network starts from
        the same one, 985772.)

    Notes
    -----
    The masks come from a counter-based generator, Philox 4x64-10 (`numpy.random.Philox`): mask number k is a
    function of a key, drawn once, and of k. The masks on a GPU are those of the CPU.

    References
    ----------
    Srivastava et al. 2014; lectures AAR, UU; Nielsen, network3.py. Salmon et al. 2011, *Parallel random
    numbers: as easy as 1, 2, 3* (Philox).
    """

    def __init__(self, p: float = 0.5, *, scaling: str = "train", seed: int | None = None) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ConfigError(f"Dropout: p is the probability of dropping a unit, 0 <= p < 1, got {p!r}")
        if scaling not in ("train", "test"):
            raise ConfigError(f"Dropout: scaling must be 'train' (inverted) or 'test', got {scaling!r}")
        self.p = float(p)
        self.scaling = scaling
        self.seed = seed
        self.generator: np.random.Generator | None = None
        self._threshold = min(round(self.p * _LEVELS), _LEVELS - 1)
        self._keep = 1 - self._threshold / _LEVELS

    def setup(self, input_shape: Shape, seeds: Seeds) -> Shape:
        stream = seeds.generator("dropout") if self.seed is None else Seeds(self.seed).generator()
        self.generator = np.random.Generator(np.random.Philox(key=stream.bit_generator.random_raw(2)))
        return input_shape

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        xp = namespace(x)
        if not train:
            self._cache = self._keep if self.scaling == "test" else 1.0
            return xp.multiply(x, self._cache)
        if gpu.applies(x):
            return gpu.forward(self, x)
        gain = self._scratch_like("gain", x)
        scale = 1.0 if self.scaling == "test" else 1 / self._keep
        xp.multiply(xp.asarray(self._kept(x)), x.dtype.type(scale), out=gain)
        self._cache = gain
        return xp.multiply(x, gain, out=self._scratch_like("output", x))

    def backward(self, dy: Array) -> Array:
        gain = self._saved(dy)
        if isinstance(gain, tuple):
            return gpu.backward(self, dy)
        return namespace(dy).multiply(dy, gain, out=self._scratch_like("dx", dy))

    def next_counter(self) -> tuple[np.ndarray, np.ndarray]:
        """Return key and counter of the next mask, and move on: two and four uint64.

        The second word of the counter is the number of masks drawn so far, the first counts the blocks of
        sixteen units within one mask. So any part of any mask can be computed from (key, counter) alone,
        which is what a GPU does; see `minidl.kernels.gpu.dropout`.
        """
        assert self.generator is not None
        bits: Any = self.generator.bit_generator
        state = bits.state["state"]
        bits.advance(_MASK)
        return state["key"], state["counter"]

    def skip_masks(self, count: int) -> None:
        """Move on by so many masks, drawn elsewhere."""
        assert self.generator is not None
        source: Any = self.generator.bit_generator
        source.advance(count * _MASK)

    def _kept(self, x: Array) -> np.ndarray:
        # Sixteen raw bits decide each unit, for a quarter of the time of a uniform number. They are dealt out
        # in batch-last order, the order images have in memory, whatever the order of x: the mask of a unit
        # must not depend on it.
        assert self.generator is not None
        source: Any = self.generator.bit_generator
        blocks = -(-x.size // _UNITS)
        bits = source.random_raw(4 * blocks).view(np.uint16)[: x.size]
        source.advance(_MASK - blocks)  # to the first block of the next mask
        kept = (bits >= self._threshold).reshape(*x.shape[1:], x.shape[0])
        kept = kept.transpose(-1, *range(kept.ndim - 1))
        return np.ascontiguousarray(kept) if x.flags.c_contiguous else kept
