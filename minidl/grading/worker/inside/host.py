"""The objects of a submission, and what can be asked of them.

A request is a dict with an operation and its operands, the answer a dict with a value or a description of an
exception. Objects never leave: they are kept here under a number, and the other side holds the number.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .loading import Missing, Submission, describe
from .syntax import count_nodes
from .values import Unsupported, decode, encode
from .wire import FrameError


class Host:
    """Answers requests about one submission.

    Parameters
    ----------
    submission : Submission
    classes : sequence of str
        Names of the classes whose objects may be given back as references.
    props : mapping of str to object
        The trusted classes.
    """

    def __init__(
        self, submission: Submission, classes: Any = (), props: Mapping[str, Any] | None = None
    ) -> None:
        self.submission = submission
        self._classes = set(classes)
        self._props = dict(props or {})
        self._things: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._callbacks: dict[int, Callable[..., Any]] = {}
        # Sends a call to the grader and waits for its answer; set by whoever carries the frames.
        self.call_back: Callable[[dict[str, Any], list[np.ndarray]], tuple[dict[str, Any], list[np.ndarray]]]
        self._operations: dict[str, Callable[..., Any]] = {
            "new": self._new,
            "call": self._call,
            "method": self._method,
            "get": self._get,
            "set": self._set,
            "array": self._array,
            "value": self._value,
            "write": self._write,
            "prop": self._prop,
            "generator": self._generator,
            "count": self._count,
        }

    def answer(
        self, request: dict[str, Any], arrays: list[np.ndarray]
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Carry out one request; return the answer's header and arrays."""
        try:
            operands = decode(request["operands"], arrays, self._resolve)
            result = self._operations[request["op"]](*operands)
            out: list[np.ndarray] = []
            if request.get("keep"):
                return {"value": {"h": self._keep(result)}}, out
            return {"value": encode(result, out, self._refer)}, out
        except Unsupported as error:
            return {
                "refused": f"the answer is {error}, which cannot be compared; "
                "return an array, a number, a text, or a tuple, list or dict of these"
            }, []
        except KeyboardInterrupt:
            raise  # in the user's own process it is theirs, and in a worker nobody else can send one
        except BaseException as error:
            return {"error": describe(error, self.submission)}, []
        finally:
            _flush()

    def _new(self, name: str, args: Any, kwargs: Any) -> Any:
        return self.submission.find(name)(*args, **kwargs)

    def _call(self, name: str, args: Any, kwargs: Any) -> Any:
        return self.submission.find(name)(*args, **kwargs)

    def _method(self, thing: Any, name: str, args: Any, kwargs: Any) -> Any:
        return self._attribute(thing, name)(*args, **kwargs)

    def _get(self, thing: Any, name: str) -> Any:
        return self._attribute(thing, name)

    def _set(self, thing: Any, name: str, value: Any) -> None:
        setattr(thing, name, value)

    def _array(self, value: Any) -> Any:
        return value

    def _value(self, thing: Any) -> Any:
        return thing

    def _write(self, thing: Any, value: Any) -> None:
        thing[...] = value

    def _prop(self, name: str, args: Any, kwargs: Any) -> Any:
        if name not in self._props:
            raise Missing("MissingName", f"props.py defines no class {name}")
        return self._props[name](*args, **kwargs)

    def _generator(self, seed: int) -> Any:
        return np.random.default_rng(seed)

    def _count(self, file: str, path: str, kinds: list[str]) -> int:
        return count_nodes(self.submission.text(file, path), file, path, kinds)

    def _attribute(self, thing: Any, name: str) -> Any:
        try:
            return getattr(thing, name)
        except AttributeError:
            # An error from inside a property is the student's; a name that is not there gets a plain message.
            if any(name in vars(kind) for kind in type(thing).__mro__):
                raise
            raise Missing("MissingName", f"{type(thing).__name__} objects have no {name}") from None

    def _resolve(self, tag: str, content: Any, tree: dict[str, Any]) -> Any:
        if tag == "h":
            return self._things[content]
        if tag == "m":
            return self._attribute(self._things[content[0]], content[1])
        if tag == "f":
            return self.submission.find(content)
        if tag == "c":
            return self._callback(*content)
        raise FrameError(f"a value has the unknown tag {tag!r}")

    def _callback(self, number: int, name: str) -> Callable[..., Any]:
        """Return a function that runs in the grader."""

        def function(*args: Any, **kwargs: Any) -> Any:
            arrays: list[np.ndarray] = []
            try:
                operands = encode([args, kwargs], arrays, self._refer)
                header, answer = self.call_back({"callback": number, "operands": operands}, arrays)
            except (Unsupported, FrameError) as error:
                raise TypeError(f"{name} was called with {error}, which it cannot take") from None
            if "raised" in header:
                raise ValueError(
                    f"{name} cannot be computed from what it was called with: {header['raised']}"
                )
            return decode(header["value"], answer, self._resolve)

        return self._callbacks.setdefault(number, function)

    def _refer(self, value: Any) -> dict[str, Any] | None:
        name = type(value).__name__
        if id(value) in self._numbers or name in self._classes or name in self._props:
            return {"h": self._keep(value), "class": name}
        return None

    def _keep(self, thing: Any) -> int:
        number = self._numbers.get(id(thing))
        if number is None:
            number = self._numbers[id(thing)] = len(self._things)
            self._things.append(thing)  # never let go of: its id stays its own
        return number


def load_props(source: str | None, names: Any) -> dict[str, Any]:
    """Return the classes of ``props.py`` by name."""
    if source is None:
        return {}
    module = types.ModuleType("props")
    module.__file__ = "props.py"
    sys.modules["props"] = module
    exec(compile(source, "props.py", "exec", dont_inherit=True), module.__dict__)
    return {name: getattr(module, name) for name in names}


def _flush() -> None:
    """Send on what was printed; a submission may have put anything in the place of the streams."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            continue
