"""The machine a measurement was made on, and how fast it multiplies matrices at best."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib import metadata
from typing import Any

import numpy as np

import minidl
from minidl.machine import processor_name
from minidl.parallel import available_cores


def describe(packages: tuple[str, ...]) -> dict[str, Any]:
    """Return the processor, the system, the BLAS library and the versions of `packages`, as plain values."""
    from threadpoolctl import threadpool_info

    return {
        "processor": processor_name(),
        "cores": available_cores(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "packages": {"minidl": minidl.__version__, **{name: _version(name) for name in packages}},
        "blas": [
            {key: library.get(key) for key in ("internal_api", "version", "architecture", "threading_layer")}
            for library in threadpool_info()
            if library["user_api"] == "blas"
        ],
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def headline(info: dict[str, Any]) -> str:
    """Return the machine and the versions in one line."""
    versions = "".join(f", {name} {version}" for name, version in info["packages"].items() if version)
    return f"{info['processor']}, {info['cores']} cores, Python {info['python']}{versions}"


def sgemm_peak(threads: int, size: int = 1024, seconds: float = 0.4) -> float:
    """Return the best rate of a float32 matrix product in GFLOP/s.

    Parameters
    ----------
    threads : int
        Threads BLAS may use.
    size : int
        The matrices are ``size x size``; a product is ``2 size**3`` operations.
    seconds : float
        How long to repeat it; the fastest counts.
    """
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    a = rng.standard_normal((size, size), dtype=np.float32)
    b = rng.standard_normal((size, size), dtype=np.float32)
    c = np.empty_like(a)
    fastest = float("inf")
    with threadpool_limits(threads, user_api="blas"):
        np.matmul(a, b, out=c)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            np.matmul(a, b, out=c)
            fastest = min(fastest, time.perf_counter() - start)
    return 2e-9 * size**3 / fastest



def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
