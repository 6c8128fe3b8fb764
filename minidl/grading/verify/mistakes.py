"""Checks of submissions that are wrong: the author's mutants and the automatic ones."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minidl.errors import ConfigError
from minidl.grading.build import reference_files, submission_files, write_files
from minidl.grading.mutate import EQUIVALENTS, Mutant, as_toml, mutants, read_equivalents
from minidl.grading.runner import Result, run
from minidl.grading.spec import Exercise, ExerciseError
from minidl.grading.table import Table
from minidl.grading.testing import Test
from minidl.grading.verify.check import Check, Context

MUTANTS = "mutants.toml"
FEWEST_MUTANTS = 8
KILLED = 0.98
SECRETS_FOR_SURVIVORS = 3


@dataclass(frozen=True)
class Mistake:
    """A mutant of ``mutants.toml``: a typical mistake, as a change of the reference.

    Attributes
    ----------
    name : str
    file : str
    tasks : tuple of str
        Where it costs points.
    hint : str
        Words of the message that the student sees.
    old, new : tuple of str
        Texts that occur once in the reference, and what takes their places.
    """

    name: str
    file: str
    tasks: tuple[str, ...]
    hint: str
    old: tuple[str, ...]
    new: tuple[str, ...]

    def apply(self, text: str) -> str:
        """Return a reference file with the mistake.

        Raises
        ------
        ExerciseError
            If a text to replace does not occur exactly once.
        """
        for old, new in zip(self.old, self.new, strict=True):
            if text.count(old) != 1:
                raise ExerciseError(
                    f"{MUTANTS}: {self.name!r} replaces a text that occurs {text.count(old)} times in {self.file}, "
                    f"it must occur once: {old!r}"
                )
            text = text.replace(old, new)
        return text


def read_mistakes(exercise: Exercise) -> list[Mistake]:
    """Return the mutants of ``mutants.toml``.

    Raises
    ------
    ExerciseError
        If the file is missing, or an entry lacks something or names a task that does not exist.
    """
    path = exercise.folder / MUTANTS
    if not path.is_file():
        raise ExerciseError(f"{path}: this file is missing; it lists typical mistakes")
    found = []
    for row in Table.read(path).only("mutants").tables("mutants"):
        row.only("name", "file", "tasks", "hint", "old", "new")
        old, new = _edits(row, "old"), _edits(row, "new")
        if len(old) != len(new):
            row.refuse("new", "as many texts as old has")
        tasks = row.texts("tasks")
        for task in tasks:
            exercise.task(task)
        file = row.text("file", exercise.files[0])
        if file not in exercise.files:
            row.refuse("file", f"one of {', '.join(exercise.files)}")
        found.append(Mistake(row.text("name"), file, tasks, row.text("hint"), old, new))
    return found


def _edits(row: Table, key: str) -> tuple[str, ...]:
    value = row.get(key)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        row.refuse(key, "a text, or a list of texts")
    return tuple(texts)


def check_mutants(context: Context) -> Check:
    """Every typical mistake loses points in the tasks it is in, there and nowhere else, and is told."""
    name = "typical mistakes"
    try:
        mistakes = read_mistakes(context.exercise)
        problems = [problem for mistake in mistakes for problem in try_mistake(context, mistake)]
    except ConfigError as error:
        return Check(name, problems=(str(error),))
    if len(mistakes) < FEWEST_MUTANTS:
        problems.append(f"{MUTANTS} lists {len(mistakes)} mistakes, it should list at least {FEWEST_MUTANTS}")
    missed = {task.id for task in context.exercise.tasks} - {t for mistake in mistakes for t in mistake.tasks}
    problems += [f"{MUTANTS} has no mistake in task {task}" for task in sorted(missed)]
    note = f"{len(mistakes)} mistakes, each loses points in its own task and is told why"
    return Check(name, note, tuple(problems))


def try_mistake(context: Context, mistake: Mistake) -> list[str]:
    """Return what is wrong with how the tests treat a typical mistake."""
    files = reference_files(context.exercise)
    text = mistake.apply(files[mistake.file].decode("utf-8"))
    results = run_text(context, mistake.file, text, context.plan.tests, context.options.secret)
    problems = [
        f"{mistake.name!r}: {result.test} itself failed\n{result.message}"
        for result in results
        if result.status == "error"
    ]
    lost = {result.task for result in results if not result.passed}
    for task in sorted(lost ^ set(mistake.tasks)):
        verb = "loses points in" if task in lost else "loses no points in"
        tests = ", ".join(result.test for result in results if result.task == task and not result.passed)
        problems.append(f"{mistake.name!r} {verb} task {task}{f' ({tests})' if tests else ''}")
    shown = [r.shown for r in results if not r.passed and r.task in mistake.tasks]
    if shown and not any(mistake.hint.casefold() in " ".join(text.split()).casefold() for text in shown):
        problems.append(f"{mistake.name!r} is not told {mistake.hint!r} but\n" + "\n".join(shown))
    return problems


def check_automatic(context: Context) -> Check:
    """Nearly all automatic mutants lose points; the others are argued to be equivalent."""
    name = "automatic mutants"
    try:
        equivalents = read_equivalents(context.exercise)
    except ConfigError as error:
        return Check(name, problems=(str(error),))
    everything = mutants(context.exercise)
    problems = [
        f"{EQUIVALENTS} lists {key}, which is no mutant of the reference any more"
        for key in equivalents.keys() - {mutant.id for mutant in everything}
    ]
    survivors: list[Mutant] = []
    for mutant in everything:
        killer = killed_by(context, mutant)
        if killer is not None and mutant.id in equivalents:
            problems.append(f"{EQUIVALENTS} calls {mutant.id} equivalent, but {killer.test} fails on it")
        if killer is None and mutant.id not in equivalents:
            survivors.append(mutant)
    real = len(everything) - len(equivalents)
    share = 1 - len(survivors) / max(real, 1)
    note = (
        f"{real - len(survivors)} of {real} killed ({share:.1%}), {len(equivalents)} argued to be equivalent"
    )
    if survivors:
        listed = "\n\n".join(map(as_toml, survivors))
        text = f"these survive; write a test for each, or argue in {EQUIVALENTS}:\n{listed}"
        if share < KILLED:
            problems.append(f"{note}: less than {KILLED:.0%}; {text}")
        else:
            note += f"; {text}"
    return Check(name, note, tuple(problems))


def killed_by(context: Context, mutant: Mutant) -> Result | None:
    """Return a test that fails on a mutant, or None. The tests of its own task run first."""
    own = [test for test in context.plan.tests if test.task == mutant.task]
    others = [test for test in context.plan.tests if test.task != mutant.task]
    for secret in context.options.secrets(SECRETS_FOR_SURVIVORS):
        for tests in (own, others):
            for result in run_text(context, mutant.file, mutant.text, tests, secret):
                if not result.passed:
                    return result
    return None


def run_text(context: Context, file: str, text: str, tests: Sequence[Test], secret: str) -> list[Result]:
    """Run tests on the reference with another text in one of its files."""
    with tempfile.TemporaryDirectory() as folder:
        write_files({**submission_files(context.exercise), file: text.encode("utf-8")}, Path(folder))
        return run(
            context.hurried(),
            folder,
            tests,
            secret=secret,
            level=context.options.level,
            server=context.server,
        )
