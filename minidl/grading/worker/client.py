"""The submission as a test sees it: objects and functions that live elsewhere.

A test calls methods and reads attributes as usual; arguments are sent as bytes and the answers are plain arrays,
numbers, texts, tuples, lists and dicts, made here from bytes. Only names that ``exercise.toml`` declares can be
reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from minidl.errors import ConfigError
from minidl.grading.spec import ClassEntry, Exercise
from minidl.grading.worker.channel import Channel
from minidl.grading.worker.connection import plain
from minidl.grading.worker.errors import StudentError, SurfaceError, WorkerDied, WorkerError
from minidl.grading.worker.inside.values import Unsupported, decode, encode
from minidl.grading.worker.inside.wire import FrameError
from minidl.grading.worker.remote import (
    Callback,
    RemoteFunction,
    RemoteMethod,
    RemoteObject,
    RemoteValue,
    arguments_text,
)

_NOTHING = ClassEntry()
_ROOM = 4  # levels of nesting around a value that is an argument


class Submission:
    """What a test can do with a submission; made by `open_submission` and `LocalSubmission`.

    Parameters
    ----------
    exercise : Exercise
    files : mapping of str to bytes
        What was handed in.
    channel : Channel
    count : callable, optional
        Counts nodes where the submission does not run; see `count_nodes`.
    then : callable, optional
        Called after the end.
    """

    def __init__(
        self,
        exercise: Exercise,
        files: Mapping[str, bytes],
        channel: Channel,
        count: Callable[[str, str, list[str]], int] | None = None,
        then: Callable[[], None] | None = None,
    ) -> None:
        self._exercise = exercise
        self._files = dict(files)
        self._channel = channel
        self._count_elsewhere = count
        self._then = then
        self._callbacks: list[Callable[..., Any]] = []
        self._answering = False
        self.calls: list[str] = []  # of this test, as a message names them: "Dense.forward(float64 (5, 4))"

    def __enter__(self) -> Submission:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def level(self) -> str:
        """The isolation it runs in: "L0", "L1" or "L2"."""
        return self._channel.level

    @property
    def alive(self) -> bool:
        """Whether the process still answers; if not, every call raises `WorkerDied`."""
        return self._channel.alive

    @property
    def output(self) -> str:
        """What the submission printed in this test: plain characters, at most 64 KiB."""
        return self._channel.output

    @property
    def peak_rss_mb(self) -> float | None:
        """The most memory its process had so far, in MiB, or None where the system does not tell."""
        return self._channel.peak_rss_mb

    def start_test(self, seconds: float | None = None) -> None:
        """Give the submission the time of a test from now on (the exercise's own), and forget what it printed."""
        self._channel.restart(self._exercise.limits.seconds if seconds is None else seconds)
        self.calls.clear()

    def close(self) -> None:
        """End its process."""
        self._channel.end()
        if self._then is not None:
            self._then()

    def new(self, name: str, /, *args: Any, **kwargs: Any) -> RemoteObject:
        """Make an object of a declared class."""
        self._declared(name, self._exercise.classes, "class")
        return self._made("new", name, args, kwargs, self._exercise.classes[name])

    def prop(self, name: str, /, *args: Any, **kwargs: Any) -> RemoteObject:
        """Make an object of a trusted class of ``props.py``, in the worker."""
        self._declared(name, self._exercise.props, "class of props.py")
        return self._made("prop", name, args, kwargs, self._exercise.props[name])

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a declared function."""
        return self.function(name)(*args, **kwargs)

    def function(self, name: str) -> RemoteFunction:
        """Return a declared function, to be called or handed to the submission as an argument."""
        self._declared(name, self._exercise.functions, "function")
        return RemoteFunction(self, name)

    def callback(self, function: Callable[..., Any], name: str = "f") -> Callback:
        """Return a function of the test to be handed to the submission, as an argument or into an object of props.py.

        It runs here, in the grader, so that a test knows how often and with what it was called: the submission can
        keep no record of its own, and forge none. What it gets was made by the submission: it must not rely on
        types or shapes, nor keep all of it. An exception that it raises is raised where it was called.

        Parameters
        ----------
        function : callable
            Gets and returns plain values. It cannot call the submission.
        name : str
            For messages.
        """
        self._callbacks.append(function)
        return Callback(len(self._callbacks) - 1, name)

    def array(self, values: Any) -> RemoteValue:
        """Put an array into the worker. It can be an argument of calls, and read again after them."""
        return self._kept("array", [np.asarray(values)], "array(…)")

    def generator(self, seed: int) -> RemoteValue:
        """Make a ``numpy.random.default_rng(seed)`` in the worker, to be an argument."""
        return self._kept("generator", [int(seed)], f"default_rng({seed})")

    def hold(self, target: RemoteMethod | RemoteFunction | str, /, *args: Any, **kwargs: Any) -> RemoteValue:
        """Call a method or function and leave its result in the worker.

        ``y = submission.hold(layer.forward, x)``, then ``y.value()`` before and after ``x.write(…)`` shows whether
        the result shares its memory with the input.
        """
        target = self.function(target) if isinstance(target, str) else target
        operation = "method" if isinstance(target, RemoteMethod) else "call"
        return self._kept(operation, *target.request(args, kwargs))

    def source(self, file: str) -> str:
        """Return the text of a handed-in file, for reading only."""
        if file not in self._files:
            raise StudentError("MissingFile", f"{file} is missing from the submission")
        return self._files[file].decode("utf-8", "replace")

    def count_nodes(self, file: str, path: str, kinds: list[str]) -> int:
        """Count statements in a definition: ``count_nodes("layers.py", "Dense.forward", ["For", "While"])``.

        It is counted in a process of its own in which the submission never runs, and so cannot miscount.

        Parameters
        ----------
        file : str
        path : str
            A function, class or method; "" is the whole file.
        kinds : list of str
            Names of classes of Python's `ast` module.
        """
        if self._count_elsewhere is not None:
            return self._count_elsewhere(file, path, list(kinds))
        found = self.ask("count", [file, path, list(kinds)], f"reading {file}")
        if type(found) is not int:
            raise WorkerError(f"counting in {file} gave {found!r}")
        return found

    def _made(self, operation: str, name: str, args: Any, kwargs: Any, reach: ClassEntry) -> RemoteObject:
        made = self._kept(operation, [name, args, kwargs], f"{name}({arguments_text(args, kwargs)})")
        return RemoteObject(self, made._number, name, reach)  # whatever class the submission makes it of

    def _kept(self, operation: str, operands: list[Any], call: str) -> RemoteValue:
        found = self.ask(operation, operands, call, keep=True)
        if not isinstance(found, RemoteValue):
            raise WorkerDied("your code's process gave an answer of the wrong kind", call)
        return found

    def _declared(self, name: str, names: Any, kind: str) -> None:
        if name not in names:
            raise SurfaceError(
                f"exercise.toml declares no {kind} {name}; it declares {', '.join(names) or 'none'}"
            )

    def ask(self, operation: str, operands: list[Any], call: str, *, keep: bool = False) -> Any:
        """Carry out one operation of `Host`; for the stand-ins of `remote`, not for tests.

        Parameters
        ----------
        operation : str
        operands : list
        call : str
            What it is, for messages.
        keep : bool
            Leave the result in the worker, and return a `RemoteValue`.
        """
        if self._answering:
            raise ConfigError(
                f"{call}: a callback runs while the submission waits for it, and cannot call it"
            )
        arrays: list[np.ndarray] = []
        if operation in ("new", "method", "call"):
            self.calls.append(call)
        try:
            request = {"op": operation, "operands": encode(operands, arrays, self._refer)}
            if keep:
                request["keep"] = True
            header, answer = self._channel.ask(request, arrays, call, self._called)
        except Unsupported as error:
            raise ConfigError(f"{call}: the test passes {error}, which cannot be sent") from None
        except FrameError as error:  # too large: an answer that the test hands on
            raise StudentError("BadAnswer", f"the arguments cannot be sent: {error}", call=call) from None
        if "value" in header:
            try:
                return decode(header["value"], answer, self._resolve, _ROOM)
            except FrameError as error:
                raise StudentError("BadAnswer", plain(str(error)), call=call) from None
        if "refused" in header:
            raise StudentError("BadAnswer", plain(str(header["refused"]))[:2000], call=call)
        raise self._error(header.get("error"), call)

    def _called(
        self, header: dict[str, Any], arrays: list[np.ndarray]
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Carry out a call of a callback; whatever the submission sends, it is no more than a call."""
        number = header["callback"]
        operands = decode(header.get("operands"), arrays, self._resolve, _ROOM)
        good = type(number) is int and 0 <= number < len(self._callbacks)
        if not good or not isinstance(operands, list) or [*map(type, operands)] != [tuple, dict]:
            raise FrameError("a call of a function that does not exist")
        out: list[np.ndarray] = []
        self._answering = True
        try:
            value = self._callbacks[number](*operands[0], **operands[1])
            return {"value": encode(value, out, self._refer)}, out
        except Exception as error:
            return {"raised": plain(f"{type(error).__name__}: {error}")[:500]}, []
        finally:
            self._answering = False

    def _refer(self, value: Any) -> dict[str, Any] | None:
        if isinstance(value, RemoteObject | RemoteValue):
            return {"h": value._number}
        if isinstance(value, RemoteMethod):
            return {"m": [value.owner._number, value.name]}
        if isinstance(value, Callback):
            return {"c": [value.number, value.name]}
        return {"f": value.name} if isinstance(value, RemoteFunction) else None

    def _resolve(self, tag: str, number: Any, tree: dict[str, Any]) -> Any:
        if tag != "h" or type(number) is not int or number < 0:
            raise FrameError("the answer refers to something that does not exist")
        if "class" not in tree:
            return RemoteValue(self, number)
        name = tree["class"] if isinstance(tree["class"], str) else ""
        reach = self._exercise.classes.get(name) or self._exercise.props.get(name) or _NOTHING
        return RemoteObject(self, number, plain(name)[:100], reach)

    def _error(self, found: Any, call: str) -> StudentError:
        """Return the exception that a worker describes; nothing in the description is taken on trust."""
        found = found if isinstance(found, dict) else {}
        kind, message, line, file = (
            plain(str(found.get(key, "")))[:2000] for key in ("type", "message", "line", "file")
        )
        number = found.get("number")
        if kind == "SystemExit":
            message = "your code called sys.exit or exit"
        if kind == "MemoryError":
            limit = self._exercise.limits.memory_mb
            message = (
                f"your code needs more memory than this exercise allows ({limit} MiB). {message}".strip()
            )
        return StudentError(
            kind or "Error",
            message,
            line[:200],
            file if file in self._files or self.level == "L0" else "",
            number if type(number) is int and 0 < number < 10**6 else None,
            call,
        )
