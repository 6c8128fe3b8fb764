"""An array of a device that is not there: NumPy inside, the surface and the manners of `cupy.ndarray` outside.

It is no subclass of `numpy.ndarray`: a NumPy function that would accept one by accident must not. What
`cupy.ndarray` refuses raises here, too; what it does silently although it costs a transfer (``float(x)``,
``x[mask]``, ``x[numpy_index]``) is written to the ledger. Source: cupy v14.2.0, and the introspection of
its wheel in cupy_surface.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.device.ledger import LEDGER, Hazard, caller

SURFACE: dict[str, Any] = json.loads((Path(__file__).parent / "cupy_surface.json").read_text())
_ND = SURFACE["ndarray"]
_VIEWS = ("reshape", "transpose", "ravel", "view", "squeeze", "swapaxes", "diagonal")
_READERS = ("item", "tolist", "get", "tobytes", "dump", "dumps", "nonzero")
_INPLACE = ("sort", "partition", "put", "scatter_add", "scatter_max", "scatter_min")
_BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
    "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "and": np.bitwise_and,
    "or": np.bitwise_or, "xor": np.bitwise_xor, "lshift": np.left_shift, "rshift": np.right_shift,
}  # fmt: skip
_COMPARE = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal,
}  # fmt: skip
_UNARY = {"neg": np.negative, "abs": np.absolute, "invert": np.invert, "pos": np.positive}


class FakeArray:
    """See the module."""

    __slots__ = ("__weakref__", "_host")
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 100

    def __init__(self, host: np.ndarray) -> None:
        self._host = host
        if LEDGER.capacity is not None and host.base is None:
            LEDGER.allocate(host, host.nbytes)

    # Shape and memory ---------------------------------------------------------------------------

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    strides = property(lambda self: self._host.strides)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    T = property(lambda self: FakeArray(self._host.T))
    data = property(lambda self: SimpleNamespace(ptr=self._host.ctypes.data))  # as a MemoryPointer of CuPy

    @property
    def flags(self) -> SimpleNamespace:
        flags = self._host.flags
        return SimpleNamespace(
            c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous, owndata=flags.owndata
        )

    def __copy__(self) -> FakeArray:
        return self.copy()

    def __deepcopy__(self, _: Any) -> FakeArray:
        return self.copy()

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator[FakeArray]:
        return (self[index] for index in range(len(self)))

    # What makes the host wait -------------------------------------------------------------------

    def __float__(self) -> float:
        return float(self._read("float(x)"))

    def __int__(self) -> int:
        return int(self._read("int(x)"))

    def __bool__(self) -> bool:
        return bool(self._read("bool(x)"))

    def __str__(self) -> str:
        return str(self._read("str(x)"))

    def __repr__(self) -> str:
        # For a failing test's own message: CuPy would read the array.
        return f"FakeArray(shape={self.shape}, dtype={self.dtype})"

    def __format__(self, text: str) -> str:
        return format(self._read("format(x)").item(), text)

    def _read(self, what: str) -> np.ndarray:
        LEDGER.transfer("download", what)
        return self._host

    # What NumPy tries -----------------------------------------------------------------------------

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy "
            "array explicitly."
        )

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        from tests.device.fake_namespace import FAKE

        if method != "__call__":
            return NotImplemented
        out = options.pop("out", None)
        if out is not None:
            options["out"] = out[0]
        return getattr(FAKE, ufunc.__name__)(*inputs, **options)

    def __array_function__(self, function: Any, _: Any, args: tuple, options: dict) -> Any:
        from tests.device.fake_namespace import FAKE

        return getattr(FAKE, function.__name__)(*args, **options)

    # Elements ---------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> FakeArray:
        kind, where = indexed(index)
        if kind == "view":
            return FakeArray(self._host[where])
        if kind == "mask":
            LEDGER.transfer("download", "x[mask]: its size is on the device")
        elif kind == "host":
            LEDGER.transfer("upload", "x[numpy_index]")
        return FakeArray(LEDGER.run("getitem", lambda: self._host[where]))

    def __setitem__(self, index: Any, value: Any) -> None:
        kind, where = indexed(index)
        if isinstance(value, np.ndarray) and value.shape != ():
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        if isinstance(value, list | tuple):
            raise TypeError(f"Unsupported type {type(value)}")
        if kind == "host":
            LEDGER.transfer("upload", "x[numpy_index] = y")
        elif kind == "mask" and isinstance(value, FakeArray) and value.size > 1:
            LEDGER.transfer("download", "x[mask] = array: its size is on the device")
        source = value._host if isinstance(value, FakeArray) else value

        def act() -> None:
            if kind in ("device", "host"):
                _require_distinct(self._host, where)
            self._host[where] = source

        LEDGER.uses("ndarray.__setitem__")
        LEDGER.do("setitem", act)

    def __getattr__(self, name: str) -> Any:
        entry = _ND.get(name)
        if entry is None or entry["kind"] not in ("method", "function"):
            raise AttributeError(f"'ndarray' object has no attribute {name!r}")

        def method(*args: Any, **options: Any) -> Any:
            check_keywords(f"ndarray.{name}", entry["keywords"], options)
            return self._call(name, args, options)

        return method

    def _call(self, name: str, args: tuple, options: dict) -> Any:
        if name in _READERS:
            result = getattr(self._read(f"x.{name}()"), "copy" if name == "get" else name)()
            return tuple(map(FakeArray, result)) if name == "nonzero" else result
        if name in _VIEWS:
            return self._viewed(name, args, options)
        if name in ("dot", "copy", "astype"):
            return getattr(self, f"_{name}")(*args, **options)
        if name == "fill":
            (value,) = args
            scalar = value._host if isinstance(value, FakeArray) else value
            LEDGER.do("fill", lambda: self._host.fill(scalar))
            return None
        if name == "take" and not isinstance((args[0] if args else options["indices"]), FakeArray | int):
            LEDGER.transfer("upload", "x.take(numpy_index)")
            args = tuple(map(FakeArray, args[:1])) + args[1:] if isinstance(args[0], np.ndarray) else args
        if name in _INPLACE:
            LEDGER.do(name, lambda: getattr(self._host, name)(*raw(args), **raw(options)))
            return None
        out = options.pop("out", None)
        target = None if out is None else out._host
        cost = {"var": 3, "std": 4}.get(name, 1)
        host, given, named = self._host, raw(args), raw(options)
        result = LEDGER.run(name, lambda: getattr(host, name)(*given, **named), target, cost)
        return FakeArray(result) if out is None else out

    def _viewed(self, name: str, args: tuple, options: dict) -> FakeArray:
        result = getattr(self._host, name)(*args, **options)
        if np.may_share_memory(result, self._host) or result.size == 0:
            return FakeArray(result)
        host = self._host  # no view is possible: a copy is made
        return FakeArray(LEDGER.run(name, lambda: getattr(host, name)(*args, **options)))

    def _copy(self, order: str = "C") -> FakeArray:
        host = self._host
        return FakeArray(LEDGER.run("copy", lambda: host.copy(order=order)))

    def _astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> FakeArray:
        if not copy and self._host.dtype == dtype:
            return self
        host = self._host
        return FakeArray(LEDGER.run("astype", lambda: host.astype(dtype, order=order)))

    def _dot(self, b: Any, out: Any = None) -> FakeArray:
        from tests.device.fake_namespace import FAKE

        return FAKE.dot(self, b, out=out)


def raw(value: Any) -> Any:
    """Return arguments with NumPy arrays in the place of fake ones; refuse arrays of the host."""
    if isinstance(value, FakeArray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)} at {caller()}")
    if isinstance(value, tuple | list):
        return type(value)(map(raw, value))
    if isinstance(value, dict):
        return {name: raw(each) for name, each in value.items()}
    return value


def elementwise(name: str, function: Any, inputs: tuple, out: FakeArray | None = None, **options: Any) -> Any:
    """Call a NumPy ufunc on fake arrays and scalars."""
    for value in inputs:
        if not isinstance(value, FakeArray | np.generic | int | float | complex):
            raise TypeError(f"Unsupported type {type(value)} at {caller()}")
    if out is not None and not isinstance(out, FakeArray):
        raise TypeError(f"Unsupported type {type(out)} at {caller()}: out must be an array of the device")
    arrays = raw(inputs)
    target = None if out is None else out._host
    result = LEDGER.run(name, lambda: function(*arrays, **options), target)
    return FakeArray(result) if out is None else out


def indexed(index: Any) -> tuple[str, Any]:
    """Return the kind of an index ("view", "mask", "device", "host") and its form for NumPy."""
    parts = index if isinstance(index, tuple) else (index,)
    kinds = {_kind(part) for part in parts}
    kind = next((each for each in ("host", "mask", "device") if each in kinds), "view")
    host = tuple(part._host if isinstance(part, FakeArray) else part for part in parts)
    return kind, host


def _kind(part: Any) -> str:
    if isinstance(part, FakeArray):
        return "mask" if part.dtype == bool else "device"
    return "host" if isinstance(part, np.ndarray | list) else "view"


def _require_distinct(array: np.ndarray, index: Any) -> None:
    places = np.arange(array.size).reshape(array.shape)[index]
    if np.unique(places).size < places.size:
        raise Hazard(
            f"an element is assigned twice at {caller()}: on a GPU it is undefined which value stays"
        )


def check_keywords(name: str, known: list[str] | None, options: dict) -> None:
    """Refuse keywords that CuPy does not have, and note those used."""
    LEDGER.uses(name, options)
    for option in options:
        if known is not None and option not in known:
            raise TypeError(f"{name}() got an unexpected keyword argument {option!r} at {caller()}")


def _binary(name: str, function: Any, reflected: bool = False) -> Any:
    def operator(self: FakeArray, other: Any) -> Any:
        inputs = (other, self) if reflected else (self, other)
        return elementwise(name, function, inputs)

    return operator


def _inplace(name: str, function: Any) -> Any:
    def operator(self: FakeArray, other: Any) -> FakeArray:
        return elementwise(name, function, (self, other), out=self)

    return operator


for _name, _function in _BINARY.items():
    setattr(FakeArray, f"__{_name}__", _binary(_function.__name__, _function))
    setattr(FakeArray, f"__r{_name}__", _binary(_function.__name__, _function, reflected=True))
    setattr(FakeArray, f"__i{_name}__", _inplace(_function.__name__, _function))
for _name, _function in _COMPARE.items():
    setattr(FakeArray, f"__{_name}__", _binary(_function.__name__, _function))
for _name, _function in _UNARY.items():
    setattr(FakeArray, f"__{_name}__", lambda self, f=_function: elementwise(f.__name__, f, (self,)))


def _matmul(self: FakeArray, other: Any) -> Any:
    from tests.device.fake_namespace import FAKE

    return FAKE.matmul(self, other)


def _rmatmul(self: FakeArray, other: Any) -> Any:
    from tests.device.fake_namespace import FAKE

    return FAKE.matmul(other, self)


FakeArray.__matmul__ = _matmul  # type: ignore[attr-defined]
FakeArray.__rmatmul__ = _rmatmul  # type: ignore[attr-defined]
