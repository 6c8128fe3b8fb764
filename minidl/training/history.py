"""The history of a run: one row of numbers per epoch, and its CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minidl.errors import CheckpointError, ConfigError
from minidl.files import atomic_write


class History:
    """The rows of a training run.

    Parameters
    ----------
    rows : list of dict, optional
        One dictionary per finished epoch, in order.

    Examples
    --------
    >>> history = History([{"epoch": 1, "train_loss": 0.5}, {"epoch": 2, "train_loss": 0.25}])
    >>> history["train_loss"]
    [0.5, 0.25]
    """

    def __init__(self, rows: list[dict[str, Any]] | None = None) -> None:
        self.rows: list[dict[str, Any]] = [] if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __getitem__(self, column: str) -> list[Any]:
        """Return one column, with None where an epoch has no such number."""
        if column not in self.columns:
            known = ", ".join(self.columns) or "no rows yet"
            raise ConfigError(f"history: there is no column {column!r}; it has {known}")
        return [row.get(column) for row in self.rows]

    def __repr__(self) -> str:
        return f"History({len(self)} epochs: {', '.join(self.columns)})"

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in the order in which they first appear."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def write_csv(self, path: str | Path) -> None:
        """Write the rows to a CSV file, atomically.

        Floats are written with `repr`, the shortest text that reads back as the same bits.
        """
        with atomic_write(path) as stream:
            writer = csv.writer(stream, lineterminator="\n")
            columns = self.columns
            writer.writerow(columns)
            for row in self.rows:
                writer.writerow([_text(row.get(name)) for name in columns])

    @classmethod
    def read_csv(cls, path: str | Path) -> History:
        """Read what `write_csv` wrote, bit for bit.

        Raises
        ------
        CheckpointError
            If the file is not a table of numbers.
        """
        try:
            with open(path, encoding="utf-8", newline="") as stream:
                rows = list(csv.DictReader(stream, strict=True))
            return cls([{name: _number(text) for name, text in row.items() if text != ""} for row in rows])
        except (ValueError, TypeError, csv.Error):  # TypeError: a row with too few or too many fields
            raise CheckpointError(f"{path}: this file is damaged, expected rows of numbers") from None


def _text(value: Any) -> str:
    return "" if value is None else repr(value)


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
