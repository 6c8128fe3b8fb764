"""Opening a submission: in a worker, or in this process."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from minidl.grading.spec import Exercise
from minidl.grading.worker.channel import WorkerChannel
from minidl.grading.worker.client import Submission
from minidl.grading.worker.level import choose
from minidl.grading.worker.local import LocalSubmission, handed_in, props_source
from minidl.grading.worker.reading import read_files
from minidl.grading.worker.server import ForkServer


def open_submission(
    folder: str | Path,
    exercise: Exercise,
    *,
    level: str = "best",
    server: ForkServer | None = None,
    seed: int = 0,
) -> Submission:
    """Open a submission in a fresh worker; a context manager, whose end is the worker's end.

    The files are read here and sent through a pipe: the declared ones, if they are regular files of at most
    1 MiB. A missing file is found out by the test that needs it.

    Parameters
    ----------
    folder : path
        With the handed-in files.
    exercise : Exercise
    level : {"best", "L0", "L1", "L2"}
        Isolation; "best" is what `isolation_level` returns.
    server : ForkServer, optional
        To start the worker with. Without, one is started for this submission alone, which takes some 0.3 s.
    seed : int
        Of the global random generators in the worker, for submissions that draw from them without seeding.

    Raises
    ------
    StudentError
        If a file is no regular file or too large.
    IsolationError
        If the level cannot be had.
    WorkerError
        If no worker can be started.
    """
    level = choose(level)
    if level == "L0":
        return LocalSubmission(folder, exercise)
    files = read_files(folder, handed_in(exercise))
    workers = ForkServer() if server is None else server
    then = workers.close if server is None else None

    def count(file: str, path: str, kinds: list[str]) -> int:
        with Submission(exercise, files, _channel(files, exercise, level, workers, seed)) as fresh:
            return fresh.count_nodes(file, path, kinds)

    try:
        channel = _channel(files, exercise, level, workers, seed)
    except BaseException:
        if then is not None:
            then()
        raise
    return Submission(exercise, files, channel, count, then)


def _channel(
    files: dict[str, bytes], exercise: Exercise, level: str, server: ForkServer, seed: int
) -> WorkerChannel:
    limits = exercise.limits
    setup = {
        "files": list(files),
        "names": handed_in(exercise),
        "imports": exercise.imports,
        "classes": list(exercise.classes),
        "props": list(exercise.props),
        "props_source": props_source(exercise),
        "seed": seed,
    }
    # The grader's clock is the limit. This one ends a worker whose grader is gone.
    cpu_seconds = max(30, math.ceil(10 * limits.seconds))
    worker = server.start(exercise.imports, level=level, memory_mb=limits.memory_mb, cpu_seconds=cpu_seconds)
    contents = [np.frombuffer(content, np.uint8) for content in files.values()]
    return WorkerChannel(worker, level, setup, contents, limits.seconds)
