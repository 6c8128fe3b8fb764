"""A libcublas for the fake device: what `benchmarks.gpu_cublas` calls through ctypes, over the memory of NumPy arrays.

It knows the prototypes of NVIDIA's header by itself, refuses functions that were declared otherwise, and multiplies
as BLAS does: matrices are columns in memory, a certain number of numbers apart.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.device.fake_stream import Stream
from tests.device.ledger import LEDGER

_FLOATS = ctypes.POINTER(ctypes.c_float)
_ANY, _INT, _SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t

# cublas_api.h of CUDA 12: cublasHandle_t and cudaStream_t are pointers, enumerations are int.
PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "cublasCreate_v2": (ctypes.POINTER(_ANY),),
    "cublasDestroy_v2": (_ANY,),
    "cublasSetStream_v2": (_ANY, _ANY),
    "cublasSetWorkspace_v2": (_ANY, _ANY, _SIZE),
    "cublasSetPointerMode_v2": (_ANY, _INT),
    "cublasSgemm_v2": (
        _ANY, _INT, _INT, _INT, _INT, _INT, _FLOATS, _ANY, _INT, _ANY, _INT, _FLOATS, _ANY, _INT,
    ),
    "cublasGetStatusString": (_INT,),
}  # fmt: skip
HANDLE = 0x7000
INVALID_VALUE, NOT_INITIALIZED = 7, 1


class Function:
    """A function of the library, with the attributes that ctypes' have."""

    def __init__(self, name: str, act: Callable[..., Any]) -> None:
        self.name, self._act = name, act
        self.argtypes: Any = None
        self.restype: Any = None

    def __call__(self, *arguments: Any) -> Any:
        expected = PROTOTYPES[self.name]
        assert tuple(self.argtypes) == expected, f"{self.name} is declared otherwise"
        assert self.restype is (ctypes.c_char_p if self.name.endswith("String") else ctypes.c_int)
        assert len(arguments) == len(expected), f"{self.name} takes {len(expected)} arguments"
        return self._act(*(_number(*pair) for pair in zip(expected, arguments, strict=True)))


def _number(kind: Any, value: Any) -> Any:
    kind.from_param(value)  # what ctypes would refuse
    if hasattr(value, "_obj"):  # byref
        return value._obj
    return value.value if isinstance(value, ctypes.c_void_p) else value


class FakeCublas:
    """The library.

    Attributes
    ----------
    log : list of str
        Names of the functions called.
    bare : int
        Products captured without a workspace of the caller's: the real one puts allocations into the graph.
    """

    def __init__(self) -> None:
        self.log: list[str] = []
        self.bare = 0
        self._stream: Any = None
        self._workspace: Any = None
        for name in PROTOTYPES:
            setattr(self, name, Function(name, getattr(self, f"_{name.removeprefix('cublas')}")))

    def _Create_v2(self, handle: Any) -> int:
        self.log.append("create")
        handle.value = HANDLE
        return 0

    def _Destroy_v2(self, handle: int) -> int:
        self.log.append("destroy")
        return 0 if handle == HANDLE else NOT_INITIALIZED

    def _SetStream_v2(self, handle: int, stream: int) -> int:
        self.log.append("stream")
        self._stream, self._workspace = Stream.known[stream], None
        return 0 if handle == HANDLE else NOT_INITIALIZED

    def _SetWorkspace_v2(self, handle: int, workspace: int, size: int) -> int:
        self.log.append("workspace")
        self._workspace = workspace, size
        return 0 if handle == HANDLE else NOT_INITIALIZED

    def _SetPointerMode_v2(self, handle: int, mode: int) -> int:
        self.log.append("pointer mode")
        return 0 if mode == 0 and handle == HANDLE else INVALID_VALUE

    def _GetStatusString(self, status: int) -> bytes | None:
        return {INVALID_VALUE: b"CUBLAS_STATUS_INVALID_VALUE"}.get(status)

    def _Sgemm_v2(
        self, handle: int, turn_a: int, turn_b: int, m: int, n: int, k: int,
        alpha: Any, a: int, lda: int, b: int, ldb: int, beta: Any, c: int, ldc: int,
    ) -> int:  # fmt: skip
        self.log.append("product")
        rows = (k if turn_a else m), (n if turn_b else k), m
        if handle != HANDLE or any(ld < max(1, each) for ld, each in zip((lda, ldb, ldc), rows, strict=True)):
            return INVALID_VALUE
        left, right = _columns(a, lda, rows[0], m + k - rows[0]), _columns(b, ldb, rows[1], k + n - rows[1])
        out, share, old = _columns(c, ldc, m, n), alpha.value, beta.value  # values at the time of the call

        def act() -> None:
            product = (left.T if turn_a else left) @ (right.T if turn_b else right)
            out[...] = share * product + (old * out if old else 0)

        self.bare += self._stream.is_capturing() and self._workspace is None
        with self._stream:
            if self._stream.is_capturing():
                LEDGER.do("cublasSgemm", act)
            else:
                act()  # another stream's capture is nothing to this one
        return 0


def _columns(address: int, length: int, rows: int, columns: int) -> np.ndarray:
    """Return a matrix whose columns lie in memory `length` numbers apart."""
    memory = (ctypes.c_float * (length * columns)).from_address(address)
    return np.ctypeslib.as_array(memory).reshape(columns, length).T[:rows]
