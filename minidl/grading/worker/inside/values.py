"""Python values as JSON with the arrays beside, and back.

Numbers, texts, truth values, None and lists stand for themselves; everything else is an object with one key::

    {"t": [...]}   tuple        {"d": [[key, value], ...]}   dict      {"y": "float32"}   a NumPy type
    {"a": i}       array i      {"n": i}                     array i, without axes, as a NumPy number

Other keys are references to things that live in the worker (objects, functions); what they mean is up to the two
callables `refer` and `resolve`. Arrays are copied into plain ones on their way out: a subclass of ndarray with
methods of its own, or an object that equals everything, does not get across.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .wire import DTYPES, MAX_BODY, MAX_NDIM, FrameError

MAX_DEPTH = 32
MAX_BITS = 1024
MAX_PAIRS = 1000  # of a dict; with chosen keys its making takes quadratic time


class Unsupported(Exception):
    """A value that cannot be sent."""


def encode(value: Any, arrays: list[np.ndarray], refer: Callable[[Any], dict[str, Any] | None]) -> Any:
    """Return `value` as JSON, and append its arrays to `arrays`.

    Parameters
    ----------
    value : object
    arrays : list
    refer : callable
        Returns the reference to an object that is not sent itself, or None for any other.

    Raises
    ------
    Unsupported
        If it is, or holds, something that can neither be sent nor referred to.
    """
    return _encode(value, arrays, refer, 0)


def _encode(value: Any, arrays: list[np.ndarray], refer: Any, depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is float or kind is str:
        return value
    if kind is int:
        return _integer(value)
    if isinstance(value, np.ndarray):  # of a subclass, its numbers alone get across
        arrays.append(plain_array(value))
        return {"a": len(arrays) - 1}
    if depth >= MAX_DEPTH:
        raise Unsupported(f"a value nested more than {MAX_DEPTH} deep")
    if kind is tuple or kind is list:
        items = [_encode(item, arrays, refer, depth + 1) for item in value]
        return {"t": items} if kind is tuple else items
    if kind is dict:
        if len(value) > MAX_PAIRS:
            raise Unsupported(f"a dict of {len(value)} entries ({MAX_PAIRS} are allowed)")
        pairs = [
            [_encode(key, arrays, refer, depth + 1), _encode(item, arrays, refer, depth + 1)]
            for key, item in value.items()
        ]
        return {"d": pairs}
    return _encode_other(value, arrays, refer, depth)


def _encode_other(value: Any, arrays: list[np.ndarray], refer: Any, depth: int) -> Any:
    """Encode a value of a type that is not one of the usual ones itself."""
    if isinstance(value, np.generic) and not isinstance(value, np.str_):
        arrays.append(plain_array(value))
        return {"n": len(arrays) - 1}
    if isinstance(value, np.dtype):
        if value.name not in DTYPES:
            raise Unsupported(f"the NumPy type {value}")
        return {"y": value.name}
    if isinstance(value, int):
        return _integer(int(value))
    for base in (float, str):
        if isinstance(value, base):
            return base(value)
    if isinstance(value, tuple | list):  # such as a named tuple
        items = [_encode(item, arrays, refer, depth + 1) for item in value]
        return {"t": items} if isinstance(value, tuple) else items
    if isinstance(value, dict):
        return _encode(dict(value), arrays, refer, depth)
    reference = refer(value)
    if reference is None:
        raise Unsupported(f"a value of the type {type(value).__name__}")
    return reference


def _integer(value: int) -> int:
    if value.bit_length() > MAX_BITS:
        raise Unsupported(f"an integer of {value.bit_length()} bits")
    return value


def plain_array(value: Any) -> np.ndarray:
    """Return a plain, C-contiguous copy of an array or NumPy number.

    Raises
    ------
    Unsupported
        If its type, its number of axes or its size cannot be sent.
    """
    dtype, shape = value.dtype, value.shape
    if dtype.name not in DTYPES:
        hint = " (rows of different lengths make such an array)" if dtype.kind == "O" else ""
        raise Unsupported(f"an array of the type {dtype}{hint}")
    if len(shape) > MAX_NDIM:
        raise Unsupported(f"an array of {len(shape)} axes; at most {MAX_NDIM} can be compared")
    size = math.prod(shape) * dtype.itemsize
    if size > MAX_BODY:
        raise Unsupported(
            f"an array of shape {shape} and type {dtype}: {size / 2**20:.0f} MiB, {MAX_BODY >> 20} MiB are allowed"
        )
    return np.array(value, dtype=dtype.newbyteorder("="), order="C", copy=True, subok=False)


def decode(
    tree: Any, arrays: list[Any], resolve: Callable[[str, Any, dict[str, Any]], Any], depth: int = 0
) -> Any:
    """Return the value that `encode` made `tree` and `arrays` of.

    Parameters
    ----------
    tree : object
        As it came out of JSON.
    arrays : list of array
        Those that a value took are None afterwards.
    resolve : callable
        Called with the key of a reference, its value and the whole object; returns what it refers to or raises
        `FrameError`.
    depth : int
        Levels of `MAX_DEPTH` to leave, so that the value can be sent again as a part of another one.

    Raises
    ------
    FrameError
        If the tree was not made by `encode`.
    """
    return _decode(tree, arrays, resolve, depth)


def _decode(tree: Any, arrays: list[Any], resolve: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise FrameError("a value is nested too deeply")
    if isinstance(tree, list):
        return [_decode(item, arrays, resolve, depth + 1) for item in tree]
    if not isinstance(tree, dict):
        if type(tree) is int and tree.bit_length() > MAX_BITS:
            raise FrameError("an integer is too long")
        return tree
    if not tree:
        raise FrameError("a value has no tag")
    tag, content = next(iter(tree.items()))
    if tag in ("a", "n"):
        return _array(arrays, tag, content)
    if tag == "t" and isinstance(content, list):
        return tuple(_decode(item, arrays, resolve, depth + 1) for item in content)
    if tag == "d" and isinstance(content, list):
        return _dict(content, arrays, resolve, depth + 1)
    if tag == "y" and isinstance(content, str) and content in DTYPES:
        return np.dtype(content)
    return resolve(tag, content, tree)


def _array(arrays: list[Any], tag: str, index: Any) -> Any:
    if type(index) is not int or not 0 <= index < len(arrays) or arrays[index] is None:
        raise FrameError("a value names an array that is not in the frame, or that was named before")
    # Once: a short frame with one array in a long list would fill the memory when the list is made an array.
    array, arrays[index] = arrays[index], None
    if tag == "a":
        return array
    if array.ndim:
        raise FrameError("a number came as an array with axes")
    return array[()]


def _dict(pairs: list[Any], arrays: list[Any], resolve: Any, depth: int) -> dict[Any, Any]:
    found = {}
    if len(pairs) > MAX_PAIRS:
        raise FrameError("a dict has too many entries")
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2:
            raise FrameError("a dict holds something that is no pair")
        key = _decode(pair[0], arrays, resolve, depth)
        try:
            found[key] = _decode(pair[1], arrays, resolve, depth)
        except TypeError:
            raise FrameError("a dict has a key that cannot be one") from None
    return found
