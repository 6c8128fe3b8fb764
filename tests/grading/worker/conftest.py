"""One fork server for all tests here, and submissions made of a text."""

import functools
import os
import sys
from pathlib import Path

import pytest

from minidl.grading.spec import ClassEntry, Exercise, Limits, TaskSpec
from minidl.grading.worker import ForkServer, isolation_level, open_submission

NOBODY = (65534, 65534)
ROOT = sys.platform == "linux" and os.geteuid() == 0

needs_l2 = pytest.mark.skipif(
    isolation_level() != "L2", reason="needs L2 isolation: Linux 5.13 or later with Landlock and seccomp"
)


def make_exercise(folder, *, functions=(), classes=None, props=None, files=("layers.py",), **options):
    """An exercise whose tests can reach the given names; ``seconds`` and ``memory_mb`` are its limits."""
    limits = Limits(options.pop("seconds", 5.0), options.pop("memory_mb", 512))
    return Exercise(
        id="01",
        name="made",
        title="Made up",
        hours=1,
        files=tuple(files),
        tasks=(TaskSpec("1.1", "All", 1),),
        folder=Path(folder),
        functions=tuple(functions),
        classes={name: ClassEntry(*reach) for name, reach in (classes or {}).items()},
        props={name: ClassEntry(*reach) for name, reach in (props or {}).items()},
        limits=limits,
        **options,
    )


@pytest.fixture(scope="session")
def server():
    with ForkServer() as server:
        yield server


@pytest.fixture(
    scope="session",
    params=[
        "me",
        pytest.param("nobody", marks=pytest.mark.skipif(not ROOT, reason="only root can be others")),
    ],
)
def any_server(request, server):
    """The server as the user who runs the tests and, if that is root, as a user without any rights."""
    if request.param == "me":
        yield server
    else:
        with ForkServer(user=NOBODY) as other:
            yield other


@pytest.fixture
def opened(tmp_path, server):
    """Open a submission of one file; its names are reached by ``functions=`` and ``classes=``."""
    return functools.partial(open_text, tmp_path, server)


def open_text(folder, server, text, *, level="best", files=None, **options):
    handed_in = files or {"layers.py": text}
    for name, content in handed_in.items():
        (folder / name).write_text(content, encoding="utf-8")
    exercise = make_exercise(folder, files=handed_in, **options)
    return open_submission(folder, exercise, level=level, server=server)


def children_of(pid):
    """The processes whose parent this is."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found
