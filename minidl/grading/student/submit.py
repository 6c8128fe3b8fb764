"""The archive that is handed in."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from minidl.files import atomic_write
from minidl.grading.build import archive
from minidl.grading.runner import Result
from minidl.grading.spec import Exercise, TaskSpec
from minidl.grading.student.checking import check_work
from minidl.grading.student.folder import Work, parse


@dataclass(frozen=True)
class Submitted:
    """What `submit` did.

    Attributes
    ----------
    path : Path
        The archive.
    results : list of Result
        Of the public tests.
    level : str
        How they were run.
    todo : list of TaskSpec
        Tasks whose ``raise NotImplementedError`` is still in the files.
    """

    path: Path
    results: list[Result]
    level: str
    todo: list[TaskSpec]


def submit(work: Work, out: Path | None = None) -> Submitted:
    """Run the checks and write ``exNN_name_submission.zip`` with the files that count, and no others.

    Parameters
    ----------
    work : Work
    out : Path, optional
        Folder for the archive; the student's folder by default. An earlier archive is replaced.

    Raises
    ------
    ExerciseError
        If a file is no Python; no archive is written then.
    """
    sources = work.sources()
    results, level = check_work(work)
    path = (work.folder if out is None else out) / f"{work.exercise.folder_name}_submission.zip"
    with atomic_write(path, "wb") as stream:
        stream.write(archive(sources))
    return Submitted(path, results, level, unfinished(work.exercise, sources))


def unfinished(exercise: Exercise, sources: Mapping[str, bytes]) -> list[TaskSpec]:
    """Return the tasks that are still the skeleton's: ``raise NotImplementedError("task 1.1: …")``."""
    raised = set()
    for name, content in sources.items():
        for node in ast.walk(parse(content, name)):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            function, arguments = node.exc.func, node.exc.args
            if isinstance(function, ast.Name) and function.id == "NotImplementedError" and arguments:
                text = arguments[0].value if isinstance(arguments[0], ast.Constant) else ""
                raised.add(str(text).partition(":")[0])
    return [spec for spec in exercise.tasks if f"task {spec.id}" in raised]
