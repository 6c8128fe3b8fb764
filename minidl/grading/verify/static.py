"""Checks that run nothing of the solution: the plan, the hand-out, and what it may not contain."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import minidl
from minidl.grading.build import handout_archive, handout_files
from minidl.grading.markers import blocks
from minidl.grading.spec import Exercise
from minidl.grading.testing import Plan, load_tests
from minidl.grading.verify.check import Check

SHORTEST_LINE = 10  # characters without spaces: "return x" or "else:" betray nothing
SHORTEST_TEXT = 16  # characters of a text of the private tests
FEWEST_DIGITS = 4  # of a number of the private tests


def check_plan(exercise: Exercise, plan: Plan, name: str) -> Check:
    """Every task has public and private tests, and the handout and files are complete.

    That the points add up was checked by making the plan.
    """
    problems = []
    public = load_tests(exercise.public_tests)
    private = load_tests(exercise.private_tests)
    for kind, tests in (("public", public), ("private", private)):
        have = {test.task for test in tests}
        problems += [f"task {task.id} has no {kind} test" for task in exercise.tasks if task.id not in have]
    problems += [f"{test.name} has no hint" for test in plan.tests if not test.hint.strip()]
    problems += [
        f"{test.name} is a public test of visibility {test.visibility!r}: students have its text anyway"
        for test in public
        if test.visibility != "visible"
    ]
    problems += [
        f"{test.name} is a private test of visibility 'visible', which shows its values"
        for test in private
        if test.visibility == "visible"
    ]
    note = f"{len(exercise.tasks)} tasks, {plan.points} points, {len(public)} public and {len(private)} private tests"
    return Check(name, note, tuple(problems))


_REBUILD = """
import hashlib, os, sys
os.umask(0o077)
from minidl.grading.build import handout_archive
from minidl.grading.spec import Exercise
print(hashlib.sha256(handout_archive(Exercise.read(sys.argv[1]))).hexdigest())
"""


def check_build(exercise: Exercise, name: str) -> Check:
    """The hand-out has the same bytes when another process builds it, with other hashes and another clock.

    Raises
    ------
    ExerciseError
        If it cannot be built.
    """
    content = handout_archive(exercise)
    digest = hashlib.sha256(content).hexdigest()
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "4711",
        "TZ": "Pacific/Kiritimati",
        "PYTHONPATH": str(Path(minidl.__file__).resolve().parents[1]),
    }
    done = subprocess.run(
        [sys.executable, "-B", "-c", _REBUILD, str(exercise.folder.resolve())],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    problems = []
    if done.returncode:
        problems.append(f"another process cannot build it: {done.stderr.strip().splitlines()[-1]}")
    elif done.stdout.strip() != digest:
        problems.append(
            "another process builds other bytes: does something depend on time, hashes or the machine?"
        )
    return Check(name, f"{len(handout_files(exercise))} files, sha256 {digest[:16]}…", tuple(problems))


def check_secrets(exercise: Exercise) -> Check:
    """Nothing of the solution or of the private tests is in the hand-out."""
    files = {name: content.decode("utf-8") for name, content in handout_files(exercise).items()}
    problems = [
        f"{name} holds a line of the solution of task {task} ({file}): {line.strip()}"
        for file, task, line in _solution_lines(exercise)
        for name, text in files.items()
        if _squeezed(line) in _squeezed(text)
    ]
    private, known = _private_words(exercise), {}
    for word, kind in private.items():
        for name, text in files.items():
            if re.search(rf"(?<![\w.]){re.escape(word)}(?![\w])", text):
                known[word] = f"{name} holds {kind} of the private tests: {word}"
    return Check("hand-out gives nothing away", f"{len(files)} files", tuple(problems + list(known.values())))


def _solution_lines(exercise: Exercise) -> Iterator[tuple[str, str, str]]:
    """Yield (file, task, line) for every line that only the solution has."""
    for name in exercise.files:
        text = (exercise.folder / "source" / name).read_text(encoding="utf-8")
        found = blocks(text, name)
        inside = {number for block in found for number in range(block.first, block.last + 1)}
        given = {_squeezed(line) for i, line in enumerate(text.split("\n"), 1) if i not in inside}
        for block in found:
            for line in block.solution:
                squeezed = _squeezed(line)
                if len(squeezed) >= SHORTEST_LINE and squeezed not in given:
                    yield name, block.task, line


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _private_words(exercise: Exercise) -> dict[str, str]:
    """Return names, numbers and texts of the private tests that the public tests do not have."""
    own = _words(exercise.private_tests.read_text(encoding="utf-8"))
    public = _words(exercise.public_tests.read_text(encoding="utf-8"))
    source = "".join(
        (exercise.folder / "source" / name).read_text(encoding="utf-8") for name in exercise.files
    )
    return {
        word: kind
        for word, kind in own.items()
        if word not in public and not (kind == "a name" and re.search(rf"\b{re.escape(word)}\b", source))
    }


def _words(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and (
            node.name.startswith("test_") or len(node.name) >= SHORTEST_LINE
        ):
            found[node.name] = "a name"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if len(node.value) >= SHORTEST_TEXT:
                found[node.value] = "a text"
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            digits = re.sub(r"e.*", "", repr(node.value)).replace(".", "").strip("0")
            if len(digits) >= FEWEST_DIGITS:
                found[repr(node.value)] = "a number"
    return found
