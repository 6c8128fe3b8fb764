"""The module `cupy`, as far as it exists, over `FakeArray`: every other name raises as it would there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.device.fake_array import SURFACE, FakeArray, check_keywords, elementwise, raw
from tests.device.fake_stream import Event, Graph, MemoryPool, Stream, current_stream, using_allocator
from tests.device.ledger import LEDGER, caller

_FREE = ("empty", "empty_like", "broadcast_to", "expand_dims", "moveaxis", "reshape", "transpose", "squeeze")
_READERS = (
    "nonzero",
    "flatnonzero",
    "argwhere",
    "unique",
    "array_equal",
    "allclose",
    "array_str",
    "array_repr",
)
_REDUCTIONS = {"add": "sum", "multiply": "prod"}
_CUBLAS = ("matmul", "dot", "tensordot", "inner", "vdot", "einsum", "outer", "kron")


class FakeNamespace:
    """Look a name up in the surface of CuPy, and answer with NumPy."""

    def __init__(self, part: str, module: Any) -> None:
        self._part = part
        self._module = module

    def __getattr__(self, name: str) -> Any:
        entries = SURFACE.get(self._part or "namespace", {})
        full = f"{self._part}.{name}" if self._part else name
        if name not in entries:
            raise AttributeError(
                f"module 'cupy{'.' + self._part if self._part else ''}' has no attribute {name!r}"
            )
        kind = entries[name]["kind"]
        LEDGER.uses(full)
        if kind == "module":
            return _modules(full, name)
        if full in _SPECIAL:
            return _checked(full, entries[name].get("keywords"), _SPECIAL[full])
        target = getattr(self._module, name)
        if kind in ("class", "value") or entries[name].get("numpy"):
            return target
        if kind == "ufunc":
            return FakeUfunc(full, target, entries[name])
        return _checked(full, entries[name].get("keywords"), _function(name, target))


class FakeUfunc:
    """A universal function of CuPy: ``out``, ``dtype`` and ``casting``, arrays of the device and scalars."""

    def __init__(self, name: str, function: Any, entry: dict[str, Any]) -> None:
        self.name, self._function, self._entry = name, function, entry
        self.nin, self.nout = entry["nin"], entry["nout"]

    def __call__(self, *args: Any, **options: Any) -> Any:
        for option in options:
            if option not in self._entry["keywords"]:
                raise TypeError(f"Wrong arguments {{{option!r}}} at {caller()}")
        LEDGER.uses(self.name, options)
        inputs, outs = args[: self.nin], args[self.nin :]
        out = outs[0] if outs else options.pop("out", None)
        out = out[0] if isinstance(out, tuple) else out
        return elementwise(self.name, self._function, inputs, out, **options)

    def __getattr__(self, name: str) -> Any:
        if name == "reduce" and self.name in _REDUCTIONS:
            return lambda x, axis=0, **options: getattr(x, _REDUCTIONS[self.name])(axis=axis, **options)
        raise AttributeError(f"'ufunc' object has no attribute {name!r}")


def _checked(name: str, known: list[str] | None, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        check_keywords(name, known, options)
        return function(*args, **options)

    return call


def _function(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        given, named = raw(args), raw(options)
        if name in _READERS:
            LEDGER.transfer("download", f"{name}: its result depends on the numbers")
        launches = 0 if name in _FREE else 1

        def compute() -> Any:
            return function(*given, **named)

        if name in _FREE and name not in ("empty", "empty_like"):
            return FakeArray(compute())  # a view: nothing to record
        target = None if out is None else out._host
        result = LEDGER.run(name, compute, target, launches)
        return FakeArray(result) if out is None else out

    return call


# Where CuPy is not NumPy with other arrays -------------------------------------------------------------


def _array(a: Any, dtype: Any = None, copy: bool = True, order: Any = "K", **_: Any) -> FakeArray:
    return _uploaded(a, dtype) if not isinstance(a, FakeArray) else a.astype(dtype or a.dtype, copy=copy)


def _asarray(a: Any, dtype: Any = None, order: Any = None, **_: Any) -> FakeArray:
    if isinstance(a, FakeArray):
        return a if dtype is None else a.astype(dtype, copy=False)
    return _uploaded(a, dtype)


def _uploaded(a: Any, dtype: Any) -> FakeArray:
    if not isinstance(a, int | float | np.generic):  # a scalar is an argument of a kernel
        LEDGER.transfer("upload", "asarray(host)")
    host = np.array(a, dtype=dtype)
    LEDGER.check_type("asarray", host)
    return FakeArray(host)


def _ascontiguousarray(a: Any, dtype: Any = None) -> FakeArray:
    array = _asarray(a, dtype)
    return array if array.flags.c_contiguous else array.copy()


def _asnumpy(a: Any, *_: Any, **__: Any) -> np.ndarray:
    return a.get() if isinstance(a, FakeArray) else np.asarray(a)


def _where(condition: FakeArray, x: Any = None, y: Any = None) -> Any:
    if x is None:
        return condition.nonzero()
    return elementwise("where", np.where, (condition, x, y))


def _take(a: FakeArray, indices: Any, axis: Any = None, out: Any = None) -> FakeArray:
    if not isinstance(indices, FakeArray | int):
        LEDGER.transfer("upload", "take(x, numpy_index)")
        indices = FakeArray(np.asarray(indices))
    given, where = a._host, raw(indices)
    target = None if out is None else out._host
    result = LEDGER.run("take", lambda: given.take(where, axis=axis), target)
    return FakeArray(result) if out is None else out


def _clip(a: FakeArray, a_min: Any, a_max: Any, out: Any = None) -> FakeArray:
    return elementwise("clip", np.clip, (a, a_min, a_max), out)


def _matmul(a: Any, b: Any, out: Any = None, **_: Any) -> FakeArray:
    left, right = raw((a, b))
    _require_eager("matmul")
    if (
        left.ndim > 2 or right.ndim > 2
    ):  # a stack is copied unless it is contiguous, broadcasting needs a list
        launches = 1 + sum(not each.flags.c_contiguous for each in (left, right))
        launches += 3 * (left.shape[:-2] != right.shape[:-2])
    else:
        launches = 1 + sum(not (x.flags.c_contiguous or x.flags.f_contiguous) for x in (left, right))
    launches += out is not None and not out.flags.c_contiguous
    target = None if out is None else out._host
    result = LEDGER.run("matmul", lambda: np.matmul(left, right), target, launches)
    return FakeArray(result) if out is None else out


def _dot(a: Any, b: Any, out: Any = None) -> FakeArray:
    left, right = raw((a, b))
    vectors = left.ndim == right.ndim == 1  # those are a product and a sum, without cuBLAS
    if not vectors:
        _require_eager("dot")
    target = None if out is None else out._host
    result = LEDGER.run("dot", lambda: np.dot(left, right), target, 2 if vectors else 1)
    return FakeArray(result) if out is None else out


def _require_eager(name: str) -> None:
    if LEDGER.recording is not None:
        raise NotImplementedError(
            f"{name} at {caller()}: calling cuBLAS API during stream capture is currently unsupported"
        )


def _cublas(name: str) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        _require_eager(name)
        return _function(name, getattr(np, name))(*args, **options)

    return call


def _copyto(dst: FakeArray, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    source = raw(src)
    LEDGER.do("copyto", lambda: np.copyto(dst._host, source, casting=casting))


def _as_strided(x: FakeArray, shape: Any = None, strides: Any = None) -> FakeArray:
    return FakeArray(np.lib.stride_tricks.as_strided(x._host, shape, strides))


def _sliding_window_view(x: FakeArray, window_shape: Any, axis: Any = None, **_: Any) -> FakeArray:
    LEDGER.transfer("download", "sliding_window_view: CuPy uploads the window and reads it back")
    return FakeArray(np.lib.stride_tricks.sliding_window_view(x._host, window_shape, axis))


def _sorted_views(name: str) -> Callable[..., Any]:
    def call(x: FakeArray, *args: Any, **options: Any) -> Any:
        result = getattr(np, name)(x._host, *args, **options)
        if np.may_share_memory(result, x._host):
            return FakeArray(result)
        return FakeArray(LEDGER.run(name, lambda: getattr(np, name)(x._host, *args, **options)))

    return call


_SPECIAL: dict[str, Callable[..., Any]] = {
    "array": _array,
    "asarray": _asarray,
    "asanyarray": _asarray,
    "ascontiguousarray": _ascontiguousarray,
    "asnumpy": _asnumpy,
    "where": _where,
    "take": _take,
    "clip": _clip,
    "matmul": _matmul,
    "dot": _dot,
    "copyto": _copyto,
    "reshape": _sorted_views("reshape"),
    "ravel": _sorted_views("ravel"),
    "lib.stride_tricks.as_strided": _as_strided,
    "lib.stride_tricks.sliding_window_view": _sliding_window_view,
    "cuda.Stream": Stream,
    "cuda.Event": Event,
    "cuda.Graph": Graph,
    "cuda.MemoryPool": MemoryPool,
    "cuda.using_allocator": using_allocator,
    "cuda.get_current_stream": current_stream,
    "cuda.is_available": lambda: True,
    **{name: _cublas(name) for name in _CUBLAS if name not in ("matmul", "dot")},
}

_MODULES: dict[str, FakeNamespace] = {}


def _modules(full: str, name: str) -> Any:
    if full == "lib":
        return _Lib()
    if full not in SURFACE:
        raise AttributeError(f"the fake device does not have cupy.{full}; add it to tests/device")
    return _MODULES.setdefault(full, FakeNamespace(full, getattr(np, name, None)))


class _Lib:
    stride_tricks = FakeNamespace("lib.stride_tricks", np.lib.stride_tricks)


FAKE = FakeNamespace("", np)
