"""Changes that move pixels without mixing them: whole-pixel shifts and mirror images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minidl.data.augment.base import Augmentation
from minidl.data.augment.sampling import pad, require_fill
from minidl.errors import ConfigError, ShapeError


@dataclass(frozen=True, repr=False)
class RandomShift(Augmentation):
    """Move every image by a whole number of pixels, up to `pixels` along each axis.

    Parameters
    ----------
    pixels : int
        All ``(2 pixels + 1)**2`` moves are equally likely.
    fill : {"constant", "edge", "reflect", "symmetric", "wrap"}
        What enters where the image was: a grey level, or the image continued as `numpy.pad` does.
    value : float
        Grey level of ``fill="constant"``.
    """

    pixels: int
    fill: str = "constant"
    value: float = 0

    def __post_init__(self) -> None:
        self._require_whole("pixels", 0)
        require_fill("RandomShift", self.fill, self.value)

    def apply(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        height, width = images.shape[2:]
        if self.pixels > min(height, width):
            raise ShapeError(
                f"RandomShift: a shift by up to {self.pixels} pixels leaves nothing of images of {height}x{width}; "
                f"give at most {min(height, width)}"
            )
        rows, columns = self.windows(len(images), generator)
        padded = pad(images, self.pixels, self.fill, self.value)
        windows = sliding_window_view(padded, images.shape[2:], axis=(2, 3))
        return windows[np.arange(len(images)), :, rows, columns]

    def windows(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Return where in the image with its border the window of each image lies: rows and columns, (2, count)."""
        return generator.integers(0, 2 * self.pixels + 1, (2, count))


@dataclass(frozen=True, repr=False)
class RandomFlip(Augmentation):
    """Mirror images: left and right exchanged, or top and bottom.

    AAR's first augmentation, and the one that must not be used here without a thought: the mirror
    image of a digit is no digit, and a 6 flipped both ways, turned by 180 degrees, is a 9 (TUE). It is
    therefore refused unless allowed.

    Parameters
    ----------
    horizontal : bool
        Exchange left and right.
    vertical : bool
        Exchange top and bottom.
    probability : float
        Of each exchange, for every image.
    allow : bool
        Say True where a mirror image keeps its class: clothes do, digits and letters do not.
    """

    horizontal: bool = True
    vertical: bool = False
    probability: float = 0.5
    allow: bool = False

    def __post_init__(self) -> None:
        for option in ("horizontal", "vertical", "allow"):
            self._require_flag(option)
        self._require_number("probability", 0, 1)
        if not (self.horizontal or self.vertical):
            raise ConfigError("RandomFlip: horizontal or vertical must be True, or nothing is flipped")
        if not self.allow:
            raise ConfigError(
                "RandomFlip: the mirror image of a digit is no digit, and a 6 turned by 180 degrees is a 9, "
                "so flips are refused; where mirror images keep their class, as clothes do, say allow=True"
            )

    def apply(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        result = images.copy()
        for wanted, axis in ((self.horizontal, 3), (self.vertical, 2)):
            if wanted:
                chosen = generator.random(len(images)) < self.probability
                result[chosen] = np.flip(result[chosen], axis)
        return result
