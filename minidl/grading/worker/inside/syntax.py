"""Counting loops and other statements in the text of a submission, without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from .loading import Missing


def count_nodes(source: bytes, file: str, path: str, kinds: Iterable[str]) -> int:
    """Count the nodes of some kinds in a definition.

    Parameters
    ----------
    source : bytes
        The file.
    file : str
        Its name, for messages.
    path : str
        A function, class or method, such as "Dense.forward"; "" is the whole file.
    kinds : iterable of str
        Names of classes of `ast`, such as "For" and "While".

    Raises
    ------
    Missing
        If the file does not define `path`.
    SyntaxError
        If it is no Python.
    """
    node: ast.AST = ast.parse(source, file)
    for name in path.split(".") if path else ():
        node = _definition(node, name, path, file)
    wanted = set(kinds)
    return sum(type(found).__name__ in wanted for found in ast.walk(node))


def _definition(node: ast.AST, name: str, path: str, file: str) -> ast.AST:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [child for child in ast.iter_child_nodes(node) if isinstance(child, kinds) and child.name == name]
    if not found:
        raise Missing("MissingName", f"{file} must define {path}; there is no such name")
    return found[-1]  # the last definition of a name is the one that counts
