"""The files of a submission as modules.

A file is compiled from the text that came through the pipe, the first time one of its names is needed. What it
may import is a matter of good messages here: the list is checked in ``__import__`` of the submission's own code,
which says what is allowed. The boundary is the kernel's, which lets the process open no file at all.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# Standard modules that compute and nothing else. A fork server has loaded them all before the first submission.
HARMLESS = (
    "__future__", "abc", "array", "bisect", "cmath", "collections", "contextlib", "copy", "dataclasses",
    "decimal", "enum", "fractions", "functools", "heapq", "itertools", "json", "keyword", "math", "numbers",
    "operator", "pprint", "random", "re", "statistics", "string", "textwrap", "time", "timeit", "types", "typing",
    "warnings",
)  # fmt: skip

MAX_TEXT = 2000


class Missing(Exception):
    """A file, or a name that a file should define, is not there. `kind` is "MissingFile" or "MissingName"."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Submission:
    """The handed-in files, and the modules made of them.

    Parameters
    ----------
    files : mapping of str to bytes
        Name, such as "layers.py", and content. Only what was handed in.
    names : sequence of str
        All names the exercise asks for, in the order in which they are searched.
    imports : sequence of str
        Top-level packages that may be imported beside `HARMLESS`.
    find_module : callable
        Imports a package that is allowed; ``__import__`` of this interpreter.
    prefix : str
        Put in front of the modules' names in ``sys.modules``, so that two submissions in one process differ.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        names: Iterable[str],
        imports: Iterable[str],
        find_module: Callable[..., Any] = builtins.__import__,
        prefix: str = "",
    ) -> None:
        self.files = dict(files)
        self.names = tuple(names)
        self._allowed = {*HARMLESS, *imports}
        self._imports = tuple(imports)
        self._find_module = find_module
        self._prefix = prefix
        self._modules: dict[str, types.ModuleType] = {}
        self._failed: dict[str, BaseException] = {}

    def find(self, name: str) -> Any:
        """Return what one of the files calls `name`.

        Raises
        ------
        Missing
            If none defines it and all could be imported.
        BaseException
            Whatever importing the first broken file raised, if no other defines it.
        """
        broken: BaseException | None = None
        for file in self.names:
            try:
                namespace = vars(self.module(file))
            except BaseException as error:
                broken = broken or error
                continue
            if name in namespace:
                return namespace[name]
        if broken is not None:
            raise broken
        raise Missing("MissingName", f"{' and '.join(self.names)} must define {name}; there is no such name")

    def module(self, file: str) -> types.ModuleType:
        """Return the module of a file, running it the first time; a file that failed fails the same way again."""
        stem = file.removesuffix(".py")
        if file in self._failed:
            raise self._failed[file]
        if stem in self._modules:
            return self._modules[stem]
        source = self.text(file, "")
        module = types.ModuleType(self._prefix + stem)
        module.__file__ = file
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        self._modules[stem] = module
        sys.modules[module.__name__] = module  # dataclasses and typing look their module up there
        try:
            exec(compile(source, file, "exec", dont_inherit=True), module.__dict__)
        except BaseException as error:
            del self._modules[stem]
            self._failed[file] = error
            raise
        return module

    def text(self, file: str, path: str) -> bytes:
        """Return the text that defines `path`: the whole file."""
        if file not in self.files:
            raise Missing("MissingFile", f"{file} is missing from the submission")
        return self.files[file]

    def owns(self, file: str) -> bool:
        """Return whether code from this file is the student's."""
        return file in self.files

    def forget(self) -> None:
        """Take the modules out of ``sys.modules`` again."""
        for module in self._modules.values():
            sys.modules.pop(module.__name__, None)

    def line(self, file: str, number: int | None) -> str:
        """Return one line of a file without the space around it, or an empty string."""
        lines = self.files.get(file, b"").decode("utf-8", "replace").splitlines()
        return lines[number - 1].strip()[:200] if number and number <= len(lines) else ""

    def _import(
        self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        top = name.partition(".")[0]
        if level == 0 and f"{top}.py" in self.names:
            return self.module(f"{top}.py")
        if level:
            other = f"from {name or '…'} import …"
            raise ImportError(f"the files of a submission lie side by side: write `{other}` without the dot")
        if top not in self._allowed:
            raise ImportError(self._refusal(top))
        return self._find_module(name, globals, locals, fromlist, level)

    def _refusal(self, name: str) -> str:
        packages = ", ".join(self._imports) or "no package"
        return (
            f"{name} cannot be imported in this exercise; it allows {packages} and the modules of the standard "
            "library that only compute (math, itertools, dataclasses, …). Code for trying things out goes below "
            '`if __name__ == "__main__":`'
        )


def describe(error: BaseException, submission: Submission) -> dict[str, Any]:
    """Return what the student gets to see of an exception: its type, its text, and the last line of theirs."""
    if isinstance(error, Missing):
        return {"type": error.kind, "message": str(error), "line": "", "file": "", "number": None}
    if isinstance(error, SyntaxError):
        file, number = str(error.filename or ""), error.lineno
        message = str(error.msg)
    else:
        file, number = _last_place(error, submission)
        message = _text(error)
    return {
        "type": type(error).__name__[:100],
        "message": message[:MAX_TEXT],
        "line": submission.line(file, number),
        "file": file[:200] if submission.owns(file) else "",
        "number": number if submission.owns(file) else None,
    }


def _last_place(error: BaseException, submission: Submission) -> tuple[str, int | None]:
    place: tuple[str, int | None] = ("", None)
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if submission.owns(file):
            place = (file, trace.tb_lineno)
        trace = trace.tb_next
    return place


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # an exception class of the submission whose own text fails
        return ""
