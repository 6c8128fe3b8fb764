"""An affine map and an elastic distortion in one reading."""

import numpy as np
import pytest
from scipy import ndimage

from minidl.data.augment import Compose, Distort, Elastic, RandomAffine
from minidl.errors import ConfigError
from tests.data.augmentations import noise

AFFINE = RandomAffine(rotation=25, scale=0.2, shift=2, shear=10)


def test_pixels_are_read_where_both_maps_together_say():
    images = noise(4, channels=2, height=11, width=14, dtype=np.float64)
    elastic = Elastic(60, 2)
    changed = Distort(AFFINE, elastic)(images, np.random.default_rng(5))
    generator = np.random.default_rng(5)
    matrices, shifts = AFFINE.draw(4, generator)
    field = elastic.draw(4, 11, 14, generator)
    assert abs(field).max() > 3
    middle = np.array([5.0, 6.5])
    for i in range(4):
        expected = np.empty((2, 11, 14))
        places = np.empty((2, 11, 14))
        for y in range(11):
            for x in range(14):
                there = np.array([y, x]) + field[i, :, y, x]
                places[:, y, x] = np.linalg.solve(matrices[i], there - middle - shifts[i]) + middle
        for c in range(2):
            expected[c] = ndimage.map_coordinates(images[i, c], places, order=1, mode="grid-constant")
        np.testing.assert_allclose(changed[i], expected, atol=1e-6)


@pytest.mark.parametrize("fill", ["constant", "edge", "reflect", "symmetric", "wrap"])
def test_without_one_it_is_the_other(fill):
    images, affine, elastic = noise(5), RandomAffine(rotation=30, fill=fill), Elastic(40, 3, fill=fill)
    still, flat = RandomAffine(fill=fill), Elastic(0, 3, fill=fill)
    pairs = [(Distort(affine, flat), affine), (Distort(still, elastic), elastic)]
    for both, one in pairs:
        generator = np.random.default_rng(3)
        if one is elastic:
            still.draw(5, generator)  # what Distort draws before
        expected = one(images, generator).astype(int)
        off = abs(both(images, np.random.default_rng(3)).astype(int) - expected)
        assert off.max() <= 1 and off.mean() < 1e-3  # a grey level where rounding meets a half


def test_one_reading_keeps_the_strokes_sharper_than_two():
    # A comb of black and white lines: every interpolation takes some of its contrast.
    images = np.zeros((60, 1, 28, 28))
    images[..., ::2] = 1
    affine, elastic = RandomAffine(shift=3, fill="wrap"), Elastic(pixels=1, fill="wrap")
    once = Distort(affine, elastic)(images, np.random.default_rng(0))
    twice = Compose([affine, elastic])(images, np.random.default_rng(0))
    # A linear read at fraction f keeps 1 - 2 f of the contrast: a half in the mean, and a quarter of two.
    assert 0.45 < abs(once - 0.5).mean() * 2 < 0.55
    assert abs(twice - 0.5).mean() * 2 < 0.35


def test_options_are_checked():
    with pytest.raises(
        ConfigError, match=r"Distort: affine must be a RandomAffine such as .* got Elastic\(alpha=34\)"
    ):
        Distort(Elastic(34), Elastic(34))
    with pytest.raises(ConfigError, match="Distort: elastic must be an Elastic such as"):
        Distort(AFFINE, None)
    with pytest.raises(
        ConfigError, match="there is one fill, that of the affine map, 'constant' with value 0"
    ):
        Distort(AFFINE, Elastic(34, fill="edge"))
