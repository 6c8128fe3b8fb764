"""Where data are found, what is made of them, and what happens when they are not what they should be."""

import dataclasses
import gzip

import numpy as np
import pytest

from minidl.data import DataSet, Split, UnavailableError, Vault, load, load_or_digits, places
from minidl.data.digits import split_indices
from minidl.data.idx import encode_idx
from minidl.data.sources import (
    FASHION,
    KMNIST,
    MNIST,
    SHAPES,
    SOURCES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)
from minidl.errors import ConfigError, DataError


def packed(array):
    return gzip.compress(encode_idx(np.asarray(array, np.uint8)))


# Splits


def test_split_of_the_files(tiny, tmp_path):
    data = load("mnist", data_dir=tiny.put(tmp_path / "d"))
    train, labels = tiny.arrays[TRAIN_IMAGES], tiny.arrays[TRAIN_LABELS]
    assert (data.name, data.title, data.is_mnist) == ("mnist", "MNIST", True)
    assert data.source == str(tmp_path / "d")
    assert data.classes == list("0123456789")
    np.testing.assert_array_equal(data.train.images, train[:50, np.newaxis])  # in the order of the file
    np.testing.assert_array_equal(data.train.labels, labels[:50])
    np.testing.assert_array_equal(data.validation.images, train[50:, np.newaxis])
    np.testing.assert_array_equal(data.validation.labels, labels[50:])
    test = data.vault.open("a test")
    np.testing.assert_array_equal(test.images[:, 0], tiny.arrays["t10k-images-idx3-ubyte"])
    for split in (data.train, data.validation, test):
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int64
        with pytest.raises(ValueError, match="read-only"):
            split.images[0] = 0


def test_subset():
    split = Split(np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1), np.arange(5))
    assert split.subset(2).labels.tolist() == [0, 1]
    assert np.shares_memory(split.subset(2).images, split.images)
    assert split.subset([3, 0]).images.ravel().tolist() == [3, 0]
    assert split.subset(np.array([True, False, True, False, False])).labels.tolist() == [0, 2]
    for wrong in (0, 6, -1, [5], [-6]):
        with pytest.raises(ConfigError, match="subset"):
            split.subset(wrong)


def test_images_and_labels_must_be_as_many():
    with pytest.raises(DataError, match=r"\(3, 1, 2, 2\).*\(2,\)"):
        Split(np.zeros((3, 1, 2, 2), np.uint8), np.zeros(2, int))


def test_labels_outside_the_classes():
    good = Split(np.zeros((2, 1, 2, 2), np.uint8), np.array([0, 1]))
    bad = Split(good.images, np.array([0, 2]))
    with pytest.raises(DataError, match="Toy, validation labels: label number 1 is 2, outside 0 to 1"):
        DataSet("toy", "Toy", "here", ["a", "b"], good, bad, Vault(good))


def test_the_vault_notes_every_opening():
    split = Split(np.zeros((3, 1, 2, 2), np.uint8), np.zeros(3, int))
    vault = Vault(split)
    assert len(vault) == 3 and "3 examples" in repr(vault)
    assert vault.openings == []
    assert vault.open("final accuracy, seed 0") is split
    vault.open("again")
    assert [entry["reason"] for entry in vault.openings] == ["final accuracy, seed 0", "again"]
    assert vault.openings[0]["time"].endswith("+00:00")
    for reason in ("", "  ", None):
        with pytest.raises(ConfigError, match="stated reason"):
            vault.open(reason)
    assert len(vault.openings) == 2


# Search


def test_search_order(tiny, tmp_path, monkeypatch, empty_machine):
    argument, variable = tmp_path / "argument", tmp_path / "variable"
    checkout, cache = tmp_path / "checkout" / "datasets", tmp_path / "cache" / "minidl"
    monkeypatch.setenv("MINIDL_DATA_DIR", str(variable))
    monkeypatch.setattr(places, "checkout_folder", lambda: checkout)
    argument.mkdir()
    variable.mkdir()
    # Filled from the last place to the first: each new one must win over those before.
    for folder in (cache, checkout, empty_machine / "datasets", variable, argument):
        tiny.put(folder / "mnist")
        found = load("mnist", data_dir=argument, download=False).source
        assert (empty_machine / found).samefile(folder / "mnist")


@pytest.mark.parametrize("layout", ["", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("compressed", [True, False])
def test_layouts_of_a_folder(tiny, tmp_path, layout, compressed):
    folder = tiny.put(tmp_path / "d" / layout)
    if not compressed:
        for path in list(folder.iterdir()):
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    assert load("mnist", data_dir=tmp_path / "d", download=False).source == str(folder)


def test_files_of_another_data_set_are_passed_over(tiny, tmp_path, monkeypatch):
    other = dataclasses.replace(tiny.source, name="fashion", title="Fashion-MNIST", folders=("fashion",))
    other = dataclasses.replace(other, digests=dict.fromkeys(SHAPES, "0" * 64))
    monkeypatch.setitem(SOURCES, "fashion", other)
    tiny.put(tmp_path / "d")  # MNIST, directly in the folder
    with pytest.raises(UnavailableError, match="Fashion-MNIST is not in any of the folders"):
        load("fashion", data_dir=tmp_path / "d", download=False)
    tiny.put(tmp_path / "d" / "fashion")  # MNIST where Fashion-MNIST should be: a mistake
    with pytest.raises(DataError, match="is train-images-idx3-ubyte of MNIST, not of Fashion-MNIST"):
        load("fashion", data_dir=tmp_path / "d", download=False)


def test_platform_caches(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    for platform, expected in [
        ("linux", tmp_path / ".cache" / "minidl"),
        ("darwin", tmp_path / "Library" / "Caches" / "minidl"),
        ("win32", places.Path("/local/minidl")),
    ]:
        monkeypatch.setattr(places.sys, "platform", platform)
        assert places.user_cache() == expected


def test_a_named_folder_that_is_not_there(tiny, tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"data folder .*/absent' is not a folder"):
        load_or_digits(data_dir=tmp_path / "absent")
    monkeypatch.setenv("MINIDL_DATA_DIR", str(tmp_path / "gone"))
    with pytest.raises(DataError, match=r"MINIDL_DATA_DIR .*/gone' is not a folder"):
        load_or_digits()


def test_unknown_name():
    with pytest.raises(ConfigError, match="'emnist': choose one of mnist, fashion, kmnist, digits"):
        load("emnist")


# Damage on this machine


DAMAGE = {
    "missing": ("train_labels", lambda c: None, "lacks train-labels-idx1-ubyte"),
    "truncated": ("train_images", lambda c: c[:-50], "truncated"),
    "truncated inside": ("train_images", lambda c: gzip.compress(gzip.decompress(c)[:-1]), "truncated"),
    "wrong magic": ("t10k_images", lambda c: gzip.compress(b"\1" + gzip.decompress(c)), "not IDX"),
    "labels for images": ("t10k_images", lambda c: packed(np.zeros(20)), r"shape \(20,\)"),
    "one image less": ("t10k_images", lambda c: packed(np.zeros((19, 28, 28))), r"shape \(19, 28, 28\)"),
    "one label less": ("train_labels", lambda c: packed(np.zeros(59)), r"shape \(59,\)"),
    "label out of range": ("t10k_labels", lambda c: packed([3] * 19 + [10]), "label number 19 is 10"),
    "a pixel changed": (
        "train_images",
        lambda c: gzip.compress(gzip.decompress(c)[:-1] + bytes([gzip.decompress(c)[-1] ^ 1])),
        "is not the published train-images-idx3-ubyte of MNIST",
    ),
    "web page": ("train_images", lambda c: b"<html>not found</html>", "web page"),
}


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("loader", [load, load_or_digits])
def test_damage_stops_with_a_sentence_and_never_falls_back(tiny, tmp_path, name, loader):
    stem, change, fault = DAMAGE[name]
    original = next(c for n, c in tiny.contents.items() if n.startswith(stem.replace("_", "-")))
    tiny.put(tmp_path / "d", **{stem: change(original)})
    with pytest.raises(DataError, match=fault) as caught:
        loader("mnist", data_dir=tmp_path / "d")
    assert not isinstance(caught.value, UnavailableError)
    assert str(tmp_path / "d") in str(caught.value) and "\n" not in str(caught.value)


def test_damage_is_not_passed_over_for_a_good_copy_further_on(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIDL_DATA_DIR", str(tiny.put(tmp_path / "good")))
    bad = tiny.put(tmp_path / "bad", t10k_labels=packed(np.zeros(20)))
    with pytest.raises(DataError, match="not the published"):
        load("mnist", data_dir=bad)


@pytest.mark.parametrize("known", [FASHION, KMNIST])
def test_sets_known_by_their_gz_alone_must_come_compressed(known, tmp_path):
    with pytest.raises(DataError, match="is not compressed"):
        known.decode(TEST_LABELS, encode_idx(np.zeros(10_000, np.uint8)), tmp_path / TEST_LABELS)
    with pytest.raises(DataError, match="MD5"):
        known.decode(TEST_LABELS, packed(np.zeros(10_000)), tmp_path / TEST_LABELS)


# Download and fallback


def test_load_downloads_to_the_named_folder(tiny, server, tmp_path, monkeypatch):
    server.files.update(tiny.contents)
    monkeypatch.setitem(SOURCES, "mnist", dataclasses.replace(tiny.source, mirrors=(server.url,)))
    (tmp_path / "d").mkdir()
    assert load("mnist", data_dir=tmp_path / "d").source == str(tmp_path / "d" / "mnist")
    load("mnist", data_dir=tmp_path / "d")
    assert len(server.requests) == 4  # the second time from the disk


def test_load_downloads_to_the_cache_and_completes_what_is_there(tiny, server, tmp_path, monkeypatch):
    server.files.update(tiny.contents)
    monkeypatch.setitem(SOURCES, "mnist", dataclasses.replace(tiny.source, mirrors=(server.url,)))
    cache = tiny.put(tmp_path / "cache" / "minidl" / "mnist", train_labels=None)
    assert load("mnist").source == str(cache)
    assert server.requests == [(f"{TRAIN_LABELS}.gz", None)]


def test_fallback_is_loud_and_never_calls_itself_mnist(tiny, capsys):
    data = load_or_digits()  # the only mirror refuses the connection
    assert data.name == "digits" and not data.is_mnist and data.title == "scikit-learn digits (NOT MNIST)"
    loud = [line for line in capsys.readouterr().err.splitlines() if "ATTENTION" in line]
    assert len(loud) == 1
    assert "NOT MNIST" in loud[0] and "1,797 digits" in loud[0] and "refused" in loud[0]


def test_no_fallback_for_a_set_asked_for_by_name(tiny, monkeypatch):
    monkeypatch.setattr("minidl.data.fetch.time.sleep", lambda seconds: None)
    with pytest.raises(UnavailableError, match="switched off"):
        load("mnist", download=False)
    with pytest.raises(UnavailableError, match=r"MNIST is not in any .* could not be downloaded .*README"):
        load("mnist", progress=False)


def test_each_mirror_is_tried_once_before_the_fallback(tiny, server, monkeypatch):
    server.files.update(tiny.contents)
    mirrors = (f"{server.url}a/", f"{server.url}b/")
    monkeypatch.setitem(SOURCES, "mnist", dataclasses.replace(tiny.source, mirrors=mirrors))
    server.script = [("error", 500)] * 2
    assert load_or_digits().name == "digits"
    assert len(server.requests) == 2


def test_a_login_page_in_place_of_the_network_means_fallback(tiny, server, monkeypatch):
    monkeypatch.setitem(SOURCES, "mnist", dataclasses.replace(tiny.source, mirrors=(server.url,)))
    server.files.update(tiny.contents)
    server.script = ["page"]
    assert load_or_digits().name == "digits"


def test_mnist_is_taken_where_it_is_found(tiny, empty_machine, capsys):
    tiny.put(empty_machine / "datasets" / "mnist")
    assert load_or_digits(download=False).is_mnist
    assert capsys.readouterr().err == ""


def test_a_named_folder_that_cannot_be_written_raises(tiny, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "mnist").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="cannot be written to"):
        load_or_digits(data_dir=tmp_path / "d")


def test_nowhere_to_write_means_fallback(tiny, monkeypatch):
    monkeypatch.setattr(places, "_writable", lambda folder: False)
    assert load_or_digits().name == "digits"


# The digits


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_digits_facts(digits, capsys):
    from sklearn.datasets import load_digits

    test = digits.vault.open("a test")
    splits = (digits.train, digits.validation, test)
    assert [len(split) for split in splits] == [1197, 300, 300]
    for split in splits:
        assert split.images.shape == (len(split), 1, 28, 28) and split.images.dtype == np.uint8
        assert split.labels.dtype == np.int64
    for split in splits[1:]:
        assert np.bincount(split.labels).tolist() == [30] * 10
    counts = sum(np.bincount(split.labels) for split in splits)
    np.testing.assert_array_equal(counts, np.bincount(load_digits().target))
    # As MNIST: all ink within a 20x20 box, its centre of mass within a pixel of the middle unless the
    # box would leave the image.
    images = np.concatenate([split.images[:, 0] for split in splits]).astype(float)
    for axis in (1, 2):
        ink = images.sum(axis=axis)
        filled = ink > 0
        extent = 28 - filled[:, ::-1].argmax(axis=1) - filled.argmax(axis=1)
        assert extent.max() <= 20
        mass = ink @ np.arange(28) / ink.sum(axis=1)
        assert np.abs(mass - 13.5).max() <= 0.5 + 1e-9
    assert images.max() == 255
    load("digits")
    assert capsys.readouterr().err.count("NOT MNIST") == 1


def test_digits_split_is_a_partition_and_fixed():
    from sklearn.datasets import load_digits

    parts = split_indices(load_digits().target)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1797))
    again = split_indices(load_digits().target)
    for part, same in zip(parts, again, strict=True):
        np.testing.assert_array_equal(part, same)
        assert (np.diff(part) > 0).all()
    # Pinned, so that results of different machines and versions can be compared.
    assert [part[:5].tolist() for part in parts] == [
        [0, 1, 4, 5, 6],
        [3, 10, 16, 25, 43],
        [2, 15, 28, 30, 31],
    ]


def test_digits_are_scikit_learns_enlarged(digits):
    from scipy import ndimage
    from sklearn.datasets import load_digits

    index = split_indices(load_digits().target)[0][17]
    # zoom with grid_mode has the same convention: pixels are areas; "nearest" holds the edge value.
    box = ndimage.zoom(load_digits().images[index], 2.5, order=1, mode="nearest", grid_mode=True) * 255 / 16
    image = digits.train.images[17, 0].astype(float)
    places_ = [
        (y, x)
        for y in range(9)
        for x in range(9)
        if np.abs(image[y : y + 20, x : x + 20] - box).max() <= 0.5 + 1e-9
    ]
    assert len(places_) == 1


# MNIST itself


@pytest.fixture(scope="module")
def mnist():
    try:
        return load("mnist", download=False)
    except UnavailableError:
        pytest.skip("MNIST is not on this machine: set MINIDL_DATA_DIR, or run `minidl data fetch`")


def test_mnist_facts(mnist):
    # LECTURE.md 4.4: class counts of the first 50,000, the last 10,000 and the test file.
    first = [4932, 5678, 4968, 5101, 4859, 4506, 4951, 5175, 4842, 4988]
    last = [991, 1064, 990, 1030, 983, 915, 967, 1090, 1009, 961]
    test = mnist.vault.open("facts of the data card")
    assert np.bincount(mnist.train.labels).tolist() == first
    assert np.bincount(mnist.validation.labels).tolist() == last
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.train.images.shape == (50_000, 1, 28, 28)
    assert mnist.validation.images.shape == test.images.shape == (10_000, 1, 28, 28)
    assert mnist.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    never = ~(mnist.train.images.any(axis=0) | mnist.validation.images.any(axis=0))
    assert never.sum() == 67
    zeros = 60_000 * 784 - np.count_nonzero(mnist.train.images) - np.count_nonzero(mnist.validation.images)
    assert zeros / (60_000 * 784) == pytest.approx(0.809, abs=5e-4)


def test_mnist_keeps_no_second_copy(mnist):
    assert np.shares_memory(mnist.train.images.base, mnist.validation.images.base)


def test_catalogue_is_complete():
    for known in (MNIST, FASHION, KMNIST):
        assert set(known.digests) == set(SHAPES) and len(known.classes) == 10
        assert all(mirror.endswith("/") for mirror in known.mirrors)
        assert {len(digest) for digest in known.digests.values()} == {64 if known.of_content else 32}
