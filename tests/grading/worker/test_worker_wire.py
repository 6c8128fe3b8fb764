"""What crosses the pipe: values come back equal, and bytes that are no frame are refused before they cost memory."""

import json

import numpy as np
import pytest

from minidl.grading.worker.inside.values import Unsupported, decode, encode
from minidl.grading.worker.inside.wire import (
    DTYPES,
    MAX_BODY,
    MAX_HEADER,
    PREFIX,
    FrameError,
    pack,
    read_frame,
    unpack_header,
    unpack_prefix,
)


def nothing(*_):
    return None


def refuse(tag, *_):
    raise FrameError(f"no {tag}")


def reader(data):
    """Give out the bytes of a frame; fail the test if more are asked for than there are."""
    rest = memoryview(data)

    def read_into(memory):
        nonlocal rest
        assert len(memory) <= len(rest), "read beyond the end"
        memory[:] = rest[: len(memory)]
        rest = rest[len(memory) :]

    return read_into


def across(value):
    arrays = []
    frame = b"".join(bytes(piece) for piece in pack({"value": encode(value, arrays, nothing)}, arrays))
    header, received = read_frame(reader(frame))
    return decode(header["value"], received, refuse)


def frame(header, body=b""):
    text = json.dumps(header).encode()
    return PREFIX.pack(len(text), len(body)) + text + body


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3), (1,) * 8])
def test_arrays_come_across(dtype, shape):
    array = np.arange(1, 1 + np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    got = across(array)
    assert type(got) is np.ndarray and got.dtype == array.dtype and got.shape == shape
    assert got.tobytes() == array.tobytes()
    assert got.flags.owndata and got.flags.writeable


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12)[::-2],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(5, dtype=">i4"),
        np.broadcast_to(np.float32(2), (3, 2)),
    ],
)
def test_memory_order_does_not_matter(array):
    got = across(array)
    np.testing.assert_array_equal(got, array)
    assert got.flags.c_contiguous and got.dtype.isnative


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, -(2**80), 1.5, 5e-324, 0.1 + 0.2, "", "ä\n\0", (), [], {}, (1, (2.0, "x")),
        [None, [True]], {"a": 1, 2: (3,), None: []},
    ],
)  # fmt: skip
def test_other_values_come_across(value):
    got = across(value)
    assert got == value and type(got) is type(value)


def test_numbers_keep_their_type():
    for value in (np.float32(1.5), np.int8(-3), np.bool_(True), np.complex64(1 + 2j)):
        got = across(value)
        assert type(got) is type(value) and got == value
    assert across(np.dtype("float32")) == np.dtype("float32")


def test_special_floats_come_across():
    got = across([float("nan"), float("inf"), -0.0, np.array([np.nan, -np.inf])])
    assert np.isnan(got[0]) and got[1] == float("inf") and str(got[2]) == "-0.0"
    np.testing.assert_array_equal(got[3], [np.nan, -np.inf])


def test_a_subclass_of_ndarray_arrives_as_its_numbers():
    class Liar(np.ndarray):
        def __eq__(self, other):
            return True

        def __array_function__(self, *_):
            return True

        def __array_ufunc__(self, *_, **__):
            return True

    got = across(np.arange(3.0).view(Liar))
    assert type(got) is np.ndarray and got.tolist() == [0.0, 1.0, 2.0]
    masked = across(np.ma.masked_array([1.0, 2.0], [True, False]))
    assert type(masked) is np.ndarray


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.array([1, "a"], dtype=object), "array of the type object"),
        (np.array(["a"]), "array of the type <U1"),
        (np.zeros(2, np.longdouble), "array of the type"),
        (np.zeros((1,) * 9), "9 axes"),
        (np.broadcast_to(np.zeros(1), (1 << 20, 1 << 10)), "8192 MiB"),
        ({1, 2}, "type set"),
        (b"x", "type bytes"),
        (len, "type builtin_function_or_method"),
        (1 << 5000, "5001 bits"),
        (dict.fromkeys(range(1001)), "dict of 1001 entries"),
    ],
)
def test_what_cannot_be_sent_is_named(value, says):
    with pytest.raises(Unsupported, match=says):
        encode(value, [], nothing)


def test_a_value_without_an_end_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(Unsupported, match="nested more than 32"):
        encode(endless, [], nothing)


def test_large_values_are_refused_by_the_sender():
    with pytest.raises(FrameError, match="1 MiB is allowed"):
        pack({"value": "x" * (MAX_HEADER + 1)}, [])
    big = np.broadcast_to(np.zeros(1, np.uint8), (MAX_BODY // 2 + 1,))
    with pytest.raises(FrameError, match="64 MiB are allowed"):
        pack({}, [big, big])


@pytest.mark.parametrize(
    "array",
    [
        ["object", [1]],
        ["O", [1]],
        ["float32", [-1]],
        ["float32", [1 << 40]],
        ["float32", [1.0]],
        ["float32", [True]],
        ["float32", "1"],
        ["float32", [1] * 9],
        ["float32"],
        [["float32"], [1]],
        "float32",
        ["float32", [2]],
        ["float64", [1 << 20, 1 << 20]],
        ["float32", [0, MAX_BODY, MAX_BODY, MAX_BODY]],
    ],
)
def test_a_frame_that_lies_about_its_arrays_is_refused(array):
    data = frame({"arrays": [array]}, b"abcd")
    with pytest.raises(FrameError):
        read_frame(reader(data))


def test_a_body_that_no_array_accounts_for_is_refused():
    with pytest.raises(FrameError, match="do not have the size of its body"):
        read_frame(reader(frame({"arrays": [["int8", [2]]]}, b"abc")))


def test_a_frame_of_an_impossible_shape_without_numbers_is_refused():
    with pytest.raises(FrameError, match="impossible shape"):
        read_frame(reader(frame({"arrays": [["float32", [0, MAX_BODY, MAX_BODY, MAX_BODY]]]})))


@pytest.mark.parametrize("lengths", [(MAX_HEADER + 1, 0), (2, MAX_BODY + 1), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_lengths_above_the_limits_are_refused_first(lengths):
    with pytest.raises(FrameError, match="larger than allowed"):
        unpack_prefix(PREFIX.pack(*lengths))


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[]", b"\xff", b'{"arrays": 3}', b"{}", b"[" * 100_000,
        b'{"arrays":[],"x":' + b"9" * 100_000 + b"}",
        b'{"arrays": [' + b'["bool",[0]],' * 10_001 + b'["bool",[0]]]}',
    ],
)  # fmt: skip
def test_a_header_that_is_none_is_refused(text):
    with pytest.raises(FrameError):
        unpack_header(text, 0)


@pytest.mark.parametrize(
    "tree",
    [
        {}, {"a": 1}, {"a": -1}, {"a": "0"}, {"a": True}, {"n": 0}, {"t": 3}, {"d": [[1]]}, {"d": [[[], 1]]},
        {"y": "object"},
        {"d": [[i * (2**61 - 1), 0] for i in range(1001)]}, {"h": 0}, {"anything": 0}, [[[[{"a": 7}]]]],
    ],
)  # fmt: skip
def test_a_tree_that_encode_does_not_make_is_refused(tree):
    with pytest.raises(FrameError):
        decode(tree, [np.zeros(2)], refuse)


def test_a_deep_tree_is_refused():
    tree = 0
    for _ in range(40):
        tree = [tree]
    with pytest.raises(FrameError, match="deep"):
        decode(tree, [], refuse)
