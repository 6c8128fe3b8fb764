"""The loader: every example once, the order a pure function of seed and epoch, floats in batches."""

import tracemalloc

import numpy as np
import pytest

from minidl.data import ExpandedShifts, Loader, RandomShift
from minidl.errors import ConfigError, DataError
from minidl.random import Seeds


def numbered(count):
    """Images that carry their own index in their pixels, and labels that say the same."""
    index = np.arange(count)
    images = np.zeros((count, 1, 2, 2), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 1] = index % 256, index // 256
    return images, index


def seen(loader, epoch):
    return np.concatenate([y for _, y in loader.epoch(epoch)])


@pytest.mark.parametrize("shuffle", ["epoch", "once", "never"])
def test_every_example_comes_once_with_its_own_label(shuffle):
    images, labels = numbered(1003)
    loader = Loader(images, labels, 32, shuffle=shuffle, scale=1)
    assert len(loader) == 32 and loader.examples == 1003
    batches = list(loader.epoch(2))
    assert [len(y) for _, y in batches] == [32] * 31 + [11]
    for x, y in batches:
        assert x.shape == (len(y), 1, 2, 2) and y.dtype == np.int64
        np.testing.assert_array_equal(x[:, 0, 0, 0] + 256 * x[:, 0, 1, 1], y)
    np.testing.assert_array_equal(np.sort(np.concatenate([y for _, y in batches])), labels)


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    images, labels = numbered(200)
    first = Loader(images, labels, 7, seeds=5)
    orders = [seen(first, epoch) for epoch in range(4)]
    other = Loader(images, labels, 64, seeds=Seeds(5))
    np.testing.assert_array_equal(seen(other, 3), orders[3])  # asked out of turn, in other batches
    np.testing.assert_array_equal(seen(first, 1), orders[1])
    assert len({tuple(order) for order in orders}) == 4
    assert not np.array_equal(seen(Loader(images, labels, 7, seeds=6), 0), orders[0])


def test_shuffled_once_and_never():
    images, labels = numbered(200)
    once = Loader(images, labels, 7, shuffle="once", seeds=5)
    np.testing.assert_array_equal(seen(once, 0), seen(once, 9))
    assert not np.array_equal(seen(once, 0), labels)
    np.testing.assert_array_equal(seen(Loader(images, labels, 7, shuffle="never"), 3), labels)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaling_and_dtype(dtype):
    images = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
    ((x, _),) = Loader(images, np.zeros(256, np.uint8), 256, shuffle="never", dtype=dtype).epoch(0)
    assert x.dtype == dtype
    np.testing.assert_allclose(x.ravel(), np.arange(256) / 255, rtol=np.finfo(dtype).eps)
    assert x.min() == 0 and x.max() == 1


def test_drop_last():
    images, labels = numbered(10)
    loader = Loader(images, labels, 4, drop_last=True)
    assert len(loader) == 2 and loader.examples == 8
    assert [len(y) for _, y in loader.epoch(0)] == [4, 4]
    whole = Loader(images, labels, 5, drop_last=True)
    assert len(whole) == 2 and whole.examples == 10


def test_augmentation_is_a_function_of_seed_and_epoch_alone():
    images, labels = numbered(50)
    loader = Loader(images, labels, 8, seeds=3, shuffle="never", augment=RandomShift(1))
    first = [x for x, _ in loader.epoch(1)]
    for x, _ in loader.epoch(0):
        assert x.dtype == np.float32
    for again, before in zip(loader.epoch(1), first, strict=True):
        np.testing.assert_array_equal(again[0], before)
    assert not np.array_equal(np.concatenate([x for x, _ in loader.epoch(0)]), np.concatenate(first))


def test_two_epochs_at_once_do_not_disturb_each_other():
    images, labels = numbered(50)
    loader = Loader(images, labels, 8, augment=RandomShift(1))
    alone = [x for x, _ in loader.epoch(0)]
    for (x, _), _, before in zip(loader.epoch(0), loader.epoch(1), alone, strict=True):
        np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("expanded", [False, True])
def test_the_expansion_as_images(expanded):
    images = np.random.default_rng(0).integers(0, 256, (6, 1, 5, 5)).astype(np.uint8)
    labels = np.arange(6)
    view = ExpandedShifts(images)
    loader = Loader(view, view.expand_labels(labels) if expanded else labels, 4, shuffle="once", scale=1)
    assert loader.examples == 30 and len(loader) == 8
    order = loader.order(0)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in loader.epoch(0)]), view[order])
    np.testing.assert_array_equal(seen(loader, 0), order // 5)


def test_the_images_are_neither_copied_nor_changed():
    images = np.full((20_000, 1, 28, 28), 7, np.uint8)  # 15.7 MB; 63 MB as float32
    images.flags.writeable = False
    tracemalloc.start()
    loader = Loader(images, np.zeros(20_000, np.int64), 100)
    for _ in loader.epoch(0):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert loader.images is images
    # The order (160 kB) and a few batches (78 kB of bytes, 314 kB of floats), not the data.
    assert peak < 2_000_000


def test_a_batch_stays_valid_when_the_next_is_drawn():
    images, labels = numbered(20)
    batches = Loader(images, labels, 10, shuffle="never").epoch(0)
    first, _ = next(batches)
    kept = first.copy()
    next(batches)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"batch_size": 0}, ConfigError, "batch_size"),
        ({"batch_size": 2.5}, ConfigError, "batch_size"),
        ({"shuffle": "always"}, ConfigError, "epoch, once, never"),
        ({"batch_size": 11, "drop_last": True}, ConfigError, "no batch is left"),
        ({"labels": np.zeros(9, int)}, DataError, "10 images but 9 labels"),
        ({"labels": np.zeros(10)}, DataError, "integers"),
        ({"images": np.zeros((0, 1, 2, 2), np.uint8), "labels": np.zeros(0, int)}, DataError, "no examples"),
    ],
)
def test_wrong_arguments(changes, error, message):
    images, labels = numbered(10)
    arguments = {"images": images, "labels": labels, "batch_size": 2} | changes
    with pytest.raises(error, match=message):
        Loader(**arguments)
