"""Noise, contrast and cutout, by hand and by their statistics."""

import numpy as np
import pytest

from minidl.data.augment import ContrastBrightness, Cutout, GaussianNoise
from tests.data.augmentations import noise


def test_noise_has_its_standard_deviation_in_the_units_of_the_images():
    grey = np.full((100, 1, 20, 20), 128, np.uint8)
    changed = GaussianNoise(0.1)(grey, np.random.default_rng(0)).astype(float) - 128
    assert changed.std() == pytest.approx(25.5, rel=0.02) and abs(changed.mean()) < 0.5
    floats = GaussianNoise(0.1)(np.zeros((100, 1, 20, 20), np.float32), np.random.default_rng(0))
    assert floats.std() == pytest.approx(0.1, rel=0.02)


def test_noise_stays_within_the_bytes():
    black, white = (np.full((20, 1, 9, 9), level, np.uint8) for level in (0, 255))
    # A wrapped-around byte would be bright on black.
    assert GaussianNoise(0.05)(black, np.random.default_rng(0)).max() < 80
    assert GaussianNoise(0.05)(white, np.random.default_rng(0)).min() > 175


def test_contrast_and_brightness_by_hand():
    # Grey levels 50 and 150, mean 100. Contrast c gives 100 - 50 c and 100 + 50 c, brightness b adds 255 b.
    image = np.array([50, 150], np.uint8).reshape(1, 1, 1, 2)
    images = np.repeat(image, 3000, axis=0)
    changed = ContrastBrightness(contrast=0.4)(images, np.random.default_rng(0)).reshape(-1, 2).astype(int)
    np.testing.assert_allclose(changed.sum(axis=1), 200, atol=1)
    contrast = (changed[:, 1] - changed[:, 0]) / 100
    assert 0.59 <= contrast.min() < 0.62 and 1.38 < contrast.max() <= 1.41
    lifted = ContrastBrightness(brightness=0.1)(images, np.random.default_rng(0)).reshape(-1, 2).astype(int)
    np.testing.assert_array_equal(lifted[:, 1] - lifted[:, 0], 100)
    lift = lifted[:, 0] - 50
    assert -26 <= lift.min() < -24 and 24 < lift.max() <= 26


def test_contrast_and_brightness_by_the_formula():
    images = noise(6, channels=2, dtype=np.float64)
    changed = ContrastBrightness(0.5, 0.2)(images, np.random.default_rng(3))
    generator = np.random.default_rng(3)
    c, b = generator.uniform(0.5, 1.5, 6), generator.uniform(-0.2, 0.2, 6)
    for i in range(6):
        mean = images[i].mean()
        np.testing.assert_allclose(changed[i], mean + c[i] * (images[i] - mean) + b[i], atol=1e-12)


def covered(images):
    return [np.argwhere(image[0] == 7) for image in images]


def test_cutout_is_a_square_that_the_border_may_cut():
    images = np.zeros((3000, 1, 10, 12), np.uint8)
    cut = covered(Cutout(4, fill=7)(images, np.random.default_rng(0)))
    for places in cut:
        (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0)
        assert len(places) == (bottom - top + 1) * (right - left + 1)  # a full rectangle
        assert 2 <= bottom - top + 1 <= 4 and 2 <= right - left + 1 <= 4
    # The middle can be any pixel: a corner keeps 2x2 of the square.
    sizes = {len(places) for places in cut}
    assert sizes == {4, 6, 8, 9, 12, 16}
    hit = np.zeros((10, 12))
    for places in cut:
        hit[tuple(places.T)] += 1
    assert hit.min() > 0


def test_cutout_inside():
    images = np.zeros((2000, 1, 6, 6), np.uint8)
    cut = covered(Cutout(4, fill=7, inside=True)(images, np.random.default_rng(0)))
    assert {len(places) for places in cut} == {16}
    assert {tuple(places.min(axis=0)) for places in cut} == {(r, c) for r in range(3) for c in range(3)}
    whole = Cutout(6, fill=7, inside=True)(images, np.random.default_rng(0))
    assert (whole == 7).all()


def test_cutout_takes_all_channels_and_leaves_the_rest():
    images = noise(30, channels=3)
    cut = Cutout(6)(images, np.random.default_rng(0))
    black = (cut == 0).all(axis=1)
    assert 9 <= black.sum(axis=(1, 2)).min() and black.sum(axis=(1, 2)).max() <= 40
    kept = ~black[:, np.newaxis]
    np.testing.assert_array_equal(np.where(kept, cut, 0), np.where(kept, images, 0))


def test_cutout_with_the_mean():
    images = np.zeros((2, 1, 4, 4), np.uint8)
    images[0] = 90
    images[1, 0, :2] = 200  # mean 100
    cut = Cutout(4, fill="mean", inside=True)(images, np.random.default_rng(0))
    assert (cut[0] == 90).all() and (cut[1] == 100).all()
