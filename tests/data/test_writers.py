"""QMNIST's label files, and dividing the training file anew."""

import gzip
import hashlib
from dataclasses import replace

import numpy as np
import pytest

from minidl.cli.main import main
from minidl.data import UnavailableError, load, qmnist, resplit
from minidl.data.idx import encode_idx
from minidl.data.resplit import parse_fold
from minidl.errors import ConfigError, DataError


@pytest.fixture
def records(tiny, monkeypatch):
    """QMNIST's table for the 60 training images of `tiny`: 12 writers, every second one a student."""
    table = np.zeros((60, 8), np.int32)
    table[:, 0] = np.arange(60) % 10
    table[:, 2] = np.arange(60) // 5 + 100
    table[:, 1] = np.where(table[:, 2] % 2, 4, 0)
    raw = encode_idx(table)
    known = qmnist.LabelFile("qmnist-train-labels-idx2-int", hashlib.sha256(raw).hexdigest(), md5="unused")
    monkeypatch.setitem(qmnist.FILES, "train", known)
    monkeypatch.setitem(qmnist.FILES, "test", replace(known, name="qmnist-test-labels-idx2-int"))
    monkeypatch.setattr(qmnist, "ROWS", 60)
    return table, gzip.compress(raw, mtime=0)


def put(folder, content, part="train"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"qmnist-{part}-labels-idx2-int.gz").write_bytes(content)


@pytest.mark.parametrize("place", ["data", "data/qmnist", "qmnist"])
def test_the_file_is_found_in_the_folder_below_it_and_beside_it(place, tiny, records, tmp_path):
    tiny.put(tmp_path / "data")
    put(tmp_path / place, records[1])
    found = qmnist.qmnist_labels(data_dir=tmp_path / "data", download=False)
    np.testing.assert_array_equal(found, records[0])
    writer, students = qmnist.writers(np.arange(60) % 10, data_dir=tmp_path / "data", download=False)
    np.testing.assert_array_equal(writer, np.arange(60) // 5 + 100)
    np.testing.assert_array_equal(students, writer % 2 == 1)


def test_uncompressed_is_as_good(records, tmp_path):
    (tmp_path / "qmnist-train-labels-idx2-int").write_bytes(gzip.decompress(records[1]))
    assert qmnist.qmnist_labels(data_dir=tmp_path).shape == (60, 8)


def test_it_is_fetched_checked_and_kept(tiny, records, tmp_path, monkeypatch, server):
    (tmp_path / "data").mkdir()
    for part in ("train", "test"):
        server.files[f"qmnist-{part}-labels-idx2-int.gz"] = records[1]
    monkeypatch.setattr(qmnist, "MIRROR", server.url)
    for _ in range(2):
        assert main(["data", "fetch", "qmnist", "--data-dir", str(tmp_path / "data")]) == 0
    assert [name for name, _ in server.requests] == [
        "qmnist-train-labels-idx2-int.gz",
        "qmnist-test-labels-idx2-int.gz",
    ]
    assert main(["data", "verify", "qmnist", "--data-dir", str(tmp_path / "data")]) == 0
    assert (tmp_path / "data" / "qmnist" / "qmnist-train-labels-idx2-int.gz").read_bytes() == records[1]


def test_what_is_wrong_with_the_file_is_said(tiny, records, tmp_path):
    with pytest.raises(
        UnavailableError, match="in none of the folders searched and downloading is switched off"
    ):
        qmnist.qmnist_labels(download=False)
    put(tmp_path, gzip.compress(encode_idx(records[0] + 1)))
    with pytest.raises(DataError, match="is not the published qmnist-train-labels-idx2-int of QMNIST"):
        qmnist.qmnist_labels(data_dir=tmp_path)
    put(tmp_path, records[1][:40])
    with pytest.raises(DataError, match="truncated"):
        qmnist.qmnist_labels(data_dir=tmp_path)
    put(tmp_path, records[1])
    with pytest.raises(DataError, match="the 60 labels are not those of MNIST's training file in its order"):
        qmnist.writers(np.arange(60)[::-1] % 10, data_dir=tmp_path)
    with pytest.raises(ConfigError, match="must be train or test"):
        qmnist.qmnist_labels("both")
    assert main(["data", "verify", "qmnist"]) == 2  # not here: nothing is fetched


def labelled(split):
    """The bytes of the images, to know each again."""
    return {image.tobytes(): int(label) for image, label in zip(split.images, split.labels, strict=True)}


@pytest.mark.parametrize("split", ["lecture", "random", "stratified", "writers"])
def test_folds_cover_the_training_file(split, tiny, records, tmp_path):
    data = load(data_dir=tiny.put(tmp_path))
    put(tmp_path, records[1])
    whole = labelled(data.train) | labelled(data.validation)
    seen = {}
    for fold in ("1/3", "2/3", "3/3"):
        found = resplit(data, split, fold, data_dir=tmp_path)
        assert found.split == f"{split}, fold {fold}" and found.vault is data.vault
        train, validation = labelled(found.train), labelled(found.validation)
        assert train | validation == whole and len(train) + len(validation) == 60
        assert not found.train.images.flags.writeable
        seen |= validation
    assert seen == whole


def test_hold_out_sets(tiny, records, tmp_path):
    data = load(data_dir=tiny.put(tmp_path))
    put(tmp_path, records[1])
    assert resplit(data) is data and data.split == "lecture"
    # Blocks in the order of the file: the last of six is the lecture's validation split.
    last = resplit(data, fold="6/6")
    np.testing.assert_array_equal(last.validation.images, data.validation.images)
    for split in ("random", "stratified"):
        first, again = resplit(data, split), resplit(data, split)
        assert (len(first.train), len(first.validation)) == (50, 10)
        np.testing.assert_array_equal(first.validation.images, again.validation.images)
        assert not np.array_equal(first.validation.images, data.validation.images)
    assert list(np.bincount(resplit(data, "stratified").validation.labels)) == [1] * 10
    found = resplit(data, "writers", data_dir=tmp_path)
    place = {image.tobytes(): n for n, image in enumerate(tiny.arrays["train-images-idx3-ubyte"])}
    parts = [{place[key] // 5 for key in labelled(part)} for part in (found.train, found.validation)]
    assert not parts[0] & parts[1] and len(parts[0] | parts[1]) == 12


def test_mistakes(tiny, tmp_path):
    data = load(data_dir=tiny.put(tmp_path))
    with pytest.raises(
        ConfigError, match="split must be one of lecture, random, stratified, writers, got 'test'"
    ):
        resplit(data, "test")
    with pytest.raises(ConfigError, match="nobody recorded the writers of Letters"):
        resplit(replace(data, name="letters", title="Letters"), "writers")
    for text in ("", "2", "0/5", "6/5", "1/1", "a/b", "2/5/5", "-1/5"):
        with pytest.raises(ConfigError, match="fold must be such as 2/5"):
            resplit(data, "random", text)
    assert parse_fold(" 2/5 ") == (2, 5)


def test_mnist_itself():
    """The figures of QMNIST's records: the lecture's split shares writers, this one none."""
    try:
        data = load("mnist", download=False)
        labels = np.concatenate([data.train.labels, data.validation.labels])
        writer, students = qmnist.writers(labels, download=False)
        test = qmnist.qmnist_labels("test", download=False)[:10_000]
    except UnavailableError:
        pytest.skip("needs MNIST and QMNIST's labels")
    np.testing.assert_array_equal(test[:, 0], data.vault.open("a test of QMNIST's labels").labels)
    assert len(np.unique(writer)) == 539 and not set(writer) & set(test[:, 2])
    assert len(np.unique(test[:, 2])) == 297
    # Erratum 28: LeCun's page calls the first 5,000 test images the easier ones; they are the students'.
    assert (test[:5001, 1] == qmnist.SD1).all() and (test[5001:, 1] != qmnist.SD1).all()
    validation = set(writer[50_000:])
    assert len(validation) == 305 and len(validation & set(writer[:50_000])) == 251
    known = np.isin(writer[50_000:], writer[:50_000]).mean()
    assert (round(known, 3), 1 - students[50_000:].mean()) == (0.408, pytest.approx(0.595))
    found = resplit(data, "writers", download=False)
    assert abs(len(found.validation) - 10_000) < 100
    images = {
        image.tobytes(): n
        for n, image in enumerate(np.concatenate([data.train.images, data.validation.images]))
    }
    held_out = np.array([images[image.tobytes()] for image in found.validation.images])
    np.testing.assert_array_equal(labels[held_out], found.validation.labels)
    rest = np.setdiff1d(np.arange(60_000), held_out)
    assert not set(writer[held_out]) & set(writer[rest])
    # Classes and the two databases as in the whole file, within a point.
    assert students[held_out].mean() == pytest.approx(students.mean(), abs=0.01)
    shares = np.bincount(found.validation.labels) / len(held_out)
    np.testing.assert_allclose(shares, np.bincount(labels) / 60_000, atol=0.01)
