"""Augmentations made of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.data.augment.base import Augmentation
from minidl.errors import ConfigError

Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True, repr=False)
class Compose(Augmentation):
    """Several augmentations, one after the other.

    Parameters
    ----------
    augmentations : sequence of Augmentation
        In the order they are applied; any callable ``augment(images, generator)`` will do. Each
        interpolation blurs a little: rotation, scaling, shift and shear belong in one `RandomAffine`.
    """

    augmentations: Sequence[Augment]

    def __post_init__(self) -> None:
        given: Any = self.augmentations
        if not isinstance(given, list | tuple) or not given or not all(map(callable, given)):
            raise ConfigError(
                f"Compose: expected a list of augmentations such as Compose([RandomShift(1), Cutout(6)]), got "
                f"{given!r}"
            )
        object.__setattr__(self, "augmentations", list(given))

    def apply(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        for augment in self.augmentations:
            images = augment(images, generator)
        return images


@dataclass(frozen=True, repr=False)
class Sometimes(Augmentation):
    """Apply an augmentation to a share of the images, drawn anew for every batch.

    Parameters
    ----------
    augment : Augmentation
    probability : float
        That an image is changed, in [0, 1].
    """

    augment: Augment
    probability: float

    def __post_init__(self) -> None:
        if not callable(self.augment):
            raise ConfigError(
                f"Sometimes: expected an augmentation such as Elastic(34), got {self.augment!r}"
            )
        self._require_number("probability", 0, 1)

    def apply(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        chosen = generator.random(len(images)) < self.probability
        result = images.copy()
        if chosen.any():
            result[chosen] = self.augment(images[chosen], generator)
        return result
