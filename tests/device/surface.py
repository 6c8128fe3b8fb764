"""What CuPy offers: names and keywords, found by introspection. Needs CuPy but no GPU.

``python -m tests.device.surface`` writes cupy_surface.json, which the fake device goes by.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

PARTS = ("random", "linalg", "lib.stride_tricks", "cuda", "cuda.Stream", "cuda.Graph")
FILE = Path(__file__).parent / "cupy_surface.json"


def surface() -> dict[str, Any]:
    """Return the names of the installed CuPy by part, each with its kind and its keywords."""
    import cupy
    import cupyx.scipy.ndimage

    found: dict[str, Any] = {"version": cupy.__version__, "namespace": _entries(cupy)}
    for part in PARTS:
        owner: Any = cupy
        for name in part.split("."):
            owner = getattr(owner, name)
        found[part] = _entries(owner)
    found["scipy.ndimage"] = _entries(cupyx.scipy.ndimage)
    found["ndarray"] = {
        name: _entry(name, getattr(cupy.ndarray, name))
        for name in sorted(dir(cupy.ndarray))
        if name.startswith("__") or not name.startswith("_")
    }
    return found


def _entries(owner: Any) -> dict[str, Any]:
    return {
        name: _entry(name, getattr(owner, name)) for name in sorted(dir(owner)) if not name.startswith("_")
    }


def _entry(name: str, thing: Any) -> dict[str, Any]:
    import cupy

    if isinstance(thing, cupy.ufunc):
        # The names its call looks for (cupy/_core/_kernel.pyx, ufunc.__call__); no signature says so.
        return {
            "kind": "ufunc",
            "keywords": ["casting", "dtype", "out"],
            "nin": thing.nin,
            "nout": thing.nout,
        }
    if type(thing).__name__ == "_GUFunc":
        options = inspect.signature(thing).parameters.values()
        return {
            "kind": "function",
            "keywords": [each.name for each in options if each.kind == each.KEYWORD_ONLY],
        }
    if inspect.ismodule(thing):
        return {"kind": "module"}
    if inspect.isclass(thing):
        kind: dict[str, Any] = {"kind": "class"}
    elif callable(thing):
        kind = {
            "kind": "method" if inspect.ismethoddescriptor(thing) else "function",
            "keywords": keywords(thing),
        }
    else:
        kind = {"kind": "value"}
    if vars(np).get(name) is thing:
        kind["numpy"] = True  # CuPy hands on NumPy's own
    return kind


def keywords(function: Any) -> list[str] | None:
    """Return the names of the arguments; None if they cannot be found, or any are taken."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        # Compiled methods carry their signature in the first line of the docstring.
        line = (getattr(function, "__doc__", None) or "").partition("\n")[0]
        match = re.match(r"[\w.]+\((.*?)\)", line)
        if match is None:
            return None
        parts = [
            part.strip().partition("=")[0].replace("\\", "").strip() for part in match.group(1).split(",")
        ]
        return [
            part.split(" ")[-1] for part in parts if part and part not in ("/", "self") and part[0] != "*"
        ]
    if any(each.kind == each.VAR_KEYWORD for each in parameters):
        return None
    return [each.name for each in parameters if each.kind != each.VAR_POSITIONAL and each.name != "self"]


if __name__ == "__main__":
    FILE.write_text(json.dumps(surface(), indent=0, sort_keys=True) + "\n")
