"""Stand-ins for objects and functions that live in the worker.

A stand-in holds a number or a name, and nothing of the object itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from minidl.grading.spec import ClassEntry
from minidl.grading.worker.errors import SurfaceError

if TYPE_CHECKING:
    from minidl.grading.worker.client import Submission


class RemoteObject:
    """An object in the worker. Its declared methods can be called and its declared attributes read and set."""

    __slots__ = ("_class", "_number", "_reach", "_submission")

    def __init__(self, submission: Submission, number: int, name: str, reach: ClassEntry) -> None:
        for slot, value in (
            ("submission", submission),
            ("number", number),
            ("class", name),
            ("reach", reach),
        ):
            object.__setattr__(self, f"_{slot}", value)

    def __getattr__(self, name: str) -> Any:
        if name in self._reach.methods:
            return RemoteMethod(self, name)
        if name in self._reach.attributes:
            return self._submission.ask("get", [self, name], f"{self._class}.{name}")
        self._undeclared(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._reach.attributes:
            self._undeclared(name)
        self._submission.ask("set", [self, name, value], f"{self._class}.{name} = {value_text(value)}")

    def __repr__(self) -> str:
        return f"<{self._class} of the submission>"

    def _undeclared(self, name: str) -> NoReturn:
        known = ", ".join((*self._reach.methods, *self._reach.attributes)) or "nothing"
        raise SurfaceError(f"exercise.toml does not declare {self._class}.{name}; it declares {known}")


class RemoteMethod:
    """A method of an object in the worker."""

    __slots__ = ("name", "owner")

    def __init__(self, owner: RemoteObject, name: str) -> None:
        self.owner = owner
        self.name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.owner._submission.ask("method", *self.request(args, kwargs))

    def request(self, args: Any, kwargs: Any) -> tuple[list[Any], str]:
        """Return the operands of a call, and the call as a message names it."""
        call = f"{self.owner._class}.{self.name}({arguments_text(args, kwargs)})"
        return [self.owner, self.name, args, kwargs], call


class RemoteFunction:
    """A function in the worker."""

    __slots__ = ("name", "submission")

    def __init__(self, submission: Submission, name: str) -> None:
        self.submission = submission
        self.name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.submission.ask("call", *self.request(args, kwargs))

    def request(self, args: Any, kwargs: Any) -> tuple[list[Any], str]:
        """Return the operands of a call, and the call as a message names it."""
        return [self.name, args, kwargs], f"{self.name}({arguments_text(args, kwargs)})"


class Callback:
    """A function of the test, which runs in the grader: what the submission calls it with comes as plain values."""

    __slots__ = ("name", "number")

    def __init__(self, number: int, name: str) -> None:
        self.number = number
        self.name = name


class RemoteValue:
    """A value kept in the worker: an array that calls may write into, or a result that is not sent."""

    __slots__ = ("_number", "_submission")

    def __init__(self, submission: Submission, number: int) -> None:
        self._submission = submission
        self._number = number

    def value(self) -> Any:
        """Return what it is now."""
        return self._submission.ask("value", [self], "reading a value back")

    def write(self, value: Any) -> None:
        """Overwrite an array in place: ``array[...] = value``."""
        self._submission.ask("write", [self, value], "overwriting an array")


def arguments_text(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Return the arguments of a call as a message names them."""
    named = [f"{name}={value_text(value)}" for name, value in kwargs.items()]
    return ", ".join([*map(value_text, args), *named])


def value_text(value: Any) -> str:
    """Return an argument as a message names it: arrays by type and shape."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    if isinstance(value, RemoteObject):
        return f"{value._class} object"
    if isinstance(value, RemoteMethod):
        return f"{value.owner._class}.{value.name}"
    if isinstance(value, RemoteFunction | Callback):
        return value.name
    if isinstance(value, RemoteValue):
        return "array"
    if isinstance(value, list | tuple):
        inner = ", ".join(map(value_text, value[:4])) + (", …" if len(value) > 4 else "")
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, dict):
        pairs = [f"{key!r}: {value_text(item)}" for key, item in list(value.items())[:4]]
        return "{" + ", ".join(pairs) + (", …" if len(value) > 4 else "") + "}"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
