"""The submission in a process of its own.

::

    with ForkServer() as server:
        with open_submission(folder, exercise, level="L2", server=server) as submission:
            layer = submission.new("Dense", 4, 3)
            y = layer.forward(x)                    # a plain array

The grader never imports, executes or unpickles anything of a submission: it reads the files and sends their text
to a jailed process, and it gets back values, which it makes from bytes itself.
What the levels of isolation are is said in `MEANING` and in docs/grading.md.
"""

from minidl.grading.worker.channel import Channel
from minidl.grading.worker.client import Submission
from minidl.grading.worker.errors import (
    IsolationError,
    StudentError,
    SubmissionError,
    SurfaceError,
    WorkerDied,
    WorkerError,
    WorkerTimeout,
)
from minidl.grading.worker.level import LEVELS, MEANING, choose, isolation_level
from minidl.grading.worker.local import LocalSubmission
from minidl.grading.worker.opening import open_submission
from minidl.grading.worker.remote import Callback, RemoteFunction, RemoteMethod, RemoteObject, RemoteValue
from minidl.grading.worker.server import ForkServer

__all__ = [
    "Callback", "Channel", "ForkServer", "IsolationError", "LEVELS", "LocalSubmission", "MEANING", "RemoteFunction",
    "RemoteMethod", "RemoteObject", "RemoteValue", "StudentError", "Submission", "SubmissionError",
    "SurfaceError", "WorkerDied", "WorkerError", "WorkerTimeout", "choose", "isolation_level", "open_submission",
]  # fmt: skip
