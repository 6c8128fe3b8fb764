"""Running tests on submissions: statuses, points, fresh workers, order, and what students may see."""

import pytest

from minidl.grading import Plan, find_exercise, run
from minidl.grading.build import handout_files, reference_files
from minidl.grading.runner import generator, score
from minidl.grading.worker import ForkServer, isolation_level
from tests.grading.tiny import write_course

pytestmark = pytest.mark.skipif(isolation_level() == "L0", reason="no worker process on this machine")


@pytest.fixture(scope="module")
def exercise(tmp_path_factory):
    return find_exercise(1, write_course(tmp_path_factory.mktemp("course")))


@pytest.fixture(scope="module")
def server():
    with ForkServer() as server:
        yield server


@pytest.fixture
def graded(exercise, server, tmp_path):
    """Return a function: (old, new text of the reference) -> results by name of the test."""

    def grade(old="", new="", secret="s", **options):
        for name, content in reference_files(exercise).items():
            text = content.decode()
            if old:
                text = text.replace(old, new)
            (tmp_path / name).write_text(text)
        results = run(exercise, tmp_path, Plan.of(exercise).tests, secret=secret, server=server, **options)
        return {result.test: result for result in results}

    return grade


def test_the_reference_gets_all_points(exercise, graded):
    results = graded()
    assert [r.status for r in results.values()] == ["passed"] * 5
    assert list(results) == [t.name for t in Plan.of(exercise).tests]
    assert score(results.values()) == (8.5, 8.5)
    first = results["test_mean"]
    assert first.shown == first.message == first.cause == ""
    assert first.level == isolation_level()


def test_the_skeleton_gets_none_and_is_told_what_is_not_done(exercise, server, tmp_path):
    for name, content in handout_files(exercise).items():
        if name in exercise.files:
            (tmp_path / name).write_bytes(content)
    results = run(exercise, tmp_path, Plan.of(exercise).tests, server=server)
    assert {r.status for r in results} == {"not_done"}
    assert score(results)[0] == 0
    assert results[0].shown == "not done yet: task 1.1 The mean"
    assert "not done yet: task 1.2 The forward pass" in results[-1].shown  # backward needs forward


def test_a_wrong_answer_costs_its_tests_alone(graded):
    results = graded("self.grad_weight = self._x.T @ dy", "self.grad_weight = self._x.T @ dy / len(dy)")
    assert [name for name, r in results.items() if not r.passed] == ["test_backward"]
    wrong = results["test_backward"]
    assert (wrong.status, wrong.points, wrong.max_points, wrong.cause) == ("failed", 0, 1.5, "factor 1/N")
    assert "calls: Dense(4, 3), Dense.forward(float64 (5, 4)), Dense.backward(float64 (5, 3))" in wrong.shown


def test_what_a_student_sees_of_a_hint_test_holds_no_values(graded):
    wrong = graded("return dy @ self.weight.T", "return 3.7 * dy @ self.weight.T")["test_dx"]
    assert "expected" in wrong.message
    assert "3.7 times" in wrong.message
    assert "expected" not in wrong.shown
    assert "3.7" not in wrong.shown
    assert "float64 array of shape (5, 4)" in wrong.shown
    assert wrong.shown.endswith("hint: the chain rule")


def test_of_a_hidden_test_a_student_sees_the_hint_alone(graded):
    wrong = graded("return x.sum() / x.size", "return x.sum() / (x.size + 1)")["test_mean_of_one"]
    assert "expected" in wrong.message
    assert wrong.shown == "hint: think of other shapes"
    raised = graded("return x.sum() / x.size", "raise ValueError(repr(x))")["test_mean_of_one"]
    assert "array(" in raised.message
    assert raised.shown == "hint: think of other shapes"


def test_not_done_yet_tells_no_inputs_of_a_hidden_test(graded):
    told = graded("return x.sum() / x.size", "raise NotImplementedError(repr(x))")["test_mean_of_one"]
    assert told.status == "not_done" and "array(" in told.message
    assert told.shown == "not done yet: a part of this task raises NotImplementedError"


def test_an_exception_is_quoted_with_the_students_line(graded):
    wrong = graded("self._x.T @ dy", "self._x @ dy")["test_backward"]
    assert wrong.cause == "ValueError"
    assert "Dense.backward(float64 (5, 3)) raised ValueError" in wrong.shown
    assert "self.grad_weight = self._x @ dy" in wrong.shown
    assert "layers.py, line" in wrong.shown
    assert "two shapes do not fit" in wrong.shown


@pytest.mark.parametrize("bad", ["import os; os._exit(0)", "exit()", "raise SystemExit"])
def test_ending_the_process_fails_that_test_and_no_other(graded, bad):
    results = graded("return x.sum() / x.size", bad)
    assert all(not r.passed and r.points == 0 for r in results.values() if r.task == "1.1")
    assert all(r.passed for r in results.values() if r.task != "1.1")


def test_an_endless_loop_is_stopped_and_the_next_test_gets_a_new_worker(graded):
    results = graded("return x.sum() / x.size", "while x.size > 1: pass\n    return x[0]")
    assert results["test_mean"].status == "timeout"
    assert "did not finish within 1 s" in results["test_mean"].shown
    assert results["test_mean_of_one"].passed  # of the same task
    assert results["test_mean"].seconds < 3


def test_a_syntax_error_costs_everything_that_needs_the_file(graded):
    results = graded("return x.sum() / x.size", "return x.sum( / x.size")
    assert results["test_mean"].cause == "SyntaxError"
    assert results["test_mean"].points == 0


def test_a_missing_file_is_named(exercise, server, tmp_path):
    results = run(exercise, tmp_path, Plan.of(exercise).tests, server=server)
    assert score(results)[0] == 0
    assert "is missing" in results[0].shown


def test_an_exception_in_the_test_is_an_error_and_gives_no_points(exercise, server, tmp_path, graded):
    import dataclasses

    def broken(submission, rng):
        raise KeyError("a bug of the course")

    graded()
    test = dataclasses.replace(Plan.of(exercise).tests[0], function=broken)
    (result,) = run(exercise, tmp_path, [test], server=server)
    assert (result.status, result.points) == ("error", 0)
    assert "broken" in result.message  # the traceback is for staff
    assert "KeyError" in result.shown


def test_what_the_submission_prints_is_kept_and_no_more(graded):
    results = graded("return x.sum() / x.size", "print('looking', x.shape)\n    return x.sum() / x.size")
    assert results["test_mean"].passed
    assert results["test_mean"].output == "looking (4, 3)\n"
    assert (
        results["test_mean_of_one"].output == "looking (1,)\n"
    )  # of the same worker, which has printed before
    assert results["test_forward"].output == ""


def test_the_same_secret_gives_the_same_numbers_and_order(exercise, graded):
    orders = []
    for secret in ("a", "a", "b", "c", "d", "e"):
        seen = []
        graded(secret=secret, on_result=lambda result, seen=seen: seen.append(result.task))
        orders.append(tuple(dict.fromkeys(seen)))
    assert orders[0] == orders[1]
    assert len(set(orders)) > 1
    draws = [
        generator(s, exercise, n).integers(10**9)
        for s, n in [("a", "t"), ("a", "t"), (b"a", "t"), ("b", "t"), ("a", "u")]
    ]
    assert draws[0] == draws[1] == draws[2]
    assert len(set(draws)) == 3


def test_results_come_in_the_order_of_the_plan_whatever_the_secret(exercise, graded):
    names = [t.name for t in Plan.of(exercise).tests]
    for secret in ("a", "b", "c"):
        assert list(graded(secret=secret)) == names
