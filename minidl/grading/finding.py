"""Where the exercises are."""

from __future__ import annotations

import itertools
import os
import sysconfig
from pathlib import Path

from minidl.grading.spec import SPEC_FILE, Exercise, ExerciseError

ENVIRONMENT = "MINIDL_EXERCISES_DIR"


def find_root(root: str | Path | None = None) -> Path:
    """Return the folder that holds the exercises.

    The first that is given of: `root`, the environment variable ``MINIDL_EXERCISES_DIR``, the checkout that
    the package lies in, and the place where an installation puts them.

    Raises
    ------
    ExerciseError
        If none holds an exercise; the places that were tried are named.
    """
    if root is not None:
        return _must_hold(Path(root), "--exercises")
    if os.environ.get(ENVIRONMENT):
        return _must_hold(Path(os.environ[ENVIRONMENT]), ENVIRONMENT)
    places = [
        Path(__file__).resolve().parents[2] / "exercises",
        Path(sysconfig.get_path("data")) / "share" / "minidl" / "exercises",
    ]
    for place in places:
        if _folders(place):
            return place
    tried = " and ".join(map(str, places))
    raise ExerciseError(
        f"no exercises were found in {tried}; name their folder with --exercises DIR or in {ENVIRONMENT}"
    )


def find_exercises(root: str | Path | None = None) -> list[Exercise]:
    """Return all exercises of `find_root`, in the order of their numbers.

    Raises
    ------
    ExerciseError
        If there are none, if one cannot be read, or if two have the same number.
    """
    found = sorted((Exercise.read(folder) for folder in _folders(find_root(root))), key=lambda e: e.id)
    for first, second in itertools.pairwise(found):
        if first.id == second.id:
            raise ExerciseError(
                f"{first.folder} and {second.folder} both have the id {first.id}; every exercise needs its own"
            )
    return found


def find_exercise(which: int | str, root: str | Path | None = None) -> Exercise:
    """Return one exercise by its number (1, "1", "01"), its name ("dense") or its folder ("ex01_dense").

    Raises
    ------
    ExerciseError
        If there is none; those that exist are named.
    """
    exercises = find_exercises(root)
    text = str(which).strip().rstrip("/")
    for exercise in exercises:
        if text in (exercise.name, exercise.folder_name) or _same_number(text, exercise.id):
            return exercise
    known = ", ".join(f"{exercise.number} ({exercise.name})" for exercise in exercises)
    raise ExerciseError(f"there is no exercise {text!r}; choose from {known}")


def _same_number(text: str, exercise_id: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) == int(exercise_id)


def _folders(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob(f"ex*/{SPEC_FILE}"))


def _must_hold(root: Path, option: str) -> Path:
    if not root.is_dir():
        raise ExerciseError(f"{option}: there is no folder {root}")
    if not _folders(root):
        raise ExerciseError(f"{option}: {root} holds no exercise (a folder exNN_name with {SPEC_FILE})")
    return root
