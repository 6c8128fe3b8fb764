"""Reading what monitors have left in a run's folder, for the reports.

As in `minidl.experiments.records`, what is missing or damaged reads as None.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minidl.errors import CheckpointError
from minidl.monitoring.storage import FOLDER, Notes, Stack, Table

Columns = dict[str, np.ndarray]


def read_table(run: Path, name: str) -> Columns | None:
    """Return the columns of one of the monitors' CSV files as float arrays, or None."""
    table = Table(name)
    try:
        table.read(run / FOLDER)
        rows = [[float(row[column]) for column in table.columns] for row in table.rows]
    except (CheckpointError, OSError, KeyError):
        return None
    values = np.array(rows, dtype=np.float64)
    return {name: values[:, index] for index, name in enumerate(table.columns)} if rows else None


def read_stack(run: Path, name: str) -> Columns | None:
    """Return the arrays of one of the monitors' safetensors files, or None."""
    stack = Stack(name)
    try:
        stack.read(run / FOLDER)
    except (CheckpointError, OSError):
        return None
    return stack.arrays() or None


def read_warnings(run: Path) -> list[dict[str, Any]]:
    """Return all warnings of a run, in the order of its steps."""
    entries: list[dict[str, Any]] = []
    for path in sorted((run / FOLDER).glob("warnings-*.json")):
        notes = Notes(path.name)
        try:
            notes.read(path.parent)
        except (CheckpointError, OSError):
            continue
        entries += notes.entries
    return sorted(entries, key=lambda entry: entry["step"])


def below(columns: Columns | None, quantity: str) -> Columns:
    """Return the columns ``quantity/name`` by name."""
    prefix = f"{quantity}/"
    return {name.removeprefix(prefix): x for name, x in (columns or {}).items() if name.startswith(prefix)}
