"""The CUDA text of kernels, compiled for the CPU and run one thread after another.

The few names that CUDA adds to C++ are defined by a header. The threads of a block are fibers that run until
the next barrier, or the end, in an order one may choose: a result that depends on it lacks a barrier. Shared
memory is garbage when a block begins. Arrays have guards on both sides: what is written beyond an end is seen,
what is read there is NaN.
"""

from __future__ import annotations

import ctypes
import importlib
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minidl.kernels.gpu
from minidl.kernels.gpu.launch import PRELUDE, Kernel

ORDERS = {"forward": 0, "backward": 1, "shuffled": 2}
GUARD = 64  # elements
TYPES = {"float32": "float", "float64": "double"}

HEADER = r"""
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <ucontext.h>
#include <vector>
using std::abs; using std::exp; using std::expm1; using std::fabs; using std::fma; using std::log;
using std::nan; using std::pow; using std::sqrt; using std::tanh;
#define __global__
#define __device__
// All in one section, whose ends the linker knows: so it can be filled with garbage before every block.
#define __shared__ static __attribute__((section("shared_memory")))
extern char __start_shared_memory[] __attribute__((visibility("hidden")));
extern char __stop_shared_memory[] __attribute__((visibility("hidden")));
__attribute__((section("shared_memory"), used)) static int there_is_some;
#define __restrict__
#define __forceinline__ inline
#define __launch_bounds__(n)
struct dim3 { unsigned x, y, z; };
dim3 threadIdx, blockIdx, blockDim, gridDim;
template <class T> inline T min(T a, T b) { return b < a ? b : a; }
template <class T> inline T max(T a, T b) { return a < b ? b : a; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}

// Fibers ------------------------------------------------------------------
enum { RUNNING, WAITING, DONE };
struct Fiber { ucontext_t context; int state; };
ucontext_t scheduler;
std::vector<Fiber> fibers;
std::vector<char> stacks;
unsigned current;
bool with_barriers;
std::function<void()> body;
const size_t STACK = 1 << 15;

void __syncthreads() {
    if (!with_barriers) abort();
    fibers[current].state = WAITING;
    swapcontext(&fibers[current].context, &scheduler);
}
void enter() { body(); fibers[current].state = DONE; swapcontext(&fibers[current].context, &scheduler); }

void place(unsigned t) {
    current = t;
    threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
}
unsigned nth(unsigned k, unsigned count, int order) {  // which thread comes k-th
    if (order == 1) return count - 1 - k;
    if (order == 2) return (k * 97u + 31u) % count;  // 97: prime, no divisor of a block's size
    return k;
}
// 0, or 1 if some threads of a block waited at a barrier that others never came to
int run_block(unsigned count, int order) {
    if (!with_barriers) {
        for (unsigned k = 0; k < count; k++) { place(nth(k, count, order)); body(); }
        return 0;
    }
    for (unsigned t = 0; t < count; t++) {
        getcontext(&fibers[t].context);
        fibers[t].context.uc_stack.ss_sp = &stacks[t * STACK];
        fibers[t].context.uc_stack.ss_size = STACK;
        fibers[t].context.uc_link = nullptr;
        fibers[t].state = RUNNING;
        makecontext(&fibers[t].context, enter, 0);
    }
    for (;;) {
        unsigned waiting = 0, done = 0;
        for (unsigned k = 0; k < count; k++) {
            unsigned t = nth(k, count, order);
            place(t);
            swapcontext(&scheduler, &fibers[t].context);
            (fibers[t].state == DONE ? done : waiting)++;
        }
        if (done == count) return 0;
        if (done) return 1;
    }
}
int run(const unsigned* grid, const unsigned* block, int order, bool barriers, std::function<void()> kernel) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    unsigned count = block[0] * block[1] * block[2];
    with_barriers = barriers;
    body = kernel;
    if (barriers && fibers.size() < count) { fibers.resize(count); stacks.resize(count * STACK); }
    int trouble = 0;
    for (unsigned z = 0; z < grid[2]; z++)
        for (unsigned y = 0; y < grid[1]; y++)
            for (unsigned x = 0; x < grid[0]; x++) {
                blockIdx = {x, y, z};
                memset(__start_shared_memory, 0xff, __stop_shared_memory - __start_shared_memory);
                trouble |= run_block(count, order);
            }
    return trouble;
}
"""


def all_kernels() -> list[Kernel]:
    """Return every `Kernel` of the package, each once."""
    found: dict[str, Kernel] = {}
    for module in pkgutil.iter_modules(minidl.kernels.gpu.__path__):
        names = vars(importlib.import_module(f"minidl.kernels.gpu.{module.name}")).values()
        found.update((value.name, value) for value in names if isinstance(value, Kernel))
    return list(found.values())


def entry(kernel: Kernel, real: str) -> str:
    """Return the text of a kernel for one type, and of a function that runs it with an array of pointers."""
    name = f"{kernel.name}_{real}"
    values = [
        f"*(({'const ' if a.array and not a.written else ''}{a.type}{'*' if a.array else ''}*)values[{k}])"
        for k, a in enumerate(kernel.arguments)
    ]
    # Only the linkage differs from what a GPU gets: two functions of one name need a namespace.
    source = kernel.source.replace('extern "C" __global__', "__global__")
    barriers = str("__syncthreads" in source).lower()
    return (
        f"#define real {TYPES[real]}\nnamespace of_{name} {{\n{source}\n}}\n"
        f'extern "C" int run_{name}(const unsigned* grid, const unsigned* block, int order, void** values) {{\n'
        f"    return run(grid, block, order, {barriers}, [=] {{ of_{name}::{kernel.name}({', '.join(values)}); }});\n"
        "}\n#undef real\n"
    )


def compile_kernels(
    kernels: list[Kernel], folder: Path, types: tuple[str, ...] = tuple(TYPES)
) -> ctypes.CDLL:
    """Return a library with all kernels, for both types; skip the test where there is no compiler."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None or sys.platform != "linux":
        pytest.skip("running CUDA text on the CPU needs Linux, and g++ or clang++")
    source, library = folder / "kernels.cpp", folder / "kernels.so"
    texts = [entry(kernel, real) for kernel in kernels for real in types]
    source.write_text("\n".join([HEADER, PRELUDE, *texts]))
    # Shared arrays are static variables here, which other fibers change during a call that seems not to.
    flags = ["-std=c++17", "-O1", "-w", "-shared", "-fPIC"]
    command = [compiler, *flags, str(source), "-o", str(library)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[:4000]
    return ctypes.CDLL(str(library))


class Guarded:
    """A copy of an array between two guards.

    Parameters
    ----------
    array : numpy.ndarray
    fill : bool
        Whether garbage takes the place of its numbers.
    mark : int
        Below 100. The garbage, NaN for floats, has it in its bits: what is carried from beyond the end of one
        array to beyond that of another is seen.
    """

    def __init__(self, array: np.ndarray, fill: bool, mark: int) -> None:
        self.memory = np.empty(array.size + 2 * GUARD, array.dtype)
        if array.dtype.kind == "f":
            bits = self.memory.view(f"u{array.itemsize}")
            bits[...] = bits.dtype.type(np.array(np.nan, array.dtype).view(bits.dtype) + mark)
        else:
            self.memory[...] = 77 + mark
        self.inside = self.memory[GUARD : GUARD + array.size]
        if not fill:
            self.inside[...] = array.reshape(-1)
        self._before = self.memory.copy()

    def intact(self, written: bool) -> bool:
        """Return whether nothing has changed that must not: the guards, and all of what is only read."""
        part = np.ones(self.memory.size, bool)
        part[GUARD : GUARD + self.inside.size] = not written
        return self.memory[part].tobytes() == self._before[part].tobytes()


def run_on_cpu(
    library: ctypes.CDLL,
    kernel: Kernel,
    grid: tuple[int, ...],
    args: tuple[Any, ...],
    updated: tuple[str, ...] = (),
    order: str = "forward",
) -> dict[str, np.ndarray]:
    """Run a kernel's CUDA text, and return the arrays it writes, by name.

    Parameters
    ----------
    args : tuple
        As for a launch; they are not changed. What is in an array that is written to is replaced by garbage,
        unless it is named in `updated`.
    """
    bound = kernel.bind(args)
    boxes: dict[str, Guarded] = {}
    values: list[Any] = []
    for argument, value in zip(kernel.arguments, bound, strict=True):
        if isinstance(value, np.ndarray):
            filled = argument.written and argument.name not in updated
            box = boxes[argument.name] = Guarded(value, filled, mark=len(boxes))
            values.append(ctypes.c_void_p(box.inside.ctypes.data))
        else:
            values.append((ctypes.c_char * 8).from_buffer_copy(value.tobytes().ljust(8, b"\0")))
    pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
    sizes = [(ctypes.c_uint * 3)(*(*shape, 1, 1)[:3]) for shape in (grid, kernel.block)]
    function = library[f"run_{kernel.name}_{kernel.real_type(args).name}"]
    trouble = function(*sizes, ORDERS[order], pointers)
    assert trouble == 0, f"{kernel.name}: some threads wait at a barrier that others do not come to"
    written = {argument.name for argument in kernel.arguments if argument.written}
    for name, box in boxes.items():
        assert box.intact(name in written), f"{kernel.name}: writes beyond the array {name}, or into an input"
    return {name: box.inside for name, box in boxes.items() if name in written}


def run_line(kernel: Kernel, args: tuple[Any, ...], updated: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Run a kernel's NumPy twin on copies of the arguments, and return the arrays it writes, by name."""
    bound = [None if value is None else bound for value, bound in zip(args, kernel.bind(args), strict=True)]
    out = {}
    for k, argument in enumerate(kernel.arguments):
        value = bound[k]
        if argument.written and value is not None:
            bound[k] = value.copy()
            if argument.name not in updated:
                bound[k].fill(np.nan if value.dtype.kind == "f" else 77)
            out[argument.name] = bound[k]
    kernel.line(*bound)
    return {name: array.reshape(-1) for name, array in out.items()}
