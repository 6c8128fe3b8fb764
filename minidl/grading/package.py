"""What an instructor uploads somewhere: Gradescope, GitHub Classroom, or a plain web page.

A package holds the grader itself, this version of minidl, so that it grades next year as it does today and
needs nothing on the other machine but Python and NumPy. Like the hand-out it is the same bytes from the same
sources.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import minidl
from minidl._version import __version__
from minidl.errors import ConfigError
from minidl.files import atomic_write
from minidl.grading import package_texts as texts
from minidl.grading.build import archive, handout_archive, handout_files
from minidl.grading.finding import find_exercise
from minidl.grading.spec import SPEC_FILE, Exercise, ExerciseError

TARGETS = ("gradescope", "github-classroom", "plain")
_REPOSITORY = re.compile(r"([A-Za-z0-9-]+/[A-Za-z0-9._-]+)@([A-Za-z0-9._-]+)")
# What a grading machine needs of an exercise, and where it lies in the course folder.
_EXERCISE_FILES = ("tests/test_public.py", "tests/test_private.py", "handout.md")


def package(
    exercise: Exercise,
    target: str,
    out: str | Path,
    *,
    isolation: str = "L2",
    grader: str | None = None,
) -> list[Path]:
    """Write the package for a platform into the folder `out`.

    Parameters
    ----------
    exercise : Exercise
        Read from the course folder.
    target : {"gradescope", "github-classroom", "plain"}
    out : path
        Created if it does not exist. What an earlier call wrote is replaced.
    isolation : {"L1", "L2"}
        The level below which the grader refuses to grade.
    grader : str, optional
        For GitHub Classroom, and only for it: ``OWNER/REPOSITORY@COMMIT``, where the course keeps the grader.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ConfigError
        If an option makes no sense.
    ExerciseError
        If the exercise cannot be built.
    """
    out = Path(out)
    if target not in TARGETS:
        raise ConfigError(f"--for: there is no platform {target!r}; choose from {', '.join(TARGETS)}")
    if isolation not in ("L1", "L2"):
        raise ConfigError(f"--require-isolation must be L1 or L2, got {isolation!r}")
    if (grader is not None) != (target == "github-classroom"):
        raise ConfigError(
            "--grader OWNER/REPOSITORY@COMMIT says where the workflow gets the grader: give it for "
            "github-classroom, and for nothing else"
        )
    if target == "gradescope":
        return _gradescope(exercise, out, isolation)
    if target == "github-classroom":
        assert grader is not None
        return _classroom(exercise, out, isolation, grader)
    return _plain(exercise, out)


def grader_files(exercise: Exercise) -> dict[str, bytes]:
    """Return minidl and one exercise, as a folder in which ``python -m minidl grade N …`` works.

    The solution is not part of it: grading does not need it.
    """
    package_folder = Path(minidl.__file__).resolve().parent
    files = {
        f"minidl/{path.relative_to(package_folder).as_posix()}": path.read_bytes()
        for path in sorted(package_folder.rglob("*"))
        if path.suffix == ".py" or path.name == "py.typed"
    }
    return files | {
        f"exercises/{exercise.folder_name}/{name}": content
        for name, content in course_files(exercise, solution=False).items()
    }


def course_files(exercise: Exercise, *, solution: bool) -> dict[str, bytes]:
    """Return the files of a course folder, with or without the solution and what is about it.

    Raises
    ------
    ExerciseError
        If one is missing.
    """
    names = [SPEC_FILE, *_EXERCISE_FILES]
    if exercise.props_file is not None:
        names.append("props.py")
    if solution:
        names += [f"source/{name}" for name in exercise.files]
        optional = ("mutants.toml", "equivalents.toml", "agreement.py")
        names += [name for name in optional if (exercise.folder / name).is_file()]
    files = {}
    for name in names:
        path = exercise.folder / name
        if not path.is_file():
            raise ExerciseError(f"{path}: this file is missing; every exercise has one")
        files[name] = path.read_bytes().replace(b"\r\n", b"\n")
    return files


def _gradescope(exercise: Exercise, out: Path, isolation: str) -> list[Path]:
    values = {"number": str(exercise.number), "title": exercise.title, "isolation": isolation}
    files = grader_files(exercise)
    files["setup.sh"] = texts.fill(texts.GRADESCOPE_SETUP, values)
    files["run_autograder"] = texts.fill(texts.GRADESCOPE_RUN, values)
    path = out / f"{exercise.folder_name}-gradescope.zip"
    _write(path, archive(files, executable=frozenset({"setup.sh", "run_autograder"})))
    return [path]


def _classroom(exercise: Exercise, out: Path, isolation: str, grader: str) -> list[Path]:
    match = _REPOSITORY.fullmatch(grader)
    if not match:
        raise ConfigError(
            f"--grader must be OWNER/REPOSITORY@COMMIT, such as my-course/grader@0a1b2c3, got {grader!r}"
        )
    repository, commit = match.groups()
    values = {
        "number": str(exercise.number),
        "title": exercise.title,
        "isolation": isolation,
        "repository": repository,
        "commit": commit,
        "folder": exercise.folder_name,
        "version": __version__,
        "files": ", ".join(f"`{name}`" for name in exercise.handed_in),
        "earlier": _earlier_work(exercise),
    }
    top = out / f"{exercise.folder_name}-github-classroom"
    files = {f"grader/{name}": content for name, content in grader_files(exercise).items()}
    files |= {f"template/{name}": content for name, content in handout_files(exercise).items()}
    files["template/.github/workflows/classroom.yml"] = texts.fill(texts.CLASSROOM_WORKFLOW, values)
    files["template/.gitignore"] = b"__pycache__/\n.pytest_cache/\n"
    files["INSTRUCTIONS.md"] = texts.fill(texts.CLASSROOM_INSTRUCTIONS, values)
    _write_folder(top, files)
    return [top]


def _earlier_work(exercise: Exercise) -> str:
    """Return what the instructions say about earlier work, which no template can hold: it is the student's own."""
    if not exercise.uses:
        return ""
    names = ", ".join(f"`{name}`" for uses in exercise.uses for name in uses.files)
    return (
        f"\n   Students bring {names} from earlier exercises. In a clone of their repository, `minidl exercise start "
        f"{exercise.number} . --from FOLDER --ours` adds those in FOLDER, and the course's for the others."
    )


def _plain(exercise: Exercise, out: Path) -> list[Path]:
    values = {
        "number": str(exercise.number),
        "title": exercise.title,
        "folder": exercise.folder_name,
        "version": __version__,
    }
    handout = out / f"{exercise.folder_name}.zip"
    _write(handout, handout_archive(exercise))
    top = out / f"{exercise.folder_name}-instructor"
    # With the earlier exercises that it builds on: their solutions are part of its reference.
    earlier = [find_exercise(uses.exercise, exercise.folder.parent) for uses in exercise.uses]
    files = {
        f"exercises/{each.folder_name}/{name}": content
        for each in (*earlier, exercise)
        for name, content in course_files(each, solution=True).items()
    }
    files["README.md"] = texts.fill(texts.PLAIN_README, values)
    _write_folder(top, files)
    return [handout, top]


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path, "wb") as stream:
        stream.write(content)


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder that holds nothing else, but perhaps older versions of them."""
    if folder.exists():
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
        if foreign := sorted(there - files.keys()):
            raise ExerciseError(f"{folder}: {foreign[0]} is not part of the package; name another --out")
    for name, content in files.items():
        with atomic_write(folder / name, "wb", sync=False) as stream:
            stream.write(content)
