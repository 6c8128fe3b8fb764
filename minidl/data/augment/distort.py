"""An affine map and an elastic distortion together, at the price in sharpness of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.data.augment.affine import RandomAffine, origins
from minidl.data.augment.base import Augmentation
from minidl.data.augment.elastic import Elastic
from minidl.data.augment.sampling import sample
from minidl.errors import ConfigError


@dataclass(frozen=True, repr=False)
class Distort(Augmentation):
    """Map every image as `RandomAffine` does and distort the result as `Elastic` does, in one reading.

    ``Compose([RandomAffine(...), Elastic(...)])`` interpolates twice, and each time the strokes get
    fainter. Here the two changes of place are put together first: with u the elastic field and the
    letters of `RandomAffine`, the pixel at x' is read at ``A^-1 (x' + u(x') - c - t) + c``.

    Parameters
    ----------
    affine : RandomAffine
    elastic : Elastic
        What is seen beyond the edge is that of `affine`; an elastic distortion with another fill is refused.

    Notes
    -----
    The random numbers are drawn in this order: those of `affine`, those of `elastic`.

    References
    ----------
    Ciresan et al. 2010, *Deep, big, simple neural nets excel on handwritten digit recognition*.
    """

    affine: RandomAffine
    elastic: Elastic

    def __post_init__(self) -> None:
        for option, kind in (("affine", RandomAffine), ("elastic", Elastic)):
            given: Any = getattr(self, option)
            if not isinstance(given, kind):
                raise ConfigError(f"Distort: {option} must be {_A[kind]}, got {given!r}")
        edge = self.affine.fill, self.affine.value
        if (self.elastic.fill, self.elastic.value) not in (edge, ("constant", 0)):
            raise ConfigError(
                f"Distort: the image is read once, so that there is one fill, that of the affine map, "
                f"{edge[0]!r} with value {edge[1]!r}; leave it out of {self.elastic!r}"
            )

    def apply(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        count, _, height, width = images.shape
        matrices, shifts = self.affine.draw(count, generator)
        field = self.elastic.draw(count, height, width, generator)
        rows, columns = origins(matrices, shifts, height, width, field)
        return sample(images, rows, columns, self.affine.fill, self.affine.value)


_A = {
    RandomAffine: "a RandomAffine such as RandomAffine(rotation=10)",
    Elastic: "an Elastic such as Elastic(pixels=1)",
}
