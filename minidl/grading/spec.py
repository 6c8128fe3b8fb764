"""What an exercise is: ``exercise.toml`` and the folder around it.

The same file, without what only staff may see, lies in the student's folder, so that everything here reads
both. A folder ``exercises/ex01_dense`` of the course and a hand-out made from it differ in where the
Python files lie (`Exercise.source`) and in the private tests, which a hand-out never has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from minidl.errors import ConfigError
from minidl.grading.table import Table
from minidl.grading.train_plan import TrainPlan

SPEC_FILE = "exercise.toml"


class ExerciseError(ConfigError):
    """An exercise is missing, or its files contradict each other."""


@dataclass(frozen=True)
class TaskSpec:
    """One task of an exercise: "1.1", its title and its points."""

    id: str
    title: str
    points: float


@dataclass(frozen=True)
class ClassEntry:
    """What a test may touch of a class: names of methods, and of attributes to read and set."""

    methods: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What one test may use: wall time in seconds, address space in MiB."""

    seconds: float = 10.0
    memory_mb: int = 1024


@dataclass(frozen=True)
class Uses:
    """Earlier work that an exercise starts from: the exercise it was written in, and its files."""

    exercise: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Exercise:
    """Everything ``exercise.toml`` says, and where it was read.

    Attributes
    ----------
    id : str
        Two digits, such as "01".
    name : str
        Of the folder ``ex01_name``.
    title : str
    hours : float
        Expected working time.
    files : tuple of str
        What is written in this exercise; see `handed_in`.
    imports : tuple of str
        Top-level packages a submission may import beyond harmless standard modules.
    tasks : tuple of TaskSpec
    functions : tuple of str
        Functions that a test may call.
    classes : dict of str to ClassEntry
    props : dict of str to ClassEntry
        Trusted classes of ``props.py``.
    limits : Limits
    uses : tuple of Uses
        Earlier work that this exercise builds on; its files are handed in as well.
    train : TrainPlan or None
        How ``minidl exercise train`` puts the student's classes to work.
    folder : Path
    """

    id: str
    name: str
    title: str
    hours: float
    files: tuple[str, ...]
    tasks: tuple[TaskSpec, ...]
    folder: Path
    imports: tuple[str, ...] = ("numpy",)
    functions: tuple[str, ...] = ()
    classes: Mapping[str, ClassEntry] = field(default_factory=dict)
    props: Mapping[str, ClassEntry] = field(default_factory=dict)
    limits: Limits = Limits()
    uses: tuple[Uses, ...] = ()
    train: TrainPlan | None = None

    @classmethod
    def read(cls, folder: str | Path) -> Exercise:
        """Read ``exercise.toml`` of a folder.

        Raises
        ------
        ExerciseError
            If the file is missing, is no TOML, lacks a key, has one too many, or a value makes no sense; the
            key is named.
        """
        folder = Path(folder)
        path = folder / SPEC_FILE
        if not path.is_file():
            raise ExerciseError(f"{folder}: this is no exercise folder, it has no {SPEC_FILE}")
        try:
            return _exercise(Table.read(path), folder)
        except ExerciseError:
            raise
        except ConfigError as error:
            raise ExerciseError(str(error)) from None

    @property
    def number(self) -> int:
        """The id as a number."""
        return int(self.id)

    @property
    def folder_name(self) -> str:
        """The name of the folder, ``ex01_dense``."""
        return f"ex{self.id}_{self.name}"

    @property
    def handed_in(self) -> tuple[str, ...]:
        """All files of a submission: `files`, then the earlier work that they build on."""
        return tuple(dict.fromkeys((*self.files, *(name for uses in self.uses for name in uses.files))))

    @property
    def points(self) -> float:
        """All points that can be had."""
        return tidy(sum(task.points for task in self.tasks))

    @property
    def source(self) -> Path:
        """Where the handed-in files lie: the reference in a course folder, the student's own in a hand-out."""
        inside = self.folder / "source"
        return inside if inside.is_dir() else self.folder

    @property
    def public_tests(self) -> Path:
        """The file of the tests that students have."""
        return self.folder / "tests" / "test_public.py"

    @property
    def private_tests(self) -> Path:
        """The file of the tests that they do not have; missing in a hand-out."""
        return self.folder / "tests" / "test_private.py"

    @property
    def props_file(self) -> Path | None:
        """``props.py``, or None if the exercise has none."""
        path = self.folder / "props.py"
        return path if path.is_file() else None

    def task(self, task_id: str) -> TaskSpec:
        """Return the task called `task_id`.

        Raises
        ------
        ExerciseError
            If there is none.
        """
        for task in self.tasks:
            if task.id == task_id:
                return task
        known = ", ".join(task.id for task in self.tasks)
        raise ExerciseError(f"exercise {self.id} has no task {task_id!r}; its tasks are {known}")


def tidy(points: float) -> float:
    """Return points without the rounding error of a sum: 3.0000000000000004 becomes 3, and 3.0 prints as 3."""
    rounded = round(points, 6)
    return int(rounded) if rounded == int(rounded) else rounded


# Reading the table --------------------------------------------------------------------------------

_KEYS = (
    "id", "name", "title", "hours", "files", "imports", "uses", "limits", "entry", "props", "tasks", "train",
)  # fmt: skip


def _exercise(table: Table, folder: Path) -> Exercise:
    table.only(*_KEYS)
    exercise_id = table.text("id")
    if not re.fullmatch(r"[0-9]{2}", exercise_id):
        table.refuse("id", "two digits, such as '01'")
    name = table.text("name")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        table.refuse("name", "small letters, digits and _, such as 'dense'")
    files = _files(table, "files")
    entry = table.table("entry").only("functions", "classes")
    props = table.table("props").only("classes")
    functions = _names(entry, "functions")
    if not functions and not entry.get("classes"):
        table.refuse("entry", "functions or classes that the tests can call")
    return Exercise(
        id=exercise_id,
        name=name,
        title=table.text("title"),
        hours=table.number("hours", least=0),
        files=files,
        tasks=_tasks(table, exercise_id),
        folder=folder,
        imports=_names(table, "imports", default=("numpy",)),
        functions=functions,
        classes=_classes(entry),
        props=_classes(props),
        limits=_limits(table.table("limits")),
        uses=_uses(table, exercise_id),
        train=TrainPlan.read(table.table("train")) if table.get("train") is not None else None,
    )


def _tasks(table: Table, exercise_id: str) -> tuple[TaskSpec, ...]:
    tasks = []
    for row in table.tables("tasks"):
        row.only("id", "title", "points")
        points = row.number("points", least=0)
        if points == 0:
            row.refuse("points", "a number above 0")
        tasks.append(TaskSpec(row.text("id"), row.text("title"), tidy(points)))
        if not re.fullmatch(rf"{int(exercise_id)}\.[0-9]+", tasks[-1].id):
            row.refuse("id", f"the exercise's number, a dot and a number, such as '{int(exercise_id)}.1'")
    if not tasks:
        table.refuse("tasks", "at least one [[tasks]]")
    ids = [task.id for task in tasks]
    if len(set(ids)) < len(ids):
        table.refuse("tasks", "every task id once")
    return tuple(tasks)


def _limits(table: Table) -> Limits:
    table.only("seconds", "memory_mb")
    seconds = table.number("seconds", default=Limits.seconds, least=0.1)
    memory = table.number("memory_mb", default=Limits.memory_mb, least=256)  # NumPy alone maps about 200 MiB
    return Limits(float(seconds), int(memory))


def _uses(table: Table, exercise_id: str) -> tuple[Uses, ...]:
    found: list[Uses] = []
    for row in table.tables("uses"):
        row.only("exercise", "files")
        earlier = row.text("exercise")
        if not re.fullmatch(r"[0-9]{2}", earlier) or earlier >= exercise_id:
            row.refuse("exercise", "the two digits of an earlier exercise, such as '01'")
        found.append(Uses(earlier, _files(row, "files")))
    for what, values in (
        ("exercise", [uses.exercise for uses in found]),
        ("file", [name.casefold() for uses in found for name in uses.files]),
    ):
        if len(set(values)) < len(values):
            table.refuse("uses", f"a list with every {what} once")
    return tuple(found)


def _classes(entry: Table) -> dict[str, ClassEntry]:
    classes = entry.table("classes")
    found = {}
    for name in classes.keys():
        _check_name(classes, name, name)
        row = classes.table(name).only("methods", "attributes")
        found[name] = ClassEntry(_names(row, "methods"), _names(row, "attributes"))
    return found


def _names(table: Table, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    names = table.texts(key, default=default)
    for name in names:
        _check_name(table, key, name)
    return names


def _check_name(table: Table, key: str, name: str) -> None:
    # A name with underscores in front is the language's or the student's own business, never the test's.
    if not name.isidentifier() or name.startswith("_"):
        table.refuse(key, "public Python names (no leading underscore)")


def _files(table: Table, key: str) -> tuple[str, ...]:
    files = table.texts(key)
    if not files or any(not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*\.py", name) for name in files):
        table.refuse(key, "names of Python files, such as ['layers.py']")
    if len({name.casefold() for name in files}) < len(files):
        table.refuse(key, "every file once")
    return files
