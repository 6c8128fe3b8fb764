"""The one module that knows which array libraries exist.

A kernel starts with ``xp = namespace(x)`` and then uses `xp` as it would use NumPy. There is no
global switch: the array says where the work is done. Arrays move between devices only through
`to_device` and `to_cpu`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.errors import DeviceError

Array = Any  # numpy.ndarray, cupy.ndarray, or a registered type with the same interface
Launch = Callable[[Any, Any, tuple[Any, ...]], None]  # a kernel, how many threads, the kernel's arguments
Memory = Callable[[bool], tuple[int, int]]  # bytes held and bytes free, after letting go of what is unused if True
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class _ArrayType:
    kind: type
    module: Any
    device: str
    from_host: Callable[[np.ndarray], Array]
    to_host: Callable[[Array], np.ndarray]
    launch: Launch | None
    memory: Memory | None


_registered: list[_ArrayType] = []
_plain: ContextVar[bool] = ContextVar("minidl_plain", default=False)
_recording: ContextVar[bool] = ContextVar("minidl_recording", default=False)


def register(
    kind: type,
    module: Any,
    device: str,
    from_host: Callable[[np.ndarray], Array],
    to_host: Callable[[Array], np.ndarray],
    *,
    launch: Launch | None = None,
    memory: Memory | None = None,
) -> None:
    """Teach minidl another array type.

    Parameters
    ----------
    kind : type
        The class of the arrays.
    module : module
        What `namespace` returns for them; offers NumPy's functions.
    device : str
        The name `to_device` and ``model.to`` know it by.
    from_host, to_host : callable
        Copy a NumPy array to the device and back.
    launch : callable, optional
        ``launch(kernel, size, args)`` runs a fused kernel (`minidl.kernels.gpu`) on arrays of this type
        with at least `size` threads. Without it the plain layers do all the work.
    memory : callable, optional
        ``memory(release)`` returns the bytes that arrays hold on the device, with those that are kept for the
        next ones, and the bytes that are free; if `release` is true, after letting go of the former kind.
    """
    _registered[:] = [known for known in _registered if known.device != device]
    _registered.append(_ArrayType(kind, module, device, from_host, to_host, launch, memory))


def launcher(x: Array, *, fused: bool = True) -> Launch | None:
    """Return what runs minidl's own kernels on the device of `x`; None where there are none.

    Parameters
    ----------
    x : array
        None is returned for NumPy's.
    fused : bool
        Whether the kernel only does faster what the plain layers do as well. Such kernels are off inside
        ``with plain():``; those that an array library cannot replace are not.
    """
    if type(x) is np.ndarray:  # asked for every layer of every step, so the usual answer comes first
        return None
    if isinstance(x, np.ndarray | np.generic) or (fused and _plain.get()):
        return None
    return _type_of(x).launch


@contextmanager
def plain() -> Iterator[None]:
    """Turn fused kernels off inside the block, so that the plain layers can be compared with them."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


@contextmanager
def recording() -> Iterator[None]:
    """Say that the steps inside the block are recorded into a graph, or prepare the recording of one.

    CuPy cannot record cuBLAS: inside, products on a device are left to minidl's own kernels.
    """
    token = _recording.set(True)
    try:
        yield
    finally:
        _recording.reset(token)


def capturing(x: Array) -> bool:
    """Return whether work on `x` goes into a graph: on a device, inside a `recording` block."""
    return _recording.get() and not isinstance(x, np.ndarray | np.generic)


def namespace(x: Array) -> Any:
    """Return the array library of `x`: ``numpy``, ``cupy``, or a registered one.

    Raises
    ------
    DeviceError
        If `x` is not an array of a known library.
    """
    if isinstance(x, np.ndarray | np.generic):
        return np
    return _type_of(x).module


def device_of(x: Array) -> str:
    """Return the device an array lives on: ``"cpu"``, ``"cuda"``, or a registered name."""
    if isinstance(x, np.ndarray | np.generic):
        return "cpu"
    return _type_of(x).device


def device_memory(device: str, release: bool = False) -> tuple[int, int] | None:
    """Return the bytes held and the bytes free on a device; None where nobody counts them, as on the CPU.

    Parameters
    ----------
    device : str
    release : bool
        Let go of the memory of arrays that are no more, which is otherwise kept for the next ones.
    """
    for known in _registered:
        if known.device == device and known.memory is not None:
            return known.memory(release)
    return None


def to_cpu(x: Array) -> np.ndarray:
    """Return `x` as a NumPy array, copying it from its device if it is not on the CPU."""
    if isinstance(x, np.ndarray | np.generic):
        return np.asarray(x)
    return _type_of(x).to_host(x)


def to_device(x: Array, device: str) -> Array:
    """Return `x` on `device` (``"cpu"``, ``"cuda"``, or a registered name)."""
    if device_of(x) == device:
        return x
    host = to_cpu(x)
    if device == "cpu":
        return host
    for known in _registered:
        if known.device == device:
            return known.from_host(host)
    if device == "cuda":
        return _register_cupy().from_host(host)
    raise DeviceError(f"unknown device {device!r}: choose one of {_names()}")


def choose_device(device: str = "auto") -> str:
    """Resolve a ``--device`` option to a device that is really there.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        "auto" takes the GPU when there is one CuPy can use, else the CPU.

    Raises
    ------
    DeviceError
        If "cuda" was asked for and CuPy is missing or sees no GPU. CuPy being installed does not
        mean there is a GPU: the CUDA runtime is asked.
    """
    if device not in DEVICES:
        raise DeviceError(f"device must be one of {', '.join(DEVICES)}, got {device!r}")
    if device == "cpu":
        return "cpu"
    problem = _cuda_problem()
    if problem is None:
        return "cuda"
    if device == "cuda":
        raise DeviceError(f"device 'cuda' is not available: {problem}; use --device cpu")
    return "cpu"


def require_same_device(layer: str, x: Array, parameter: Array) -> None:
    """Raise a `DeviceError` that names `layer` if `x` and `parameter` live on two devices."""
    if type(x) is type(parameter):
        return
    here, there = device_of(x), device_of(parameter)
    if here != there:
        raise DeviceError(
            f"{layer}: the input is on {here!r} but the layer's parameters are on {there!r}; "
            f"move the model with model.to({here!r}) or the data with to_device(x, {there!r})"
        )


def _type_of(x: Array) -> _ArrayType:
    for known in _registered:
        if isinstance(x, known.kind):
            return known
    if type(x).__module__.partition(".")[0] == "cupy":
        return _register_cupy()
    raise DeviceError(
        f"expected an array of numpy, cupy or a registered library, got {type(x).__name__}; "
        "convert it with numpy.asarray first"
    )


def _register_cupy() -> _ArrayType:
    problem = _cuda_problem()
    if problem is not None:
        raise DeviceError(f"device 'cuda' is not available: {problem}")
    import cupy

    from minidl.kernels.gpu.launch import launch_cuda

    register(
        cupy.ndarray, cupy, "cuda", cupy.asarray, cupy.asnumpy, launch=launch_cuda, memory=_cupy_memory
    )
    return _registered[-1]


def _cupy_memory(release: bool) -> tuple[int, int]:
    import cupy

    pool = cupy.get_default_memory_pool()
    if release:
        pool.free_all_blocks()
    held, free, limit = pool.total_bytes(), cupy.cuda.Device().mem_info[0], pool.get_limit()
    return held, min(free, limit - held) if limit else free


def _cuda_problem() -> str | None:
    try:
        import cupy
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "cupy":
            return f"CuPy is installed but cannot be imported ({error})"
        return "CuPy is not installed (pip install 'minidl[gpu]')"
    except ImportError as error:
        return f"CuPy is installed but cannot be imported ({error})"
    if not cupy.cuda.is_available():
        return "CuPy is installed but the CUDA runtime sees no GPU"
    return None


def _names() -> str:
    return ", ".join(["cpu", "cuda", *(known.device for known in _registered)])
