"""Elastic distortion: the strength in pixels is what is pinned, since libraries differ in the parameters."""

import math

import numpy as np
import pytest
from scipy import ndimage

from minidl.data.augment import FILLS, Elastic
from minidl.data.augment.elastic import gaussian_kernel
from tests.data.augmentations import noise

FIELDS = 1200


@pytest.mark.parametrize(
    ("alpha", "sigma", "printed"), [(34, 4, 1.38), (8, 4, 0.33), (36, 8, 0.73), (36, 6, 0.98)]
)
def test_displacement_has_the_standard_deviation_of_the_formula(alpha, sigma, printed):
    """On Simard's 29x29 pixels; in the corners as in the middle."""
    expected = alpha * math.sqrt(1 / 3) / (2 * math.sqrt(math.pi) * sigma)
    assert expected == pytest.approx(printed, abs=0.006)
    field = Elastic(alpha, sigma).draw(FIELDS, 29, 29, np.random.default_rng(0))
    assert field.shape == (FIELDS, 2, 29, 29)
    # 1200 independent values per pixel and axis: their deviation is known to 2 %.
    assert field.std(axis=0).mean() == pytest.approx(expected, rel=0.02)
    corners = field[:, :, [0, 0, 28, 28], [0, 28, 0, 28]]
    assert corners.std() == pytest.approx(expected, rel=0.04)
    assert corners[:, 0].std() == pytest.approx(expected, rel=0.06)
    assert corners[:, 1].std() == pytest.approx(expected, rel=0.06)
    assert abs(field.mean()) < 0.05 * expected


@pytest.mark.parametrize("sigma", [0.3, 1, 4, 8])
@pytest.mark.parametrize("pixels", [0.5, 1.4])
def test_strength_in_pixels(pixels, sigma):
    # Exact also for blurs so narrow that the formula for a continuous Gaussian fails.
    field = Elastic(pixels=pixels, sigma=sigma).draw(FIELDS, 20, 24, np.random.default_rng(3))
    assert field.std(axis=0).mean() == pytest.approx(pixels, rel=0.02)


def test_the_field_is_simards():
    """Uniform noise, blurred by SciPy, times alpha, on the same numbers."""
    field = Elastic(34, 3).draw(4, 12, 17, np.random.default_rng(2))
    margin = 12
    levels = np.random.default_rng(2).integers(0, 256, (4, 2, 12 + 24, 17 + 24), np.uint8)
    uniform = (levels - 127.5) / 128
    blurred = ndimage.gaussian_filter(uniform, 3, axes=(2, 3))
    np.testing.assert_allclose(field, 34 * blurred[:, :, margin:-margin, margin:-margin], atol=1e-5)
    assert -1 < uniform.min() < -0.99 and 0.99 < uniform.max() < 1 and abs(uniform.mean()) < 0.02


def test_neighbours_move_alike():
    field = Elastic(34, 4).draw(200, 28, 28, np.random.default_rng(0))
    for distance, expected in ((1, math.exp(-1 / 64)), (8, math.exp(-1))):  # exp(-d^2 / (4 sigma^2))
        found = np.corrcoef(field[:, :, :, distance:].ravel(), field[:, :, :, :-distance].ravel())[0, 1]
        assert found == pytest.approx(expected, abs=0.03)
    between_axes = np.corrcoef(field[:, 0].ravel(), field[:, 1].ravel())[0, 1]
    assert abs(between_axes) < 0.06


@pytest.mark.parametrize("fill", FILLS)
def test_images_are_read_at_the_displaced_places(fill):
    images = noise(3, channels=2, height=11, width=14, dtype=np.float64)
    augment = Elastic(60, 2, fill=fill)
    changed = augment(images, np.random.default_rng(5))
    field = augment.draw(3, 11, 14, np.random.default_rng(5))
    assert abs(field).max() > 5
    for i in range(3):
        places = field[i] + np.indices((11, 14))
        for c in range(2):
            expected = ndimage.map_coordinates(images[i, c], places, order=1, mode=FILLS[fill])
            np.testing.assert_allclose(changed[i, c], expected, atol=1e-6)


def test_no_strength_is_the_identity():
    images = noise(2)
    np.testing.assert_array_equal(Elastic(0)(images, np.random.default_rng(0)), images)


def test_kernel():
    kernel = gaussian_kernel(4)
    assert len(kernel) == 33 and kernel.sum() == pytest.approx(1) and kernel.argmax() == 16
    assert (kernel**2).sum() == pytest.approx(1 / (2 * math.sqrt(math.pi) * 4), rel=1e-3)
