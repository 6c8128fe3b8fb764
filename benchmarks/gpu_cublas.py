"""cuBLAS by ctypes: a handle of one's own, whose products can be recorded into a graph.

CuPy refuses to record cuBLAS; the library itself does not mind. So here the very library that CuPy has loaded is called
through ctypes. It is an experiment of the benchmark (`benchmarks.gpu_products`): nothing in minidl depends on it.

What it rests on, read there and not tried:

- NVIDIA's documentation of cuBLAS, https://docs.nvidia.com/cuda/cublas/: "CUDA Graphs Support" (calls can be captured;
  scalars given by a pointer of the host are captured as values; without a workspace of the user's the graph may
  contain allocations), ``cublasSetStream`` (takes the workspace away again, so it comes first),
  ``cublasSetWorkspace`` (aligned to 256 bytes; 32 MiB for Hopper), "Results reproducibility" (the same bits in
  every run), ``cublas<t>gemm``.
- The names: ``cublas_v2.h`` maps ``cublasSgemm`` to ``cublasSgemm_v2`` and so on. All of them but
  ``cublasSetWorkspace_v2`` and ``cublasGetStatusString`` are among the symbols that CuPy 14.2's wheel asks
  libcublas.so.12 for.
- CuPy's pool of memory hands out multiples of 512 bytes, so that its arrays are aligned well enough.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

WORKSPACE = 32 * 2**20  # bytes

_Handle, _Pointer, _Number = ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_float)
_INT = ctypes.c_int
_FUNCTIONS: dict[str, list[Any]] = {
    "cublasCreate_v2": [ctypes.POINTER(_Handle)],
    "cublasDestroy_v2": [_Handle],
    "cublasSetStream_v2": [_Handle, _Pointer],
    "cublasSetWorkspace_v2": [_Handle, _Pointer, ctypes.c_size_t],
    "cublasSetPointerMode_v2": [_Handle, _INT],
    # handle, transa, transb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc
    "cublasSgemm_v2": [
        _Handle, _INT, _INT, _INT, _INT, _INT, _Number, _Pointer, _INT, _Pointer, _INT, _Number, _Pointer, _INT,
    ],
}  # fmt: skip
_NOT_TURNED, _TURNED = 0, 1  # cublasOperation_t
_HOST = 0  # cublasPointerMode_t


class CublasError(RuntimeError):
    """What cuBLAS answered when it did not do what it was asked to."""


class Cublas:
    """A handle of cuBLAS for one stream, with a workspace of its own.

    Parameters
    ----------
    library : ctypes.CDLL
    stream : cupy.cuda.Stream
    workspace : array of uint8
        Memory of the device; must live as long as the graphs do.
    """

    def __init__(self, library: Any, stream: Any, workspace: Any) -> None:
        self._library, self._workspace = library, workspace
        self._one, self._zero = ctypes.c_float(1.0), ctypes.c_float(0.0)
        for name, types in _FUNCTIONS.items():
            function = getattr(library, name)
            function.argtypes, function.restype = types, _INT
        library.cublasGetStatusString.argtypes = [_INT]
        library.cublasGetStatusString.restype = ctypes.c_char_p
        self._handle = _Handle()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        self._call("cublasSetStream_v2", self._handle, stream.ptr)
        # After the stream: setting that takes the workspace away.
        self._call("cublasSetWorkspace_v2", self._handle, workspace.data.ptr, workspace.nbytes)
        self._call("cublasSetPointerMode_v2", self._handle, _HOST)

    def sgemm(self, a: Any, b: Any, out: Any) -> None:
        """Compute ``out = a b`` for float32 matrices (m, k) and (k, n); `out` is C-contiguous."""
        # cuBLAS has columns where these arrays have rows: to it they are transposes, and out^T = b^T a^T.
        (m, k), n = a.shape, b.shape[1]
        turned = [not x.flags.c_contiguous for x in (b, a)]
        lengths = [x.shape[0] if t else x.shape[1] for x, t in zip((b, a), turned, strict=True)]
        flags = [_TURNED if t else _NOT_TURNED for t in turned]
        self._call(
            "cublasSgemm_v2", self._handle, *flags, n, m, k,
            ctypes.byref(self._one), b.data.ptr, lengths[0], a.data.ptr, lengths[1],
            ctypes.byref(self._zero), out.data.ptr, n,
        )  # fmt: skip

    def close(self) -> None:
        """Give the handle back."""
        self._call("cublasDestroy_v2", self._handle)

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status != 0:
            text = self._library.cublasGetStatusString(status)
            raise CublasError(f"{name}: {text.decode() if text else 'no such status'} ({status})")


def loaded_library() -> Any:
    """Return the libcublas that this process, that is CuPy, has loaded.

    Raises
    ------
    OSError
        If there is none.
    """
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = "".join(line.split(maxsplit=5)[5:])
        if Path(path).name.startswith("libcublas.so"):
            return ctypes.CDLL(path)  # of a file that is loaded already, it is the same library once more
    raise OSError("no libcublas is loaded, although CuPy has multiplied matrices")
