"""Augmentation against Nielsen's program and against SciPy, one image at a time."""

import numpy as np
import pytest
from scipy import ndimage

from minidl.data import ExpandedShifts, RandomAffine, RandomShift
from minidl.data.augment import warp
from minidl.errors import ConfigError, ShapeError


def digits(count, channels=1, height=28, width=28, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, channels, height, width)).astype(np.uint8)


def nielsen(image):
    """The inner loop of expand_mnist.py, to the letter but for Python 3."""
    images = [image]
    for d, axis, index_position, index in [
        (1, 0, "first", 0),
        (-1, 0, "first", 27),
        (1, 1, "last", 0),
        (-1, 1, "last", 27),
    ]:
        new_img = np.roll(image, d, axis)
        if index_position == "first":
            new_img[index, :] = np.zeros(28)
        else:
            new_img[:, index] = np.zeros(28)
        images.append(new_img)
    return images


def test_expansion_is_nielsens():
    images = digits(7)
    expected = np.array([shifted for image in images for shifted in nielsen(image[0])])[:, np.newaxis]
    view = ExpandedShifts(images)
    assert len(view) == 35 and view.shape == (35, 1, 28, 28) and view.dtype == np.uint8
    np.testing.assert_array_equal(view[np.arange(35)], expected, strict=True)
    np.testing.assert_array_equal(view[:], expected)
    order = np.random.default_rng(1).permutation(35)
    np.testing.assert_array_equal(view[order], expected[order])
    np.testing.assert_array_equal(view[[-1, 3, 3]], expected[[-1, 3, 3]])
    np.testing.assert_array_equal(view[3:17:4], expected[3:17:4])
    assert view[[]].shape == (0, 1, 28, 28)


def test_expansion_leaves_the_images_alone():
    images = digits(3)
    before = images.copy()
    images.flags.writeable = False
    ExpandedShifts(images)[:][...] = 0  # what comes out is a copy
    np.testing.assert_array_equal(images, before)


def test_expansion_of_labels():
    expanded = ExpandedShifts(digits(2)).expand_labels(np.array([4, 9]))
    np.testing.assert_array_equal(expanded, [4] * 5 + [9] * 5)


def test_expansion_refuses_what_it_cannot_index():
    view = ExpandedShifts(digits(2))
    for wrong in ([10], [-11]):
        with pytest.raises(IndexError, match="beyond the 10"):
            view[wrong]
    for wrong in (3, [[1, 2]], [0.5], [True, False]):
        with pytest.raises(ShapeError, match="one-dimensional"):
            view[wrong]
    with pytest.raises(ShapeError, match=r"\(N, channels, height, width\)"):
        ExpandedShifts(digits(2)[:, 0])


def test_random_shift_moves_every_image_by_whole_pixels_with_zeros_behind():
    images = digits(200, channels=2, height=6, width=5)
    moved = RandomShift(2)(images, np.random.default_rng(0))
    assert moved.shape == images.shape and moved.dtype == np.uint8
    seen = set()
    for before, after in zip(images, moved, strict=True):
        shifts = [
            (dy, dx)
            for dy in range(-2, 3)
            for dx in range(-2, 3)
            if np.array_equal(ndimage.shift(before, (0, dy, dx), order=0), after)
        ]
        assert len(shifts) == 1
        seen.add(shifts[0])
    assert len(seen) == 25  # every move comes up in 200 draws


def test_random_shift_by_nothing_is_the_identity():
    images = digits(3)
    np.testing.assert_array_equal(RandomShift(0)(images, np.random.default_rng(0)), images)


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 28, 28), (2, 9, 12)])
def test_affine_is_scipys_image_by_image(channels, height, width):
    images = digits(12, channels, height, width)
    augment = RandomAffine(rotation=40, scale=0.3, shift=4)
    changed = augment(images, np.random.default_rng(3))
    matrices, shifts = augment.draw(12, np.random.default_rng(3))
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    for i in range(12):
        # affine_transform reads the input at M o + offset for each output position o.
        inverse = np.linalg.inv(matrices[i])
        offset = middle - inverse @ (middle + shifts[i])
        for c in range(channels):
            expected = ndimage.affine_transform(
                images[i, c].astype(np.float64), inverse, offset, order=1, mode="grid-constant"
            )
            # Rounded to whole grey levels; float32 in between.
            assert np.abs(changed[i, c] - expected).max() <= 0.5 + 1e-4
    assert changed.dtype == np.uint8 and changed.shape == images.shape


def test_affine_keeps_float_images_unrounded():
    images = digits(2).astype(np.float32) / 255
    matrices, shifts = RandomAffine(rotation=20).draw(2, np.random.default_rng(0))
    changed = warp(images, matrices, shifts)
    inverse = np.linalg.inv(matrices[1])
    expected = ndimage.affine_transform(
        images[1, 0].astype(np.float64), inverse, 13.5 - inverse @ [13.5, 13.5], order=1, mode="grid-constant"
    )
    assert changed.dtype == np.float32
    np.testing.assert_allclose(changed[1, 0], expected, atol=1e-6)


def test_affine_directions_by_hand():
    # One bright pixel right of the middle of a 5x5 image, at row 2, column 4.
    image = np.zeros((1, 1, 5, 5), np.uint8)
    image[0, 0, 2, 4] = 200
    quarter = np.array([[[0.0, -1.0], [1.0, 0.0]]])  # a = 90 degrees, s = 1
    assert np.argwhere(warp(image, quarter, np.zeros((1, 2)))[0, 0]).tolist() == [[0, 2]]  # to the top
    moved = warp(image, np.eye(2)[np.newaxis], np.array([[1.0, -2.0]]))
    assert np.argwhere(moved[0, 0]).tolist() == [[3, 2]]  # one down, two left
    half = warp(image, np.eye(2)[np.newaxis], np.array([[0.0, 0.5]]))
    assert half[0, 0, 2, 4] == 100 and half.sum() == 100  # the other half has left the picture
    matrices, _ = RandomAffine(rotation=30).draw(1000, np.random.default_rng(0))
    angle = np.rad2deg(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    # Positive angles turn to the left, as the quarter above.
    np.testing.assert_allclose(angle, np.random.default_rng(0).uniform(-30, 30, 1000))
    matrices, shifts = RandomAffine(scale=0.2, shift=3).draw(1000, np.random.default_rng(0))
    assert 0.8 <= matrices[:, 0, 0].min() < 0.81 and 1.19 < matrices[:, 0, 0].max() <= 1.2
    assert -3 <= shifts.min() < -2.95 and 2.95 < shifts.max() <= 3


def test_affine_without_a_change_is_the_identity():
    images = digits(4)
    np.testing.assert_array_equal(RandomAffine()(images, np.random.default_rng(0)), images)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomShift(-1),
        lambda: RandomShift(1.5),
        lambda: RandomAffine(rotation=-1),
        lambda: RandomAffine(scale=1),
        lambda: RandomAffine(shift=float("nan")),
    ],
)
def test_senseless_strengths_are_refused(make):
    with pytest.raises(ConfigError, match="Random"):
        make()
