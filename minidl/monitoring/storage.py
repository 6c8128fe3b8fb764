"""The files of the monitors: tables and stacks of arrays in the folder ``monitor`` of a run.

Every row knows its epoch. A run that is resumed after epoch `e` drops the rows beyond `e`, and since
the training repeats itself bit for bit, so do the rows it adds: the files end as if nothing had
happened. They are written before the checkpoint of their epoch, so they are never behind it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from minidl.errors import CheckpointError
from minidl.files import atomic_write, read_json
from minidl.monitoring.place import Place
from minidl.training.checkpoint import read_safetensors, safetensors_numpy
from minidl.training.history import History

FOLDER = "monitor"


class Table:
    """Rows of numbers and the CSV file they are kept in.

    Parameters
    ----------
    name : str
        Of the file.

    Attributes
    ----------
    columns : list of str
        Those of the first row; all rows have the same.
    rows : list of dict
        Each with the keys "epoch" and "step".
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.clear()

    def clear(self) -> None:
        """Forget all rows."""
        self.changed = True  # against the file
        self.rows: list[dict[str, Any]] = []
        self._lines: list[str] = []  # each row is turned into text once, however often the file is written

    @property
    def columns(self) -> list[str]:
        return list(self.rows[0]) if self.rows else []

    def add(self, place: Place, values: dict[str, Any]) -> None:
        """Append a row: the epoch and the step of `place`, then `values`."""
        row = {"epoch": place.epoch, "step": place.step, **values}
        if not self.rows:
            self._lines = [",".join(_quoted(name) for name in row)]
        self.changed = True
        self.rows.append(row)
        self._lines.append(",".join(repr(value) for value in row.values()))

    def write(self, folder: Path) -> None:
        """Write the file, atomically; a table without rows has none."""
        if not self.rows:
            (folder / self.name).unlink(missing_ok=True)
            return
        with atomic_write(folder / self.name, sync=False) as stream:
            stream.write("\n".join(self._lines) + "\n")

    def read(self, folder: Path, epochs: int | None = None) -> None:
        """Take the rows of the file, of the first `epochs` epochs if given.

        Raises
        ------
        CheckpointError
            If the file is damaged.
        """
        self.clear()
        path = folder / self.name
        if not path.exists():
            return
        history = History.read_csv(path)
        for row in history.rows:
            if len(row) != len(history.columns) or not {"epoch", "step"} <= row.keys():
                raise CheckpointError(f"{path}: this file is damaged, expected rows with epoch and step")
            if epochs is None or row["epoch"] <= epochs:
                rest = {name: value for name, value in row.items() if name not in ("epoch", "step")}
                self.add(Place(int(row["epoch"]), 0, int(row["step"])), rest)


class Stack:
    """Arrays that are taken again and again, and the safetensors file they are kept in.

    Parameters
    ----------
    name : str
        Of the file.

    Attributes
    ----------
    places : list of (epoch, step)
    entries : list of dict of str to array
        All with the same names and shapes.
    facts : dict of str to str
        Written into the file's metadata.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.changed = True
        self.places: list[tuple[int, int]] = []
        self.entries: list[dict[str, np.ndarray]] = []
        self.facts: dict[str, str] = {}

    def add(self, place: Place, arrays: dict[str, np.ndarray]) -> None:
        """Append an entry."""
        self.changed = True
        self.places.append((place.epoch, place.step))
        self.entries.append(arrays)

    def keep(self, indices: list[int]) -> None:
        """Drop all entries but those of the given positions."""
        self.places = [self.places[index] for index in indices]
        self.entries = [self.entries[index] for index in indices]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return "epoch" and "step", shape (S,), and every array with a first axis of length S."""
        if not self.entries:
            return {}
        epoch, step = np.array(self.places, np.int64).T
        stacked = {name: np.stack([entry[name] for entry in self.entries]) for name in self.entries[0]}
        return {"epoch": epoch.copy(), "step": step.copy(), **stacked}

    def write(self, folder: Path) -> None:
        """Write the file, atomically; without entries there is none."""
        if not self.entries:
            (folder / self.name).unlink(missing_ok=True)
            return
        data = safetensors_numpy().save(self.arrays(), metadata=dict(self.facts))
        with atomic_write(folder / self.name, "wb", sync=False) as stream:
            stream.write(data)

    def read(self, folder: Path, epochs: int | None = None) -> None:
        """Take the entries of the file, of the first `epochs` epochs if given.

        Raises
        ------
        CheckpointError
            If the file is damaged.
        """
        self.clear()
        path = folder / self.name
        if not path.exists():
            return
        arrays, self.facts = read_safetensors(path)
        if not {"epoch", "step"} <= arrays.keys():
            raise CheckpointError(f"{path}: this file is damaged, expected arrays epoch and step")
        steps = arrays.pop("step")
        for index, epoch in enumerate(arrays.pop("epoch")):
            if epochs is None or epoch <= epochs:
                entry = {name: array[index] for name, array in arrays.items()}
                self.add(Place(int(epoch), 0, int(steps[index])), entry)


class Notes:
    """Warnings, each kind once, and the JSON file they are kept in.

    Parameters
    ----------
    name : str
        Of the file.

    Attributes
    ----------
    entries : list of dict
        ``epoch``, ``batch`` (from 1), ``step``, ``kind``, ``text``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.clear()

    def clear(self) -> None:
        """Forget all warnings."""
        self.changed = True
        self.entries: list[dict[str, Any]] = []

    def add(self, place: Place, kind: str, text: str) -> bool:
        """Note a warning and return True, unless there is one of this kind."""
        if any(entry["kind"] == kind for entry in self.entries):
            return False
        self.changed = True
        where = {"epoch": place.epoch, "batch": place.batch, "step": place.step}
        self.entries.append({**where, "kind": kind, "text": text})
        return True

    def write(self, folder: Path) -> None:
        """Write the file, atomically; without warnings there is none."""
        if not self.entries:
            (folder / self.name).unlink(missing_ok=True)
            return
        with atomic_write(folder / self.name, sync=False) as stream:
            stream.write(json.dumps(self.entries, indent=2, allow_nan=False) + "\n")

    def read(self, folder: Path, epochs: int | None = None) -> None:
        """Take the warnings of the file, of the first `epochs` epochs if given.

        Raises
        ------
        CheckpointError
            If the file is damaged.
        """
        self.clear()
        path = folder / self.name
        if not path.exists():
            return
        try:
            entries = read_json(path)
            known = [{key: e[key] for key in ("epoch", "batch", "step", "kind", "text")} for e in entries]
        except (ValueError, TypeError, KeyError):
            raise CheckpointError(f"{path}: this file is damaged, expected a list of warnings") from None
        self.entries = [entry for entry in known if epochs is None or entry["epoch"] <= epochs]


def _quoted(name: str) -> str:
    return f'"{name}"' if "," in name or '"' in name else name
