"""Frames: how the grader and the worker exchange values, without pickling.

A frame is two unsigned 32-bit numbers (bytes of the header, bytes of the body, little-endian), a header in JSON,
and the body: the raw numbers of the arrays, one after another, in C order and little-endian. The header's key
"arrays" lists their types and shapes, so that the whole frame can be checked before memory is allocated for it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

PREFIX = struct.Struct("<II")
MAX_HEADER = 1 << 20
MAX_BODY = 1 << 26  # the grader computes in float64 with what comes, which may be eight times as much
MAX_ARRAYS = 10_000
MAX_NDIM = 8
MAX_DIGITS = 320  # of an integer; reading a very long one takes quadratic time

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
_TYPES = {name: np.dtype(name).newbyteorder("<") for name in DTYPES}


class FrameError(Exception):
    """Bytes that are no frame, or a frame that breaks a limit."""


def pack(header: dict[str, Any], arrays: list[np.ndarray]) -> list[Any]:
    """Return the pieces of a frame, to be written one after another.

    Parameters
    ----------
    header : dict
        What JSON can hold. Gets the key "arrays".
    arrays : list of array
        C-contiguous, of the types in `DTYPES`.

    Raises
    ------
    FrameError
        If the header or the arrays are larger than a frame may be.
    """
    header["arrays"] = [[array.dtype.name, array.shape] for array in arrays]
    try:
        text = json.dumps(header, separators=(",", ":")).encode()
    except RecursionError:
        raise FrameError("the value is nested too deeply") from None
    size = sum(array.nbytes for array in arrays)
    if len(text) > MAX_HEADER:
        raise FrameError(
            f"lists, texts and numbers of {len(text) / 2**20:.1f} MiB are too much; 1 MiB is allowed"
        )
    if size > MAX_BODY or len(arrays) > MAX_ARRAYS:
        raise FrameError(f"arrays of {size / 2**20:.0f} MiB are too much; {MAX_BODY >> 20} MiB are allowed")
    numbers = [_raw(array.astype(_TYPES[array.dtype.name], copy=False)) for array in arrays if array.size]
    return [PREFIX.pack(len(text), size) + text, *numbers]


def unpack_prefix(prefix: bytes | bytearray | memoryview) -> tuple[int, int]:
    """Return the lengths of the header and of the body.

    Raises
    ------
    FrameError
        If one is above its limit.
    """
    header, body = PREFIX.unpack(prefix)
    if header > MAX_HEADER or body > MAX_BODY:
        raise FrameError(f"a frame of {header} + {body} bytes is larger than allowed")
    return header, body


def unpack_header(text: bytes | bytearray | memoryview, body: int) -> dict[str, Any]:
    """Return the header of a frame after checking that its arrays fill a body of `body` bytes exactly.

    Raises
    ------
    FrameError
        If it is no JSON object, or an array's type, number of axes or size is not allowed.
    """
    try:
        header = json.loads(bytes(text), parse_int=_integer)
    except (ValueError, RecursionError):
        raise FrameError("the header of the frame is no JSON") from None
    if not isinstance(header, dict) or not isinstance(header.get("arrays"), list):
        raise FrameError("the header of the frame is no object with a list of arrays")
    if len(header["arrays"]) > MAX_ARRAYS:
        raise FrameError("the frame holds too many arrays")
    total = 0
    for entry in header["arrays"]:
        total += _bytes(entry)
        if total > body:
            break
    if total != body:
        raise FrameError("the arrays of the frame do not have the size of its body")
    return header


def read_frame(read_into: Callable[[memoryview], None]) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Read one frame.

    Parameters
    ----------
    read_into : callable
        Fills the memory it is given with the next bytes, or raises.
    """
    prefix = bytearray(PREFIX.size)
    read_into(memoryview(prefix))
    header_size, body_size = unpack_prefix(prefix)
    text = bytearray(header_size)
    read_into(memoryview(text))
    header = unpack_header(text, body_size)
    arrays = []
    for name, shape in header["arrays"]:
        try:
            array = np.empty(shape, _TYPES[name])
        except ValueError:  # an axis of length 0 beside axes whose product is no size
            raise FrameError("the frame holds an array of an impossible shape") from None
        if array.size:
            read_into(_raw(array))
        arrays.append(array)
    return header, arrays


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("an integer is too long")
    return int(digits)


def _raw(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _bytes(entry: Any) -> int:
    """Return the bytes of an array that a header lists, or raise FrameError."""
    if not isinstance(entry, list) or len(entry) != 2:
        raise FrameError("the frame lists an array without type or shape")
    name, shape = entry
    if not isinstance(name, str) or name not in _TYPES:
        raise FrameError(f"the frame holds an array of the type {str(name)[:40]!r}")
    if not isinstance(shape, list) or len(shape) > MAX_NDIM:
        raise FrameError(f"the frame holds an array of more than {MAX_NDIM} axes")
    size = _TYPES[name].itemsize
    for length in shape:
        if type(length) is not int or not 0 <= length <= MAX_BODY:
            raise FrameError("the frame holds an array with a negative or huge axis")
        size *= length
    return size
