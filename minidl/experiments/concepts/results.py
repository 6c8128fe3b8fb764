"""What a demonstration leaves behind: a picture and its numbers; and how it puts numbers into words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.files import atomic_write, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_results(out: Path, figures: Mapping[str, Figure], name: str, facts: Mapping[str, Any]) -> None:
    """Write pictures and numbers to a folder, which is made if it is not there.

    Parameters
    ----------
    out : Path
    figures : mapping of str to Figure
        By name of the file, without ``.png``.
    name : str
        Of the file with the numbers, without ``.json``.
    facts : mapping
        Arrays and NumPy numbers become lists and numbers; what is not finite becomes null.
    """
    write_json(out / f"{name}.json", plain(facts))
    for file, figure in figures.items():
        with atomic_write(out / f"{file}.png", "wb") as stream:
            figure.savefig(stream, format="png", metadata={"Software": None})


def plain(value: Any) -> Any:
    """Return `value` with lists for arrays, Python's numbers for NumPy's, and None for what is not finite."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return a table as text: the first column to the left, all others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in rows
    )


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, without an exponent where that is readable."""
    if not math.isfinite(value):
        return "beyond all bounds" if value > 0 else str(value)
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{max(digits - 1, 0)}g}"
    places = max(digits - 1 - math.floor(math.log10(abs(value))), 0) if value else 0
    return f"{value:,.{places}f}"


def mean_correlation(matrix: np.ndarray) -> float:
    """Return the mean over all pairs of a correlation matrix, of those that are defined; NaN if none is."""
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    known = pairs[np.isfinite(pairs)]
    return float(known.mean()) if len(known) else math.nan


def listed(words: Sequence[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), words[-1]])
