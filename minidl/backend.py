"""The one module that knows which array libraries exist.

A kernel starts with ``xp = namespace(x)`` and then uses `xp` as it would use NumPy. There is no
global switch: the array says where the work is done. Arrays move between devices only through
`to_device` and `to_cpu`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from minidl.errors import DeviceError

Array = Any  # numpy.ndarray, cupy.ndarray, or a registered type with the same interface
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class _ArrayType:
    kind: type
    module: ModuleType
    device: str
    from_host: Callable[[np.ndarray], Array]
    to_host: Callable[[Array], np.ndarray]


_registered: list[_ArrayType] = []


def register(
    kind: type,
    module: Any,
    device: str,
    from_host: Callable[[np.ndarray], Array],
    to_host: Callable[[Array], np.ndarray],
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
    """
    _registered[:] = [known for known in _registered if known.device != device]
    _registered.append(_ArrayType(kind, module, device, from_host, to_host))


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

    register(cupy.ndarray, cupy, "cuda", cupy.asarray, cupy.asnumpy)
    return _registered[-1]


def _cuda_problem() -> str | None:
    try:
        import cupy
    except ImportError:
        return "CuPy is not installed (pip install 'minidl[gpu]')"
    if not cupy.cuda.is_available():
        return "CuPy is installed but the CUDA runtime sees no GPU"
    return None


def _names() -> str:
    return ", ".join(["cpu", "cuda", *(known.device for known in _registered)])
