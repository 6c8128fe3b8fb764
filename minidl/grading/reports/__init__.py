"""Reports of a grading run: feedback for each student, tables and an overview for staff."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from minidl.errors import ConfigError
from minidl.files import atomic_write
from minidl.grading.outcomes import Graded, Header

FORMATS = ("csv", "overview", "markdown", "html", "gradescope", "junit", "classroom")


def check_formats(names: Sequence[str]) -> tuple[str, ...]:
    """Return the formats that a command line asks for: names, lists with commas, all when there is none.

    Raises
    ------
    ConfigError
        If one is unknown.
    """
    chosen = [name for text in names for name in text.split(",") if name]
    for name in chosen:
        if name not in FORMATS:
            raise ConfigError(f"--format: there is no format {name!r}; choose from {', '.join(FORMATS)}")
    return tuple(name for name in FORMATS if name in chosen) or FORMATS


def write_student(folder: Path, header: Header, submission: Graded, formats: Collection[str]) -> list[Path]:
    """Write what the student may have into ``folder/ID/``, and return the files.

    They are ``feedback.md``, ``feedback.html``, ``results.json`` (Gradescope), ``junit.xml``,
    ``classroom.json`` and ``classroom.txt`` (the line for ``$GITHUB_OUTPUT``).
    """
    from minidl.grading.reports import exchange, feedback

    makers = {
        "markdown": [("feedback.md", feedback.markdown)],
        "html": [("feedback.html", feedback.html)],
        "gradescope": [("results.json", _json(exchange.gradescope))],
        "junit": [("junit.xml", exchange.junit)],
        "classroom": [
            ("classroom.json", _json(exchange.classroom)),
            ("classroom.txt", exchange.classroom_output),
        ],
    }
    written = []
    for kind, files in makers.items():
        for name, make in files if kind in formats else []:
            written.append(_write(folder / submission.id / name, make(header, submission)))
    return written


def write_class(
    folder: Path, header: Header, submissions: Sequence[Graded], formats: Collection[str]
) -> list[Path]:
    """Write ``grades.csv`` and ``overview.html``, which are for staff, into a folder; return the files."""
    from minidl.grading.reports.overview import grades_csv, overview

    written = []
    if "csv" in formats:
        written.append(_write(folder / "grades.csv", grades_csv(header, submissions)))
    if "overview" in formats:
        written.append(_write(folder / "overview.html", overview(header, submissions)))
    return written


def _json(make: Any) -> Any:
    import json

    return lambda *values: json.dumps(make(*values), indent=2, allow_nan=False) + "\n"


def _write(path: Path, text: str) -> Path:
    # The record is on the disk already, and everything here can be written from it again.
    with atomic_write(path, sync=False) as stream:
        stream.write(text)
    return path
