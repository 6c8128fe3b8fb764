"""What computer this is, for the records of runs and benchmarks."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np

from minidl._version import __version__
from minidl.parallel import available_cores


def processor_name() -> str:
    """Return the processor's name where the system tells it, else its kind."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            for line in stream:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def machine_facts() -> dict[str, Any]:
    """Return the machine and the versions, for the record of a result."""
    return {
        "machine": {
            "processor": processor_name(),
            "system": platform.platform(),
            "cores": available_cores(),
        },
        "versions": {"minidl": __version__, "numpy": np.__version__, "python": platform.python_version()},
    }
