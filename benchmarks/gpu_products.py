"""The products of a training step in a graph, by cuBLAS and by minidl: does cuBLAS work there, and what do they cost?

    python -m benchmarks.gpu_products [--rung 10] [--batches 10,128]

cuBLAS is called by `benchmarks.gpu_cublas`. A mistake in a call of that kind may end the process, so the benchmark
runs this in one of its own (`in_own_process`), which prints a line of JSON for each product.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import gpu_cublas, models
from benchmarks.contest import numbers
from benchmarks.gpu_calls import graph_microseconds, recorded
from minidl import layers
from minidl.backend import namespace, to_cpu, to_device
from minidl.kernels.gpu.gemm import gemm

NODES = 100  # products in a timed graph
SECONDS = 120.0  # for the process
TOLERANCE = 1e-5  # of the largest number: float32 is well below, TF32 well above
PREDICTED = "works, bit-equal to eager"
NAME = "cublasSgemm by ctypes in a graph"


@dataclass(frozen=True)
class Product:
    """One product of a training step: (m, k) by (k, n), either of them possibly the transpose of what is in memory."""

    name: str
    m: int
    k: int
    n: int
    left_turned: bool = False
    right_turned: bool = False

    def operands(self, device: str) -> tuple[Any, Any]:
        """Return two matrices of normal noise."""
        rng = np.random.default_rng(0)
        made = []
        for shape, turned in (((self.m, self.k), self.left_turned), ((self.k, self.n), self.right_turned)):
            memory = rng.standard_normal(shape[::-1] if turned else shape, dtype=np.float32)
            there = to_device(memory, device)
            made.append(there.T if turned else there)
        return made[0], made[1]


def products_of(rung: str, batch: int) -> list[Product]:
    """Return the products of a recorded step of a rung, without a first convolution: it is a kernel of its own."""
    found, first = [], True
    for _, layer in models.minidl_model(rung).named_layers():
        if isinstance(layer, layers.Dense):
            inputs, units = layer.parameters["weight"].value.shape
            name = f"dense {inputs} to {units}"
            found += [
                Product(f"{name}, forward", batch, inputs, units),
                Product(f"{name}, weights", inputs, batch, units, left_turned=True),
            ]
            if not first:
                found.append(Product(f"{name}, inputs", batch, units, inputs, right_turned=True))
        elif isinstance(layer, layers.Conv2D):
            filters, *window = layer.parameters["weight"].value.shape
            patch, places = int(np.prod(window)), int(np.prod(layer.output_shape[1:])) * batch
            name = f"convolution {patch} to {filters}"
            if not first:
                found += [
                    Product(f"{name}, forward", filters, patch, places),
                    Product(f"{name}, weights", filters, places, patch, right_turned=True),
                    Product(f"{name}, inputs", patch, filters, places, left_turned=True),
                ]
        else:
            continue
        first = False
    return found


def measure(device: str, rung: str, batches: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield an entry for every product: times, or a time and what went wrong."""
    x = to_device(np.ones((2, 2), np.float32), device)
    xp = namespace(x)
    xp.dot(x, x)  # has CuPy load the library
    stream, pool = xp.cuda.Stream(non_blocking=True), xp.cuda.MemoryPool()
    workspace, cublas, problem = xp.empty(gpu_cublas.WORKSPACE, "uint8"), None, None
    xp.cuda.get_current_stream().synchronize()
    try:
        cublas = gpu_cublas.Cublas(gpu_cublas.loaded_library(), stream, workspace)
    except Exception as error:  # there are still minidl's own products
        problem = error
    for batch in batches:
        for product in products_of(rung, batch):
            # What is allocated in a graph stays there, so nothing else may be allocated from the same pool.
            with xp.cuda.using_allocator(pool.malloc), stream:
                entry = _entry(product, device, stream, cublas or problem)
            yield {**entry, "name": f"rung {rung}, batch {batch}, {entry['name']}"}
    if cublas is not None:
        cublas.close()


def _entry(product: Product, device: str, stream: Any, cublas: Any) -> dict[str, Any]:
    """Return the entry of a product; `cublas` is a `Cublas`, or why there is none."""
    shape = f"({product.m} x {product.k})({product.k} x {product.n})"
    value: dict[str, Any] = {"cublas": None, "minidl": None, "bit_equal": None}
    entry: dict[str, Any] = {
        "name": f"{product.name} {shape}",
        "unit": "µs per product of a graph",
        "predicted": None,
        "value": value,
    }
    try:
        a, b = product.operands(device)
        out = namespace(a).empty((product.m, product.n), a.dtype)
        exact = to_cpu(a).astype(float) @ to_cpu(b).astype(float)
        out.fill(np.nan)
        gemm(a, b, out)
        _require_right("minidl", _taken(out, stream), exact)
        value["minidl"] = graph_microseconds(stream, lambda: gemm(a, b, out), NODES)
        if isinstance(cublas, Exception):
            raise cublas
        value["bit_equal"] = _bit_equal(cublas, a, b, out, stream, exact)
        value["cublas"] = graph_microseconds(stream, lambda: cublas.sgemm(a, b, out), NODES)
    except Exception as error:  # whatever it is belongs into the record
        entry |= {"left_out": f"{type(error).__name__}: {error}", "failed": True}
    return entry


def _bit_equal(cublas: Any, a: Any, b: Any, out: Any, stream: Any, exact: np.ndarray) -> bool:
    """Return whether a recorded call of cuBLAS gives the bits of an eager one; that must be right."""
    out.fill(np.nan)
    cublas.sgemm(a, b, out)
    eager = _taken(out, stream)
    _require_right("cuBLAS", eager, exact)
    out.fill(np.nan)
    recorded(stream, lambda: cublas.sgemm(a, b, out)).launch(stream)
    again = _taken(out, stream)
    _require_right("cuBLAS in a graph", again, exact)
    return eager.tobytes() == again.tobytes()


def _taken(out: Any, stream: Any) -> np.ndarray:
    stream.synchronize()
    return to_cpu(out).copy()


def _require_right(whose: str, found: np.ndarray, exact: np.ndarray) -> None:
    error = float(np.abs(found - exact).max() / np.abs(exact).max())
    if not error <= TOLERANCE:  # nor NaN
        raise ArithmeticError(f"{whose} is wrong by {error:.1g} of the largest number")


def verdict(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the entry that stands for all products: whether cuBLAS can be recorded, and gives the same bits."""
    about: dict[str, Any] = {"name": NAME, "unit": "", "predicted": PREDICTED}
    done = [entry["value"]["bit_equal"] for entry in entries if "left_out" not in entry]
    failed = [entry for entry in entries if "left_out" in entry]
    if failed:
        text = f"{len(failed)} of {len(entries)}, the first: {failed[0]['left_out']}"
        return {**about, "left_out": text, "failed": True}
    if not done:
        return {**about, "left_out": "there was no product to try it with"}
    different = done.count(False)
    text = f"works, not bit-equal to eager in {different} of {len(done)} products" if different else PREDICTED
    return {**about, "value": text}


def text_of(entry: dict[str, Any]) -> str:
    """Return an entry of `measure` for people."""
    value, names = entry["value"], (("cuBLAS", "cublas"), ("minidl", "minidl"))
    times = [f"{name} {value[key]:.1f}" for name, key in names if value.get(key) is not None]
    text = ", ".join(times) + f" {entry['unit']}" if times else ""
    if value.get("bit_equal") is not None:
        text += ", bit-equal to eager" if value["bit_equal"] else ", NOT bit-equal to eager"
    if "left_out" in entry:
        text = f"FAILED: {entry['left_out']}" + (f"; {text}" if text else "")
    return text


def in_own_process(device: str, rung: str, batches: Sequence[int]) -> list[dict[str, Any]]:
    """Return the entries of `measure`, and one more if the process that it ran in ended otherwise than it should."""
    command = [sys.executable, "-m", "benchmarks.gpu_products", "--device", device, "--rung", rung]
    command += ["--batches", ",".join(map(str, batches))]
    root = Path(__file__).resolve().parent.parent
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=SECONDS, check=False)
        output, code = done.stdout, done.returncode
        last = (done.stderr.strip().splitlines() or [""])[-1]
        problem = None if code == 0 else f"ended with {code}" + (f": {last}" if last else "")
    except subprocess.TimeoutExpired as error:
        given = error.stdout or ""
        output = given.decode(errors="replace") if isinstance(given, bytes) else given
        problem = f"not done after {SECONDS:g} s"
    # A line that was cut off has no end.
    entries = [json.loads(line) for line in output.split("\n")[:-1] if line.startswith("{")]
    if problem is not None:
        about: dict[str, Any] = {
            "name": "the process of these products",
            "unit": "",
            "predicted": None,
            "value": {},
        }
        entries.append({**about, "left_out": problem, "failed": True})
    return entries


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a line of JSON for each product."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_products", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--device", default="cuda", help="default: %(default)s")
    parser.add_argument("--rung", default="10", help="network (default: %(default)s)")
    parser.add_argument("--batches", type=numbers, default=[10, 128], help="batch sizes (default: 10,128)")
    options = parser.parse_args(arguments)
    for entry in measure(options.device, options.rung, options.batches):
        print(json.dumps(entry), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
