"""What a training run needs in memory, and what ``import minidl`` costs beside ``import numpy``.

Both are measured in processes of their own, so that nothing this process has loaded counts.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import noise_split
from minidl import parallel
from minidl.errors import ConfigError
from minidl.experiments.ladder import find_rung
from minidl.experiments.recipes import recipe_for
from minidl.experiments.runs import Run, train_run

ROOT = Path(__file__).resolve().parents[1]
MIB = 2**20
MEMORY_BAR_MIB = 1024.0
IMPORT_BAR_MS = 50.0
IMPORT = """
import sys, time
start = time.perf_counter()
import numpy
middle, cpu = time.perf_counter(), time.process_time()
known = len(sys.modules)
import minidl
cpu = time.process_time() - cpu
print((middle - start) * 1e3, (time.perf_counter() - middle) * 1e3, cpu * 1e3, len(sys.modules) - known)
"""


def measure_memory(rung: str, images: int, validation: int) -> dict[str, Any]:
    """Train one epoch on expanded noise of MNIST's size in a process of its own; return its peak memory.

    Parameters
    ----------
    rung : str
    images : int
        Training images before the expansion: 50,000 become 250,000.
    validation : int
        Validation images.

    Returns
    -------
    dict
        rung, images (after the expansion), peak_mib, before_mib (the peak when everything is imported),
        seconds, bar_mib.
    """
    words = ["-m", "benchmarks.footprint", rung, str(images), str(validation)]
    return {**json.loads(_python(words).splitlines()[-1]), "bar_mib": MEMORY_BAR_MIB}


def measure_import(repeats: int) -> dict[str, Any]:
    """Import NumPy, then minidl, in fresh interpreters.

    Returns
    -------
    dict
        Medians numpy_ms, minidl_ms and minidl_cpu_ms (what minidl adds, by the clock and in CPU time), modules (how
        many it adds), bar_ms, and minidl_all_ms.
    """
    _python(["-c", IMPORT])  # the first one compiles to bytecode and reads the disk
    rows = [[float(word) for word in _python(["-c", IMPORT]).split()] for _ in range(repeats)]
    return {
        "numpy_ms": statistics.median(row[0] for row in rows),
        "minidl_ms": statistics.median(row[1] for row in rows),
        "minidl_cpu_ms": statistics.median(row[2] for row in rows),
        "minidl_all_ms": [row[1] for row in rows],
        "modules": int(rows[0][3]),
        "bar_ms": IMPORT_BAR_MS,
    }


def peak_memory() -> float:
    """Return the most memory this process has had, in MiB.

    Linux's ``VmHWM`` belongs to this program alone, while `resource.getrusage` of a child that was just started
    begins with the peak of its parent.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / MIB
    except OSError:
        pass  # not Linux
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak * 1024 / MIB


def train_once(rung: str, images: int, validation: int) -> dict[str, Any]:
    """Train a rung for one epoch on expanded noise, with a run folder and checkpoints, in this process."""
    if not find_rung(rung).expanded:
        raise ConfigError(f"rung {rung} does not train on expanded images; choose one from 4 to 10")
    rng = np.random.default_rng(0)
    train, held_out = noise_split(images, rng), noise_split(validation, rng)
    recipe = recipe_for(find_rung(rung), "express", images, epochs=1, augment="expand")
    before = peak_memory()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(rung, recipe, 0, Path(folder) / "run", "noise", threads=parallel.available_cores())
        outcome = train_run(run, train, held_out)
    return {
        "rung": rung,
        "images": outcome["train_images"],
        "before_mib": before,
        "peak_mib": peak_memory(),
        "seconds": outcome["seconds"],
    }


def _python(words: list[str]) -> str:
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"python {' '.join(words[:2])} failed: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    print(json.dumps(train_once(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
