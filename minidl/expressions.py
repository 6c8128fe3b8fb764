"""Objects from text: ``"Momentum(lr=0.1, momentum=0.9)"`` on a command line or in a configuration file.

The text is a call as one would write it in Python, with the same names and options, so that what is
learned in one place is of use in the other. Nothing is evaluated: the text is parsed, and only the
names offered, numbers, strings, lists and tuples have a meaning.
"""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from minidl.errors import ConfigError, MinidlError

LONGEST = 100_000  # characters; Python's parser may run out of stack on far longer text


def build(text: str, names: Mapping[str, Callable[..., Any]], what: str) -> Any:
    """Return the object that a text describes.

    Parameters
    ----------
    text : str
        A call such as ``"Warmup(Cosine(0.1), fraction=0.05)"``, or a bare name where no option is
        needed: ``"ReLU"``. Arguments are calls, bare names, numbers, strings, True, False, None, or
        lists, tuples and dicts of these; ``-`` and ``/`` are allowed between numbers (``1/3``).
    names : mapping of str to callable
        What may be called.
    what : str
        What the text stands for, for messages: "the schedule", "--optimizer".

    Raises
    ------
    ConfigError
        If the text is no such call, uses a name or an option that does not exist (the nearest one is
        named), or if a value is refused by the class.

    Examples
    --------
    >>> from minidl import schedules
    >>> build("Linear(0.5)", {"Linear": schedules.Linear}, "the schedule")
    Linear(lr=0.5, final=0.0)
    """
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{what}: expected text such as {_example(names)!r}, got {text!r}")
    if len(text) > LONGEST:
        raise ConfigError(f"{what}: the text has {len(text):,} characters; at most {LONGEST:,} are read")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ConfigError(
            f"{what}: {_shortened(text)!r} is not a call; write it as in Python, such as {_example(names)!r}"
        ) from None
    if not isinstance(tree, ast.Call | ast.Name):
        raise ConfigError(f"{what}: expected a call such as {_example(names)!r}, got {_shortened(text)!r}")
    return _Reader(names, what).value(tree)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'lr'?"`` for the known word nearest to `word`, or all of them if none is near."""
    known = sorted(known)
    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {folded[near[0]]!r}?"
    return f"; there are: {', '.join(known)}" if known else "; it has none"


class _Reader:
    def __init__(self, names: Mapping[str, Callable[..., Any]], what: str) -> None:
        self.names, self.what = names, what

    def value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and not isinstance(node.value, bytes | complex | type(...)):
            return node.value
        if isinstance(node, ast.List):
            return [self.value(item) for item in node.elts]
        if isinstance(node, ast.Tuple):
            return tuple(self.value(item) for item in node.elts)
        if isinstance(node, ast.Dict) and None not in node.keys:
            return {
                self.value(key): self.value(item)
                for key, item in zip(node.keys, node.values, strict=True)
                if key is not None
            }
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            number = self.number(node.operand)
            return -number if isinstance(node.op, ast.USub) else number
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            over, under = self.number(node.left), self.number(node.right)
            if under == 0:
                raise ConfigError(f"{self.what}: {ast.unparse(node)} divides by zero")
            return over / under
        if isinstance(node, ast.Name):
            return self.call(node, [], [])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self.call(node.func, node.args, node.keywords)
        raise ConfigError(
            f"{self.what}: {_shortened(ast.unparse(node))!r} is not understood; "
            f"arguments are numbers, strings, lists and calls such as {_example(self.names)!r}"
        )

    def number(self, node: ast.expr) -> float:
        value = self.value(node)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{self.what}: expected a number in place of {_shortened(ast.unparse(node))!r}")
        return value

    def call(self, name: ast.Name, args: list[ast.expr], keywords: list[ast.keyword]) -> Any:
        function = self.names.get(name.id)
        if function is None:
            raise ConfigError(f"{self.what}: there is no {name.id!r}{suggestion(name.id, self.names)}")
        values = [self.value(arg) for arg in args]
        options: dict[str, Any] = {}
        for keyword in keywords:
            if keyword.arg is None:
                raise ConfigError(f"{self.what}: {name.id} takes options by name, not with **")
            options[keyword.arg] = self.value(keyword.value)
        self.check_options(name.id, function, values, options)
        try:
            return function(*values, **options)
        except MinidlError as error:
            raise ConfigError(f"{self.what}: {error}") from error
        except (TypeError, ValueError, OverflowError) as error:
            given = ", ".join([*map(repr, values), *(f"{key}={value!r}" for key, value in options.items())])
            raise ConfigError(
                f"{self.what}: {name.id} cannot be made from ({_shortened(given)}): {error}"
            ) from error

    def check_options(
        self, name: str, function: Callable[..., Any], values: list[Any], options: dict[str, Any]
    ) -> None:
        signature = inspect.signature(function)
        known, open_ended = options_of(function)
        for option in options:
            if option not in known and not open_ended:
                raise ConfigError(f"{self.what}: {name} has no option {option!r}{suggestion(option, known)}")
        try:
            signature.bind(*values, **options)
        except TypeError as error:
            raise ConfigError(f"{self.what}: {name}{signature_text(function)}: {error}") from None


def options_of(function: Callable[..., Any]) -> tuple[list[str], bool]:
    """Return the names of all options, and whether others are taken too.

    Where a class hands ``**options`` on to its base, as the optimizers do, those of the base count.
    """
    if not inspect.isclass(function):
        makers: list[Callable[..., Any]] = [function]
    else:
        makers = [base.__init__ for base in function.__mro__ if "__init__" in vars(base)]  # type: ignore[misc]
    known: list[str] = []
    for maker in makers:
        parameters = inspect.signature(maker).parameters.values()
        known += [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name != "self"]
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            return list(dict.fromkeys(known)), False
    return known, True


def signature_text(function: Callable[..., Any]) -> str:
    """Return the options of a class as one would write them: ``(lr, *, momentum=0.9)``."""
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(function).parameters.values()
    ]
    return str(inspect.Signature(parameters))


def _example(names: Mapping[str, Callable[..., Any]]) -> str:
    name = next(iter(names), "Name")
    return f"{name}{signature_text(names[name]) if names else '()'}"


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
