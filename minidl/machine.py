"""What computer this is, for the records of runs and benchmarks."""

from __future__ import annotations

import platform


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
