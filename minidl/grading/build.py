"""From a course folder to what students get: the same bytes from the same sources, whenever and wherever.

A hand-out never holds a line of a solution or anything of the private tests: it is put together from a list of
parts (`handout_files`), not by leaving something out of a copy.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from minidl.files import atomic_write
from minidl.grading.finding import find_exercise
from minidl.grading.markers import blocks, reference, skeleton
from minidl.grading.spec import SPEC_FILE, Exercise, ExerciseError, Uses, tidy

CONFTEST = '''\
"""Lets plain `pytest` run the tests of this folder on your files."""

pytest_plugins = ["minidl.grading.pytest_plugin"]
'''
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip archive can hold


def handout_files(exercise: Exercise) -> dict[str, bytes]:
    """Return what students get of an exercise, by its path inside their folder.

    Parameters
    ----------
    exercise : Exercise
        Read from the course folder, with its ``source/``.

    Returns
    -------
    dict of str to bytes
        README.md, the skeletons, the public tests, exercise.toml, and props.py if there is one; in the order
        of their names.

    Raises
    ------
    ExerciseError
        If a file is missing, is no UTF-8 text, or has wrong marks.
    """
    titles = {task.id: task.title for task in exercise.tasks}
    files = {
        "README.md": _readme(exercise),
        SPEC_FILE: _read(exercise.folder / SPEC_FILE),
        "tests/conftest.py": CONFTEST,
        "tests/test_public.py": _read(exercise.public_tests),
    }
    seen: set[str] = set()
    for name in exercise.files:
        text = _read(exercise.folder / "source" / name)
        files[name] = skeleton(text, titles, name)
        seen |= {block.task for block in blocks(text, name)}
    missing = [task for task in titles if task not in seen]
    if missing:
        raise ExerciseError(
            f"{exercise.folder}: no # BEGIN SOLUTION {missing[0]} in {', '.join(exercise.files)}"
        )
    if exercise.props_file is not None:
        files["props.py"] = _read(exercise.props_file)
    return {name: files[name].encode("utf-8") for name in sorted(files)}


def reference_files(exercise: Exercise) -> dict[str, bytes]:
    """Return the handed-in files as the course solves them, without the marks, by their names."""
    texts = {name: _read(exercise.folder / "source" / name) for name in exercise.files}
    return {name: reference(text, name).encode("utf-8") for name, text in texts.items()}


def submission_files(exercise: Exercise, files: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """Return a whole submission: `files`, or the reference, and the course's solution of earlier work it uses."""
    files = reference_files(exercise) if files is None else files
    earlier: dict[str, bytes] = {}
    for uses in exercise.uses:
        earlier |= earlier_files(exercise, uses, exercise.folder.parent)
    return {**earlier, **files}


def earlier_files(exercise: Exercise, uses: Uses, root: Path | None) -> dict[str, bytes]:
    """Return the course's solution of one of the earlier exercises that `exercise` builds on: the files it uses.

    Raises
    ------
    ExerciseError
        If there is no such exercise, or it hands in no such file.
    """
    solved = reference_files(find_exercise(uses.exercise, root))
    absent = [name for name in uses.files if name not in solved]
    if absent:
        raise ExerciseError(
            f"{exercise.folder}: uses names {absent[0]}, which exercise {uses.exercise} does not hand in"
        )
    return {name: solved[name] for name in uses.files}


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files into a new or empty folder.

    Raises
    ------
    ExerciseError
        If the folder holds something: nobody's work is overwritten.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExerciseError(
            f"{folder}: this exists already and is not empty; name another folder or remove it"
        )
    for name, content in files.items():
        with atomic_write(folder / name, "wb", sync=False) as stream:
            stream.write(content)


def archive(files: Mapping[str, bytes], top: str = "", *, executable: frozenset[str] = frozenset()) -> bytes:
    """Return a zip archive whose bytes depend on the names and contents alone.

    The members are stored, not compressed: two versions of zlib may compress differently. They are in the
    order of their names and all of one date.

    Parameters
    ----------
    files : mapping of str to bytes
    top : str
        A folder that everything lies in.
    executable : frozenset of str
        Names in `files` that may be run.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as stream:
        for name in sorted(files):
            member = zipfile.ZipInfo(f"{top}/{name}" if top else name, date_time=_EPOCH)
            member.create_system = 3  # Unix, also where the archive is made on another
            member.external_attr = (0o100755 if name in executable else 0o100644) << 16
            stream.writestr(member, files[name])
    return buffer.getvalue()


def handout_archive(exercise: Exercise) -> bytes:
    """Return the hand-out as a zip archive, everything in one folder ``ex01_dense``."""
    return archive(handout_files(exercise), exercise.folder_name)


def build(exercise: Exercise, out: str | Path) -> list[Path]:
    """Write the hand-out as a folder and as an archive into `out`.

    Both may be there already from an earlier build: they are replaced, unless the folder holds a file that
    this hand-out does not have.

    Returns
    -------
    list of Path
        The folder and the archive.

    Raises
    ------
    ExerciseError
        If a source is wrong, or the folder holds something else.
    """
    out = Path(out)
    files = handout_files(exercise)
    folder = out / exercise.folder_name
    if folder.exists():
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
        if foreign := sorted(there - files.keys()):
            raise ExerciseError(f"{folder}: {foreign[0]} is not part of the hand-out; name another --out")
    for name, content in files.items():
        with atomic_write(folder / name, "wb", sync=False) as stream:
            stream.write(content)
    packed = out / f"{exercise.folder_name}.zip"
    with atomic_write(packed, "wb") as stream:
        stream.write(archive(files, exercise.folder_name))
    return [folder, packed]


# The text ------------------------------------------------------------------------------------------


def _readme(exercise: Exercise) -> str:
    text = _read(exercise.folder / "handout.md")
    for mark, content in (("{{tasks}}", tasks_table(exercise)), ("{{api}}", api_table(exercise))):
        if text.count(mark) != 1:
            raise ExerciseError(
                f"{exercise.folder / 'handout.md'}: {mark} must occur once, alone on its line"
            )
        if f"\n{mark}\n" not in text:
            raise ExerciseError(f"{exercise.folder / 'handout.md'}: {mark} must stand alone on its line")
        text = text.replace(mark, content)
    return text


def tasks_table(exercise: Exercise) -> str:
    """Return the tasks and their points as a table in Markdown."""
    rows = [f"| {task.id} | {task.title} | {tidy(task.points)} |" for task in exercise.tasks]
    total = f"| | together | {exercise.points} |"
    return "\n".join(["| Task | What | Points |", "|---|---|---:|", *rows, total])


def api_table(exercise: Exercise) -> str:
    """Return what the tests call, and nothing else can, as a table in Markdown."""
    rows = ["| Name | Methods | Attributes |", "|---|---|---|"]
    for name, entry in exercise.classes.items():
        rows.append(f"| class `{name}` | {_codes(entry.methods)} | {_codes(entry.attributes)} |")
    rows += [f"| function `{name}` | | |" for name in exercise.functions]
    return "\n".join(rows)


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _read(path: Path) -> str:
    """Return a text file with plain line ends, however the checkout wrote them."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise ExerciseError(f"{path}: this file is missing; every exercise has one") from None
    except UnicodeDecodeError:
        raise ExerciseError(f"{path}: this file is not UTF-8 text") from None
    return text.replace("\r\n", "\n")
