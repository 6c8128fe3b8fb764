"""What a test can do with a submission, the same at every level of isolation."""

import numpy as np
import pytest

from minidl.errors import ConfigError
from minidl.grading.worker import (
    IsolationError,
    LocalSubmission,
    RemoteObject,
    StudentError,
    SurfaceError,
    WorkerDied,
    WorkerError,
    isolation_level,
    level,
    open_submission,
)
from tests.grading.worker.conftest import make_exercise, needs_l2

LAYERS = '''
import math
from dataclasses import dataclass

import numpy as np


class Dense:
    """A layer."""

    def __init__(self, inputs, units, *, scale=1.0):
        self.weight = scale * np.ones((inputs, units))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        self.x = x
        return x @ self.weight

    def backward(self, dy):
        raise NotImplementedError("task 1.2: Dense.backward")

    def same(self, x):
        return x

    def spoil(self, x):
        x[...] = 0

    def me(self):
        return self

    def apply(self, function, *args):
        return function(*args)

    @property
    def broken(self):
        return self.nothing

    def _secret(self):
        return 1


class Odd(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def draw(generator):
    return generator.normal(size=3)


def draw_global():
    return np.random.normal(size=3)


def order():
    return list({"a", "b", "c", "d", "e", "f"})


def divide(a, b):
    scaled = a * 2
    return helper(scaled, b)


def helper(a, b):
    return a / b


def bad(kind):
    if kind == "text":
        raise Odd("x")
    if kind == "exit":
        raise SystemExit(0)
    if kind == "long":
        raise ValueError("x" * 10**5 + "\\x1b[31m")
    return {"set": {1}, "object": np.array([[1], [1, 2]], dtype=object), "lambda": lambda: 0}[kind]


def kinds(*args, **kwargs):
    return [type(a).__name__ for a in args], {k: type(v).__name__ for k, v in kwargs.items()}


def loud(text):
    print(text)
    return len(text)


Factory = math.floor
'''

PROPS = """
class Shift:
    def __init__(self, by):
        self.by = by

    def forward(self, x):
        return x + self.by
"""

FUNCTIONS = ("softmax", "draw", "draw_global", "order", "divide", "bad", "kinds", "loud", "missing")
CLASSES = {
    "Dense": (
        ("forward", "backward", "same", "spoil", "me", "apply"),
        ("weight", "calls", "broken", "absent"),
    ),
    "Factory": (("forward",), ()),
}
LEVELS = ["L0", "L1", pytest.param("L2", marks=needs_l2)]


@pytest.fixture(scope="module", params=LEVELS)
def exercise_and_submission(request, tmp_path_factory, server):
    folder = tmp_path_factory.mktemp("submission")
    (folder / "layers.py").write_text(LAYERS)
    (folder / "props.py").write_text(PROPS)
    exercise = make_exercise(
        folder, functions=FUNCTIONS, classes=CLASSES, props={"Shift": (("forward",), ("by",))}
    )
    with open_submission(folder, exercise, level=request.param, server=server) as submission:
        assert submission.level == request.param
        yield exercise, submission


@pytest.fixture
def submission(exercise_and_submission):
    return exercise_and_submission[1]


@pytest.fixture
def dense(submission):
    return submission.new("Dense", 3, 2, scale=2.0)


def test_methods_and_attributes(dense):
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(dense.forward(x), [[6, 6], [24, 24]])
    assert dense.calls == 1 and type(dense.calls) is int
    dense.weight = np.eye(3, 2, dtype=np.float32)
    got = dense.weight
    assert type(got) is np.ndarray and got.dtype == np.float32
    np.testing.assert_array_equal(dense.forward(x), x[:, :2])


def test_answers_are_copies(dense):
    first = dense.weight
    first[...] = -1
    np.testing.assert_array_equal(dense.weight, np.full((3, 2), 2.0))


def test_functions_and_kinds_of_arguments(submission):
    np.testing.assert_allclose(submission.call("softmax", np.zeros(4)), np.full(4, 0.25))
    got = submission.call(
        "kinds", 1, 1.0, "a", None, np.float32(1), np.ones(2), (1,), [1], {"a": 1}, np.dtype("int8"), x=True
    )
    names = ["int", "float", "str", "NoneType", "float32", "ndarray", "tuple", "list", "dict", "Int8DType"]
    assert got == (names, {"x": "bool"})


def test_objects_methods_and_functions_as_arguments(submission, dense):
    other = submission.new("Dense", 3, 2)
    np.testing.assert_array_equal(dense.apply(other.forward, np.ones((1, 3))), [[3.0, 3.0]])
    np.testing.assert_allclose(dense.apply(submission.function("softmax"), np.zeros(2)), [0.5, 0.5])
    assert submission.call("kinds", other, [other])[0] == ["Dense", "list"]


def test_an_object_comes_back_as_itself(dense):
    again = dense.me()
    again.weight = np.zeros((3, 2))
    assert isinstance(again, RemoteObject) and dense.weight.sum() == 0


def test_trusted_classes(submission, dense):
    shift = submission.prop("Shift", 2.0)
    assert shift.forward(np.zeros(1)).tolist() == [2.0] and shift.by == 2.0
    assert dense.apply(shift.forward, np.ones(1)).tolist() == [3.0]


def test_arrays_that_live_there(submission, dense):
    x = np.ones((2, 3))
    there = submission.array(x)
    dense.spoil(there)
    assert there.value().sum() == 0 and x.sum() == 6
    there.write(np.full((2, 3), 7.0))
    assert there.value().tolist() == [[7.0] * 3] * 2


@pytest.mark.parametrize(("method", "shares"), [("same", True), ("forward", False)])
def test_a_result_that_shares_memory_shows(submission, dense, method, shares):
    there = submission.array(np.ones((2, 3)))
    result = submission.hold(getattr(dense, method), there)
    before = result.value()
    there.write(5.0)
    assert (not np.array_equal(before, result.value())) == shares


def test_a_number_that_is_held(submission):
    assert submission.hold("loud", "abc").value() == 3


def test_generators(submission):
    got = submission.call("draw", submission.generator(5))
    np.testing.assert_array_equal(got, np.random.default_rng(5).normal(size=3))


def test_an_exception_names_the_line_of_the_student(submission):
    with pytest.raises(StudentError) as caught:
        submission.call("divide", 1, 0)
    error = caught.value
    assert (error.type, error.message) == ("ZeroDivisionError", "division by zero")
    assert (error.file, error.student_line) == ("layers.py", "return a / b")
    assert LAYERS.splitlines()[error.line_number - 1].strip() == error.student_line
    assert error.call == "divide(1, 0)"
    assert str(error) == (
        f"divide(1, 0): ZeroDivisionError: division by zero (layers.py, line {error.line_number}: return a / b)"
    )


def test_an_unfinished_task(dense):
    with pytest.raises(StudentError) as caught:
        dense.backward(np.zeros((2, 2), np.float32))
    assert (caught.value.type, caught.value.message) == ("NotImplementedError", "task 1.2: Dense.backward")
    assert caught.value.call == "Dense.backward(float32 (2, 2))"


@pytest.mark.parametrize(
    ("kind", "type_", "says"),
    [
        ("text", "Odd", ""),
        ("exit", "SystemExit", "your code called sys.exit or exit"),
        ("set", "BadAnswer", "the answer is a value of the type set, which cannot be compared"),
        ("object", "BadAnswer", "an array of the type object (rows of different lengths"),
        ("lambda", "BadAnswer", "type function"),
    ],
)
def test_what_a_submission_can_raise_or_return(submission, kind, type_, says):
    with pytest.raises(StudentError) as caught:
        submission.call("bad", kind)
    assert caught.value.type == type_ and says in caught.value.message
    assert submission.alive


def test_messages_are_short_and_plain(submission):
    with pytest.raises(StudentError) as caught:
        submission.call("bad", "long")
    assert len(caught.value.message) <= 2000 and "\x1b" not in str(caught.value)


def test_a_broken_property_is_not_a_missing_attribute(dense):
    with pytest.raises(StudentError) as caught:
        _ = dense.broken
    assert (caught.value.type, caught.value.student_line) == ("AttributeError", "return self.nothing")
    with pytest.raises(StudentError) as caught:
        _ = dense.absent
    assert (caught.value.type, caught.value.message) == ("MissingName", "Dense objects have no absent")


def test_a_name_that_the_submission_lacks(submission):
    with pytest.raises(StudentError) as caught:
        submission.call("missing")
    assert (caught.value.type, caught.value.message) == (
        "MissingName",
        "layers.py must define missing; there is no such name",
    )


def test_wrong_number_of_arguments(dense):
    with pytest.raises(StudentError, match=r"takes 2 positional arguments but 3 were given"):
        dense.forward(1, 2)


def test_a_factory_in_place_of_a_class_is_the_class(submission):
    thing = submission.new("Factory", 2.5)  # makes an int
    with pytest.raises(StudentError) as caught:
        thing.forward()
    assert caught.value.type == "MissingName"


@pytest.mark.parametrize(
    "reach",
    [
        lambda s, d: s.call("helper"),
        lambda s, d: s.call("__import__", "os"),
        lambda s, d: s.new("Odd"),
        lambda s, d: s.prop("Dense"),
        lambda s, d: s.function("Dense"),
        lambda s, d: d.x,
        lambda s, d: d._secret(),
        lambda s, d: d.__dict__,
        lambda s, d: setattr(d, "forward", 1),
        lambda s, d: setattr(d, "other", 1),
        lambda s, d: s.hold("nothing"),
    ],
)
def test_only_declared_names_can_be_reached(submission, dense, reach):
    with pytest.raises(SurfaceError, match="declare"):
        reach(submission, dense)


def test_an_argument_that_cannot_be_sent_is_the_tests_fault(submission):
    with pytest.raises(ConfigError, match="the test passes a value of the type set"):
        submission.call("softmax", {1})


def test_counting_loops(submission):
    assert submission.count_nodes("layers.py", "Dense.forward", ["AugAssign", "Return"]) == 2
    assert submission.count_nodes("layers.py", "bad", ["If"]) == 3
    assert submission.count_nodes("layers.py", "", ["ClassDef"]) == 2
    with pytest.raises(StudentError, match=r"must define Dense\.other"):
        submission.count_nodes("layers.py", "Dense.other", ["For"])
    with pytest.raises(StudentError, match="other.py is missing"):
        submission.count_nodes("other.py", "", ["For"])


def test_the_text_of_a_file(submission):
    assert submission.source("layers.py") == LAYERS
    with pytest.raises(StudentError, match="is missing"):
        submission.source("props.py")


# The same numbers on every run ---------------------------------------------------------------------


def test_replays_are_equal(tmp_path):
    (tmp_path / "layers.py").write_text(LAYERS)
    exercise = make_exercise(tmp_path, functions=FUNCTIONS)

    def look(seed=0):
        with open_submission(
            tmp_path, exercise, seed=seed
        ) as submission:  # each with an interpreter of its own
            return submission.call("draw_global").tolist(), submission.call("order")

    assert look() == look()
    assert look(1)[0] != look(2)[0]


# Files ---------------------------------------------------------------------------------------------


def test_every_submission_has_its_own_modules(tmp_path, server):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "layers.py").write_text(
            f"state = []\ndef f(x):\n    state.append(x)\n    return '{name}', state"
        )
    for where in LEVELS[:2]:
        exercise = make_exercise(tmp_path, functions=["f"])
        with (
            open_submission(tmp_path / "a", exercise, level=where, server=server) as a,
            open_submission(tmp_path / "b", exercise, level=where, server=server) as b,
        ):
            assert [a.call("f", 1), b.call("f", 2), a.call("f", 3)] == [("a", [1]), ("b", [2]), ("a", [1, 3])]


def test_one_broken_file_costs_only_its_own_names(opened):
    files = {
        "a.py": "from b import two\ndef one():\n    return two() - 1",
        "b.py": "def two():\n    return 2",
        "c.py": "def three():\n  return (",
    }
    with opened("", files=files, functions=["one", "two", "three"]) as submission:
        assert submission.call("one") == 1 and submission.call("two") == 2
        with pytest.raises(StudentError) as caught:
            submission.call("three")
        assert (caught.value.type, caught.value.file, caught.value.line_number) == ("SyntaxError", "c.py", 2)
        assert caught.value.student_line == "return ("


def test_a_missing_file(tmp_path, server):
    (tmp_path / "a.py").write_text("def one():\n    return 1")
    exercise = make_exercise(tmp_path, files=("a.py", "b.py"), functions=["one", "two"])
    with open_submission(tmp_path, exercise, server=server) as submission:
        assert submission.call("one") == 1
        with pytest.raises(StudentError) as caught:
            submission.call("two")
        assert (caught.value.type, caught.value.message) == (
            "MissingFile",
            "b.py is missing from the submission",
        )


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "large"])
def test_only_regular_files_are_read(tmp_path, server, kind):
    path = tmp_path / "layers.py"
    if kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        pytest.importorskip("os").mkfifo(path)
    else:
        path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(StudentError) as caught:
        open_submission(tmp_path, make_exercise(tmp_path), server=server)
    assert caught.value.type == "BadFile"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("import scipy", "scipy cannot be imported in this exercise; it allows numpy and"),
        ("import minidl", "minidl cannot be imported"),
        ("from os import path", "os cannot be imported"),
        ("import matplotlib.pyplot as plt", 'goes below `if __name__ == "__main__":`'),
        ("from .other import f", "write `from other import …` without the dot"),
    ],
)
def test_imports_that_are_not_allowed(opened, line, says):
    with opened(f"{line}\ndef f():\n    return 1", functions=["f"]) as submission:
        with pytest.raises(StudentError) as caught:
            submission.call("f")
    assert caught.value.type == "ImportError" and says in caught.value.message
    assert caught.value.student_line == line


def test_broken_props_are_the_courses_fault(tmp_path, server):
    (tmp_path / "layers.py").write_text("")
    (tmp_path / "props.py").write_text("1 / 0")
    for where in ("L0", "best"):
        with pytest.raises(WorkerError, match=r"props.py.*division by zero"):
            open_submission(tmp_path, make_exercise(tmp_path), level=where, server=server)


# Notebooks -----------------------------------------------------------------------------------------


def test_a_notebook_is_checked_by_its_names(tmp_path):
    def area(a, b):
        for _ in range(2):
            a + b
        return a * b

    def fails():
        return 1 / 0

    submission = LocalSubmission(
        {"area": area, "fails": fails}, make_exercise(tmp_path, functions=["area", "fails", "f"])
    )
    assert submission.call("area", 2, 3) == 6 and submission.level == "L0"
    assert submission.count_nodes("layers.py", "area", ["For"]) == 1
    with pytest.raises(StudentError) as caught:
        submission.call("fails")
    assert caught.value.student_line == "return 1 / 0"
    with pytest.raises(StudentError, match="run the cell that defines it first"):
        submission.call("f")


# Levels --------------------------------------------------------------------------------------------


def test_a_level_is_never_lowered(tmp_path, monkeypatch):
    monkeypatch.setattr(level, "isolation_level", lambda: "L1")
    (tmp_path / "layers.py").write_text("")
    assert level.choose("best") == "L1"
    with pytest.raises(IsolationError, match=r"L2 was asked for and this machine has L1 only"):
        open_submission(tmp_path, make_exercise(tmp_path), level="L2")
    with pytest.raises(IsolationError, match="L3' does not exist"):
        level.choose("L3")


def test_a_worker_that_is_jailed_less_is_not_used(tmp_path, server, monkeypatch):
    exercise = make_exercise(tmp_path)
    start = server.start
    monkeypatch.setattr(server, "start", lambda imports, **o: start(imports, **{**o, "level": "L1"}))
    if isolation_level() == "L2":
        with pytest.raises(IsolationError, match="a worker at L2 could not be had"):
            open_submission(tmp_path, exercise, level="L2", server=server)
    with open_submission(tmp_path, exercise, level="L1", server=server) as submission:
        assert submission.level == "L1"


def test_an_exercise_that_needs_a_package_which_is_missing(tmp_path, server):
    (tmp_path / "layers.py").write_text("")
    exercise = make_exercise(tmp_path, imports=("numpy", "no_such_package"))
    with pytest.raises(WorkerError, match="no_such_package, which is not installed"):
        open_submission(tmp_path, exercise, level="L1", server=server)


def test_a_server_of_its_own_and_the_end(tmp_path):
    (tmp_path / "layers.py").write_text("def f():\n    return 1")
    with open_submission(tmp_path, make_exercise(tmp_path, functions=["f"])) as submission:
        assert submission.call("f") == 1
    assert not submission.alive
    with pytest.raises(WorkerDied, match="the test is over"):
        submission.call("f")


def test_a_message_names_arguments_by_type_and_shape():
    from minidl.grading.worker.remote import arguments_text

    x = np.zeros((5, 4))
    assert arguments_text((x, [1, x]), {"p": (2.5, "a")}) == "float64 (5, 4), [1, float64 (5, 4)], p=(2.5, 'a')"
    assert arguments_text(({"weight": x, "rate": 0.1},), {}) == "{'weight': float64 (5, 4), 'rate': 0.1}"
    assert arguments_text(({k: k for k in range(9)},), {}) == "{0: 0, 1: 1, 2: 2, 3: 3, …}"
