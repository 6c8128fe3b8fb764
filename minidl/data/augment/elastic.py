"""Elastic distortion: every pixel moves a little, and neighbours move alike (UU; Simard et al. 2003)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minidl.data.augment.base import Augmentation
from minidl.data.augment.sampling import require_fill, sample
from minidl.errors import ConfigError

TRUNCATE = 4  # the Gaussian is cut off at four sigma, where scipy.ndimage.gaussian_filter cuts it off


@dataclass(frozen=True, repr=False)
class Elastic(Augmentation):
    """Read every pixel at a place moved by a smooth random field.

    Each pixel and axis gets a displacement uniform in [-1, 1]; the field is blurred with a Gaussian
    of standard deviation `sigma` and multiplied by `alpha`; the image is read at the displaced places
    by linear interpolation. All channels of an image share one field.

    Blurring averages most of the displacement away: per axis it keeps the standard deviation

    ``alpha sqrt(1/3) / (2 sqrt(pi) sigma)`` pixels,

    which is 1.38 for Simard's alpha 34 and sigma 4. That number, not alpha, says how strong the
    distortion looks, and it can be given directly: ``Elastic(pixels=1.4)``.

    Parameters
    ----------
    alpha : float, optional
        Factor on the blurred field; give this or `pixels`. Simard's 34 belongs to images of 29x29;
        Ciresan et al. (2010) took 36 to 38 with sigma 5 to 6.
    sigma : float
        Standard deviation of the blur, in pixels. Small values crumple, large ones bend; far beyond
        the image's size all that is left is a shift.
    pixels : float, optional
        Standard deviation of the displacement along each axis, in pixels.
    fill : {"constant", "edge", "reflect", "symmetric", "wrap"}
        What is seen beyond the edge: a grey level, or the image continued as `numpy.pad` does.
    value : float
        Grey level of ``fill="constant"``.

    Notes
    -----
    The noise is drawn with a margin of four sigma around the image, so that the corners
    are displaced as much as the middle; padding the blur with zeros would give them about half.
    """

    alpha: float | None = None
    sigma: float = 4.0
    pixels: float | None = None
    fill: str = "constant"
    value: float = 0

    def __post_init__(self) -> None:
        if (self.alpha is None) == (self.pixels is None):
            raise ConfigError(
                f"Elastic: give the strength once, as alpha or in pixels, got alpha={self.alpha!r} and "
                f"pixels={self.pixels!r}"
            )
        if self.pixels is None:
            self._require_number("alpha", 0, 1e6)
        else:
            self._require_number("pixels", 0, 1e4)
        self._require_number("sigma", 0, 50)
        if not self.sigma > 0:
            raise ConfigError(f"Elastic: sigma must be above 0, got {self.sigma!r}")
        require_fill("Elastic", self.fill, self.value)

    def apply(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        count, _, height, width = images.shape
        field = self.draw(count, height, width, generator)
        field[:, 0] += np.arange(height)[:, np.newaxis]
        field[:, 1] += np.arange(width)
        rows, columns = np.moveaxis(field.reshape(count, 2, height * width), 1, 0)
        return sample(images, rows, columns, self.fill, self.value)

    def draw(self, count: int, height: int, width: int, generator: np.random.Generator) -> np.ndarray:
        """Draw `count` displacement fields, (rows, columns) in pixels: (count, 2, height, width), float64."""
        kernel = gaussian_kernel(self.sigma)
        if self.pixels is None:
            assert self.alpha is not None
            strength = self.alpha
        else:
            # The blurred field has variance 1/3 (sum of kernel^2)^2, once for each axis of the blur.
            strength = self.pixels * math.sqrt(3) / float((kernel**2).sum())
        margin = len(kernel) - 1
        shape = (count, 2, height + margin, width + margin)
        # The blur sums hundreds of them, so that 256 levels will do, for a fifth of the time of full precision.
        noise = generator.integers(0, 256, shape, np.uint8).astype(np.float32)
        noise -= 127.5
        # The blur of all fields along one axis is one matrix product, much faster than a convolution.
        across = noise @ _blur(kernel, width).T
        field = (_blur(kernel, height) @ across).astype(np.float64)
        field *= strength / 128  # here, since the blurred numbers are fewer
        return field


def gaussian_kernel(sigma: float) -> np.ndarray:
    """Return the weights of a Gaussian blur, cut off at four sigma; they sum to 1. float64, odd length."""
    radius = int(TRUNCATE * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return weights / weights.sum()


def _blur(kernel: np.ndarray, size: int) -> np.ndarray:
    """Return the matrix that blurs size + len(kernel) - 1 numbers and keeps the `size` inner ones."""
    matrix = np.zeros((size, size + len(kernel) - 1), np.float32)
    for row in range(size):
        matrix[row, row : row + len(kernel)] = kernel
    return matrix
