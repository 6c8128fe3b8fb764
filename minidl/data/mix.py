"""Blending the examples of a batch: inputs and targets together.

A mix is a callable ``mix(x, y, generator) -> (x, targets)`` on a batch as it goes into the network. Soft
targets need a loss that takes them, as `minidl.SoftmaxCrossEntropy` does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minidl.backend import device_of, to_device
from minidl.data.augment.base import is_number
from minidl.errors import ConfigError, ShapeError
from minidl.targets import check_labels, one_hot


class Mix:
    """Base of the mixes."""

    def __call__(
        self, x: np.ndarray, y: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a blended batch.

        Parameters
        ----------
        x : numpy.ndarray
            Shape (n, ...), floats. Not changed.
        y : numpy.ndarray
            Shape (n,) of labels, or (n, K) of targets that are soft already.
        generator : numpy.random.Generator
            Every random number comes from here.

        Returns
        -------
        x : numpy.ndarray
            Shape and dtype as given.
        targets : numpy.ndarray
            Shape (n, K), in the dtype of `x`; the rows sum to 1.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Mixup(Mix):
    """Blend every example with another of its batch, and their targets in the same shares (Zhang et al. 2018).

    ``x = l x_i + (1 - l) x_j`` and ``t = l t_i + (1 - l) t_j`` with l drawn from Beta(alpha, alpha), j the
    place of i in a random order of the batch. An image made of 40 % cat and 60 % dog has the target
    {0.4, 0.6} (AAR).

    Parameters
    ----------
    alpha : float
        Small values leave most examples nearly as they are, 1 draws l uniformly. Zhang et al. take
        0.1 to 0.4 on ImageNet, 1 on CIFAR.
    classes : int
        K.
    per : {"batch", "example"}
        Draw one l for the whole batch, as Zhang et al. do, or one for every example.

    Notes
    -----
    The training accuracy then counts how often the largest output is at the class with the larger share;
    it stays below 100 % by nature.
    """

    alpha: float = 0.2
    classes: int = 10
    per: str = "batch"

    def __post_init__(self) -> None:
        if not is_number(self.alpha) or not self.alpha > 0:
            raise ConfigError(f"Mixup: alpha must be a number above 0, got {self.alpha!r}")
        if isinstance(self.classes, bool) or not isinstance(self.classes, int) or self.classes < 2:
            raise ConfigError(f"Mixup: classes must be an integer >= 2, got {self.classes!r}")
        if self.per not in ("batch", "example"):
            raise ConfigError(f"Mixup: per must be 'batch' or 'example', got {self.per!r}")

    def __call__(
        self, x: np.ndarray, y: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        count = len(x)
        if y.ndim == 1 and y.dtype.kind in "iu":
            y = one_hot(check_labels("Mixup", y, self.classes), self.classes, x.dtype)
        elif y.shape != (count, self.classes):
            raise ShapeError(
                f"Mixup: expected integer labels ({count},) or targets ({count}, {self.classes}), got {y.dtype} "
                f"of shape {y.shape}"
            )
        partners = to_device(generator.permutation(count), device_of(x))
        shares = generator.beta(self.alpha, self.alpha, 1 if self.per == "batch" else count)
        shares = to_device(np.broadcast_to(shares.astype(x.dtype), (count,)), device_of(x))
        return blend(x, partners, shares), blend(y.astype(x.dtype, copy=False), partners, shares)


def blend(values: np.ndarray, partners: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return ``shares * values + (1 - shares) * values[partners]``, row by row.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (n, ...), floats.
    partners : numpy.ndarray
        Shape (n,): the row that each row is blended with.
    shares : numpy.ndarray
        Shape (n,): what each row keeps of itself.
    """
    kept = shares.reshape(-1, *[1] * (values.ndim - 1))
    blended = values[partners]
    blended *= 1 - kept
    blended += values * kept
    return blended
