"""Tests that judge how an answer was found (how often a function was called, with what) believe the grader alone.

Exercise 2 has them. Its hostile submissions find right answers in another way than asked and forge the records, or
make the right calls for show and guess.
"""

from pathlib import Path

import pytest

from minidl.grading.build import reference_files
from minidl.grading.finding import find_exercise
from minidl.grading.runner import run
from minidl.grading.testing import Plan
from minidl.grading.worker import isolation_level

pytestmark = pytest.mark.skipif(isolation_level() != "L2", reason="needs L2 isolation")

RECORDS = Path(__file__).parent / "records"
# What each submission must not pass; nothing else is judged by how it was found, or wrong.
LOST = {
    "wasteful": {
        "test_numerical_gradient_steps",
        "test_check_layer_works_in_double_precision",
        "test_check_loss_random",
    },
    "guessing": {
        *(
            "test_numerical_gradient_example",
            "test_numerical_gradient_matrix",
            "test_numerical_gradient_shapes",
        ),
        *("test_numerical_gradient_types", "test_numerical_gradient_of_a_function_that_writes"),
        *("test_numerical_gradient_steps", "test_worst_error_example", "test_worst_error_random"),
        *("test_worst_error_leaves_kinks_out", "test_check_layer_right", "test_check_layer_wrong"),
        *("test_check_layer_passes_right_layers", "test_check_layer_finds_mistakes"),
        *("test_check_layer_finds_mistakes_in_activations", "test_check_layer_works_in_double_precision"),
        *("test_check_layer_unusable_gradients", "test_check_loss_example", "test_check_loss_random"),
        "test_check_loss_finds_mistakes",
    },
}


@pytest.mark.parametrize("name", LOST)
def test_the_score_is_honest(name, tmp_path):
    exercise = find_exercise(2)
    reference = reference_files(exercise)["gradcheck.py"].decode()
    hostile = (RECORDS / f"{name}.py").read_text(encoding="utf-8")
    (tmp_path / "gradcheck.py").write_text(f"{reference}\n\n{hostile}", encoding="utf-8")
    results = run(exercise, tmp_path, Plan.of(exercise).tests, secret="red team", level="L2")
    assert {result.test for result in results if not result.passed} == LOST[name]
    wrong = [result for result in results if not result.passed]
    assert {result.status for result in wrong} == {"failed"}, "no record of theirs makes a test fail itself"
    if name == "wasteful":
        told = {result.test: result.message.partition("\n")[0] for result in wrong}
        assert told["test_numerical_gradient_steps"].startswith("the number of calls of f for 12 entries")
        assert told["test_check_loss_random"].startswith("the types of the outputs that the loss got")
        assert told["test_check_layer_works_in_double_precision"].startswith("the types of the arrays")
