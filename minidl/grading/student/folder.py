"""The folder a student works in: making it, and finding it again."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from minidl.files import atomic_write
from minidl.grading.build import earlier_files, handout_files
from minidl.grading.finding import find_exercise, find_exercises
from minidl.grading.spec import SPEC_FILE, Exercise, ExerciseError, Uses

LARGEST = 1_000_000  # bytes of a file that is handed in


@dataclass(frozen=True)
class Work:
    """A student's folder and the exercise it belongs to.

    Attributes
    ----------
    exercise : Exercise
        With the tests of the folder where it has them, else those of the course.
    folder : Path
        Where the student's files lie.
    """

    exercise: Exercise
    folder: Path

    @classmethod
    def find(cls, which: str, folder: Path | None = None, root: Path | None = None) -> Work:
        """Return the folder of an exercise.

        Without `folder` it is ``exNN_name`` in the current folder, or the current folder itself if that is one.

        Raises
        ------
        ExerciseError
            If there is no such folder, it belongs to another exercise, or a file to hand in is missing from it.
        """
        if folder is None:
            folder = look_around(which)
            if folder is None:
                raise ExerciseError(
                    f"there is no folder of exercise {which} here; `minidl exercise start {which}` makes one, or "
                    f"name yours: minidl exercise check {which} DIR"
                )
        elif not folder.is_dir():
            raise ExerciseError(
                f"{folder}: there is no such folder; `minidl exercise start {which} {folder}` makes it"
            )
        if (folder / SPEC_FILE).is_file():
            exercise = Exercise.read(folder)
            if not is_called(exercise, which):
                raise ExerciseError(
                    f"{folder}: this folder belongs to exercise {exercise.number} ({exercise.name}), not to {which}"
                )
        else:
            exercise = find_exercise(which, root)
        missing = [name for name in exercise.handed_in if not (folder / name).is_file()]
        if missing:
            raise ExerciseError(
                f"{folder}: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; exercise "
                f"{exercise.number} hands in {', '.join(exercise.handed_in)}"
            )
        return cls(exercise, folder)

    def sources(self) -> dict[str, bytes]:
        """Return the files to hand in by their names.

        Raises
        ------
        ExerciseError
            If one is no UTF-8 text, too large, or no Python; file and line are named.
        """
        return {name: self._source(name) for name in self.exercise.handed_in}

    def _source(self, name: str) -> bytes:
        path = self.folder / name
        content = path.read_bytes()
        if len(content) > LARGEST:
            raise ExerciseError(
                f"{path}: this file has {len(content):,} bytes; at most {LARGEST:,} are taken"
            )
        parse(content, str(path))
        return content


def parse(content: bytes, where: str) -> ast.Module:
    """Return the syntax tree of a file of the student.

    Raises
    ------
    ExerciseError
        If it is no Python: file and line are named, and what is wrong there.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ExerciseError(f"{where}:{line}: this file is not UTF-8 text; save it as UTF-8") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # "\d" in a docstring harms nobody
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        problem = getattr(error, "msg", None) or str(error)
        code = (getattr(error, "text", None) or "").strip()
        quoted = f": `{code[:80]}`" if code else ""
        raise ExerciseError(f"{where}:{line}: this is no Python, {problem}{quoted}") from None


def is_called(exercise: Exercise, which: str) -> bool:
    """Whether `which` (1, "01", "dense", "ex01_dense") names this exercise."""
    which = which.strip().rstrip("/")
    number = which.isascii() and which.isdecimal() and int(which) == exercise.number
    return number or which in (exercise.name, exercise.folder_name)


def look_around(which: str) -> Path | None:
    """Return the folder of an exercise in the current folder, or the current folder if it is one, or None."""
    here = Path()
    for folder in [*sorted(here.glob("ex[0-9][0-9]_*")), here]:
        if (folder / SPEC_FILE).is_file() and is_called(Exercise.read(folder), which):
            return folder
    return None


# Beginning -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Started:
    """What `start` did: the folder, the files it wrote, and those that were there already, unchanged."""

    exercise: Exercise
    folder: Path
    written: tuple[str, ...]
    kept: tuple[str, ...]


def start(
    which: str,
    folder: Path | None = None,
    *,
    root: Path | None = None,
    earlier: Sequence[Path] = (),
    ours: bool = False,
) -> Started:
    """Make the folder of an exercise; what a student has written is never overwritten.

    Parameters
    ----------
    which : str
        Number or name.
    folder : Path, optional
        ``exNN_name`` in the current folder by default.
    root : Path, optional
        Folder of the exercises.
    earlier : sequence of Path
        The student's folders of exercises that this one builds on: their files are taken over.
    ours : bool
        Take the course's solution of what is in none of them.

    Raises
    ------
    ExerciseError
        If a file is there already with another content, or the earlier work is needed and not given, or given
        and not needed; nothing is written then.
    """
    exercise = find_exercise(which, root)
    files = handout_files(exercise)
    files |= _earlier_files(exercise, files, root, earlier, ours)
    folder = Path(exercise.folder_name) if folder is None else folder
    if folder.exists() and not folder.is_dir():
        raise ExerciseError(f"{folder}: this is a file; name a folder")
    kept = []
    for name, content in files.items():
        path = folder / name
        if not path.exists():
            continue
        if not path.is_file() or path.read_bytes() != content:
            raise ExerciseError(
                f"{path} exists already and is not the file of the exercise; nothing was written. Name another "
                "folder, or move that file away"
            )
        kept.append(name)
    written = [name for name in files if name not in kept]
    for name in written:
        with atomic_write(folder / name, "wb", sync=False) as stream:
            stream.write(files[name])
    return Started(exercise, folder, tuple(written), tuple(kept))


def _earlier_files(
    exercise: Exercise, files: Mapping[str, bytes], root: Path | None, earlier: Sequence[Path], ours: bool
) -> dict[str, bytes]:
    if not exercise.uses and (earlier or ours):
        option = "--ours" if ours else "--from"
        raise ExerciseError(
            f"{option}: exercise {exercise.number} builds on no earlier exercise; leave it out"
        )
    found: dict[str, bytes] = {}
    left = [uses for uses in exercise.uses if any(name not in files for name in uses.files)]
    for folder in earlier:
        here = [uses for uses in left if all((folder / name).is_file() for name in uses.files)]
        if not here:
            raise ExerciseError(_nothing_there(folder, exercise, left))
        left = [uses for uses in left if uses not in here]
        found |= {name: _copied(folder / name) for uses in here for name in uses.files}
    if left and not ours:
        raise ExerciseError(
            f"exercise {exercise.number} builds on {_named(left)}: add --from DIR for each folder with yours, or "
            "--ours for the course's solution of what you do not have"
        )
    for uses in left:
        found |= earlier_files(exercise, uses, root)
    return found


def _nothing_there(folder: Path, exercise: Exercise, left: Sequence[Uses]) -> str:
    """Return what is wrong with a folder of earlier work that has nothing to take over."""
    if not folder.is_dir():
        return f"--from: {folder}: there is no such folder; name the one with your earlier files"
    if not left:
        return f"--from: {folder}: nothing more is needed from here; leave it out"
    return f"--from: {folder} has none of what exercise {exercise.number} still needs: {_named(left)}"


def _named(uses: Sequence[Uses]) -> str:
    return ", ".join(f"{' and '.join(one.files)} of exercise {int(one.exercise)}" for one in uses)


def _copied(path: Path) -> bytes:
    content = path.read_bytes()
    parse(content, str(path))
    return content


def listing(root: Path | None = None) -> list[Exercise]:
    """Return the exercises there are; in a student's folder without the course, those whose folders are here."""
    try:
        return find_exercises(root)
    except ExerciseError:
        if root is not None:
            raise
        here = [path.parent for path in sorted(Path().glob(f"ex[0-9][0-9]_*/{SPEC_FILE}"))]
        if not here:
            raise
        return [Exercise.read(folder) for folder in here]
