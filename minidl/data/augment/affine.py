"""Rotation, scaling, shift and shear; a part of the image resized to the whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minidl.data.augment.base import Augmentation, require_batch
from minidl.data.augment.sampling import require_fill, sample
from minidl.errors import ConfigError


@dataclass(frozen=True, repr=False)
class RandomAffine(Augmentation):
    """Rotate, scale, shear and move every image about its middle, with linear interpolation.

    With ``A = s [[cos a, -sin a], [sin a, cos a]] [[1, 0], [-tan b, 1]]`` on (row, column), c the middle
    of the image and t the shift, the content at x moves to ``A (x - c) + c + t``: upright lines first
    lean to the right by `b`, then all is turned by `a` counter-clockwise as seen on the screen and
    enlarged by `s`.

    Parameters
    ----------
    rotation : float
        Largest angle a, in degrees; uniform in ± rotation. Beyond 90 degrees a 6 begins to be a 9 (TUE),
        so more is refused unless allowed.
    scale : float
        Largest change of size, as a fraction; the factor s is uniform in 1 ± scale, in and out.
    shift : float
        Largest move t along each axis, in pixels, not only whole ones; uniform in ± shift.
    shear : float
        Largest angle b by which upright lines lean, in degrees below 90; uniform in ± shear. A row that
        lies r pixels above the middle moves by r tan b to the right.
    fill : {"constant", "edge", "reflect", "symmetric", "wrap"}
        What is seen beyond the edge: a grey level, or the image continued as `numpy.pad` does.
    value : float
        Grey level of ``fill="constant"``.
    allow : bool
        Say True where any rotation keeps the class.
    """

    rotation: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    shear: float = 0.0
    fill: str = "constant"
    value: float = 0
    allow: bool = False

    def __post_init__(self) -> None:
        for option in ("rotation", "shift"):
            self._require_number(option)
        self._require_number("shear", 0, 90, below=True)
        self._require_number("scale")
        self._require_flag("allow")
        require_fill("RandomAffine", self.fill, self.value)
        if self.scale >= 1:
            raise ConfigError(
                f"RandomAffine: scale is a fraction below 1 (0.1 for ± 10 %), got {self.scale!r}"
            )
        if self.rotation > 90 and not self.allow:
            raise ConfigError(
                "RandomAffine: a 6 turned by 180 degrees is a 9, so rotation beyond 90 degrees is refused, got "
                f"{self.rotation!r}; where turned images keep their class, say allow=True"
            )

    def apply(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return warp(images, *self.draw(len(images), generator), self.fill, self.value)

    def draw(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw `count` transformations.

        Returns
        -------
        matrices : numpy.ndarray
            A, shape (count, 2, 2), float64.
        shifts : numpy.ndarray
            t as (rows, columns), shape (count, 2), float64.
        """
        angle = np.deg2rad(generator.uniform(-self.rotation, self.rotation, count))
        size = generator.uniform(1 - self.scale, 1 + self.scale, count)
        shifts = generator.uniform(-self.shift, self.shift, (count, 2))
        cos, sin = size * np.cos(angle), size * np.sin(angle)
        # Rows count downwards: with y = -row, counter-clockwise on the screen has this sign.
        matrices = np.stack([cos, -sin, sin, cos], axis=1).reshape(count, 2, 2)
        if self.shear:  # else nothing is drawn: trainings of before this option stay what they were
            lean = np.zeros_like(matrices)
            lean[:, 0, 0] = lean[:, 1, 1] = 1
            lean[:, 1, 0] = -np.tan(np.deg2rad(generator.uniform(-self.shear, self.shear, count)))
            matrices = matrices @ lean
        return matrices, shifts


@dataclass(frozen=True, repr=False)
class RandomCrop(Augmentation):
    """Cut out a part of every image at a random place and resize it to the whole (AAR).

    Parameters
    ----------
    share : float
        Smallest side of the part, as a share of the image's: each image gets one uniform in
        [share, 1] for both sides. On MNIST, whose digits fill 20 of 28 pixels, less than 0.75 may cut
        ink off.

    Notes
    -----
    The part always lies within the image.
    """

    share: float = 0.8

    def __post_init__(self) -> None:
        self._require_number("share", 0, 1)
        if self.share == 0:
            raise ConfigError("RandomCrop: share must be above 0, or nothing is left of the image")

    def apply(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        count, (height, width) = len(images), images.shape[2:]
        side = generator.uniform(self.share, 1, count)
        places = generator.random((count, 2))
        # Pixel o of the result covers [o, o + 1] sides of the part; its middle is what is read.
        top, left = (places * (1 - side)[:, np.newaxis] * (height, width)).T[:, :, np.newaxis]
        rows = top + (np.arange(height) + 0.5) * side[:, np.newaxis] - 0.5
        columns = left + (np.arange(width) + 0.5) * side[:, np.newaxis] - 0.5
        return sample(images, np.repeat(rows, width, axis=1), np.tile(columns, (1, height)), "edge")


def warp(
    images: np.ndarray,
    matrices: np.ndarray,
    shifts: np.ndarray,
    fill: str = "constant",
    value: float = 0,
) -> np.ndarray:
    """Move the content at x of every image to ``A (x - c) + c + t``, c being the image's middle.

    Parameters
    ----------
    images : numpy.ndarray
        Shape (n, C, H, W). Integers are rounded to the nearest in the result.
    matrices : numpy.ndarray
        A, shape (n, 2, 2), invertible, in (row, column) order.
    shifts : numpy.ndarray
        t, shape (n, 2), in pixels.
    fill, value
        What is seen beyond the edge; see `RandomAffine`.

    Returns
    -------
    numpy.ndarray
        Shape and dtype of `images`.
    """
    require_batch("RandomAffine", images)
    return sample(images, *origins(matrices, shifts, *images.shape[2:]), fill, value)


def origins(
    matrices: np.ndarray, shifts: np.ndarray, height: int, width: int, field: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and the columns where the pixels of a warped image come from.

    The pixel at x' comes from ``x = A^-1 (x' + u(x') - c - t) + c``, the letters as in `warp`, u being `field`.

    Parameters
    ----------
    matrices, shifts : numpy.ndarray
        Shapes (n, 2, 2) and (n, 2), as for `warp`.
    height, width : int
        Of the images, in pixels.
    field : numpy.ndarray, optional
        Displacements of the pixels by (rows, columns), shape (n, 2, H, W); zero if not given.

    Returns
    -------
    rows, columns : numpy.ndarray
        Shape (n, H W), float64.
    """
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    inverse = np.linalg.inv(matrices)
    rows = np.arange(height) - (middle[0] + shifts[:, :1])
    columns = np.arange(width) - (middle[1] + shifts[:, 1:])
    # Each of the two is a sum of something that depends on the row and something that depends on the column.
    down = inverse[:, :, :1] * rows[:, np.newaxis] + middle[:, np.newaxis]
    across = inverse[:, :, 1:] * columns[:, np.newaxis]
    places = (down[:, :, :, np.newaxis] + across[:, :, np.newaxis, :]).reshape(-1, 2, height * width)
    if field is not None:
        places += inverse @ field.reshape(places.shape)
    return places[:, 0], places[:, 1]
