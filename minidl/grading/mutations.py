"""The changes that make mutants, each a small function from a piece of syntax to its wrong versions.

They are the mistakes that array programs really have: a sign, an axis, a transpose, a factor, a forgotten
line. A change is offered only where it can be written; whether it makes sense is for the tests to say.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any

Change = tuple[str, ast.AST, ast.AST]  # kind, node, what takes its place

_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
# Functions and methods that are taken for one another.
_CONFUSED = {
    "sum": "mean",
    "mean": "sum",
    "max": "min",
    "min": "max",
    "maximum": "minimum",
    "minimum": "maximum",
    "argmax": "argmin",
    "argmin": "argmax",
    "zeros": "ones",
    "ones": "zeros",
    "zeros_like": "ones_like",
    "ones_like": "zeros_like",
    "var": "std",
    "std": "var",
    "floor": "ceil",
    "ceil": "floor",
    "any": "all",
    "all": "any",
    "append": "extend",
}
_UNWRAPPED_METHODS = {"copy", "astype", "reshape", "transpose", "swapaxes", "ravel", "squeeze"}


def changes(statement: ast.stmt) -> Iterator[Change]:
    """Yield the changes of a statement and of the expressions in it, not of the statements inside it."""
    yield from _of_statement(statement)
    for node in _expressions(statement):
        for operator in _OPERATORS:
            yield from operator(node)


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    """Return a copy of a node with other fields. (Operators cannot be replaced by themselves: Python has one
    object for all plus signs of a tree.)"""
    changed = copy.deepcopy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _expressions(statement: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, ast.stmt):
            yield child
            yield from _expressions(child)


def _of_statement(node: ast.stmt) -> Iterator[Change]:
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)  # a docstring
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr | ast.Return) and not text:
        yield "statement dropped", node, ast.Pass()
    if isinstance(node, ast.AugAssign):
        plain = ast.Assign(targets=[copy.deepcopy(node.target)], value=copy.deepcopy(node.value))
        yield "= for " + {"Add": "+=", "Sub": "-="}.get(type(node.op).__name__, "an update"), node, plain
        if type(node.op) in _ARITHMETIC:
            yield "operator", node, _with(node, op=_ARITHMETIC[type(node.op)]())
    if isinstance(node, ast.If):
        yield "condition true", node.test, ast.Constant(True)
        yield "condition false", node.test, ast.Constant(False)
    if isinstance(node, ast.While):
        yield "condition false", node.test, ast.Constant(False)
    if isinstance(node, ast.Break | ast.Continue):
        yield "statement dropped", node, ast.Pass()
    if isinstance(node, ast.For):
        yield "loop dropped", node.iter, ast.Tuple(elts=[], ctx=ast.Load())


def _binary(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.BinOp):
        return
    kind = type(node.op)
    if kind in _ARITHMETIC:
        yield "operator", node, _with(node, op=_ARITHMETIC[kind]())
    if kind is ast.MatMult:
        turned = ast.BinOp(copy.deepcopy(node.right), ast.MatMult(), copy.deepcopy(node.left))
        yield "factors swapped", node, turned
    if kind in (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow):
        yield "term dropped", node, copy.deepcopy(node.left)
    if kind in (ast.Add, ast.Mult):
        yield "term dropped", node, copy.deepcopy(node.right)
    if kind is ast.Sub:
        yield "term dropped", node, ast.UnaryOp(ast.USub(), copy.deepcopy(node.right))


def _unary(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign dropped", node, copy.deepcopy(node.operand)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        yield "negation dropped", node, copy.deepcopy(node.operand)


def _comparison(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in _COMPARISONS[type(node.ops[0])]:
            yield "comparison", node, _with(node, ops=[other()])
    if isinstance(node, ast.BoolOp):
        yield "and for or", node, _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    if isinstance(node, ast.IfExp):
        yield "condition true", node, copy.deepcopy(node.body)
        yield "condition false", node, copy.deepcopy(node.orelse)


def _constant(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool):
        yield "constant", node, ast.Constant(not value)
    elif isinstance(value, int):
        yield "constant", node, ast.Constant(value + 1)
        if value:
            yield "constant", node, ast.Constant(value - 1)
    elif isinstance(value, float):
        yield "constant", node, ast.Constant(2 * value or 1.0)


def _keyword(node: ast.AST) -> Iterator[Change]:
    """Another axis, a keyword left out, the sign of one reversed."""
    if not isinstance(node, ast.Call):
        return
    for word in node.keywords:
        if word.arg is None:
            continue
        without = copy.deepcopy(node)
        del without.keywords[node.keywords.index(word)]
        yield f"{word.arg} dropped", node, without
        number = isinstance(word.value, ast.Constant) and type(word.value.value) in (int, float)
        if word.arg in ("axis", "axes") and number:
            assert isinstance(word.value, ast.Constant)
            yield "axis", word.value, ast.Constant(1 if word.value.value == 0 else 0)
        elif not isinstance(word.value, ast.Constant) or (number and word.value.value):
            if word.arg not in ("dtype", "out", "order", "key"):
                yield f"sign of {word.arg}", word.value, ast.UnaryOp(ast.USub(), copy.deepcopy(word.value))


def _call(node: ast.AST) -> Iterator[Change]:
    if not isinstance(node, ast.Call):
        return
    if len(node.args) >= 2 and not any(isinstance(argument, ast.Starred) for argument in node.args):
        swapped = copy.deepcopy(node)
        swapped.args[:2] = swapped.args[1::-1]
        yield "arguments swapped", node, swapped
    called = node.func
    if isinstance(called, ast.Attribute) and called.attr in _CONFUSED:
        other = ast.Attribute(copy.deepcopy(called.value), _CONFUSED[called.attr], ast.Load())
        yield "function", called, other
    if len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred):
        method = isinstance(called, ast.Attribute) and called.attr in _UNWRAPPED_METHODS
        function = isinstance(called, ast.Name) or (
            isinstance(called, ast.Attribute)
            and isinstance(called.value, ast.Name)
            and called.value.id == "np"
        )
        if function and not method:
            yield "call dropped", node, copy.deepcopy(node.args[0])
    if isinstance(called, ast.Attribute) and called.attr in _UNWRAPPED_METHODS:
        if not (isinstance(called.value, ast.Name) and called.value.id == "np"):
            yield "call dropped", node, copy.deepcopy(called.value)
        elif node.args:
            yield "call dropped", node, copy.deepcopy(node.args[0])


def _access(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Attribute) and node.attr == "T" and isinstance(node.ctx, ast.Load):
        yield "transpose dropped", node, copy.deepcopy(node.value)
    if isinstance(node, ast.Subscript):
        inner = node.slice
        if isinstance(inner, ast.Tuple) and len(inner.elts) >= 2:
            turned = copy.deepcopy(inner)
            turned.elts[:2] = turned.elts[1::-1]
            yield "indices swapped", inner, turned
        if isinstance(inner, ast.Slice) and isinstance(node.ctx, ast.Load):
            yield "slice dropped", node, copy.deepcopy(node.value)
    if isinstance(node, ast.comprehension):
        for condition in node.ifs:
            yield "condition true", condition, ast.Constant(True)


_OPERATORS: tuple[Callable[[ast.AST], Iterator[Change]], ...] = (
    _binary,
    _unary,
    _comparison,
    _constant,
    _keyword,
    _call,
    _access,
)
