"""The loader with mixing, a sampler and standardised inputs; the validation sees the same inputs."""

import tracemalloc

import numpy as np
import pytest

from minidl.data import ExpandedShifts, Loader, Mixup, RandomAffine, RandomShift, Split, load, mean_and_std
from minidl.data.augment import Compose, Cutout, Elastic, Sometimes
from minidl.data.fetch import UnavailableError
from minidl.errors import CheckpointError, ConfigError, DataError
from minidl.layers import Dense, Flatten, Sequential
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD
from minidl.random import Seeds
from minidl.training.evaluate import evaluate, input_scaling, predict
from minidl.training.run_folder import describe
from minidl.training.trainer import Trainer


def data(count=60, seed=0):
    rng = np.random.default_rng(seed)
    return Split(rng.integers(0, 256, (count, 1, 4, 4)).astype(np.uint8), rng.integers(0, 10, count))


def batches(loader, epoch):
    x, y = zip(*loader.epoch(epoch), strict=True)
    return np.concatenate(x), np.concatenate(y)


def model():
    net = Sequential([Flatten(), Dense(10)])
    net.build((1, 4, 4), rng=1)
    return net


class Chosen:
    """A sampler that takes 25 random examples, and notes what it was asked."""

    def __init__(self, largest=60, length=25):
        self.largest, self.length, self.asked = largest, length, []

    def __len__(self):
        return self.length

    def indices(self, epoch, generator):
        self.asked.append(epoch)
        return generator.integers(0, self.largest, 25)


# Mixing -----------------------------------------------------------------------------------------


def test_mixing_is_a_function_of_seed_and_epoch_alone():
    split = data()
    loader = Loader(split.images, split.labels, 16, seeds=3, mix=Mixup(0.5))
    first = batches(loader, 2)
    batches(loader, 0)
    again = batches(Loader(split.images, split.labels, 16, seeds=Seeds(3), mix=Mixup(0.5)), 2)
    for here, there in zip(first, again, strict=True):
        np.testing.assert_array_equal(here, there)
    assert first[1].shape == (60, 10) and first[1].dtype == np.float32
    assert not np.array_equal(batches(loader, 1)[0], first[0])


def test_mixing_leaves_order_and_augmentation_as_they_were():
    split = data()
    options = {"seeds": 3, "augment": RandomShift(1), "batch_size": 16}

    def nothing(x, y, generator):
        generator.random(1000)  # from its own stream
        return x, y

    plain = batches(Loader(split.images, split.labels, **options), 1)
    mixed = batches(Loader(split.images, split.labels, mix=nothing, **options), 1)
    np.testing.assert_array_equal(mixed[0], plain[0])
    np.testing.assert_array_equal(mixed[1], plain[1])


def test_mixing_comes_last_and_gets_its_stream():
    split, seen = data(), []

    def look(x, y, generator):
        seen.append((x.dtype, float(x.max()), y.dtype, generator.random()))
        return x, y

    batches(Loader(split.images, split.labels, 60, seeds=5, mix=look), 4)
    stream = Seeds(5).generator("mix", "4").random()
    assert seen == [(np.float32, 1.0, np.int64, stream)]


def test_a_network_trains_on_mixed_batches():
    split = data()
    trainer = Trainer(model(), SoftmaxCrossEntropy(), SGD(lr=0.1))
    loader = Loader(
        split.images, split.labels, 20, mix=Mixup(0.5), augment=Compose([Elastic(pixels=0.5), Cutout(1)])
    )
    history = trainer.fit(loader, 8, split)
    assert history.rows[-1]["train_loss"] < history.rows[0]["train_loss"]
    assert 0 <= history.rows[-1]["train_accuracy"] < 1 and "val_accuracy" in history.rows[-1]


# Sampling ---------------------------------------------------------------------------------------


def test_a_sampler_chooses_the_examples():
    split, sampler = data(), Chosen()
    loader = Loader(split.images, split.labels, 10, seeds=7, sampler=sampler, scale=1)
    assert loader.examples == 25 and len(loader) == 3
    expected = Seeds(7).generator("sample", "3").integers(0, 60, 25)
    x, y = batches(loader, 3)
    assert sampler.asked == [3]
    np.testing.assert_array_equal(y, split.labels[expected])
    np.testing.assert_array_equal(x, split.images[expected])
    np.testing.assert_array_equal(loader.order(3), expected)
    dropped = Loader(split.images, split.labels, 10, sampler=sampler, drop_last=True)
    assert dropped.examples == 20 and len(dropped) == 2


def test_a_sampler_may_choose_from_the_expansion():
    split = data(6)
    view = ExpandedShifts(split.images)
    loader = Loader(view, split.labels, 25, sampler=Chosen(30), scale=1)
    x, y = batches(loader, 0)
    order = loader.order(0)
    np.testing.assert_array_equal(x, view[order])
    np.testing.assert_array_equal(y, split.labels[order // 5])


class Halves(Chosen):
    def indices(self, epoch, generator):
        return super().indices(epoch, generator) / 2


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (Chosen(length=24), r"24 integers for every epoch, got int64 of shape \(25,\) for epoch 1"),
        (Halves(), "25 integers for every epoch, got float64"),
        (Chosen(largest=500), "there are 60 examples"),
    ],
)
def test_wrong_indices_are_refused(sampler, message):
    split = data()
    with pytest.raises(DataError, match=f"Loader: {type(sampler).__name__}.*{message}"):
        batches(Loader(split.images, split.labels, 10, sampler=sampler), 1)


# Standardised inputs ----------------------------------------------------------------------------


def test_mean_and_std_by_hand():
    # 0, 0, 255, 255 are 0, 0, 1, 1: mean 1/2, deviation 1/2. A view of 2,500 images takes three blocks.
    images = np.tile(np.array([0, 0, 255, 255], np.uint8).reshape(1, 1, 2, 2), (2500, 1, 1, 1))
    assert mean_and_std(images) == pytest.approx((0.5, 0.5), rel=1e-12)
    assert mean_and_std(images, scale=2 / 255) == pytest.approx((1, 1), rel=1e-12)
    rng = np.random.default_rng(0)
    floats = rng.normal(1000, 0.5, (1500, 1, 3, 3)).astype(np.float32)
    exact = floats.astype(np.float64)
    assert mean_and_std(floats, scale=1) == pytest.approx((exact.mean(), exact.std()), rel=1e-9)
    view = ExpandedShifts(images[:300])
    assert mean_and_std(view) == pytest.approx((view[:].mean() / 255, view[:].std() / 255), rel=1e-12)


def test_mean_and_std_of_mnist():
    """Of the first 50,000 training images, the lecture's split; exact in integer arithmetic."""
    try:
        mnist = load("mnist", download=False)
    except UnavailableError:
        pytest.skip("MNIST is not on this machine")
    assert mean_and_std(mnist.train.images) == pytest.approx((0.13096128961585, 0.30849489106381), rel=1e-12)


@pytest.mark.parametrize("images", [np.zeros((0, 1, 2, 2), np.uint8), np.full((3, 1, 2, 2), 9, np.uint8)])
def test_images_without_a_deviation_are_refused(images):
    with pytest.raises(DataError, match="mean_and_std"):
        mean_and_std(images)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_standardised_batches(dtype):
    split = data(500)
    mean, std = mean_and_std(split.images)
    loader = Loader(split.images, split.labels, 500, shuffle="never", mean=mean, std=std, dtype=dtype)
    ((x, _),) = loader.epoch(0)
    assert x.dtype == dtype
    assert x.mean(dtype=float) == pytest.approx(0, abs=1e-6) and x.std(dtype=float) == pytest.approx(
        1, abs=1e-6
    )
    np.testing.assert_allclose(x, (split.images / 255 - mean) / std, atol=2e-6)


def test_without_options_the_batches_are_what_they_were():
    split = data()
    x, _ = batches(Loader(split.images, split.labels, 60, shuffle="never"), 0)
    np.testing.assert_array_equal(x, np.multiply(split.images, 1 / 255, dtype=np.float32))


def test_the_validation_gets_the_numbers_of_the_training():
    train, validation = data(), data(30, seed=1)
    loader = Loader(train.images, train.labels, 20, mean=0.4, std=0.2, scale=1 / 250)
    assert input_scaling(loader) == {"scale": 1 / 250, "mean": 0.4, "std": 0.2}
    net, loss = model(), SoftmaxCrossEntropy()
    history = Trainer(net, loss, SGD(lr=0.01)).fit(loader, 1, validation)
    inputs = (validation.images / np.float32(250) - np.float32(0.4)) / np.float32(0.2)
    expected = evaluate(net, loss, Split(inputs.astype(np.float32), validation.labels))
    assert history.rows[0]["val_loss"] == pytest.approx(expected.loss, rel=1e-5)
    assert history.rows[0]["val_accuracy"] == expected.accuracy
    raw = evaluate(net, loss, validation)  # not standardised: another number
    assert abs(raw.loss - expected.loss) > 0.01


def test_prediction_and_loader_scale_to_the_same_bits():
    split, net = data(), model()
    loader = Loader(split.images, split.labels, 60, shuffle="never", mean=0.37, std=0.29)
    ((x, _),) = loader.epoch(0)
    np.testing.assert_array_equal(predict(net, split.images, **input_scaling(loader)), net.forward(x))


# The rest ---------------------------------------------------------------------------------------


def test_nothing_of_the_size_of_the_data_is_copied():
    images = np.full((20_000, 1, 28, 28), 7, np.uint8)  # 15.7 MB; 63 MB as float32
    labels = np.zeros(20_000, np.int64)
    loader = Loader(images, labels, 100, augment=RandomShift(1), mix=Mixup(0.2), mean=0.1, std=0.3)
    tracemalloc.start()
    for number, _ in enumerate(loader.epoch(0)):
        if number == 20:
            break
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def test_a_run_folder_says_how_nested_augmentations_were_set():
    split = data()
    nested = Compose([RandomShift(1), Compose([RandomAffine(rotation=7)])])
    described = describe(Loader(split.images, split.labels, 10, augment=nested, mix=Mixup(0.3)), depth=8)
    inner = described["augment"]["augmentations"][1]["augmentations"][0]
    assert inner["class"] == "RandomAffine" and inner["rotation"] == 7
    assert described["mix"] == {"class": "Mixup", "alpha": 0.3, "classes": 10, "per": "batch"}


def test_a_run_is_not_resumed_with_another_nested_augmentation(tmp_path):
    split = data()

    def fit(degrees, mean, **options):
        nested = Compose([RandomShift(1), Sometimes(Compose([RandomAffine(rotation=degrees)]), 0.5)])
        loader = Loader(split.images, split.labels, 20, augment=nested, mean=mean, mix=Mixup(0.3))
        trainer = Trainer(model(), SoftmaxCrossEntropy(), SGD(lr=0.1), run_dir=tmp_path / "run")
        return trainer.fit(loader, 2, split, **options)

    fit(7, 0.1)
    fit(7, 0.1, resume=True)
    for degrees, mean, what in ((8, 0.1, "rotation"), (7, 0.2, "mean")):
        with pytest.raises(CheckpointError, match=what):
            fit(degrees, mean, resume=True)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sampler": Chosen(), "shuffle": "once"}, ConfigError, "a sampler decides the order"),
        ({"sampler": Chosen(length=0)}, DataError, "no examples"),
        ({"sampler": Chosen(), "batch_size": 26, "drop_last": True}, ConfigError, "only 25 examples"),
        ({"std": 0}, ConfigError, "std must be above 0"),
        ({"mean": float("nan")}, ConfigError, "mean must be a finite number"),
        ({"scale": "1/255"}, ConfigError, "scale must be a finite number"),
    ],
)
def test_options_that_make_no_sense(options, error, message):
    split = data()
    with pytest.raises(error, match=message):
        Loader(split.images, split.labels, **{"batch_size": 10, **options})
