"""The marks in a reference file, and the skeleton made of it.

A block between two comments is the solution of a task::

    # BEGIN SOLUTION 1.1
    # HINT one matrix product does all examples at once
    return x @ self.weight + self.bias
    # END SOLUTION

The skeleton has in its place, as deep as the first comment is indented::

    # TODO task 1.1: Dense: the forward pass
    # hint: one matrix product does all examples at once
    raise NotImplementedError("task 1.1: Dense: the forward pass")
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from minidl.grading.spec import ExerciseError

_BEGIN = re.compile(r"^( *)# BEGIN SOLUTION +(\S+)$")
_END = re.compile(r"^( *)# END SOLUTION$")
_HINT = re.compile(r"^ *# HINT +(.+)$")
_NEARLY = re.compile(r"\b(BEGIN|END)\W+SOLUTION\b", re.IGNORECASE)


@dataclass(frozen=True)
class Block:
    """A solution block.

    Attributes
    ----------
    task : str
        Id of the task.
    first, last : int
        Lines of the two marks, counted from 1.
    indent : str
        The spaces in front of the first mark.
    lines : tuple of str
        What lies between the marks, hints included.
    """

    task: str
    first: int
    last: int
    indent: str
    lines: tuple[str, ...]

    @property
    def hints(self) -> tuple[str, ...]:
        """The texts of the lines ``# HINT``."""
        return tuple(match.group(1) for line in self.lines if (match := _HINT.match(line)))

    @property
    def solution(self) -> tuple[str, ...]:
        """The lines that no student may see: all but the hints."""
        return tuple(line for line in self.lines if not _HINT.match(line))


def blocks(text: str, where: str) -> list[Block]:
    """Return the solution blocks of a reference file.

    Parameters
    ----------
    text : str
    where : str
        The file's name, for messages.

    Raises
    ------
    ExerciseError
        If a mark is misspelt, lacks its partner, lies in another block or on the level of the module.
    """
    found: list[Block] = []
    start: tuple[int, str, str] | None = None
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        begin, end = _BEGIN.match(line), _END.match(line)
        here = f"{where}, line {number}"
        if begin and start:
            raise ExerciseError(f"{here}: a solution begins inside that of line {start[0]}; end that first")
        if begin:
            indent, task = begin.groups()
            if not indent:
                raise ExerciseError(
                    f"{here}: a solution on the level of the module would fail on import; put it into a function"
                )
            start = number, indent, task
        elif end:
            if start is None:
                raise ExerciseError(f"{here}: # END SOLUTION without # BEGIN SOLUTION")
            first, indent, task = start
            if end.group(1) != indent:
                raise ExerciseError(f"{here}: # END SOLUTION must be indented like line {first}")
            found.append(Block(task, first, number, indent, tuple(lines[first : number - 1])))
            if not any(part.strip() and not part.lstrip().startswith("#") for part in found[-1].solution):
                raise ExerciseError(f"{where}, line {first}: this solution is empty")
            start = None
        elif _NEARLY.search(line):
            raise ExerciseError(
                f"{here}: write the marks alone on their lines, as `# BEGIN SOLUTION 1.1` and `# END SOLUTION`"
            )
    if start:
        raise ExerciseError(f"{where}, line {start[0]}: # END SOLUTION is missing")
    return found


def skeleton(text: str, titles: Mapping[str, str], where: str) -> str:
    """Return what students get of a reference file.

    Parameters
    ----------
    text : str
        The reference.
    titles : mapping of str to str
        Title of every task by its id.
    where : str
        The file's name, for messages.

    Raises
    ------
    ExerciseError
        If the marks are wrong, name a task that does not exist, or what is left is no Python.
    """
    lines = text.split("\n")
    parts: list[str] = []
    after = 0
    for block in blocks(text, where):
        if block.task not in titles:
            known = ", ".join(titles)
            raise ExerciseError(
                f"{where}, line {block.first}: there is no task {block.task!r}; the tasks are {known}"
            )
        label = f"task {block.task}: {titles[block.task]}"
        parts += lines[after : block.first - 1]
        parts.append(f"{block.indent}# TODO {label}")
        parts += [f"{block.indent}# hint: {hint}" for hint in block.hints]
        parts.append(f"{block.indent}raise NotImplementedError({_quoted(label)})")
        after = block.last
    result = "\n".join([*parts, *lines[after:]])
    try:
        ast.parse(result)
    except SyntaxError as error:
        raise ExerciseError(
            f"{where}: the skeleton would be no Python (line {error.lineno}: {error.msg})"
        ) from None
    return result


def reference(text: str, where: str) -> str:
    """Return a reference file without its marks and hints, as a student could have written it.

    Raises
    ------
    ExerciseError
        If the marks are wrong.
    """
    lines = text.split("\n")
    result: list[str] = []
    after = 0
    for block in blocks(text, where):
        result += [*lines[after : block.first - 1], *block.solution]
        after = block.last
    return "\n".join([*result, *lines[after:]])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
