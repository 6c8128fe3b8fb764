"""Load as much of somebody else's weights as fits, and say exactly what was loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minidl.backend import Array, device_of, to_device
from minidl.errors import CheckpointError, ConfigError
from minidl.expressions import suggestion
from minidl.freezing import known_names, require_built, selector
from minidl.training.checkpoint import FILE_KEY, read_checkpoint, read_safetensors
from minidl.training.exchange import torch_entries
from minidl.training.run_folder import RunFolder


@dataclass(frozen=True)
class LoadReport:
    """What `load_matching` did. Names are the model's, unless said otherwise.

    Attributes
    ----------
    source : str
        The file.
    loaded : list of str
        Arrays that were copied into the model.
    reshaped : list of str
        Arrays of another shape in the file, left as they were: ``"6.weight (10, 100) is (5, 100) here"``.
    missing : list of str
        Arrays of the model that the file does not have, left as they were.
    unexpected : list of str
        Arrays of the file (under its names) that the model has no place for.
    left_out : list of str
        Arrays of the model that `only` and `skip` kept from being loaded.
    """

    source: str
    loaded: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything asked for was loaded and nothing was left over."""
        return not (self.reshaped or self.missing or self.unexpected)

    def __str__(self) -> str:
        """Say it in a line for each kind."""
        lines = [f"{self.source}: loaded {len(self.loaded)} arrays: {', '.join(self.loaded) or 'none'}"]
        kinds = {
            "of another shape": self.reshaped,
            "missing in the file": self.missing,
            "only in the file": self.unexpected,
            "left out": self.left_out,
        }
        lines += [f"  {what}: {', '.join(names)}" for what, names in kinds.items() if names]
        return "\n".join(lines)


def load_matching(
    model: Any,
    source: str | Path,
    *,
    strict: bool = False,
    rename: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
) -> LoadReport:
    """Copy the arrays of a file into the places of the same name and shape.

    Parameters
    ----------
    model : Layer
        Built. Values are converted to its type and device.
    source : str or Path
        A checkpoint of minidl; the folder of a run, of which the best weights are taken, or the last if
        none were kept; or a safetensors file of PyTorch (or of `export_weights`), whose names and
        transposed matrices are translated as by `import_weights`.
    strict : bool
        Whether everything must fit: no array of another shape, none missing, none left over.
    rename : dict of str to str, optional
        Beginnings of names in the file to beginnings of names in the model, in whole parts between dots:
        ``{"features": "0", "classifier.3": "1"}``. Of two that fit, the longer counts.
    only, skip : sequence of str
        Layers or arrays of the model to load, and not to load. They are neither missing nor unexpected.

    Returns
    -------
    LoadReport

    Raises
    ------
    CheckpointError
        If the file is damaged; if nothing fits, or, with `strict`, not everything. Every misfit is
        named, and the model is unchanged.
    ConfigError
        If a name in `only`, `skip` or `rename` does not exist.
    """
    require_built(model, "load_matching")
    path, tensors, is_torch = _read(Path(source))
    places = _places(model, is_torch)
    incoming = _renamed(tensors, rename or {}, path)
    own = {place.name: place for place in places}
    known = known_names(model)
    is_chosen = selector(only, known, "load_matching: only") if only else lambda name: True
    is_skipped = selector(skip, known, "load_matching: skip")

    report = LoadReport(str(path))
    by_file_name = {place.file_name: place for place in places}
    report.unexpected.extend(old for new, (old, _) in incoming.items() if new not in by_file_name)
    fitting: list[tuple[Array, np.ndarray]] = []
    for name, place in own.items():
        if is_skipped(name) or not is_chosen(name):
            report.left_out.append(name)
        elif place.file_name not in incoming:
            if not place.optional:
                report.missing.append(name)
        else:
            value = incoming[place.file_name][1]
            value = value.T if place.turned and value.ndim == 2 else value
            if tuple(value.shape) != tuple(place.array.shape):
                report.reshaped.append(f"{name} is {value.shape} there and {tuple(place.array.shape)} here")
            else:
                report.loaded.append(name)
                fitting.append((place.array, value))
    _require_fit(report, strict)
    for array, value in fitting:
        array[...] = to_device(np.asarray(value, dtype=array.dtype), device_of(array))
    return report


@dataclass(frozen=True)
class _Place:
    """An array of the model and what it is called in the file."""

    name: str
    file_name: str
    array: Array
    turned: bool = False
    optional: bool = False


def _places(model: Any, is_torch: bool) -> list[_Place]:
    state = model.state_dict()
    if not is_torch:
        return [_Place(name, name, array) for name, array in state.items()]
    return [
        _Place(name, torch_name, state[name], turned, torch_name.endswith("num_batches_tracked"))
        for name, torch_name, turned in torch_entries(model)
    ]


def _read(source: Path) -> tuple[Path, dict[str, np.ndarray], bool]:
    """Return the file that was read, its arrays, and whether they have PyTorch's names."""
    if source.is_dir():
        folder = RunFolder(source)
        found = [path for path in (folder.best, folder.last) if path.is_file()]
        if not found:
            raise CheckpointError(
                f"{source}: this folder holds no run (there is no {folder.last.relative_to(source)} in it); "
                "give the folder of a run or a safetensors file"
            )
        source = found[0]
    tensors, metadata = read_safetensors(source)
    if FILE_KEY not in metadata:
        return source, tensors, True
    tensors, _ = read_checkpoint(source)
    weights = {name.removeprefix("model/"): x for name, x in tensors.items() if name.startswith("model/")}
    return source, weights, False


def _renamed(
    tensors: dict[str, np.ndarray], rename: Mapping[str, str], path: Path
) -> dict[str, tuple[str, np.ndarray]]:
    """Return the arrays by their names in the model, each with its name in the file."""
    used: set[str] = set()
    renamed: dict[str, tuple[str, np.ndarray]] = {}
    for name, array in tensors.items():
        fits = [old for old in rename if name == old or name.startswith(old + ".")]
        new = name
        if fits:
            old = max(fits, key=len)
            used.add(old)
            new = (rename[old] + name[len(old) :]).removeprefix(".")
        if new in renamed:
            raise ConfigError(
                f"load_matching: rename gives {renamed[new][0]!r} and {name!r} of {path} the same name {new!r}"
            )
        renamed[new] = name, array
    for old in rename:
        if old not in used:
            parts = {
                name[:i] for name in tensors for i in range(len(name) + 1) if name[i : i + 1] in ("", ".")
            }
            if old not in parts:
                raise ConfigError(
                    f"load_matching: rename: {path} has nothing called {old!r}{suggestion(old, parts)}"
                )
    return renamed


def _require_fit(report: LoadReport, strict: bool) -> None:
    if report.loaded and (report.complete or not strict):
        return
    problems = [f"missing {name}" for name in report.missing]
    problems += [f"unexpected {name}" for name in report.unexpected]
    problems += report.reshaped
    if not problems:
        problems = ["only and skip leave nothing to load"]
    what = "do not all fit the model" if report.loaded else "fit the model nowhere"
    raise CheckpointError(f"{report.source}: these weights {what}: {'; '.join(problems)}")
