"""Shifts, affine maps, crops and flips: by hand, against numpy.pad, and against SciPy image by image."""

import numpy as np
import pytest
from scipy import ndimage

from minidl.data import ExpandedShifts, Loader
from minidl.data.augment import FILLS, RandomAffine, RandomCrop, RandomFlip, RandomShift, warp
from minidl.data.augment.sampling import fold
from tests.data.augmentations import noise

NINE = np.arange(1, 10, dtype=np.uint8).reshape(1, 1, 3, 3)  # 1 2 3 / 4 5 6 / 7 8 9
NOTHING = np.eye(2)[np.newaxis]

# NINE moved by two to the right, or by one down: what enters from the left, or from above.
RIGHT = {
    "constant": [[0, 0, 1], [0, 0, 4], [0, 0, 7]],
    "edge": [[1, 1, 1], [4, 4, 4], [7, 7, 7]],
    "reflect": [[3, 2, 1], [6, 5, 4], [9, 8, 7]],
    "symmetric": [[2, 1, 1], [5, 4, 4], [8, 7, 7]],
    "wrap": [[2, 3, 1], [5, 6, 4], [8, 9, 7]],
}
DOWN = {
    "constant": [[0, 0, 0], [1, 2, 3], [4, 5, 6]],
    "edge": [[1, 2, 3], [1, 2, 3], [4, 5, 6]],
    "reflect": [[4, 5, 6], [1, 2, 3], [4, 5, 6]],
    "symmetric": [[1, 2, 3], [1, 2, 3], [4, 5, 6]],
    "wrap": [[7, 8, 9], [1, 2, 3], [4, 5, 6]],
}


# Fill modes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fill", FILLS)
def test_fill_modes_by_hand(fill):
    assert warp(NINE, NOTHING, np.array([[0.0, 2.0]]), fill)[0, 0].tolist() == RIGHT[fill]
    assert warp(NINE, NOTHING, np.array([[1.0, 0.0]]), fill)[0, 0].tolist() == DOWN[fill]


def test_the_grey_level_of_the_background():
    moved = warp(NINE, NOTHING, np.array([[0.0, 1.0]]), "constant", 50)
    assert moved[0, 0].tolist() == [[50, 1, 2], [50, 4, 5], [50, 7, 8]]
    half = warp(NINE * 20, NOTHING, np.array([[0.0, 0.5]]), "constant", 200)
    assert half[0, 0, 0].tolist() == [110, 30, 50]  # (200 + 20) / 2, (20 + 40) / 2, (40 + 60) / 2
    shifted = RandomShift(3, value=9)(np.zeros((50, 1, 3, 3), np.uint8), np.random.default_rng(0))
    assert set(np.unique(shifted)) == {0, 9}


@pytest.mark.parametrize("fill", FILLS)
def test_whole_pixel_shifts_are_numpys_pad(fill):
    image, reach = noise(1, height=7, width=5), 17  # far beyond several mirrors
    borders = ((0, 0), (0, 0), (reach, reach), (reach, reach))
    padded = np.pad(image, borders, mode=fill)
    for down, right in [(0, 0), (1, 0), (0, -1), (-3, 2), (7, -5), (-13, 11), (17, -17), (12, 16)]:
        expected = padded[:, :, reach - down : reach - down + 7, reach - right : reach - right + 5]
        moved = warp(image, NOTHING, np.array([[float(down), float(right)]]), fill)
        np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize("fill", FILLS)
def test_random_shifts_are_numpys_pad(fill):
    images = noise(60, channels=2, height=6, width=5)
    generator = np.random.default_rng(4)
    moved = RandomShift(5, fill=fill)(images, generator)
    rows, columns = np.random.default_rng(4).integers(0, 11, (2, 60))
    padded = np.pad(images, ((0, 0), (0, 0), (5, 5), (5, 5)), mode=fill)
    for i, (row, column) in enumerate(zip(rows, columns, strict=True)):
        np.testing.assert_array_equal(moved[i], padded[i, :, row : row + 6, column : column + 5])


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 28, 28), (2, 9, 12)])
@pytest.mark.parametrize("fill", FILLS)
def test_affine_is_scipys_in_every_fill_mode(fill, channels, height, width):
    images = noise(8, channels, height, width, dtype=np.float64)
    augment = RandomAffine(rotation=80, scale=0.6, shift=9, shear=40, fill=fill)
    changed = augment(images, np.random.default_rng(3))
    matrices, shifts = augment.draw(8, np.random.default_rng(3))
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    for i in range(8):
        # affine_transform reads the input at M o + offset for each output position o.
        inverse = np.linalg.inv(matrices[i])
        offset = middle - inverse @ (middle + shifts[i])
        for c in range(channels):
            expected = ndimage.affine_transform(images[i, c], inverse, offset, order=1, mode=FILLS[fill])
            np.testing.assert_allclose(changed[i, c], expected, atol=1e-6)  # ours interpolates in float32


def test_a_row_of_one_pixel_can_be_reflected():
    assert (fold(np.array([-3.0, 0.0, 2.5]), 1, "reflect") == 0).all()
    image = NINE[:, :, :1]
    assert warp(image, NOTHING, np.array([[1.0, 0.0]]), "reflect")[0, 0].tolist() == [[1, 2, 3]]


# Affine maps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("size", [28, 5])
def test_quarter_turns_are_numpys(size, quarters):
    images = noise(3, channels=2, height=size, width=size)
    a = np.deg2rad(90 * quarters)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    turned = warp(images, np.broadcast_to(turn, (3, 2, 2)), np.zeros((3, 2)))
    np.testing.assert_array_equal(turned, np.rot90(images, quarters, axes=(2, 3)))


def test_shear_moves_rows_by_their_distance_from_the_middle():
    # A line upright in the middle of 5x5, leaning to the right by 45 degrees: the row two above the
    # middle moves two to the right, the one above by one, and below it goes the other way.
    image = np.zeros((1, 1, 5, 5), np.uint8)
    image[0, 0, :, 2] = 100
    matrices, _ = RandomAffine(shear=60).draw(4000, np.random.default_rng(0))
    lean = -matrices[:, 1, 0]
    assert 44.9 < np.rad2deg(np.arctan(lean[abs(lean - 1).argmin()])) < 45.1
    np.testing.assert_array_equal(matrices[:, [0, 0, 1], [0, 1, 1]], [[1, 0, 1]] * 4000)
    exact = np.array([[[1.0, 0.0], [-1.0, 1.0]]])
    assert np.argwhere(warp(image, exact, np.zeros((1, 2)))[0, 0]).tolist() == [
        [0, 4],
        [1, 3],
        [2, 2],
        [3, 1],
        [4, 0],
    ]
    degrees = np.rad2deg(np.arctan(lean))
    assert -60 <= degrees.min() < -59.5 and 59.5 < degrees.max() <= 60


def test_upright_lines_lean_first_and_are_turned_afterwards():
    matrices, _ = RandomAffine(rotation=30, scale=0.2, shear=20).draw(9, np.random.default_rng(6))
    again = np.random.default_rng(6)
    a, s = np.deg2rad(again.uniform(-30, 30, 9)), again.uniform(0.8, 1.2, 9)
    again.uniform(0, 0, (9, 2))
    b = np.deg2rad(again.uniform(-20, 20, 9))
    for i in range(9):
        # One row above the middle is (-1, 0): leaning to the right it comes to (-1, tan b).
        up = (
            s[i]
            * np.array([[np.cos(a[i]), -np.sin(a[i])], [np.sin(a[i]), np.cos(a[i])]])
            @ [-1, np.tan(b[i])]
        )
        np.testing.assert_allclose(matrices[i] @ [-1, 0], up, atol=1e-12)
        # A level line does not lean, it only turns: to the right is up for a turn to the left.
        right = s[i] * np.array([-np.sin(a[i]), np.cos(a[i])])
        np.testing.assert_allclose(matrices[i] @ [0, 1], right, atol=1e-12)


def test_scale_goes_in_and_out():
    # 0 to 8 on a ramp about its middle 4: twice as large, the ramp is half as steep.
    ramp = np.tile(np.arange(9.0), (9, 1))[np.newaxis, np.newaxis]
    larger = warp(ramp, 2 * NOTHING, np.zeros((1, 2)))
    np.testing.assert_allclose(larger[0, 0, 4], 4 + (np.arange(9) - 4) / 2)
    smaller = warp(ramp, NOTHING / 2, np.zeros((1, 2)), "edge")
    np.testing.assert_allclose(smaller[0, 0, 4], np.clip(4 + (np.arange(9) - 4) * 2, 0, 8))


def test_the_draws_of_measured_trainings_have_not_changed():
    """Rotation, scale and shift are drawn as before shear was there, and shear 0 draws nothing."""
    generator, again = np.random.default_rng(8), np.random.default_rng(8)
    matrices, shifts = RandomAffine(rotation=10, scale=0.1, shift=2).draw(50, generator)
    angle, size = np.deg2rad(again.uniform(-10, 10, 50)), again.uniform(0.9, 1.1, 50)
    np.testing.assert_array_equal(shifts, again.uniform(-2, 2, (50, 2)))
    assert generator.bit_generator.state == again.bit_generator.state
    np.testing.assert_array_equal(matrices[:, 0, 0], size * np.cos(angle))
    np.testing.assert_array_equal(matrices[:, 1, 0], size * np.sin(angle))
    generator, again = np.random.default_rng(8), np.random.default_rng(8)
    RandomShift(1)(noise(50), generator)
    again.integers(0, 3, (2, 50))
    assert generator.bit_generator.state == again.bit_generator.state


# Crops and flips --------------------------------------------------------------------------------


def test_a_crop_is_a_part_of_the_image_resized():
    # On a ramp every part is again a ramp: its slope says the share, its ends say the place.
    side = 20
    ramp = np.tile(np.arange(side, dtype=np.float64), (side, 1))
    images = np.stack([np.stack([ramp, ramp.T])] * 500)  # columns in channel 0, rows in channel 1
    cropped = RandomCrop(0.5)(images, np.random.default_rng(0))
    for channel, line in ((0, cropped[:, 0, 7, :]), (1, cropped[:, 1, :, 7])):
        slope = line[:, 11] - line[:, 10]
        assert 0.5 <= slope.min() < 0.51 and 0.99 < slope.max() <= 1.0001, channel
        # The middle pixels lie half a result pixel beside the middle of the part.
        middle = (line[:, 9] + line[:, 10]) / 2 + 0.5
        start = middle - slope * side / 2
        assert start.min() > -1e-4 and (start + slope * side).max() < side + 1e-4
        place = start[slope < 0.9] / (side * (1 - slope[slope < 0.9]))
        assert place.min() < 0.02 and place.max() > 0.98 and abs(place.mean() - 0.5) < 0.06
    np.testing.assert_allclose(
        cropped[:, 0, 7, 11] - cropped[:, 0, 7, 10], cropped[:, 1, 11, 7] - cropped[:, 1, 10, 7], atol=1e-5
    )  # one share for both sides


def test_a_crop_of_everything_is_the_image():
    images = noise(3)
    np.testing.assert_array_equal(RandomCrop(1)(images, np.random.default_rng(0)), images)


@pytest.mark.parametrize(
    ("horizontal", "vertical", "axes"), [(True, False, 3), (False, True, 2), (True, True, (2, 3))]
)
def test_flips(horizontal, vertical, axes):
    images = noise(40, channels=2)
    flip = RandomFlip(horizontal, vertical, probability=1, allow=True)
    np.testing.assert_array_equal(flip(images, np.random.default_rng(0)), np.flip(images, axes))
    half = RandomFlip(allow=True)(noise(2000, height=4, width=4), np.random.default_rng(0))
    changed = (half != noise(2000, height=4, width=4)).any(axis=(1, 2, 3)).sum()
    assert 900 < changed < 1100  # the standard deviation is 22


# The lecture's expansion --------------------------------------------------------------------------


def test_the_expansion_has_250_000_images():
    """Erratum 5: five times 50,000, not the 350,000 of the lecture's first slide; shuffled once."""
    images = np.zeros((50_000, 1, 2, 2), np.uint8)
    view = ExpandedShifts(images)
    assert len(view) == 250_000
    loader = Loader(view, np.arange(50_000) % 10, 10, shuffle="once")
    assert loader.examples == 250_000 and len(loader) == 25_000
    order = loader.order(0)
    np.testing.assert_array_equal(order, loader.order(1))
    np.testing.assert_array_equal(np.bincount(order // 5), 5)  # every image with all its copies
    assert abs(np.diff(order)).mean() > 50_000  # the copies do not stay together
