"""What can go wrong in a submission, and with the isolation of one.

A `SubmissionError` is the submission's doing and costs the test that was running. It is no `MinidlError`: that is
for the user of this library, here the author of a test or whoever grades.
"""

from __future__ import annotations

from minidl.errors import ConfigError, MinidlError


class SubmissionError(Exception):
    """Something the code of a submission did."""


class StudentError(SubmissionError):
    """An exception in the code of a submission, or an answer that cannot be judged.

    Attributes
    ----------
    type : str
        Name of the exception's class, such as "ValueError"; "MissingFile", "MissingName" and "BadAnswer" where
        there was none.
    message : str
        Its text: plain characters, cut at 2000.
    student_line : str
        The line of the submission it happened in, or "".
    file : str
        Name of the file, or "".
    line_number : int or None
    call : str
        What the test called, such as ``Dense.forward(float32 (2, 3))``.
    """

    def __init__(
        self,
        type: str,
        message: str,
        student_line: str = "",
        file: str = "",
        line_number: int | None = None,
        call: str = "",
    ) -> None:
        super().__init__(type, message)
        self.type = type
        self.message = message
        self.student_line = student_line
        self.file = file
        self.line_number = line_number
        self.call = call

    def __str__(self) -> str:
        named = f"{self.type}: {self.message}" if self.message else self.type
        where = f" ({self.file}, line {self.line_number}: {self.student_line})" if self.line_number else ""
        return f"{self.call}: {named}{where}" if self.call else f"{named}{where}"


class WorkerDied(SubmissionError):
    """The process of the submission is gone: it ended itself, crashed, or broke the protocol.

    Attributes
    ----------
    call : str
        What the test called last.
    """

    def __init__(self, message: str, call: str = "") -> None:
        super().__init__(message)
        self.call = call


class WorkerTimeout(SubmissionError):
    """The submission took longer than its test may; its process was killed.

    Attributes
    ----------
    seconds : float
        What the test allows.
    call : str
        What the test called last.
    """

    def __init__(self, seconds: float, call: str = "") -> None:
        super().__init__(f"your code did not finish within {seconds:g} s{f' in {call}' if call else ''}")
        self.seconds = seconds
        self.call = call


class SurfaceError(ConfigError, AttributeError):
    """A test reached for a name that ``exercise.toml`` does not declare."""


class IsolationError(MinidlError, RuntimeError):
    """The isolation that was asked for cannot be had on this machine."""


class WorkerError(MinidlError, RuntimeError):
    """A worker could not be started, which is not the submission's fault."""
