"""What `minidl.grading.expect` accepts and refuses, and what its messages show at each visibility."""

import numpy as np
import pytest

from minidl.grading import expect
from minidl.grading.expect import Mismatch
from minidl.grading.worker.errors import StudentError

RIGHT = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]])


def message(function, *args, **kwargs):
    with pytest.raises(Mismatch) as caught:
        function(*args, **kwargs)
    return caught.value


def test_close_accepts_what_lies_within_the_tolerance_and_nothing_else():
    expect.close(RIGHT * (1 + 0.9e-3), RIGHT, rtol=1e-3, atol=0)
    message(expect.close, RIGHT * (1 + 1.1e-3), RIGHT, rtol=1e-3, atol=0)
    expect.close(RIGHT + 0.9e-3, RIGHT, rtol=0, atol=1e-3)
    message(expect.close, RIGHT + 1.1e-3, RIGHT, rtol=0, atol=1e-3)


@pytest.mark.parametrize("answer", [3, 3.0, np.float32(3), np.array(3), True + 2])
def test_close_takes_numbers_of_every_kind(answer):
    expect.close(answer, 3.0)
    message(expect.close, answer + 1, 3.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_never_close(bad):
    wrong = RIGHT.copy()
    wrong[1, 1] = bad
    assert "[1, 1]" in str(message(expect.close, wrong, RIGHT))
    assert "NaN" in str(message(expect.finite, np.array([1, np.nan])))
    message(expect.close, bad, 1.0)
    message(expect.close, RIGHT, np.full(RIGHT.shape, np.nan))


def test_infinity_is_close_to_infinity_of_the_same_sign():
    expect.close(np.array([-np.inf, 1.0]), np.array([-np.inf, 1.0]))
    message(expect.close, np.array([np.inf, 1.0]), np.array([-np.inf, 1.0]))


def test_shapes_are_never_broadcast():
    message(expect.close, np.ones((3, 1)), np.ones(3))
    message(expect.close, 1.0, np.ones(3))
    message(expect.close, np.ones(1), 1.0)
    message(expect.close, np.ones((0, 3)), np.ones((2, 3)))
    expect.close(np.ones((0, 3)), np.ones((0, 3)))


@pytest.mark.parametrize("answer", [None, "3", [1.0, 2.0], (RIGHT, RIGHT), {"y": 1}, RIGHT.astype(complex)])
def test_what_is_no_array_is_named(answer):
    found = message(expect.close, answer, RIGHT, "forward(x)")
    assert str(found).startswith("forward(x) ")


def test_the_message_names_call_shape_worst_element_and_both_values():
    wrong = RIGHT.copy()
    wrong[1, 2] = 7.25
    wrong[0, 0] = 1.01
    text = str(message(expect.close, wrong, RIGHT, "Dense.forward(x)"))
    assert text.splitlines()[0] == "Dense.forward(x): 2 of 6 values are wrong"
    assert "worst at [1, 2]: got 7.25, expected 6.5" in text
    assert "float64 array of shape (2, 3)" in text
    assert "largest error 0.75 (relative 0.1)" in text


def test_at_hint_no_expected_value_is_shown_and_at_hidden_nothing():
    secret = np.array([0.731059, -1.37, 2.113])
    for wrong in (secret * 3.7, secret + 0.25, secret[::-1], np.round(secret)):
        text = message(expect.close, wrong, secret, "f(x)", before=np.zeros(3)).text("hint")
        assert "shape (3,)" in text
        for number in ("0.731", "1.37", "2.11", "3.7", "0.25"):
            assert number not in text.replace("largest error", "").split("(relative")[0] or "error" in text
        assert "expected" not in text
    assert message(expect.close, 1.0, 2.0).text("hidden") == ""


def test_a_factor_is_named_at_visible_and_not_at_hint():
    found = message(expect.close, RIGHT * 3.7, RIGHT)
    assert "3.7 times" in found.text("visible")
    assert "factor" in found.text("hint")
    assert "3.7" not in found.text("hint")


def test_equal_is_exact():
    for value in ("a", True, None, 3, [1, 2], {"a": [1, (2, "b")]}, np.array([1, 2])):
        expect.equal(value, value)
    expect.equal(np.int64(3), 3)
    expect.equal((1, 2), [1, 2])
    for wrong, right in [
        ("a", "b"), (1, True), (True, 1.5), (None, 0), ([1, 2], [1, 3]), ([1], [1, 2]), ({"a": 1}, {"b": 1}),
        (np.array([1, 2]), np.array([1, 3])), (np.ones(2), "a"), (RIGHT, None), ("a", None),
    ]:  # fmt: skip
        message(expect.equal, wrong, right)


@pytest.mark.parametrize(
    ("actual", "expected", "problem"),
    [
        (None, "right", "verdict(1) is None, expected a text"),
        (None, [1, "a"], "verdict(1) is None, expected a list"),
        (3, "right", "verdict(1) is an int, expected a text"),
        ("wrong", "right", "verdict(1) is a text, but not the right one"),
        (False, True, "verdict(1) is True or False, but not the right one"),
        (1, True, "verdict(1) is an int, expected True or False"),
        ("a", None, "verdict(1) is a str, expected None"),
        (RIGHT, "right", "verdict(1) is float64 array of shape (2, 3), expected a text"),
        ([1], [1, 2], "verdict(1) has 1 entries, expected 2"),
        ((1, 2), [1, 3], "verdict(1) has wrong entries: number 1, counted from 0"),
        (
            [5, "b", 5],
            [1, "b", 3],
            "verdict(1) has wrong entries: 2 of 3, the first is number 0, counted from 0",
        ),
        ({"a": 1}, {"b": 1}, "verdict(1) has other keys than expected"),
        ({"a": 1}, {"a": 2}, "verdict(1) has wrong values"),
    ],
)
def test_equal_says_in_which_way(actual, expected, problem):
    found = message(expect.equal, actual, expected, "verdict(1)")
    assert found.problem == problem
    assert found.text("hint").startswith(problem) and "got" not in found.text("hint")
    assert "got " in found.text("visible") and "expected " in found.text("visible")
    assert (found.cause is not None and "return" in found.cause.text) == (actual is None)


def test_a_long_answer_is_cut():
    assert len(str(message(expect.equal, "x" * 10_000, "y"))) < 500


def test_shape_and_dtype():
    expect.shape(RIGHT, (2, 3))
    expect.shape(3.0, ())
    expect.dtype(RIGHT.astype(np.float32), "float32")
    assert "expected shape (3, 2)" in str(message(expect.shape, RIGHT, (3, 2), "forward(x)"))
    assert "float64, expected float32" in str(message(expect.dtype, RIGHT, "float32", "forward(x)"))


class Handle:
    def __init__(self, array):
        self.array = array

    def value(self):
        return self.array


def test_unchanged_reads_the_array_in_the_worker():
    expect.unchanged(Handle(RIGHT.copy()), RIGHT, "x")
    expect.unchanged(np.array([np.nan]), np.array([np.nan]))
    found = message(expect.unchanged, Handle(RIGHT + 1), RIGHT, "x")
    assert found.cause.kind == "input mutated"
    message(expect.unchanged, Handle(RIGHT[:1]), RIGHT, "x")


def test_not_aliased():
    expect.not_aliased(RIGHT, Handle(RIGHT.copy()), "y")
    assert "copy" in str(message(expect.not_aliased, RIGHT, Handle(RIGHT * 2), "y", "x"))


def test_raises_looks_at_the_name_of_the_exception():
    def bad(kind):
        raise StudentError(kind, "the message")

    expect.raises(lambda: bad("ValueError"), "ValueError")
    expect.raises(lambda: bad("KeyError"), ["ValueError", "KeyError"])
    assert "it raised TypeError" in str(message(expect.raises, lambda: bad("TypeError"), "ValueError"))
    assert "raised nothing" in str(message(expect.raises, lambda: None, "ValueError"))
    with pytest.raises(StudentError):  # a task that is not done is no wrong exception
        expect.raises(lambda: bad("NotImplementedError"), "ValueError")


def test_that():
    expect.that(True, "no")
    assert str(message(expect.that, [], "the list is empty")) == "the list is empty"


def cubes(x):
    return float((x**3).sum())


def test_gradient_accepts_the_right_one_and_names_analytic_and_numeric():
    x = np.array([[0.5, -1.0], [2.0, 1.5]])
    expect.gradient(3 * x**2, cubes, x, "backward(dy)")
    wrong = 3 * x**2
    wrong[1, 0] = 6.0
    text = str(message(expect.gradient, wrong, cubes, x, "backward(dy)"))
    assert "worst at [1, 0]: analytic (yours) 6, numeric (measured) 12" in text


def test_gradient_measures_large_arrays_in_part():
    x = np.linspace(-1, 1, 1000).reshape(10, 100)
    calls = []

    def counted(z):
        calls.append(1)
        return cubes(z)

    expect.gradient(3 * x**2, counted, x, entries=20)
    assert len(calls) < 100
    text = str(message(expect.gradient, 6 * x**2, counted, x, "dx", entries=20))
    assert "20 values that were measured" in text
    assert "[9, 99]" in text or "[0, 0]" in text
    assert "factor of 2" in text


def test_gradient_does_not_stumble_over_a_kink_nearby():
    x = np.array([2e-6, -2e-6, 1.0])
    expect.gradient(np.array([1.0, 0.0, 1.0]), lambda z: np.maximum(z, 0).sum(), x)
    message(expect.gradient, np.array([0.0, 1.0, 1.0]), lambda z: np.maximum(z, 0).sum(), x)


@pytest.mark.parametrize("value", [None, "abc", np.ones(3), np.nan, [1, [2]]])
def test_a_loss_that_is_no_number_is_the_submissions_fault(value):
    message(expect.gradient, np.ones(2), lambda z: value, np.ones(2))


def test_arithmetic_in_the_test_with_a_wrong_answer_is_the_submissions_fault():
    message(expect.gradient, np.ones(2), lambda z: (np.ones(3) * z).sum(), np.ones(2))
    message(expect.gradient, np.ones(2), lambda z: (None * z).sum(), np.ones(2))
