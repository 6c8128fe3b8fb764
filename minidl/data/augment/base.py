"""What all augmentations have in common."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from minidl.errors import ConfigError, ShapeError


class Augmentation:
    """Base of the augmentations: frozen dataclasses whose fields are their options.

    A new one defines `apply`; the base checks the batch and writes the object as the call that makes
    it, which is also how it is named on a command line.
    """

    def __call__(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return changed copies of the images.

        Parameters
        ----------
        images : numpy.ndarray
            Shape (n, C, H, W), uint8 or floats. Not changed.
        generator : numpy.random.Generator
            Every random number comes from here. What happens to an image depends on the numbers
            drawn and its place in the batch, not on the images beside it.

        Returns
        -------
        numpy.ndarray
            Shape and dtype as given. Integers are rounded and stay within the range of their type.

        Raises
        ------
        ShapeError
            If `images` has not four axes.
        """
        require_batch(type(self).__name__, images)
        return self.apply(images, generator)

    def apply(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Do the work of `__call__`; the batch is already checked."""
        raise NotImplementedError

    def __repr__(self) -> str:
        options = []
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # the subclasses are dataclasses
            value = getattr(self, field.name)
            if field.default is dataclasses.MISSING:
                options.append(repr(value))
            elif value != field.default:
                options.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(options)})"

    def _require_number(
        self, option: str, low: float = 0.0, high: float = math.inf, *, below: bool = False
    ) -> None:
        """Refuse an option that is not a finite number from `low` to `high` (or `below` `high`)."""
        value = getattr(self, option)
        if not is_number(value) or not low <= value <= high or (below and value == high):
            upper = f" and {'<' if below else '<='} {high:g}" if high < math.inf else ""
            raise ConfigError(
                f"{type(self).__name__}: {option} must be a number >= {low:g}{upper}, got {value!r}"
            )

    def _require_flag(self, option: str) -> None:
        value = getattr(self, option)
        if not isinstance(value, bool):
            raise ConfigError(f"{type(self).__name__}: {option} must be True or False, got {value!r}")

    def _require_whole(self, option: str, low: int) -> None:
        value = getattr(self, option)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
            raise ConfigError(f"{type(self).__name__}: {option} must be an integer >= {low}, got {value!r}")


def is_number(value: Any) -> bool:
    """Whether `value` is a finite real number."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return real and math.isfinite(value)


def require_batch(name: str, images: np.ndarray) -> None:
    """Raise a `ShapeError` that begins with `name` if the images have not four axes."""
    if images.ndim != 4:
        raise ShapeError(f"{name}: expected images of shape (N, channels, height, width), got {images.shape}")


def as_floats(images: np.ndarray) -> np.ndarray:
    """Return images to calculate with: integers as float32, floats as they are."""
    return images.astype(np.float32) if images.dtype.kind in "iu" else images


def as_given(values: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return float `values` in the type of `images`; integers are rounded and kept in their range.

    `values` may be overwritten.
    """
    if images.dtype.kind not in "iu":
        return values.astype(images.dtype, copy=False)
    limits = np.iinfo(images.dtype)
    np.rint(values, out=values)
    return np.clip(values, limits.min, limits.max, out=values).astype(images.dtype)


def grey_level(what: str, value: float, images: np.ndarray) -> float:
    """Return a grey level that images can have.

    Raises
    ------
    ConfigError
        If integer images cannot; the message begins with `what`.
    """
    if images.dtype.kind not in "iu":
        return float(value)
    limits = np.iinfo(images.dtype)
    if value != int(value) or not limits.min <= value <= limits.max:
        raise ConfigError(
            f"{what} must be a whole number from {limits.min} to {limits.max} for {images.dtype} images, "
            f"got {value!r}"
        )
    return int(value)


def full_range(images: np.ndarray) -> float:
    """Return the distance from black to white: 255 for uint8, 1 for floats."""
    return float(np.iinfo(images.dtype).max) if images.dtype.kind in "iu" else 1.0
