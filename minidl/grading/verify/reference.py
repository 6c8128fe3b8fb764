"""Checks of the two submissions that are known: the reference and the skeleton."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from minidl.errors import ConfigError
from minidl.grading.build import handout_files, submission_files, write_files
from minidl.grading.runner import Result, generator, run, run_with, score
from minidl.grading.spec import ExerciseError
from minidl.grading.verify.check import Check, Context

AGREEMENT = "agreement.py"
MOST_SHOWN = 5


def check_reference(context: Context) -> Check:
    """The reference gets all points for every secret."""
    from minidl.grading.worker import isolation_level

    problems: list[str] = []
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        write_files(submission_files(context.exercise), Path(folder))
        for secret in context.options.secrets(context.options.seeds):
            results = run(
                context.exercise,
                folder,
                context.plan.tests,
                secret=secret,
                level=context.options.level,
                server=context.server,
            )
            problems += _lost(results, secret)
            slowest = max(slowest, *(result.seconds for result in results))
            if len(problems) >= MOST_SHOWN:
                break
    level = isolation_level() if context.options.level == "best" else context.options.level
    note = (
        f"{context.plan.points} of {context.plan.points} points for {context.options.seeds} seeds at {level}"
    )
    share = slowest / context.exercise.limits.seconds
    if share > 0.5:
        problems.append(
            f"a test needed {slowest:.1f} s of the {context.exercise.limits.seconds:g} s it may take"
        )
    return Check("reference", f"{note}, slowest test {slowest:.2f} s", tuple(problems))


def check_in_process(context: Context) -> Check:
    """The reference gets all points in a notebook as well, where nothing is isolated."""
    from minidl.grading.worker import LocalSubmission

    problems: list[str] = []
    count = min(context.options.in_process, context.options.seeds)
    with tempfile.TemporaryDirectory() as folder:
        write_files(submission_files(context.exercise), Path(folder))
        for secret in context.options.secrets(count):
            results = run_with(
                lambda: LocalSubmission(folder, context.exercise),
                context.exercise,
                context.plan.tests,
                secret=secret,
            )
            problems += _lost(results, secret)
    return Check(
        "reference without isolation", f"all points for {count} seeds at L0", tuple(problems[:MOST_SHOWN])
    )


def check_skeleton(context: Context) -> Check:
    """The skeleton gets no point, and every failure says which task is not done."""
    exercise = context.exercise
    with tempfile.TemporaryDirectory() as folder:
        files = handout_files(exercise)
        skeleton = {name: files[name] for name in exercise.files}
        write_files(submission_files(exercise, skeleton), Path(folder))
        results = run(
            exercise,
            folder,
            context.plan.tests,
            secret=context.options.secret,
            level=context.options.level,
            server=context.server,
        )
    problems = [f"{r.test} gives {r.points:g} points for the skeleton" for r in results if r.points]
    order = [task.id for task in exercise.tasks]
    for result in results:
        # A test of backward meets the forward pass first, which may be an earlier task.
        tasks = order[: order.index(result.task) + 1]
        if result.status != "not_done" or not any(
            result.shown.startswith(f"not done yet: task {task} ") for task in tasks
        ):
            problems.append(
                f"{result.test} of task {result.task} says of the skeleton: {result.shown or result.status}"
            )
    got, most = score(results)
    return Check("skeleton", f"{got} of {most} points, every test says what is not done", tuple(problems))


def check_agreement(context: Context) -> Check:
    """The reference computes what the library computes, as ``agreement.py`` says."""
    from minidl.grading.worker import LocalSubmission

    path = context.exercise.folder / AGREEMENT
    name = "reference agrees with the library"
    if not path.is_file():
        return Check(
            name, problems=(f"{path} is missing: functions agree_…(submission, rng) that compare the two",)
        )
    try:
        functions = _agreements(path)
    except ConfigError as error:
        return Check(name, problems=(str(error),))
    problems = []
    count = min(20, context.options.seeds)
    with tempfile.TemporaryDirectory() as folder:
        write_files(submission_files(context.exercise), Path(folder))
        for function in functions:
            for secret in context.options.secrets(count):
                rng = generator(secret, context.exercise, function.__name__)
                try:
                    with LocalSubmission(folder, context.exercise) as submission:
                        function(submission, rng)
                except Exception:
                    last = traceback.format_exc(limit=-1).strip()
                    problems.append(f"{function.__name__} with the secret {secret!r}:\n{last}")
                    break
    return Check(name, f"{len(functions)} comparisons, {count} seeds each", tuple(problems))


def _agreements(path: Path) -> Sequence[Callable[..., None]]:
    spec = importlib.util.spec_from_file_location(f"minidl_agreement_{path.parent.name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # the course folder stays clean
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ExerciseError(f"{path}: this file cannot be run: {type(error).__name__}: {error}") from error
    finally:
        sys.dont_write_bytecode = writes
    found = [f for name, f in vars(module).items() if name.startswith("agree_") and inspect.isfunction(f)]
    if not found:
        raise ExerciseError(f"{path}: there is no function agree_…(submission, rng) in it")
    return found


def _lost(results: Iterable[Result], secret: str) -> list[str]:
    return [
        f"{result.test} with the secret {secret!r}: {result.status}\n{result.message}"
        for result in results
        if not result.passed
    ]
