"""What holds for every augmentation, and what each refuses."""

import numpy as np
import pytest

from minidl.data import augment as package
from minidl.data.augment import (
    Compose,
    ContrastBrightness,
    Cutout,
    Elastic,
    GaussianNoise,
    RandomAffine,
    RandomCrop,
    RandomFlip,
    RandomShift,
    Sometimes,
    warp,
)
from minidl.errors import ConfigError, ShapeError
from minidl.experiments import vocabulary
from minidl.expressions import build
from tests.data.augmentations import EVERY, noise


def generator(seed=0):
    return np.random.default_rng(seed)


def test_the_table_has_every_augmentation():
    assert {type(each) for each in EVERY} == set(vocabulary.augmentations().values())
    assert set(vocabulary.augmentations()) < set(package.__all__)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("augment", EVERY, ids=repr)
def test_shape_type_input_and_seed(augment, dtype):
    images = noise(channels=2, height=12, width=15, dtype=dtype)
    before = images.copy()
    images.flags.writeable = False
    if not np.issubdtype(dtype, np.integer) and augment == Cutout(5, fill=7, inside=True):
        augment = Cutout(5, fill=0.25, inside=True)
    changed = augment(images, generator())
    assert changed.shape == images.shape and changed.dtype == dtype
    np.testing.assert_array_equal(images, before)
    assert not np.shares_memory(changed, images)
    assert not np.array_equal(changed, images)
    np.testing.assert_array_equal(augment(images, generator()), changed)
    assert not np.array_equal(augment(images, generator(1)), changed)


@pytest.mark.parametrize("augment", EVERY, ids=repr)
def test_an_image_does_not_depend_on_the_others(augment):
    images, others = noise(), noise(seed=1)
    others[4] = images[4]
    together = augment(images, generator())[4]
    np.testing.assert_array_equal(augment(others, generator())[4], together)


@pytest.mark.parametrize("augment", EVERY, ids=repr)
def test_an_empty_batch_stays_empty(augment):
    assert augment(noise(0), generator()).shape == (0, 1, 28, 28)


@pytest.mark.parametrize("augment", EVERY, ids=repr)
def test_the_text_of_an_augmentation_makes_it_again(augment):
    assert build(repr(augment), vocabulary.augmentations(), "augment") == augment


def test_texts():
    assert repr(RandomAffine(rotation=10, shift=2)) == "RandomAffine(rotation=10, shift=2)"
    assert repr(Elastic(pixels=1.4)) == "Elastic(pixels=1.4)"
    both = Compose([RandomShift(1, fill="edge"), Sometimes(Cutout(8, fill="mean"), 0.5)])
    assert repr(both) == "Compose([RandomShift(1, fill='edge'), Sometimes(Cutout(8, fill='mean'), 0.5)])"


def test_compose_goes_from_left_to_right():
    def black(images, generator):
        return np.zeros_like(images)

    def lighter(images, generator):
        return images + np.uint8(3)

    assert (Compose([black, lighter])(noise(2), generator()) == 3).all()
    assert (Compose([lighter, black])(noise(2), generator()) == 0).all()


def test_compose_draws_from_one_stream():
    # The second draws where the first has stopped, not the same numbers again.
    images = noise()
    stream = generator()
    expected = RandomShift(2)(RandomShift(2)(images, stream), stream)
    np.testing.assert_array_equal(Compose([RandomShift(2), RandomShift(2)])(images, generator()), expected)


def test_sometimes():
    images = np.zeros((2000, 1, 2, 2), np.uint8)

    def mark(batch, generator):
        return batch + np.uint8(1)

    marked = Sometimes(mark, 0.3)(images, generator())[:, 0, 0, 0]
    # 600 expected; the standard deviation of the count is 20.5.
    assert 520 < marked.sum() < 680
    assert not Sometimes(mark, 0)(images, generator()).any()
    assert Sometimes(mark, 1)(images, generator()).all()


BAD = [
    (lambda: RandomShift(True), "RandomShift: pixels"),
    (lambda: RandomShift(1, fill="nearest"), "constant, edge, reflect, symmetric, wrap, got 'nearest'"),
    (lambda: RandomShift(1, value=float("nan")), "value must be a grey level"),
    (lambda: RandomShift(1, fill="edge", value=9), "value=9 is the grey level of fill='constant'"),
    (lambda: RandomAffine(rotation="10"), "rotation must be a number >= 0, got '10'"),
    (lambda: RandomAffine(shear=90), "shear must be a number >= 0 and < 90"),
    (lambda: RandomAffine(fill=None), "fill must be one of"),
    (lambda: RandomAffine(allow=1), "allow must be True or False"),
    (lambda: RandomCrop(0), "share must be above 0"),
    (lambda: RandomCrop(1.1), "share must be a number >= 0 and <= 1"),
    (lambda: RandomFlip(horizontal=False, allow=True), "nothing is flipped"),
    (lambda: RandomFlip(probability=2, allow=True), "probability"),
    (lambda: GaussianNoise(-0.1), "std"),
    (lambda: ContrastBrightness(contrast=1.5), "contrast"),
    (lambda: ContrastBrightness(brightness=-1), "brightness"),
    (lambda: Elastic(), "give the strength once"),
    (lambda: Elastic(34, pixels=1), "give the strength once"),
    (lambda: Elastic(34, 0), "sigma must be above 0"),
    (lambda: Elastic(34, 51), "sigma must be a number >= 0 and <= 50"),
    (lambda: Elastic(-1), "alpha"),
    (lambda: Elastic(pixels="much"), "pixels"),
    (lambda: Cutout(0), "size must be an integer >= 1"),
    (lambda: Cutout(3, fill="median"), "grey level or 'mean'"),
    (lambda: Compose([]), "list of augmentations"),
    (lambda: Compose([3]), "list of augmentations"),
    (lambda: Sometimes(3, 0.5), "Sometimes: expected an augmentation"),
    (lambda: Sometimes(RandomShift(1), 1.5), "probability"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_senseless_options_are_refused_in_one_sentence(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_what_does_not_fit_the_images_is_refused():
    images = noise(2)
    with pytest.raises(ConfigError, match="whole number from 0 to 255"):
        RandomAffine(value=300)(images, generator())
    with pytest.raises(ConfigError, match="Cutout: fill must be a whole number from 0 to 255"):
        Cutout(3, fill=0.5)(images, generator())
    with pytest.raises(ShapeError, match="does not fit inside images of 28"):
        Cutout(29, inside=True)(images, generator())
    with pytest.raises(ShapeError, match="leaves nothing of images of 28x28"):
        RandomShift(29)(images, generator())
    for call in (RandomShift(1), Elastic(34), lambda x, _: warp(x, np.eye(2)[None], np.zeros((1, 2)))):
        with pytest.raises(ShapeError, match=r"\(N, channels, height, width\), got \(2, 28, 28\)"):
            call(images[:, 0], generator())


def test_flips_and_half_turns_of_digits_are_refused_with_the_reason():
    with pytest.raises(ConfigError, match="mirror image of a digit is no digit.*allow=True"):
        RandomFlip()
    with pytest.raises(ConfigError, match="6 turned by 180 degrees is a 9.*allow=True"):
        RandomAffine(rotation=91)
    assert RandomAffine(rotation=90).rotation == 90
    with pytest.raises(ConfigError, match="augment: RandomFlip: the mirror image"):
        build("RandomFlip", vocabulary.augmentations(), "augment")
