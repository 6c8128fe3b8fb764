"""Mutants: the reference with one small mistake each, to measure the tests of an exercise.

A suite of tests is worth what it notices. Each mutant changes one spot inside a solution block: an operator, a
comparison, a number, an axis, a transpose, a term or a statement that is missing, two arguments that changed
places. The tests must fail on every one, except those that compute the same (*equivalent* mutants), which the
author lists in ``equivalents.toml`` and argues one by one.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from minidl.grading.markers import Block, blocks
from minidl.grading.mutations import changes
from minidl.grading.spec import Exercise, ExerciseError
from minidl.grading.table import Table

EQUIVALENTS = "equivalents.toml"


@dataclass(frozen=True)
class Mutant:
    """A reference file with one change.

    Attributes
    ----------
    id : str
        ``"Dense.forward/term dropped/3f2a91"``: place, kind, and a digest of the change. It stays the same
        when other lines of the file change.
    file : str
        The file that is changed.
    task : str
        Id of the task whose solution it is in.
    was, becomes : str
        The line before and after.
    text : str
        The whole file with the change, without comments.
    """

    id: str
    file: str
    task: str
    was: str
    becomes: str
    text: str


def mutants(exercise: Exercise) -> list[Mutant]:
    """Return the mutants of an exercise's reference, always the same in the same order."""
    found = []
    for name in exercise.files:
        text = (exercise.folder / "source" / name).read_text(encoding="utf-8")
        found += mutants_of(text, name)
    return found


def mutants_of(text: str, name: str) -> list[Mutant]:
    """Return the mutants of one reference file.

    Parameters
    ----------
    text : str
        With its marks.
    name : str
        The file's name.
    """
    tree = ast.parse(text)
    seen = {ast.unparse(tree)}
    found: list[Mutant] = []
    times: dict[str, int] = {}
    for statement, place, block in _statements(tree, blocks(text, name)):
        was = _header(statement)
        for kind, node, replacement in changes(statement):
            swap = _Swap(node, replacement)
            swap.visit(tree)
            ast.fix_missing_locations(tree)
            changed = ast.unparse(tree)
            # A statement that was replaced as a whole is no longer in the tree.
            becomes = _header(replacement if node is statement else statement)
            _Swap(replacement, node).visit(tree)
            if changed in seen:
                continue
            seen.add(changed)
            digest = hashlib.sha256(f"{was}\0{becomes}".encode()).hexdigest()[:6]
            key = f"{place}/{kind}/{digest}"
            times[key] = times.get(key, 0) + 1  # the same line may stand twice in a function
            if times[key] > 1:
                key = f"{key}-{times[key]}"
            found.append(Mutant(key, name, block.task, was, becomes, changed))
    return found


def read_equivalents(exercise: Exercise) -> dict[str, str]:
    """Return the argument for every mutant that is declared equivalent, by its id.

    ``equivalents.toml`` may be missing. Each entry is a table ``[[equivalents]]`` with ``id`` and ``why``, and
    for the reader ``was`` and ``becomes``.

    Raises
    ------
    ExerciseError
        If an entry lacks its argument, or an id occurs twice.
    """
    path = exercise.folder / EQUIVALENTS
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    for row in Table.read(path).only("equivalents").tables("equivalents"):
        row.only("id", "was", "becomes", "why")
        name = row.text("id")
        if name in found:
            raise ExerciseError(f"{path}: {name} is listed twice")
        found[name] = row.text("why")
        if len(found[name].split()) < 4:
            row.refuse("why", "an argument why no test can tell it from the reference")
    return found


def as_toml(mutant: Mutant) -> str:
    """Return the entry of a surviving mutant for ``equivalents.toml``, its argument left to be written."""
    lines = [
        "[[equivalents]]",
        f"id = {_toml(mutant.id)}",
        f"was = {_toml(mutant.was)}",
        f"becomes = {_toml(mutant.becomes)}",
        'why = ""',
    ]
    return "\n".join(lines)


def _toml(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{quoted}"'


def _statements(tree: ast.Module, places: list[Block]) -> Iterator[tuple[ast.stmt, str, Block]]:
    """Yield every statement inside a solution block, with the name of its function and the block."""

    def walk(node: ast.AST, path: tuple[str, ...]) -> Iterator[tuple[ast.stmt, str, Block]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                for block in places:
                    if block.first < child.lineno < block.last:
                        yield child, ".".join(path), block
            inner = (*path, child.name) if isinstance(child, ast.FunctionDef | ast.ClassDef) else path
            yield from walk(child, inner)

    yield from walk(tree, ())


def _header(node: ast.AST) -> str:
    """Return a statement, or the first line of one that holds others."""
    if isinstance(node, ast.stmt) and not hasattr(node, "body"):
        return ast.unparse(node)
    return ast.unparse(node).partition("\n")[0]


class _Swap(ast.NodeTransformer):
    """Put one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else self.generic_visit(node)
