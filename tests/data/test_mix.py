"""Mixup: shares of images and of targets are the same shares."""

import numpy as np
import pytest

from minidl.data.mix import Mixup, blend
from minidl.errors import ConfigError, ShapeError
from minidl.experiments import vocabulary
from minidl.expressions import build
from minidl.losses import SoftmaxCrossEntropy
from minidl.training.evaluate import count_correct


def test_forty_per_cent_cat_and_sixty_per_cent_dog():
    """AAR's example: the target of the blended image is {0.4, 0.6}."""
    cat, dog = np.full((1, 2, 2), 10.0), np.full((1, 2, 2), 20.0)
    images, targets = np.stack([cat, dog]), np.eye(2)
    partners, shares = np.array([1, 0]), np.array([0.4, 1.0])
    np.testing.assert_allclose(blend(images, partners, shares)[0], 0.4 * 10 + 0.6 * 20)
    mixed = blend(targets, partners, shares)
    np.testing.assert_allclose(mixed, [[0.4, 0.6], [0, 1]])
    # Its loss is 40 % of the loss for "cat" and 60 % of that for "dog".
    logits = np.array([[0.3, -1.1]])
    loss = SoftmaxCrossEntropy()
    alone = [loss.forward(logits, np.array([label])) for label in (0, 1)]
    assert loss.forward(logits, mixed[:1]) == pytest.approx(0.4 * alone[0] + 0.6 * alone[1])
    # Counted as right is the class with the larger share.
    assert count_correct(np.array([[1.0, 2.0]]), mixed[:1]) == 1
    assert count_correct(np.array([[2.0, 1.0]]), mixed[:1]) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("per", ["batch", "example"])
def test_images_and_targets_are_blended_alike(per, dtype):
    # The images are their own one-hot labels, so a blended image must equal its target.
    y = np.arange(40) % 5
    x = np.eye(5, dtype=dtype)[y]
    before = x.copy()
    x.flags.writeable = y.flags.writeable = False
    mixed, targets = Mixup(1.0, classes=5, per=per)(x, y, np.random.default_rng(0))
    assert mixed.dtype == targets.dtype == dtype and targets.shape == (40, 5)
    np.testing.assert_array_equal(mixed, targets)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(x, before)
    shares = targets[np.arange(40), y]
    blended = shares < 1  # the others met their own class
    assert blended.sum() > 20
    assert (np.unique(shares[blended].round(6)).size == 1) == (per == "batch")
    again = Mixup(1.0, classes=5, per=per)(x, y, np.random.default_rng(0))
    np.testing.assert_array_equal(again[0], mixed)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_the_shares_follow_the_beta_distribution(alpha):
    # Partners of another class everywhere: labels are all different. Beta(a, a) has variance 1/(4 (2a + 1)).
    y = np.arange(2000)
    _, targets = Mixup(alpha, classes=2000, per="example")(np.zeros((2000, 1)), y, np.random.default_rng(0))
    shares = targets[y, y]
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_soft_targets_may_be_mixed_again():
    soft = np.array([[0.9, 0.1], [0.2, 0.8]])
    _, targets = Mixup(1.0, classes=2)(np.zeros((2, 3)), soft, np.random.default_rng(0))
    np.testing.assert_allclose(targets.sum(axis=1), 1)


def test_mixup_by_name():
    assert build("Mixup(0.4, per='example')", vocabulary.mixes(), "mix") == Mixup(0.4, per="example")
    assert set(vocabulary.mixes()) == {"Mixup"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mixup(0), "alpha must be a number above 0"),
        (lambda: Mixup("a"), "alpha"),
        (lambda: Mixup(float("inf")), "alpha"),
        (lambda: Mixup(classes=1), "classes must be an integer >= 2"),
        (lambda: Mixup(per="pixel"), "'batch' or 'example'"),
        (lambda: Mixup(classes=3)(np.zeros((2, 1)), np.array([0, 3]), np.random.default_rng(0)), "0 and 2"),
        (lambda: Mixup(classes=3)(np.zeros((2, 1)), np.zeros((2, 2)), np.random.default_rng(0)), r"\(2, 3\)"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises((ConfigError, ShapeError), match=message):
        make()
