"""Changes of the grey levels that leave every pixel in its place: noise, contrast, a square taken out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minidl.data.augment.base import Augmentation, as_floats, as_given, full_range, grey_level, is_number
from minidl.errors import ConfigError, ShapeError


@dataclass(frozen=True, repr=False)
class GaussianNoise(Augmentation):
    """Add normally distributed noise to every pixel (AAR; TUE: noise as a regulariser).

    Parameters
    ----------
    std : float
        Standard deviation as a fraction of the full range of grey levels: 0.1 is 25.5 of 255.

    Notes
    -----
    Bytes are cut off at 0 and 255, so that on black ground only the upward half of the noise shows.
    """

    std: float

    def __post_init__(self) -> None:
        self._require_number("std", 0, 1)

    def apply(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        noise = generator.standard_normal(images.shape, dtype=np.float32)
        noise *= self.std * full_range(images)
        return as_given(noise + as_floats(images), images)


@dataclass(frozen=True, repr=False)
class ContrastBrightness(Augmentation):
    """Stretch the grey levels of every image about its mean, and lift them: ``m + c (x - m) + b``.

    Parameters
    ----------
    contrast : float
        Largest change of contrast, as a fraction; c is uniform in 1 ± contrast.
    brightness : float
        Largest change of brightness, as a fraction of the full range of grey levels; b is uniform
        in ± brightness times that range.
    """

    contrast: float = 0.0
    brightness: float = 0.0

    def __post_init__(self) -> None:
        self._require_number("contrast", 0, 1)
        self._require_number("brightness", 0, 1)

    def apply(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        shape = (len(images), 1, 1, 1)
        x = as_floats(images)
        factor = generator.uniform(1 - self.contrast, 1 + self.contrast, shape).astype(x.dtype)
        lift = generator.uniform(-self.brightness, self.brightness, shape) * full_range(images)
        mean = x.mean(axis=(1, 2, 3), keepdims=True)
        return as_given(x * factor + (mean * (1 - factor) + lift.astype(x.dtype)), images)


@dataclass(frozen=True, repr=False)
class Cutout(Augmentation):
    """Take a square out of every image (AAR; DeVries & Taylor 2017).

    Parameters
    ----------
    size : int
        Side of the square, in pixels.
    fill : float or "mean"
        Its grey level, or the mean of each image and channel. DeVries & Taylor fill with 0 after
        subtracting the mean of the data set; for bytes of MNIST that mean is 33.
    inside : bool
        False: the square's middle may be any pixel, so that squares at the border lose a part
        (DeVries & Taylor found that better). True: the whole square lies in the image.
    """

    size: int
    fill: float | str = 0
    inside: bool = False

    def __post_init__(self) -> None:
        self._require_whole("size", 1)
        self._require_flag("inside")
        if self.fill != "mean" and not is_number(self.fill):
            raise ConfigError(f"Cutout: fill must be a grey level or 'mean', got {self.fill!r}")

    def apply(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        count, _, height, width = images.shape
        rows = self._covered(count, height, generator)[:, np.newaxis, :, np.newaxis]
        columns = self._covered(count, width, generator)[:, np.newaxis, np.newaxis, :]
        if self.fill == "mean":
            level = as_given(as_floats(images).mean(axis=(2, 3), keepdims=True), images)
        else:
            level = np.array(grey_level("Cutout: fill", float(self.fill), images), images.dtype)
        return np.where(rows & columns, level, images)

    def _covered(self, count: int, side: int, generator: np.random.Generator) -> np.ndarray:
        """Draw where the square lies along one axis: (count, side), bool."""
        if self.inside:
            if self.size > side:
                raise ShapeError(
                    f"Cutout: a square of side {self.size} does not fit inside images of {side} pixels; "
                    "give a smaller size or inside=False"
                )
            start = generator.integers(0, side - self.size + 1, (count, 1))
        else:
            start = generator.integers(0, side, (count, 1)) - self.size // 2
        place = np.arange(side)
        return (place >= start) & (place < start + self.size)
