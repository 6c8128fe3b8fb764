"""Dropout."""

from __future__ import annotations

import numpy as np

from minidl.backend import Array, namespace
from minidl.errors import ConfigError
from minidl.layers.base import Layer, Shape
from minidl.random import Seeds

_LEVELS = 1 << 16


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

    References
    ----------
    Srivastava et al. 2014; lectures AAR, UU; Nielsen, network3.py.
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
        self.generator = seeds.generator("dropout") if self.seed is None else Seeds(self.seed).generator()
        return input_shape

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        xp = namespace(x)
        if not train:
            self._cache = self._keep if self.scaling == "test" else 1.0
            return xp.multiply(x, self._cache)
        gain = self._scratch_like("gain", x)
        scale = 1.0 if self.scaling == "test" else 1 / self._keep
        xp.multiply(xp.asarray(self._kept(x)), x.dtype.type(scale), out=gain)
        self._cache = gain
        return xp.multiply(x, gain, out=self._scratch_like("output", x))

    def backward(self, dy: Array) -> Array:
        return namespace(dy).multiply(dy, self._saved(dy), out=self._scratch_like("dx", dy))

    def _kept(self, x: Array) -> np.ndarray:
        # Sixteen raw bits decide each unit, for a quarter of the time of a uniform number. They are dealt out
        # in batch-last order, the order images have in memory, whatever the order of x: the mask of a unit
        # must not depend on it.
        assert self.generator is not None
        bits = self.generator.bit_generator.random_raw(-(-x.size // 4)).view(np.uint16)[: x.size]
        kept = (bits >= self._threshold).reshape(*x.shape[1:], x.shape[0])
        kept = kept.transpose(-1, *range(kept.ndim - 1))
        return np.ascontiguousarray(kept) if x.flags.c_contiguous else kept
