"""The 5 turned by 15 degrees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from minidl.data import RandomAffine, Split
from minidl.errors import ConfigError, ShapeError
from minidl.experiments.concepts import rotated_five
from minidl.experiments.concepts.rotated_five import (
    Neighbours,
    Plan,
    accuracies,
    conclusion,
    fives_of,
    neighbours,
    turn,
)
from minidl.plots.concepts.rotated_five import rotated_five_plot

SMALL = Plan(
    images=600, fives=20, angles=(-30, 0, 15, 30), hidden=40, batch_size=20, epochs=6, validation=200
)


def test_a_quarter_turn_is_numpys(digits):
    images = digits.train.images[:3]
    assert np.array_equal(turn(images, 90), np.rot90(images, axes=(2, 3)))  # counter-clockwise, too
    assert np.array_equal(turn(images, 0), images)
    ndimage = pytest.importorskip("scipy.ndimage")
    by_scipy = ndimage.rotate(images.astype(float), 15, axes=(3, 2), reshape=False, order=1)
    # SciPy turns from the first axis to the second: on (column, row) that is counter-clockwise on the screen.
    assert np.abs(turn(images, 15) - by_scipy).max() < 1


def test_distances_by_a_slow_loop(digits):
    split = digits.train.subset(120)
    chosen = fives_of(split, 4, digits)
    assert (split.labels[chosen] == 5).all() and len(chosen) == 4
    found = neighbours(split, chosen)
    x = split.images.astype(float) / 255
    for row, index in enumerate(chosen):
        distances = np.array([np.sqrt(((image - x[index]) ** 2).sum()) for image in x])
        distances[index] = np.inf
        same = np.where(split.labels == 5, distances, np.inf)
        other = np.where(split.labels == 5, np.inf, distances)
        assert (found.nearest_same[row], found.nearest_other[row]) == (same.argmin(), other.argmin())
        assert (found.same[row], found.other[row]) == pytest.approx((same.min(), other.min()))
        turned = turn(split.images[[index]], 15)[0] / 255
        assert found.turned[row] == pytest.approx(np.sqrt(((turned - x[index]) ** 2).sum()))


def test_no_fives(digits):
    split = Split(digits.train.images[:9], np.arange(9) % 5)
    with pytest.raises(ConfigError, match="needs two images of class 5 and others, got 0 in the first 9"):
        fives_of(split, 3, digits)


def test_training_on_rotations_helps_on_turned_digits(digits):
    upright, rotated = accuracies(digits, SMALL, digits.train.subset(600))
    assert upright[1] > 80 and rotated[1] > 80
    assert rotated[[0, 3]].mean() > upright[[0, 3]].mean() + 3
    assert upright[3] < upright[1] - 10
    # Turned further than the network has seen, in the direction of the augmentation's positive angles.
    matrices, _ = RandomAffine(rotation=15).draw(50, np.random.default_rng(0))
    assert np.abs(matrices[:, 1, 0]).max() <= np.sin(np.deg2rad(15))


def test_two_sentences_and_a_picture(shown):
    text, found = shown(rotated_five, "rotated-five", replace(SMALL, epochs=1, angles=(0, 15)))
    assert found["images"] == 600 and len(found["distances"]["turned"]) == 20
    assert f"moves {np.mean(found['distances']['turned']):.1f} away from itself" in text
    upright, turned = found["accuracy"][0]
    assert f"from {upright:.1f} to {turned:.1f} % for the network that saw upright" in text


def test_the_sentences_follow_the_numbers():
    around = Neighbours(np.array([6.0, 7, 8, 5]), np.array([5.0, 5, 5, 6]), np.array([7.0, 7, 7, 7]),
                        np.zeros(4, int), np.zeros(4, int))  # fmt: skip
    told = conclusion(Plan(angles=(0, 15)), around, np.array([[96.0, 87], [95, 93]]), 1000)
    assert "a 5 moves 6.5 away from itself" in told and "other 5 among 1,000 images is at 5.2" in told
    assert "75 % of the 4 fives are closer to another 5" in told and "25 % closer to another digit" in told
    assert "from 96.0 to 87.0 % for" in told and "from 95.0 to 93.0 % for" in told


def test_the_picture_draws_what_it_is_given():
    pytest.importorskip("matplotlib")
    images = np.arange(8).reshape(2, 2, 2)
    turned = (np.array([0, 15]), np.array([[96.0, 87], [95, 93]]), ["a", "b"])
    figure = rotated_five_plot(images, ["x", "y"], {"d": np.array([1.0, 2, 2])}, turned, title="T")
    first, second, left, right = figure.axes
    assert np.array_equal(second.images[0].get_array(), images[1]) and first.get_xlabel() == "x"
    assert left.patches[0].get_path().vertices[:, 1].max() == 2
    assert [line.get_ydata().tolist() for line in right.lines] == turned[1].tolist()
    with pytest.raises(ShapeError, match="rotated_five_plot: 2 images with 1 captions"):
        rotated_five_plot(images, ["x"], {"d": np.ones(3)}, turned)
