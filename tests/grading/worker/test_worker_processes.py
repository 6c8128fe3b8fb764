"""Workers as processes: other levels and other systems than Linux's L2, packages, threads, and servers that die."""

import os
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from minidl.errors import ConfigError
from minidl.grading.worker import (
    ForkServer,
    StudentError,
    WorkerDied,
    WorkerTimeout,
    isolation_level,
    open_submission,
)
from minidl.grading.worker import server as server_module
from minidl.grading.worker.threads import ThreadConnection
from tests.grading.worker.conftest import children_of, make_exercise, needs_l2

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which Linux alone has")

TEXT = """
import typing
import numpy as np

modules = typing.sys.modules
os = modules["os"]

def double(x):
    print("doubling", x.shape)
    return 2 * x

def loop():
    while True:
        pass

def leave(code):
    os._exit(code)

def crash():
    modules["ctypes"].string_at(0)

def read(path):
    return open(path).read()

def write(path):
    with open(path, "w") as stream:
        stream.write("x")

def eat():
    return np.zeros(2**33).size

def flood():
    while True:
        print("x" * 10000)

def escape():
    '''Start a process that leaves the session, and a child of it.'''
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return os.getpid()
    os.setsid()
    for _ in range(2):
        if os.fork() == 0:
            modules["time"].sleep(600)
    os._exit(0)

def kill_server():
    os.kill(os.getppid(), 9)
"""
NAMES = ("double", "loop", "leave", "crash", "read", "write", "eat", "flood", "escape", "kill_server")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "layers.py").write_text(TEXT)
    return tmp_path


def exercise_of(folder, **options):
    return make_exercise(folder, functions=NAMES, **options)


def alive(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


# A new interpreter for every worker: what macOS and Windows get --------------------------------------


@pytest.fixture(params=["poll", "threads"])
def alone(request, monkeypatch):
    monkeypatch.setattr(server_module, "_CAN_POLL", request.param == "poll")
    with ForkServer(forking=False) as server:
        yield server


def test_a_worker_without_a_fork_server(folder, alone):
    with open_submission(folder, exercise_of(folder, memory_mb=256), level="L1", server=alone) as submission:
        assert submission.level == "L1"
        large = np.arange(300_000.0)
        np.testing.assert_array_equal(submission.call("double", large), 2 * large)
        assert submission.output == "doubling (300000,)\n"
        if sys.platform == "linux":  # elsewhere the system may not limit memory
            with pytest.raises(StudentError, match="MemoryError"):
                submission.call("eat")
        with pytest.raises(WorkerDied, match="your code ended it"):
            submission.call("leave", 0)


@pytest.mark.parametrize("name", ["loop", "flood"])
def test_a_worker_without_a_fork_server_is_stopped_in_time(folder, alone, name):
    with open_submission(folder, exercise_of(folder, seconds=0.3), level="L1", server=alone) as submission:
        start = time.monotonic()
        with pytest.raises(WorkerTimeout):
            submission.call(name)
        assert time.monotonic() - start < 3
        assert len(submission.output) < 70_000


def test_a_worker_that_does_not_read(folder, alone):
    (folder / "layers.py").write_text(Path(__file__).with_name("hostile.py").read_text())
    exercise = make_exercise(folder, functions=["answer_and_stop", "take"], seconds=0.5)
    with open_submission(folder, exercise, level="L1", server=alone) as submission:
        assert submission.call("answer_and_stop") == 42
        with pytest.raises(WorkerTimeout):
            submission.call("take", np.zeros(1 << 20))


def test_the_threads_of_a_connection_end(folder, monkeypatch):
    monkeypatch.setattr(server_module, "_CAN_POLL", False)
    before = set(threading.enumerate())
    with ForkServer(forking=False) as server:
        with open_submission(folder, exercise_of(folder), level="L1", server=server) as submission:
            assert isinstance(submission._channel._worker.connection, ThreadConnection)
            submission.call("double", np.zeros(2))
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(threading.enumerate()) - before == set()


# L1 on Linux -----------------------------------------------------------------------------------------


def test_l1_limits_time_and_memory_and_survives_crashes(folder, server):
    exercise = exercise_of(folder, seconds=0.2, memory_mb=256)
    for name, arguments, error in [
        ("loop", (), WorkerTimeout),
        ("leave", (0,), WorkerDied),
        ("crash", (), WorkerDied),
        ("eat", (), StudentError),
    ]:
        with open_submission(folder, exercise, level="L1", server=server) as submission:
            with pytest.raises(error):
                submission.call(name, *arguments)


@linux
def test_l1_writes_nothing_into_files(folder, server):
    with open_submission(folder, exercise_of(folder), level="L1", server=server) as submission:
        with pytest.raises(StudentError, match="File too large"):
            submission.call("write", str(folder / "results.json"))
    assert (folder / "results.json").read_text() == ""


@linux
def test_l1_has_no_privileges(folder, server):
    with open_submission(folder, exercise_of(folder), level="L1", server=server) as submission:
        status = submission.call("read", "/proc/self/status")
    values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert values["NoNewPrivs"] == "1"
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(values[name], 16) == 0


@linux
def test_l1_kills_what_left_the_session(folder):
    with ForkServer() as server:
        with open_submission(folder, exercise_of(folder), level="L1", server=server) as submission:
            if os.geteuid() != 0:  # the limit on processes holds for everybody but root
                with pytest.raises(StudentError):
                    submission.call("escape")
                return
            worker = submission.call("escape")
            (interpreter,) = server._interpreters.values()
            escaped = set(children_of(interpreter._process.pid)) - {worker}
            assert len(escaped) == 2
        assert not any(map(alive, escaped))


@linux
def test_a_dead_server_is_replaced(folder):
    with ForkServer() as server:
        with open_submission(folder, exercise_of(folder), level="L1", server=server) as submission:
            with pytest.raises(WorkerDied):  # it goes with its server, as soon as the kernel gets to it
                submission.call("kill_server")
                for _ in range(100):
                    submission.call("double", np.zeros(1))
                    time.sleep(0.05)
        with open_submission(folder, exercise_of(folder), level="L1", server=server) as submission:
            assert submission.call("double", np.ones(1)).tolist() == [2.0]


# Packages --------------------------------------------------------------------------------------------


@needs_l2
def test_an_exercise_may_allow_a_package(tmp_path, any_server):
    text = """
        import typing
        import minidl
        def f():
            return minidl.Dense(3).units
        def later():
            import minidl.losses
            from minidl.training import Trainer
            return minidl.losses.__name__, Trainer.__name__
        def read(path):
            return open(path).read()
        def write(path):
            return open(path, "w").write("x")
        def load(name):
            return typing.sys.modules["importlib"].import_module(name).__name__
        def fork():
            return typing.sys.modules["os"].fork()
    """
    (tmp_path / "layers.py").write_text(textwrap.dedent(text))
    exercise = make_exercise(
        tmp_path, functions=["f", "later", "read", "write", "load", "fork"], imports=("numpy", "minidl")
    )
    with open_submission(tmp_path, exercise, level="L2", server=any_server) as submission:
        assert submission.call("f") == 3
        for name, argument in [
            ("read", "/etc/passwd"),
            ("read", str(tmp_path / "layers.py")),
            ("read", __file__),
            ("write", str(tmp_path / "x")),
            ("fork", None),
        ]:
            with pytest.raises(StudentError) as caught:
                submission.call(name, *[argument] * (argument is not None))
            assert caught.value.type == "PermissionError"
        for name in ("scipy", "torch", "pytest"):
            with pytest.raises(StudentError, match=r"ModuleNotFoundError|PermissionError"):
                submission.call("load", name)


@needs_l2
def test_a_package_is_loaded_when_it_is_needed(tmp_path, server):
    (tmp_path / "layers.py").write_text(
        "def f():\n    from minidl.training import Trainer\n    return Trainer.__name__"
    )
    exercise = make_exercise(tmp_path, functions=["f"], imports=("numpy", "minidl"))
    with open_submission(tmp_path, exercise, level="L2", server=server) as submission:
        assert submission.call("f") == "Trainer"


# The grader's side -----------------------------------------------------------------------------------


def test_several_threads_share_a_server(folder, server):
    exercise = exercise_of(folder)
    errors = []

    def work(number):
        try:
            for _ in range(5):
                with open_submission(folder, exercise, server=server) as submission:
                    assert submission.call("double", np.full(3, number)).tolist() == [2 * number] * 3
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_an_interrupted_call_ends_the_worker(folder, server, monkeypatch):
    with open_submission(folder, exercise_of(folder), server=server) as submission:

        def interrupted(deadline):
            raise KeyboardInterrupt

        monkeypatch.setattr(submission._channel._worker.connection, "receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            submission.call("double", np.zeros(1))
        with pytest.raises(WorkerDied, match="the test was interrupted"):
            submission.call("double", np.zeros(1))


def test_only_root_can_choose_a_user(monkeypatch):
    if hasattr(os, "geteuid"):
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ConfigError, match="only root on Linux"):
        ForkServer(user=(65534, 65534))


@pytest.mark.skipif(isolation_level() == "L0", reason="needs processes")
def test_a_call_is_quick(folder, server):
    """Loose bounds, for a machine that does something else as well: a tenth of a millisecond is usual."""
    with open_submission(folder, exercise_of(folder), server=server) as submission:
        call, x = submission.function("double"), np.zeros((2, 3))
        times = []
        for _ in range(200):
            start = time.perf_counter()
            call(x)
            times.append(time.perf_counter() - start)
    assert np.median(times) < 0.005
    start = time.perf_counter()
    for _ in range(10):
        with open_submission(folder, exercise_of(folder), server=server):
            pass
    assert time.perf_counter() - start < 2
