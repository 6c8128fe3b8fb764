"""Hostile submissions at L2: each row of the threat table that concerns the worker, as root and as nobody."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import minidl
from minidl.grading.worker import ForkServer, StudentError, WorkerDied, WorkerTimeout, open_submission
from tests.grading.worker.conftest import children_of, make_exercise, needs_l2

pytestmark = needs_l2

HOSTILE = (Path(__file__).parent / "hostile.py").read_text(encoding="utf-8")
NAMES = tuple(line[4 : line.index("(")] for line in HOSTILE.splitlines() if line.startswith("def "))
X86_ONLY = pytest.mark.skipif(os.uname().machine != "x86_64", reason="uses the numbers of x86_64")

ON_A_FILE = [
    "read", "read_raw", "load_array", "look", "may_access", "list_folder", "read_link", "write",
    "append", "touch", "remove", "rename", "change_mode", "make_folder", "make_link", "go_there", "cut",
]  # fmt: skip
ALONE = [
    "fork", "fork_raw", "run_shell", "run_program", "become_program", "spawn", "thread", "kill_parent",
    "kill_group", "kill_all", "parents_memory", "parents_arguments", "slow_the_others", "niceness",
    "network", "local_socket", "socket_pair", "raise_limits", "raise_parents_limits", "become_root",
    "become_nobody", "memory_file", "alarm",
]  # fmt: skip
BY_NUMBER = [
    "trace_parent", "read_parents_memory", "netlink", "new_namespace", "shared_memory", "message_queue",
    "uring", "handle", "dump_on", "filter_again", "run_code",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    folder.chmod(0o755)
    (folder / "layers.py").write_text(HOSTILE)
    return folder


@pytest.fixture
def secret(tmp_path):
    """A file that everybody could read, in a folder that everybody could write to."""
    for place in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        place.chmod(0o777)
    path = tmp_path / "secret.txt"
    path.write_text("the expected values")
    path.chmod(0o666)
    return path


@pytest.fixture
def attack(folder, any_server):
    """Open the hostile submission at L2."""

    def attack(*, server=any_server, **limits):
        exercise = make_exercise(folder, functions=NAMES, **limits)
        return open_submission(folder, exercise, level="L2", server=server)

    return attack


def refused(submission, name, *arguments):
    """Call an attack that must raise; a crash that it caused to its own process is as good."""
    try:
        got = submission.call(name, *arguments)
    except StudentError as error:
        assert error.type in ("PermissionError", "OSError", "RuntimeError", "itimer_error"), error
        return error
    raise AssertionError(f"{name} succeeded: {got}")


def test_files_cannot_be_touched(attack, secret):
    before = secret.stat()
    with attack() as submission:
        for name in ON_A_FILE:
            error = refused(submission, name, str(secret))
            assert error.type == "PermissionError", (name, error)
    after = secret.stat()
    assert (after.st_mtime_ns, after.st_size, after.st_mode) == (
        before.st_mtime_ns,
        before.st_size,
        before.st_mode,
    )
    assert [path.name for path in secret.parent.iterdir()] == ["secret.txt"]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/shadow",
        "/",
        "/proc/self/environ",
        "/proc/self/maps",
        "/dev/zero",
        "/tmp",
        "~",
        "tests",
        "layers",
    ],
)
def test_places_cannot_be_read(attack, folder, path):
    places = {"~": str(Path.home()), "tests": __file__, "layers": str(folder / "layers.py")}
    with attack() as submission:
        for name in ("read", "look", "may_access", "list_folder"):
            assert refused(submission, name, places.get(path, path)).type == "PermissionError"


@X86_ONLY
def test_not_even_the_size_of_a_file_can_be_had(attack, secret):
    with attack() as submission:
        refused(submission, "look_raw", str(secret))
        existing = refused(submission, "look", str(secret)).message
        missing = refused(submission, "look", str(secret) + "x").message
        assert existing.replace(secret.name, "") == missing.replace(secret.name + "x", "")


def test_processes_network_and_limits(attack):
    with attack() as submission:
        for name in ALONE:
            refused(submission, name)
        assert submission.alive


@X86_ONLY
def test_system_calls_by_number(attack):
    with attack() as submission:
        for name in BY_NUMBER:
            refused(submission, name)


@pytest.mark.parametrize("name", ["scipy", "minidl", "torch", "sklearn", "_pytest", "sqlite3"])
def test_other_packages_cannot_be_imported(attack, name):
    with attack() as submission:
        with pytest.raises(StudentError) as caught:
            submission.call("other_package", name)
        assert caught.value.type in ("ModuleNotFoundError", "PermissionError")


def test_other_packages_cannot_be_loaded_by_their_path(attack):
    with attack() as submission:
        with pytest.raises(StudentError, match="PermissionError"):
            submission.call("other_package_by_path", str(Path(minidl.__file__).parent / "softmax.py"))


def test_nothing_of_the_grader_is_in_the_worker(attack):
    needle = "secret" + "text"
    os.environ["MINIDL_TEST"] = needle
    try:
        with ForkServer() as server, attack(server=server) as submission:
            found = submission.call("search", needle[:3], needle[3:])
            assert found == [], found
            assert submission.call("search", "boot", ".py") != []  # what is there is found
            assert submission.call("environment") == {}
            assert submission.call("descriptors") == [0, 1, 2, 3, 4]
            loaded = submission.call("names_of_modules")
            assert {"minidl", "scipy", "torch", "pytest", "_pytest"}.isdisjoint(loaded) and "numpy" in loaded
    finally:
        del os.environ["MINIDL_TEST"]


# Ends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("leave", (), "your code ended it"),
        ("crash", (), "segmentation fault"),
        ("abort", (), "crashed"),
        ("close_all", (), "closed the connection to the tests|closed its connection"),
        ("write_noise", (), "it wrote something into the connection"),
        ("write_many_frames", (), "answers to questions that were not asked"),
        pytest.param("other_architecture", (), "forbidden", marks=X86_ONLY),
        ("promise", (1 << 30, 0), "larger than allowed"),
        ("promise", (10, 0xFFFFFFFF), "larger than allowed"),
    ],
)
def test_the_end_of_a_worker_is_a_failed_test(attack, name, arguments, says):
    with attack(seconds=5) as submission:
        with pytest.raises(WorkerDied, match=says) as caught:
            submission.call(name, *arguments)
        assert caught.value.call.startswith(name) and not submission.alive
        with pytest.raises(WorkerDied, match=says):
            submission.call("descriptors")


def test_endless_recursion(attack):
    with attack() as submission:
        with pytest.raises((WorkerDied, StudentError), match="segmentation fault|RecursionError"):
            submission.call("recurse", 0)


def test_leaving_through_an_exception(attack):
    with attack() as submission:
        with pytest.raises(StudentError, match=r"your code called sys\.exit or exit"):
            submission.call("leave_masked")
        assert submission.call("environment") == {}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("loop", ()),
        ("loop_ignoring_signals", ()),
        ("loop_in_c", ()),
        ("sleep", ()),
        ("wait_for_nothing", ()),
        ("promise", (10, 0)),
    ],
)
def test_an_endless_call_is_stopped_in_time(attack, name, arguments):
    with attack(seconds=0.1) as submission:
        start = time.monotonic()
        with pytest.raises(WorkerTimeout, match=r"did not finish within 0.1 s in") as caught:
            submission.call(name, *arguments)
        assert time.monotonic() - start < 2 and caught.value.call.startswith(name)
        assert not submission.alive
        with pytest.raises(WorkerDied, match=r"stopped after 0.1 s"):
            submission.call(name)


def test_the_time_is_that_of_all_calls_of_a_test(opened):
    text = "import time\ndef wait(s):\n    time.sleep(s)"
    with opened(text, functions=["wait"], seconds=0.3, level="L2") as submission:
        submission.call("wait", 0.2)
        submission.start_test()
        time.sleep(0.3)  # the test's own time does not count
        submission.call("wait", 0.2)
        with pytest.raises(WorkerTimeout):
            submission.call("wait", 0.2)


@pytest.mark.parametrize("kind", ["list", "zeros", "text", "slowly"])
def test_memory_is_limited(attack, kind):
    with attack(memory_mb=128) as submission:
        with pytest.raises(StudentError, match=r"more memory than this exercise allows \(128 MiB\)"):
            submission.call("eat", kind)
        assert submission.peak_rss_mb < 250
        assert submission.call("environment") == {}


# The protocol ----------------------------------------------------------------------------------------


def test_output_is_cut_and_cleaned(attack):
    with attack() as submission:
        assert submission.call("flood") == "done"
        assert 64_000 < len(submission.output) < 70_000
        assert submission.output.endswith("more bytes]")
        submission.start_test()
        assert submission.output == ""
        submission.call("escape")
        assert submission.output == "[31mred   end\n\\xff\\xfe raw"


def test_a_closed_output_does_not_matter(attack):
    with attack() as submission:
        assert submission.call("close_output") == "closed"
        assert submission.call("environment") == {} and submission.output == ""
        before = time.process_time()
        submission.call("sleep", 0.3)
        assert time.process_time() - before < 0.03  # the grader waits, it does not spin


@pytest.mark.parametrize(
    "header",
    [
        '{"id": 1, "nonce": "guessed", "value": 42, "arrays": []}',
        '{"id": 2, "nonce": "", "value": 42, "arrays": []}',
        '{"value": 42, "arrays": []}',
        '{"ready": {"level": "L2"}, "arrays": []}',
    ],
)
def test_an_answer_without_the_nonce_is_dropped(attack, header):
    with attack() as submission:
        assert submission.call("write_frame", header) == "true"
        assert submission.call("environment") == {}


def test_an_answer_with_the_nonce_is_a_value_like_any_other(attack):
    with attack() as submission:
        assert submission.call("answer_oneself") == 42
        assert submission.call("environment") == {}  # the worker's own answer comes too late


def test_a_worker_that_takes_requests_away_only_harms_itself(attack):
    with attack(seconds=0.2) as submission:
        with pytest.raises((StudentError, WorkerDied, WorkerTimeout)):
            submission.call("read_requests")


def test_a_worker_that_broke_its_own_tools_only_harms_itself(attack):
    with attack(seconds=0.5) as submission:
        with pytest.raises((StudentError, WorkerDied, WorkerTimeout)):
            submission.call("break_everything")
            submission.call("lie", "array")


def test_answers_cannot_lie(attack):
    with attack() as submission:
        got = submission.call("lie", "array")
        assert type(got) is np.ndarray and not np.array_equal(got, np.ones(3))
        number = submission.call("lie", "float")
        assert type(number) is float and number != 4.0
        with pytest.raises(StudentError, match="type Equal, which cannot be compared"):
            submission.call("lie", "object")


@pytest.mark.parametrize(
    "thing", ["{'h': -1}", "{'h': 10**9}", "{'h': 'x'}", "{'f': 'read'}", "{'m': [0, 'x']}"]
)
def test_forged_references(opened, thing):
    text = f"""
        import typing
        def f(x):
            server = typing.sys.modules["inside.host"]
            server.encode = lambda *_: {thing}
            return 1
    """
    with opened(textwrap.dedent(text), functions=["f"], level="L2") as submission:
        try:
            found = submission.call("f", 1)
        except StudentError as error:
            assert error.type == "BadAnswer"
        else:
            with pytest.raises((StudentError, WorkerDied)):  # a number that nothing has
                found.value()


# The machine afterwards ------------------------------------------------------------------------------


def test_no_process_is_left(folder):
    with ForkServer() as server:
        exercise = make_exercise(folder, functions=NAMES, seconds=0.1)
        for name in ("leave", "loop", "sleep"):
            with open_submission(folder, exercise, level="L2", server=server) as submission:
                with pytest.raises((WorkerDied, WorkerTimeout)):
                    submission.call(name)
        (interpreter,) = server._interpreters.values()
        assert children_of(interpreter._process.pid) == []
        waiting = open_submission(folder, exercise, level="L2", server=server)
    assert not Path(f"/proc/{waiting._channel._worker.pid}").exists()


def test_no_descriptor_is_left(folder, server):
    def count():
        return len(os.listdir("/proc/self/fd"))

    exercise = make_exercise(folder, functions=NAMES)
    with open_submission(folder, exercise, level="L2", server=server):
        pass
    before = count()
    for _ in range(5):
        with open_submission(folder, exercise, level="L2", server=server) as submission:
            with pytest.raises(WorkerDied):
                submission.call("leave")
    assert count() == before


def test_workers_end_with_the_grader(folder, tmp_path):
    program = f"""
        import os, sys, time
        sys.path[:0] = {[str(Path(minidl.__file__).parents[1])]!r}
        from pathlib import Path
        from minidl.grading.worker import ForkServer, open_submission
        from tests.grading.worker.conftest import make_exercise
        exercise = make_exercise({str(folder)!r}, functions=("loop",), seconds=60)
        submission = open_submission({str(folder)!r}, exercise, level="L2", server=ForkServer())
        print(submission._channel._worker.pid, flush=True)
        submission.call("loop")
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        worker = Path(f"/proc/{int(process.stdout.readline())}")
        assert worker.exists()
        os.killpg(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while worker.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not worker.exists()


# What an honest submission needs ---------------------------------------------------------------------


def test_numpy_works_in_the_jail(opened, any_server):
    text = """
        from __future__ import annotations
        import dataclasses, functools, itertools, json, math, random, re, statistics, string, time, typing, warnings
        from collections import Counter
        import numpy as np
        from numpy.lib.stride_tricks import sliding_window_view
        import numpy.linalg as la

        @dataclasses.dataclass
        class Point:
            x: float
            y: float = 0.0

        def f():
            rng = np.random.default_rng(0)
            a = rng.normal(size=(300, 300)).astype(np.float32)
            out = [float(np.abs(a @ a.T - (a @ a.T).T).max()), la.norm(la.inv(a) @ a - np.eye(300)) < 1]
            la.svd(a); la.eigh(a + a.T); la.lstsq(a, a[0]); np.linalg.det(a); np.linalg.qr(a)
            np.fft.rfft2(a); np.einsum("ij,jk->ik", a, a, optimize=True); np.tensordot(a, a, 1)
            sliding_window_view(a, (3, 3)).sum((-1, -2)); np.polynomial.Polynomial([1, 2]).roots()
            np.testing.assert_allclose(a, a); np.ma.masked_array(a, a > 0).mean(); np.char.upper("x")
            np.unique(a); np.median(a); np.percentile(a, 3); np.histogram(a); np.interp(1, [0, 2], [0, 2])
            np.pad(a, 1); np.roll(a, 1); np.lexsort(a[:2]); np.array2string(a); repr(a); str(a.dtype)
            np.rec.array([(1, 2.0)]); np.set_printoptions(precision=3); np.info; np.iinfo(int); np.finfo(float)
            np.random.seed(1); np.random.permutation(5); random.random(); np.random.RandomState(0).rand()
            np.loadtxt(["1 2", "3 4"]); np.genfromtxt(["1,2"], delimiter=","); np.datetime64("2020-01-01") + 1
            np.vectorize(math.sqrt)(a[0] ** 2); np.apply_along_axis(np.sum, 0, a); np.nan_to_num(a); np.block([[a, a]])
            warnings.warn("careful"); np.log(np.zeros(1)); print(Point(1.0), Counter("aab"), f"{math.pi:.3f}")
            time.sleep(0.001); time.perf_counter(); time.strftime("%Y"); statistics.mean([1, 2]); json.dumps([1])
            "ä".encode("latin-1"); "x".encode("utf-16"); (1.5).as_integer_ratio(); re.findall("a", "banana")
            try:
                np.zeros(3) + np.zeros(4)
            except ValueError as error:
                out.append(str(error))
            return out
    """
    exercise_text = textwrap.dedent(text)
    with opened(exercise_text, functions=["f"], level="L2") as submission:
        symmetric, inverted, message = submission.call("f")
        assert symmetric == 0.0 and bool(inverted) and "could not be broadcast" in message
        assert "UserWarning: careful" in submission.output and "divide by zero" in submission.output
        assert "Point(x=1.0, y=0.0) Counter({'a': 2, 'b': 1}) 3.142" in submission.output
