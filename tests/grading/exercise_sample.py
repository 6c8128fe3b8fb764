"""What the tests of single exercises share: a sample of `minidl exercise verify N`, and the programs of a page."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from minidl.grading.build import reference_files
from minidl.grading.finding import find_exercise
from minidl.grading.spec import Exercise
from minidl.grading.testing import Plan
from minidl.grading.verify import Options, mistakes, reference
from minidl.grading.verify.check import Context
from minidl.grading.worker import ForkServer


@contextlib.contextmanager
def opened(exercise: Exercise) -> Iterator[Context]:
    """Yield what the checks of an exercise need, with a server that has NumPy loaded."""
    with ForkServer() as server:
        yield Context(exercise, Plan.of(exercise), Options(seeds=2, in_process=1), server)


def check_sample(context: Context, *names: str) -> None:
    """Expect all points for the reference, none for the skeleton, and that some mistakes are found and told."""
    for check in (
        reference.check_reference,
        reference.check_in_process,
        reference.check_agreement,
        reference.check_skeleton,
    ):
        assert check(context).problems == ()
    listed = {mistake.name: mistake for mistake in mistakes.read_mistakes(context.exercise)}
    for name in names:
        assert mistakes.try_mistake(context, listed[name]) == []


def check_mistakes_apply(exercise: Exercise) -> None:
    """Expect that every mistake of ``mutants.toml`` still fits the reference, and that every task has one."""
    [file] = exercise.files
    text = reference_files(exercise)[file].decode()
    listed = mistakes.read_mistakes(exercise)
    changed = [mistake.apply(text) for mistake in listed]
    assert len(set(changed)) == len(changed)
    for wrong in changed:
        compile(wrong, file, "exec")
    assert {task for mistake in listed for task in mistake.tasks} == {task.id for task in exercise.tasks}


def page_of(exercise: Exercise) -> str:
    """Return the text of the page."""
    return (exercise.folder / "handout.md").read_text(encoding="utf-8")


def run_program(exercise: Exercise, folder: Path, *earlier: int) -> str:
    """Run the program at the end of the page with the references it imports, and return its output."""
    programs = re.findall(r"^```python\n(import numpy.*?)^```$", page_of(exercise), re.MULTILINE | re.DOTALL)
    modules = []
    for one in (exercise, *map(find_exercise, earlier)):
        for name, content in reference_files(one).items():
            (folder / name).write_bytes(content)
            modules.append(Path(name).stem)
    output = io.StringIO()
    sys.path.insert(0, str(folder))
    try:
        with contextlib.redirect_stdout(output):
            exec(compile(programs[-1], "README.md", "exec"), {})
    finally:
        sys.path.remove(str(folder))
        for module in modules:
            sys.modules.pop(module, None)
    return output.getvalue()
