"""The IDX reader and writer."""

import gzip
import struct

import numpy as np
import pytest

from minidl.data.idx import DTYPES, decode_idx, encode_idx, read_idx, write_idx
from minidl.errors import DataError


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_round_trip(tmp_path, dtype, suffix):
    rng = np.random.default_rng(0)
    array = (rng.standard_normal((3, 4, 5)) * 50).astype(dtype)
    path = tmp_path / f"numbers{suffix}"
    write_idx(path, array)
    back = read_idx(path)
    np.testing.assert_array_equal(back, array)
    assert back.dtype == dtype and back.dtype.isnative and back.flags.writeable
    assert path.read_bytes().startswith(b"\x1f\x8b") == (suffix == ".gz")


@pytest.mark.parametrize("shape", [(0,), (0, 28, 28), (1,), (), (2, 1, 2, 1)])
def test_round_trip_of_unusual_shapes(shape):
    array = np.ones(shape, np.int16)
    np.testing.assert_array_equal(decode_idx(encode_idx(array), "x"), array, strict=True)


def test_bytes_written_by_hand():
    # Magic 00 00 0B 02: int16, two dimensions; sizes 1 and 2; then 1 and -2, big-endian.
    content = bytes.fromhex("00000b02 00000001 00000002 0001 fffe")
    np.testing.assert_array_equal(decode_idx(content, "x"), np.array([[1, -2]], np.int16), strict=True)
    assert encode_idx(np.array([[1, -2]], np.int16)) == content
    assert encode_idx(np.array([[1, -2]], ">i2")) == content


def test_magic_numbers_of_mnist():
    # 2051 and 2049, as LeCun's page gives them.
    assert struct.unpack(">I", encode_idx(np.zeros((2, 28, 28), np.uint8))[:4]) == (2051,)
    assert struct.unpack(">I", encode_idx(np.zeros(2, np.uint8))[:4]) == (2049,)


def test_content_decides_about_compression_not_the_name(tmp_path):
    array = np.arange(6, dtype=np.uint8)
    (tmp_path / "packed").write_bytes(gzip.compress(encode_idx(array)))
    (tmp_path / "plain.gz").write_bytes(encode_idx(array))
    np.testing.assert_array_equal(read_idx(tmp_path / "packed"), array)
    np.testing.assert_array_equal(read_idx(tmp_path / "plain.gz"), array)


GOOD = encode_idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
PACKED = gzip.compress(np.random.default_rng(0).bytes(2000))
DAMAGE = {
    "cut short": (GOOD[:-1], "truncated"),
    "too long": (GOOD + b"\0", "too long"),
    "header only half there": (GOOD[:10], "inside its header"),
    "empty": (b"", "only 0 bytes"),
    "not IDX": (b"PNG" + GOOD, "not IDX"),
    "unknown type": (b"\0\0\x0a" + GOOD[3:], "not IDX"),
    "little-endian": (GOOD[3::-1] + GOOD[4:], "not IDX"),
    "255 dimensions": (b"\0\0\x08\xff" + bytes([0, 0, 0, 1]) * 255 + b"\1", "not IDX"),
    "sizes beyond all memory": (b"\0\0\x08\x03" + b"\xff" * 12, "truncated"),
    "compressed data cut": (PACKED[:-100], "truncated"),
    "compressed data changed": (PACKED[:1000] + bytes([PACKED[1000] ^ 255]) + PACKED[1001:], "damaged"),
    "checksum changed": (PACKED[:-8] + bytes(4) + PACKED[-4:], "damaged"),
    "junk behind the compressed data": (PACKED + b"junk", "damaged"),
    "gzip header alone": (b"\x1f\x8b", "truncated"),
    "web page": (b"\n<!DOCTYPE html><html>404</html>", "web page"),
    "compressed web page": (gzip.compress(b"<html>404</html>"), "web page"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named_with_the_file(tmp_path, name):
    content, fault = DAMAGE[name]
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=fault) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value) and "fetch" in str(caught.value)


def test_missing_file_and_folder_in_its_place(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_idx(tmp_path / "absent.gz")
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path)


@pytest.mark.parametrize("array", [np.zeros(2, np.int64), np.zeros(2, complex), np.zeros(2, np.uint16)])
def test_dtypes_without_a_code_are_refused(tmp_path, array):
    with pytest.raises(DataError, match="convert the array"):
        write_idx(tmp_path / "x", array)
    assert not list(tmp_path.iterdir())
