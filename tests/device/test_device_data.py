"""Batches made on the fake device: those of the CPU, bit for bit, with nothing to send but the order of an epoch."""

from __future__ import annotations

import numpy as np
import pytest

import minidl.data.augment as augment
from minidl.data import Loader, Split
from minidl.data.augment import (
    Augmentation,
    Compose,
    ContrastBrightness,
    Cutout,
    Distort,
    Elastic,
    ExpandedShifts,
    GaussianNoise,
    RandomAffine,
    RandomCrop,
    RandomFlip,
    RandomShift,
    Sometimes,
)
from minidl.data.mix import Mix, Mixup
from minidl.data.resident import Moved, Resident, on_device
from minidl.multitask import TaskLoader
from tests.device.checks import fused_or_not, kernels, library
from tests.device.fake import LEDGER, FakeArray, raw

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (23, 1, 8, 7), dtype=np.uint8)
LABELS = GENERATOR.integers(0, 10, 23)

# What the device does itself, and what the CPU does before the bytes go up.
THERE = {
    "none": {},
    "expanded": {"images": ExpandedShifts(IMAGES), "shuffle": "once"},
    "RandomShift": {"augment": RandomShift(2)},
    "RandomShift edge": {"augment": RandomShift(1, "edge")},
    "standardised": {"mean": 0.1, "std": 0.3, "drop_last": True},
    "Mixup": {"mix": Mixup(0.4)},
    "Mixup each": {"mix": Mixup(0.4, per="example")},
    "floats": {"images": IMAGES / np.float32(255), "scale": 1},
}
FIRST_HERE = {
    "RandomAffine": RandomAffine(rotation=10),
    "RandomCrop": RandomCrop(0.8),
    "RandomFlip": RandomFlip(allow=True),
    "Elastic": Elastic(8),
    "Distort": Distort(RandomAffine(rotation=10), Elastic(8)),
    "GaussianNoise": GaussianNoise(0.1),
    "ContrastBrightness": ContrastBrightness(0.2, 0.1),
    "Cutout": Cutout(3),
    "Compose": Compose([RandomShift(1), Cutout(2)]),
    "Sometimes": Sometimes(Cutout(3), 0.5),
}


def loader(images=IMAGES, **options) -> Loader:
    return Loader(images, LABELS, 5, seeds=3, **options)


def assert_same(host: Loader, there) -> None:
    for epoch in (0, 1):
        for (x, y), (a, b) in zip(host.epoch(epoch), there.epoch(epoch), strict=True):
            assert isinstance(a, FakeArray) and a.dtype == x.dtype
            np.testing.assert_array_equal(raw(a), x)
            np.testing.assert_array_equal(raw(b), y)


def test_no_augmentation_or_mix_is_missing_from_the_tables():
    assert library(Augmentation) == {*FIRST_HERE, "RandomShift"}
    assert library(Mix) == {"Mixup"}
    assert {name for name in augment.__all__ if name[0].isupper() and name.isalpha()} - library(Augmentation) == {
        "Augmentation", "ExpandedShifts", "COPIES", "FILLS"
    }  # fmt: skip


@kernels
@pytest.mark.parametrize("name", THERE)
def test_batches_made_on_the_device(device, name, kernels):
    host = loader(**THERE[name])
    there = on_device(host, "fake")
    assert isinstance(there, Resident) and there.on_device and len(there) == len(host)
    with fused_or_not(kernels):
        assert_same(host, there)
        if "mix" in THERE[name]:
            return
        batches = there.epoch(5)
        next(batches)
        with LEDGER.watched() as seen:
            for _ in batches:
                pass
    assert seen.transfers == [] and seen.count <= 6 * len(there)


@pytest.mark.parametrize("name", FIRST_HERE)
def test_batches_augmented_on_the_cpu_go_up_as_bytes(device, name):
    host = loader(augment=FIRST_HERE[name])
    there = on_device(host, "fake")
    assert isinstance(there, Resident) and not there.on_device
    assert_same(host, there)
    with LEDGER.watched() as seen:
        list(there.epoch(2))
    assert [transfer.kind for transfer in seen.transfers] == ["upload"] * (1 + len(there))


def test_expanded_images_that_are_augmented_as_well(device):
    host = loader(images=ExpandedShifts(IMAGES), augment=RandomShift(1))
    assert_same(host, on_device(host, "fake"))


def test_targets_of_several_tasks(device):
    host = TaskLoader(IMAGES, {"digit": LABELS, "size": np.arange(23.0, dtype=np.float32)}, 4, seeds=1)
    there = on_device(host, "fake")
    assert isinstance(there, Resident)
    for (x, y), (a, b) in zip(host.epoch(1), there.epoch(1), strict=True):
        np.testing.assert_array_equal(raw(a), x)
        assert y.keys() == b.keys()
        for task in y:
            np.testing.assert_array_equal(raw(b[task]), y[task])


class Other:
    """Batches of somebody else's making."""

    def __len__(self):
        return 2

    def epoch(self, epoch):
        for k in range(2):
            yield np.full((3, 4), epoch + k, np.float32), (np.arange(3), np.ones(3))


def test_any_other_source_is_moved_batch_by_batch(device):
    there = on_device(Other(), "fake")
    assert isinstance(there, Moved) and len(there) == 2
    for (x, y), (a, b) in zip(Other().epoch(4), there.epoch(4), strict=True):
        np.testing.assert_array_equal(raw(a), x)
        assert isinstance(b, tuple)
        np.testing.assert_array_equal(raw(b[0]), y[0])


def test_on_the_cpu_nothing_is_wrapped():
    data = loader()
    assert on_device(data, "cpu") is data and on_device(None, "cpu") is None


def test_a_split_goes_up_once(device):
    there = on_device(Split(IMAGES, LABELS), "fake")
    assert isinstance(there.images, FakeArray) and there.images.dtype == np.uint8
    assert isinstance(there.labels, FakeArray)
    assert on_device(None, "fake") is None
