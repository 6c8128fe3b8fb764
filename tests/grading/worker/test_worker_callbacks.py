"""Functions of a test that the submission calls: they run in the grader, and nobody else keeps the record."""

import numpy as np
import pytest

from minidl.errors import ConfigError
from minidl.grading.worker import StudentError, WorkerDied, WorkerTimeout, open_submission
from tests.grading.worker.conftest import make_exercise, needs_l2
from tests.grading.worker.test_worker_calls import PROPS

TEXT = '''
import typing

import numpy as np

kept, sys = [], typing.sys


def apply(f, *args, **kwargs):
    return f(*args, **kwargs)


def apply_set(f):
    return f({1, 2})


def slope(f, x, h=1e-6):
    return [(f(x + h * row) - f(x - h * row)) / (2 * h) for row in np.eye(len(x))]


def keep(f):
    kept.append(f)


def kept_one(x):
    return kept[0](x)


def same(f, g):
    return f is g


def caught(f, x):
    try:
        return f(x)
    except Exception as error:
        return type(error).__name__ + ": " + str(error)


def endless(f):
    while True:
        f(0)


def stripped(f, x):
    """Put another function in the place of the one that asks the grader, and see who is asked."""
    cells = dict(zip(f.__code__.co_freevars, f.__closure__))
    host = cells["self"].cell_contents
    host.call_back = lambda header, arrays: ({"value": 42.0}, [])
    return f(x)


def forged(number, operands):
    """Write a call of a function that was never handed out into the connection."""
    json = sys.modules["json"]
    os = sys.modules["os"]
    frame = sys._getframe()
    while "nonce" not in (frame.f_locals.get("mark") or {}):
        frame = frame.f_back
    header = {"callback": number, "operands": operands, "arrays": [], **frame.f_locals["mark"]}
    text = json.dumps(header).encode()
    os.write(4, len(text).to_bytes(4, "little") + bytes(4) + text)
    return 1
'''
FUNCTIONS = (
    "apply",
    "apply_set",
    "slope",
    "keep",
    "kept_one",
    "same",
    "caught",
    "endless",
    "stripped",
    "forged",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("callbacks")
    (folder / "layers.py").write_text(TEXT)
    (folder / "props.py").write_text(PROPS + "\n    def apply(self, f, x):\n        return f(x)\n")
    return folder


def exercise(folder, seconds=5.0):
    props = {"Shift": (("forward", "apply"), ("by",))}
    return make_exercise(folder, functions=FUNCTIONS, props=props, seconds=seconds)


@pytest.fixture(scope="module", params=["L0", pytest.param("L2", marks=needs_l2)])
def submission(request, folder, server):
    with open_submission(folder, exercise(folder), level=request.param, server=server) as submission:
        yield submission


@pytest.fixture
def fresh(folder, server):
    with open_submission(folder, exercise(folder, 0.5), level="L2", server=server) as submission:
        yield submission


def test_values_get_there_and_back(submission):
    seen = []

    def f(*args, **kwargs):
        seen.append((args, kwargs))
        return {"twice": 2 * args[0], "none": None}

    x = np.arange(3, dtype=np.float32)
    found = submission.call("apply", submission.callback(f), x, 1.5, "a", key=(1, [2]))
    np.testing.assert_array_equal(found["twice"], 2 * x)
    assert found["twice"].dtype == np.float32 and found["none"] is None
    [(args, kwargs)] = seen
    assert type(args[0]) is np.ndarray and args[0] is not x and args[1:] == (1.5, "a")
    assert kwargs == {"key": (1, [2])}


def test_many_calls_in_one(submission):
    calls = []
    f = submission.callback(lambda x: calls.append(x.sum()) or float(np.sum(x**2)))
    found = submission.call("slope", f, np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(found, [2, 4, 6], rtol=1e-6)
    assert len(calls) == 6
    submission.call("keep", f)
    assert submission.call("kept_one", np.ones(3)) == 3 and len(calls) == 7, "it lives as long as the worker"


def test_callbacks_in_objects(submission):
    shift = submission.prop("Shift", submission.callback(lambda: 7.0))
    assert shift.apply(submission.callback(lambda x: x + 1), 2) == 3
    f = submission.callback(lambda: None)
    assert submission.call("same", f, f) is True
    assert submission.call("same", f, submission.callback(lambda: None)) is False


def test_what_goes_wrong_in_it_is_raised_where_it_was_called(submission):
    f = submission.callback(lambda x: np.ones(3) @ x, "loss")
    with pytest.raises(StudentError) as caught:
        submission.call("apply", f, np.ones(4))
    assert caught.value.type == "ValueError" and caught.value.student_line == "return f(*args, **kwargs)"
    assert "loss cannot be computed from what it was called with: ValueError: " in caught.value.message
    told = submission.call("caught", f, "text")
    assert told.startswith("ValueError: loss cannot be computed")
    assert submission.call("apply", f, np.ones(3)) == 3, "it goes on"


def test_what_cannot_be_sent_is_refused_there(submission):
    f = submission.callback(lambda x: 1)
    with pytest.raises(StudentError, match="f was called with a value of the type set") as caught:
        submission.call("apply_set", f)
    assert caught.value.type == "TypeError" and "which it cannot take" in caught.value.message


def test_a_callback_cannot_call_the_submission(submission):
    """It would wait for somebody who waits for it."""
    f = submission.callback(lambda x: submission.call("apply", f, x))
    with pytest.raises(StudentError, match="ConfigError: .* cannot call it"):
        submission.call("apply", f, 1)
    with pytest.raises(ConfigError, match="cannot be sent"):
        submission.call("apply", lambda x: x, 1)  # a function of the test is no callback by itself


@needs_l2
def test_calls_without_end_end_with_the_time(fresh):
    count = []
    with pytest.raises(WorkerTimeout):
        fresh.call("endless", fresh.callback(lambda x: count.append(x)))
    assert len(count) > 100 and not fresh.alive


@needs_l2
def test_whoever_does_not_ask_learns_nothing(fresh):
    """A submission can lie to itself about what f returns; the grader's record stays what it is."""
    count = []
    f = fresh.callback(lambda x: count.append(x) or 7.0)
    assert fresh.call("stripped", f, 1.0) == 42.0 and count == []


@needs_l2
@pytest.mark.parametrize(
    ("number", "operands"),
    [
        (1, [{"t": []}, {"d": []}]),
        (-1, [{"t": []}, {"d": []}]),
        ("0", [{"t": []}, {"d": []}]),
        (None, []),
        (0, 5),
        (0, [{"t": []}]),
        (0, [[], {"d": []}]),
        (0, [{"t": [{"c": [0, "f"]}]}, {"d": []}]),
        (0, [{"t": [{"a": 7}]}, {"d": []}]),
    ],
)
def test_forged_calls_end_the_worker_and_nothing_else(fresh, number, operands):
    count = []
    fresh.callback(lambda *args: count.append(args))
    with pytest.raises(WorkerDied):
        fresh.call("forged", number, operands)
    assert count == [] and not fresh.alive


@needs_l2
def test_a_forged_call_is_no_more_than_a_call(fresh):
    """Its answer comes when nobody waits for it, and is no request: the worker ends itself."""
    count = []
    fresh.callback(lambda *args, **kwargs: count.append((args, kwargs)) or 3)
    assert fresh.call("forged", 0, [{"t": [1]}, {"d": [["a", 2]]}]) == 1
    assert count == [((1,), {"a": 2})]
    with pytest.raises(WorkerDied):
        fresh.call("apply", fresh.callback(lambda: 1))
