"""One of every augmentation, for the tests that hold for all."""

import numpy as np

from minidl.data.augment import (
    Compose,
    ContrastBrightness,
    Cutout,
    Distort,
    Elastic,
    GaussianNoise,
    RandomAffine,
    RandomCrop,
    RandomFlip,
    RandomShift,
    Sometimes,
)

EVERY = [
    RandomShift(2),
    RandomShift(2, fill="reflect"),
    RandomAffine(rotation=20, scale=0.2, shift=2.5, shear=15),
    RandomAffine(shift=3, fill="constant", value=40),
    RandomAffine(rotation=170, fill="wrap", allow=True),
    RandomCrop(0.6),
    RandomFlip(vertical=True, allow=True),
    GaussianNoise(0.2),
    ContrastBrightness(contrast=0.4, brightness=0.3),
    Elastic(34, 4),
    Elastic(pixels=1.4, fill="edge"),
    Distort(RandomAffine(rotation=20, scale=0.2, shift=2, fill="edge"), Elastic(34)),
    Cutout(4, fill="mean"),
    Cutout(5, fill=7, inside=True),
    Compose([RandomShift(1), Sometimes(Cutout(6), 0.5)]),
    Sometimes(RandomAffine(rotation=30), 0.5),
]


def noise(count=9, channels=1, height=28, width=28, seed=0, dtype=np.uint8):
    """Random images: bytes, or floats from 0 to 1."""
    images = np.random.default_rng(seed).integers(0, 256, (count, channels, height, width)).astype(np.uint8)
    return images if dtype == np.uint8 else (images / 255).astype(dtype)
