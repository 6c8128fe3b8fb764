"""The check of lazy answers: functions that return a constant, their argument or nothing get no points.

A test of manners (the argument is left alone, the type is float32, bad input is refused) does not look at values,
and who does nothing has the best manners of all. So every test has to demand a right value somewhere.
"""

from __future__ import annotations

import ast
import tempfile
import textwrap
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minidl.grading.build import submission_files, write_files
from minidl.grading.markers import Block, blocks
from minidl.grading.runner import Result, run
from minidl.grading.spec import Exercise
from minidl.grading.testing import Test
from minidl.grading.verify.check import Check, Context

MOST_NAMED = 4  # submissions in a message
MIXTURES = 10  # submissions in which every function does a lazy thing of its own

# What a function does in place of its task. {first} and {last} are its arguments, without self.
CONSTANTS = {
    "returns None": "return None",
    "returns 0.0": "return 0.0",
    "returns 1": "return 1",
    "returns NaN": 'return float("nan")',
    "returns True": "return True",
    "returns False": "return False",
    "returns an empty text": 'return ""',
    "returns an empty list": "return []",
    "returns an empty dict": "return {{}}",
    "returns an empty array": "return _np.zeros(0)",
    "returns its first argument": "return {first}",
    "returns its last argument": "return {last}",
    "returns a copy of its first argument": "return _np.array({first})",
    "returns zeros like its first argument": "return _np.zeros_like({first})",
    "returns ones like its first argument": "return _np.ones_like({first})",
    "returns all its arguments": "return ({all})",
    "raises ValueError": 'raise ValueError("no")',
    "raises TypeError": 'raise TypeError("no")',
    "raises NotImplementedError": "raise NotImplementedError",
}
# Or it returns what is right in everything but the values, and keeps nothing else either.
SHAPED = {
    "returns zeros of the right shape and type": 0,
    "returns ones of the right shape and type": 1,
}
FORMS = (*CONSTANTS, *SHAPED)

_HELPERS = '''

import numpy as _np


def _lazy(value, fill):
    """Return something like value, with another content."""
    if isinstance(value, _np.ndarray | _np.generic):
        return _np.full_like(value, fill)[()]
    if isinstance(value, bool | int | float):
        return type(value)(fill)
    if isinstance(value, str):
        return ""
    if isinstance(value, tuple | list):
        return type(value)([_lazy(item, fill) for item in value])
    return {key: _lazy(item, fill) for key, item in value.items()} if isinstance(value, dict) else None
'''


@dataclass(frozen=True)
class Lazy:
    """A lazy submission.

    Attributes
    ----------
    form : str
        What its functions do: "returns None".
    task : str or None
        The only task that is lazy, the rest being the reference; None if all are.
    files : dict of str to bytes
        Those of the exercise itself.
    """

    form: str
    task: str | None
    files: dict[str, bytes]


def lazy_submissions(exercise: Exercise) -> Iterator[Lazy]:
    """Yield the lazy submissions of an exercise: every form in all tasks, in each task alone, and mixtures."""
    tasks = [task.id for task in exercise.tasks]
    for form in FORMS:
        for chosen in (None, *tasks):
            where = tasks if chosen is None else (chosen,)
            yield Lazy(form, chosen, _files(exercise, where, _always(form)))
    for number in range(MIXTURES):
        files = _files(exercise, tasks, _by_chance(number))
        yield Lazy(f"does one lazy thing or another (mixture {number})", None, files)


def _always(form: str) -> Callable[[Block], str]:
    return lambda block: form


def _by_chance(number: int) -> Callable[[Block], str]:
    rng = np.random.default_rng(number)
    return lambda block: str(rng.choice(FORMS))


def _files(exercise: Exercise, tasks: Collection[str], form: Callable[[Block], str]) -> dict[str, bytes]:
    texts = {name: (exercise.folder / "source" / name).read_text(encoding="utf-8") for name in exercise.files}
    return {name: lazy_text(text, name, tasks, form).encode("utf-8") for name, text in texts.items()}


def lazy_text(text: str, where: str, tasks: Collection[str], form: Callable[[Block], str]) -> str:
    """Return a reference file in which the solutions of some tasks are lazy.

    Parameters
    ----------
    text : str
        With its marks.
    where : str
        The file's name, for messages.
    tasks : collection of str
        Ids of the lazy tasks.
    form : callable
        Returns the form for a block, one of `FORMS`.
    """
    tree, lines = ast.parse(text), text.split("\n")
    parts: list[str] = []
    after = 0
    for block in blocks(text, where):
        parts += lines[after : block.first - 1]
        parts += _body(tree, block, form(block)) if block.task in tasks else block.solution
        after = block.last
    return "\n".join([*parts, *lines[after:]]) + _HELPERS


def _body(tree: ast.Module, block: Block, form: str) -> list[str]:
    names = _arguments(tree, block)
    if form in SHAPED:
        changed = _Shaped(names, SHAPED[form]).visit(ast.parse(textwrap.dedent("\n".join(block.solution))))
        text = ast.unparse(ast.fix_missing_locations(changed))
    else:
        first, last = (names[0], names[-1]) if names else ("0.0", "0.0")
        text = CONSTANTS[form].format(first=first, last=last, all=", ".join([*names, ""]).strip())
    return [block.indent + line for line in text.split("\n")]


def _arguments(tree: ast.Module, block: Block) -> list[str]:
    """Return the names of the arguments of the function that a block lies in, without self."""
    functions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and node.lineno < block.first
        and (node.end_lineno or 0) >= block.first
    ]
    own = max(functions, key=lambda node: node.lineno).args
    return [
        argument.arg for argument in (*own.posonlyargs, *own.args, *own.kwonlyargs) if argument.arg != "self"
    ]


class _Shaped(ast.NodeTransformer):
    """Put `_lazy` around whatever leaves a function: its answer, attributes, and arguments it writes into."""

    def __init__(self, arguments: Collection[str], fill: int) -> None:
        self.arguments, self.fill = arguments, fill

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return node if node.value is None else ast.Return(self._lazy(node.value))

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if any(map(self._leaves, node.targets)):
            node.value = self._lazy(node.value)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        if self._leaves(node.target) or getattr(node.target, "id", "") in self.arguments:
            node.value = self._lazy(node.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node  # what a function inside returns does not leave

    def _leaves(self, target: ast.expr) -> bool:
        if isinstance(target, ast.Tuple):
            return any(map(self._leaves, target.elts))
        inner = target
        while isinstance(inner, ast.Subscript):
            inner = inner.value
        return isinstance(inner, ast.Attribute) or (
            inner is not target and getattr(inner, "id", "") in self.arguments
        )

    def _lazy(self, value: ast.expr) -> ast.expr:
        return ast.Call(ast.Name("_lazy", ast.Load()), [value, ast.Constant(self.fill)], [])


# The check -----------------------------------------------------------------------------------------


def check_lazy(context: Context) -> Check:
    """Lazy answers get no points."""
    found: dict[str, list[str]] = {}
    results: dict[str, Result] = {}
    count = 0
    for lazy in lazy_submissions(context.exercise):
        count += 1
        for result in _paid(context, lazy):
            results[result.test] = result
            also = "" if lazy.task is None else f" in task {lazy.task} and is right elsewhere"
            found.setdefault(result.test, []).append(f"{lazy.form}{also}")
    problems = [_problem(context.exercise, results[name], forms) for name, forms in found.items()]
    return Check("lazy answers", f"{count} submissions that do nothing get nothing", tuple(problems))


def _problem(exercise: Exercise, result: Result, forms: list[str]) -> str:
    what = (
        "itself failed on"
        if result.status == "error"
        else f"gives {result.max_points:g} point{'s' * (result.max_points != 1)} to"
    )
    more = (
        f" (and to {len(forms) - 1} more like it: {'; '.join(forms[1:MOST_NAMED])})" if len(forms) > 1 else ""
    )
    return (
        f"exercise {exercise.id}, task {result.task}: {result.test} {what} a submission that {forms[0]}{more}; "
        "let the test demand a right value as well"
        + (f"\n{result.message}" if result.status == "error" else "")
    )


def _paid(context: Context, lazy: Lazy) -> list[Result]:
    """Return the tests that a lazy submission passes, and those that cannot cope with it."""
    tests: list[Test] = [test for test in context.plan.tests if lazy.task in (None, test.task)]
    with tempfile.TemporaryDirectory() as folder:
        write_files(submission_files(context.exercise, lazy.files), Path(folder))
        results = run(
            context.hurried(),
            folder,
            tests,
            secret=context.options.secret,
            level=context.options.level,
            server=context.server,
        )
    return [result for result in results if result.passed or result.status == "error"]
