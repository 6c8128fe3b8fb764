"""The report of a check, as text for a terminal or a notebook."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from minidl.grading.runner import Result, score
from minidl.grading.spec import Exercise, tidy

_WORDS = {
    "passed": "passed",
    "failed": "FAILED",
    "timeout": "TOO SLOW",
    "crashed": "CRASHED",
    "error": "ERROR",
    "not_run": "not run",
}
_OUTPUT_LINES = 20
_WIDTH = 100

LEVELS = {
    "L0": "in this process, without protection",
    "L1": "in a process of its own",
    "L2": "in a sealed process of its own, as in grading",
}


def report(exercise: Exercise, results: Sequence[Result], level: str) -> str:
    """Return the report of the public tests.

    Parameters
    ----------
    exercise : Exercise
    results : sequence of Result
    level : str
        How the submission was isolated: "L0", "L1", "L2".
    """
    lines = [
        f"Exercise {exercise.number}: {exercise.title}",
        f"Public tests, run {LEVELS.get(level, level)}.",
        "",
    ]
    for spec in exercise.tasks:
        of_task = [result for result in results if result.task == spec.id]
        if of_task:
            lines += _task(f"{spec.id}  {spec.title}", of_task)
    return "\n".join([*lines, "", *summary(exercise, results)])


def summary(exercise: Exercise, results: Sequence[Result]) -> list[str]:
    """Return the last lines: points, and what to do next."""
    got, most = score(results)
    run = {result.task for result in results}
    tasks = [spec for spec in exercise.tasks if spec.id in run]
    whole = len(tasks) == len(exercise.tasks)
    points = tidy(sum(spec.points for spec in tasks))
    line = f"{got} of {most} points of the public tests{'' if whole else ' of ' + _tasks(run)}."
    if points > most:
        what = "The exercise has" if whole else "It has" if len(tasks) == 1 else "They have"
        line += f" {what} {points}; {tidy(points - most)} more come from tests you do not have."
    lines = [line]
    bad = [result for result in results if not result.passed]
    if bad:
        first = next((result for result in bad if result.status != "not_done"), bad[0])
        lines.append(f"Next: task {first.task}, {exercise.task(first.task).title}.")
    return lines


def _tasks(ids: Iterable[str]) -> str:
    names = sorted(ids)
    return f"task{'s' * (len(names) > 1)} {', '.join(names)}"


def _task(heading: str, results: Sequence[Result]) -> list[str]:
    got, most = score(results)
    points = f"{got} of {most} points"
    lines = [f"{heading:<62}{points:>16}" if len(heading) < 62 else f"{heading}  {points}"]
    todo = [result for result in results if result.status == "not_done"]
    for result in results:
        if result in todo:
            continue
        lines.append(f"  {_WORDS[result.status]:<9} {result.title}")
        if not result.passed:
            lines += _indented(result.shown, 12)
            lines += _output(result)
    for message in dict.fromkeys(result.shown for result in todo):
        lines += _indented(message, 2)
    return lines


def _output(result: Result) -> list[str]:
    """Return what the student's code printed, if the test hides nothing."""
    if result.visibility != "visible" or not result.output.strip():
        return []
    lines = result.output.rstrip().splitlines()
    cut = [f"… {len(lines) - _OUTPUT_LINES} lines before these"] if len(lines) > _OUTPUT_LINES else []
    return _indented(
        "\n".join(["your code printed:", *cut, *(f"  {line}" for line in lines[-_OUTPUT_LINES:])]), 12
    )


def _indented(text: str, depth: int) -> list[str]:
    """Return lines indented by `depth` and wrapped; what a line is continued with stands a little deeper."""
    lines = []
    for line in text.splitlines():
        inner = len(line) - len(line.lstrip())
        # A shape or an index stays in one piece: textwrap breaks at plain spaces alone.
        whole = re.sub(r"[(\[][\d, ]{,40}[)\]]", lambda found: found[0].replace(" ", "\u00a0"), line)
        lines += textwrap.wrap(
            whole,
            _WIDTH,
            initial_indent=" " * depth,
            subsequent_indent=" " * (depth + inner + 2),
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return [line.replace("\u00a0", " ") for line in lines]
