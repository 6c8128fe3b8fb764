"""A submission in this process, for trying out: no isolation, no limits, no grade."""

from __future__ import annotations

import inspect
import itertools
import linecache
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import CodeType
from typing import Any

from minidl.grading.spec import Exercise
from minidl.grading.worker.channel import LocalChannel
from minidl.grading.worker.client import Submission
from minidl.grading.worker.errors import WorkerError
from minidl.grading.worker.inside import loading
from minidl.grading.worker.inside.host import Host, load_props
from minidl.grading.worker.reading import read_files

_numbers = itertools.count(1)


class LocalSubmission(Submission):
    """A submission whose code runs here (level L0): that of a folder, or what a notebook has defined.

    Parameters
    ----------
    namespace_or_folder : mapping or path
        ``globals()`` of a notebook, or a folder with the files.
    exercise : Exercise
    """

    def __init__(self, namespace_or_folder: Mapping[str, Any] | str | Path, exercise: Exercise) -> None:
        files: dict[str, bytes] = {}
        code: loading.Submission
        if isinstance(namespace_or_folder, Mapping):
            code = _Namespace(namespace_or_folder)
        else:
            names = handed_in(exercise)
            files = read_files(namespace_or_folder, names)
            code = loading.Submission(files, names, exercise.imports, prefix=f"_submission_{next(_numbers)}_")
        super().__init__(exercise, files, LocalChannel(Host(code, exercise.classes, props_of(exercise))))


class _Namespace(loading.Submission):
    """The names of a notebook, in place of files."""

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        super().__init__({}, (), ())
        self._namespace = namespace
        self._sources = {code.co_filename for value in list(namespace.values()) for code in _code(value)}

    def find(self, name: str) -> Any:
        """Return what the notebook calls `name`."""
        if name not in self._namespace:
            raise loading.Missing("MissingName", f"{name} is not defined; run the cell that defines it first")
        return self._namespace[name]

    def text(self, file: str, path: str) -> bytes:
        """Return the text of the class or function that `path` starts with."""
        name = path.partition(".")[0]
        try:
            return textwrap.dedent(inspect.getsource(self.find(name))).encode()
        except (OSError, TypeError):
            raise loading.Missing("MissingName", f"the text of {name or file} cannot be found here") from None

    def owns(self, file: str) -> bool:
        """Return whether a function of the notebook came from this cell or file."""
        return file in self._sources

    def line(self, file: str, number: int | None) -> str:
        """Return a line of a cell."""
        return linecache.getline(file, number).strip()[:200] if number and self.owns(file) else ""


def _code(value: Any) -> list[CodeType]:
    members = list(vars(value).values()) if isinstance(value, type) else [value]
    return [member.__code__ for member in members if inspect.isfunction(member)]


def handed_in(exercise: Exercise) -> tuple[str, ...]:
    """Return the files that are read: what the exercise asks for, then the earlier work it starts from."""
    return exercise.handed_in


def props_of(exercise: Exercise) -> dict[str, Any]:
    """Return the trusted classes of the exercise, loaded in this process."""
    try:
        return load_props(props_source(exercise), exercise.props)
    except Exception as error:
        raise WorkerError(f"{exercise.props_file}: {type(error).__name__}: {error}") from error


def props_source(exercise: Exercise) -> str | None:
    """Return the text of ``props.py``, or None."""
    return None if exercise.props_file is None else exercise.props_file.read_text(encoding="utf-8")
