"""What a kernel for a GPU is, and how one is started.

A `Kernel` is a piece of CUDA C++ and, beside it, the same thing in NumPy. The CUDA text is what runs on a
GPU; the NumPy line says what it computes, and is what a device without CUDA (the tests have one) runs in
its place. `tests/gpu` compiles the CUDA text for the CPU, too, and compares the two.

The rules every kernel keeps:

- element type ``real``, float or double, by a compiler option: one text for both;
- arrays are C-contiguous, and below 2^31 elements, so that indices fit 32 bits (64-bit divisions cost a GPU
  several times more);
- `FOR_EACH` walks the elements with any number of blocks, and neighbouring threads take neighbouring
  elements: a group of 32 threads then reads one piece of memory, 128 bytes for floats, in one go;
- outputs are written, never added to: whatever was in them does not matter, and no two threads write to
  the same place, so that the results are the same bits in every run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np

from minidl import backend
from minidl.backend import Array
from minidl.errors import ConfigError, DeviceError

PRELUDE = """\
typedef signed char int8;
typedef unsigned char uint8;
typedef unsigned short uint16;
typedef unsigned int uint32;
typedef long long int64;
typedef unsigned long long uint64;

// Elements 0 to size - 1, thread after thread. Unsigned: size is below 2^31, so i + step cannot overflow.
#define FOR_EACH(i, size)                                                    \\
    for (uint32 i = blockIdx.x * blockDim.x + threadIdx.x; i < uint32(size); \\
         i += gridDim.x * blockDim.x)

// Take a flat index apart, last axis first: the index along an axis of this length, and the rest.
__device__ inline int take(uint32& rest, int length) {
    int index = rest % uint32(length);
    rest /= uint32(length);
    return index;
}
"""

OPTIONS = ("-std=c++17",)
THREADS = 256  # of a block; a multiple of 32, and eight such groups hide each other's waiting for memory
LARGEST = 2**31 - 1
_NOWHERE = np.uintp(0)  # a null pointer
_FLOAT32 = np.dtype(np.float32)

_SCALARS = {
    "bool": np.bool_,
    "int8": np.int8,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "int": np.int32,
    "uint32": np.uint32,
    "int64": np.int64,
    "uint64": np.uint64,
    "float": np.float32,
    "double": np.float64,
}


class Argument(NamedTuple):
    """One argument of a kernel, as its CUDA text declares it."""

    name: str
    type: str  # "real", "int", ...
    dtype: np.dtype | None  # the same for NumPy; None for "real"
    array: bool
    written: bool  # a pointer without const


@dataclass(frozen=True)
class Kernel:
    """One kernel in both languages.

    Parameters
    ----------
    name : str
        Of the ``extern "C" __global__ void`` function.
    source : str
        CUDA C++, without headers; `PRELUDE` is put before it.
    line : callable
        The NumPy twin: takes the same arguments and writes to the same arrays.
    block : (int, int, int)
        Threads of a block. The text may rely on it.
    fused : bool
        Whether the plain layers can do without it; if so, ``with backend.plain():`` turns it off.
    """

    name: str
    source: str
    line: Callable[..., None]
    block: tuple[int, int, int] = (THREADS, 1, 1)
    fused: bool = True

    def __call__(self, size: int | tuple[int, ...], *args: Any) -> None:
        """Run on the device of the first array.

        Parameters
        ----------
        size : int or tuple of int
            The number of threads wanted, for a kernel that works element by element; or the grid, in blocks.
        *args
            Arrays of that device, None for an array that the kernel can do without, and numbers.
        """
        first = _first_array(args)
        launch = backend.launcher(first, fused=self.fused)
        if launch is None:
            raise DeviceError(
                f"kernel {self.name}: there are no fused kernels on {backend.device_of(first)!r}; call the "
                "layer, which knows what to do there"
            )
        launch(self, size, args)

    def grid(self, size: int | tuple[int, ...]) -> tuple[int, ...]:
        """Return the number of blocks for `size`, as `__call__` takes it."""
        if isinstance(size, tuple):
            return size
        threads = self.block[0] * self.block[1] * self.block[2]
        return (max(1, -(-size // threads)),)

    def text(self) -> str:
        """Return the whole CUDA text, for a compiler."""
        return PRELUDE + self.source

    @cached_property
    def arguments(self) -> tuple[Argument, ...]:
        """The arguments, read from the declaration in `source`."""
        text = re.sub(r"//[^\n]*|/\*.*?\*/", "", self.source, flags=re.DOTALL)
        head = re.search(
            rf'extern "C" __global__ void\s+(?:__launch_bounds__\(\w+\)\s+)?{self.name}\s*\(([^)]*)\)', text
        )
        if head is None:
            raise ConfigError(
                f'kernel {self.name}: its source has no extern "C" __global__ void {self.name}(...)'
            )
        return tuple(self._argument(declared) for declared in head.group(1).split(","))

    def _argument(self, declared: str) -> Argument:
        words = declared.replace("*", " * ").replace("__restrict__", " ").split()
        kinds = [word for word in words[:-1] if word not in ("const", "*")]
        array = "*" in words
        if len(kinds) != 1 or kinds[0] not in (*_SCALARS, "real") or words.count("*") > 1:
            raise ConfigError(
                f"kernel {self.name}: cannot read the argument {declared.strip()!r} of its source"
            )
        dtype = None if kinds[0] == "real" else np.dtype(_SCALARS[kinds[0]])
        return Argument(words[-1], kinds[0], dtype, array, array and "const" not in words)

    def real_type(self, args: tuple[Any, ...]) -> np.dtype:
        """Return the element type that ``real`` stands for with these arguments: that of the first such array.

        float32 for a kernel that has none.
        """
        for place in self._reals:
            if place < len(args) and args[place] is not None:
                return np.dtype(getattr(args[place], "dtype", None))
        return _FLOAT32

    @cached_property
    def _reals(self) -> list[int]:
        return [k for k, argument in enumerate(self.arguments) if argument.array and argument.type == "real"]

    def bind(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Check arguments against the declaration; return them with numbers in the declared types.

        None, for an array, becomes a null pointer. Every launch comes through here, so what is right is passed
        quickly, and what is wrong is looked at once more, for a message.

        Raises
        ------
        ConfigError
            If there are too few or too many, or one has the wrong type, is not C-contiguous, or too large.
        """
        bound = []
        try:
            for (array, dtype), value in zip(self._expected(self.real_type(args)), args, strict=True):
                if not array:
                    value = dtype.type(value)
                    if value.shape:
                        raise TypeError
                elif value is None:
                    value = _NOWHERE
                # A kernel gets an address, and knows nothing of strides.
                elif value.dtype != dtype or not value.flags.c_contiguous or value.size > LARGEST:
                    raise TypeError
                bound.append(value)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            raise ConfigError(f"kernel {self.name}: {self._mistake(args)}") from None
        return tuple(bound)

    def _expected(self, real: np.dtype) -> list[tuple[bool, np.dtype]]:
        """Return for each argument whether it is an array, and its type, if ``real`` is float32 or float64."""
        return self._types[real.name]

    @cached_property
    def _types(self) -> dict[str, list[tuple[bool, np.dtype]]]:
        return {
            name: [(a.array, np.dtype(name) if a.dtype is None else a.dtype) for a in self.arguments]
            for name in ("float32", "float64")
        }

    def _mistake(self, args: tuple[Any, ...]) -> str:
        """Say what is wrong with arguments that `bind` has refused."""
        if len(args) != len(self.arguments):
            names = ", ".join(argument.name for argument in self.arguments)
            return f"takes {len(self.arguments)} arguments ({names}), got {len(args)}"
        real = self.real_type(args)
        if real.name not in self._types:
            return f"works on float32 and float64, got {real}"
        for argument, (array, dtype), value in zip(self.arguments, self._expected(real), args, strict=True):
            what = f"argument {argument.name}"
            if not array:
                try:
                    right = not dtype.type(value).shape
                except (TypeError, ValueError, OverflowError):
                    right = False
                if not right:
                    return f"{what} must be a number that fits {dtype}, got {value!r}"
            elif value is not None and (not hasattr(value, "dtype") or value.dtype != dtype):
                return (
                    f"{what} must be an array of {dtype}, got {getattr(value, 'dtype', type(value).__name__)}"
                )
            elif value is not None and (not value.flags.c_contiguous or value.size > LARGEST):
                return (
                    f"{what} must be C-contiguous, with at most {LARGEST} elements, got shape {value.shape} with "
                    f"strides {value.strides}; pass it in its memory order"
                )
        return "cannot take these arguments"


def _first_array(args: tuple[Any, ...]) -> Array:
    return next(value for value in args if value is not None)


def launch_cuda(kernel: Kernel, size: int | tuple[int, ...], args: tuple[Any, ...]) -> None:
    """Start a kernel on the current stream of CuPy; compile it when it is first needed for a type.

    Nothing may be compiled while a graph is being captured: run a step before that.
    """
    arguments = kernel.bind(args)
    function = _compiled(backend.namespace(_first_array(args)).RawKernel, kernel, kernel.real_type(args))
    function(kernel.grid(size), kernel.block, arguments)


@cache
def _compiled(raw_kernel: Any, kernel: Kernel, real: np.dtype) -> Any:
    return raw_kernel(kernel.text(), kernel.name, options=compiler_options(real))


def compiler_options(real: Any) -> tuple[str, ...]:
    """Return the options of NVRTC for a type, float32 or float64."""
    return (*OPTIONS, "-Dreal=" + ("double" if np.dtype(real) == np.float64 else "float"))


def memory_order(x: Array) -> Array | None:
    """Return `x` with its axes in the order of memory, C-contiguous and not copied; None if it has gaps.

    An elementwise kernel does not care which axis is which, only that two arrays agree:
    `same_order` says so.
    """
    turned = x.transpose(*sorted(range(x.ndim), key=lambda axis: -x.strides[axis]))
    return turned if turned.flags.c_contiguous else None


def same_order(*arrays: Array) -> bool:
    """Return whether arrays have one shape and lie in memory in one order, without gaps."""
    first = arrays[0]
    return memory_order(first) is not None and all(
        array.shape == first.shape and array.strides == first.strides for array in arrays[1:]
    )
