"""A sample of `minidl exercise verify 0`, and the numbers of the page."""

import re

import numpy as np

from minidl.grading import find_exercise
from minidl.grading.build import reference_files
from minidl.grading.runner import run_with
from minidl.grading.testing import Plan
from minidl.grading.worker import LocalSubmission
from tests.grading.exercise_sample import check_mistakes_apply, check_sample, opened, page_of, run_program

EXERCISE = find_exercise(0)
PAGE = page_of(EXERCISE)


def test_a_sample():
    with opened(EXERCISE) as context:
        check_sample(context, "a loop in disguise", "pair numbers in eight bits")


def test_every_mistake_can_be_made():
    check_mistakes_apply(EXERCISE)


def test_loops_in_helpers_cost_what_they_serve(tmp_path):
    """A helper with a loop is found in every task, one inside a task in that task alone."""
    text = reference_files(EXERCISE)["warmup.py"].decode()
    tests = [test for test in Plan.public(EXERCISE).tests if test.name.endswith("without_loops")]
    assert len(tests) == 5

    def lost(more):
        (tmp_path / "warmup.py").write_text(text + more, encoding="utf-8")
        results = run_with(lambda: LocalSubmission(tmp_path, EXERCISE), EXERCISE, tests)
        return [result.task for result in results if not result.passed]

    assert lost("") == []
    assert lost("\n\ndef helper(x):\n    for y in x:\n        print(y)\n") == [
        "0.1",
        "0.2",
        "0.3",
        "0.7",
        "0.8",
    ]
    assert lost("\n\nhelper = np.vectorize(abs)\n") == [
        "0.8"
    ]  # it stands in what belongs to the last function
    assert lost("\n\n# np.vectorize(abs) is slow\n") == []


def test_the_numbers_of_the_page():
    x = np.empty((2, 3, 4))
    assert f"the strides are {x.strides}" in PAGE and "96 + 16 = 112" in PAGE
    table = np.array([[1.0, 10, 0], [3, 10, 8]])
    assert f"mean [{', '.join(f'{m:g}' for m in table.mean(axis=0))}]" in PAGE
    assert re.search(r"std  \[1,  0, 4\]", PAGE) and table.std(axis=0).tolist() == [1, 0, 4]


def test_the_program_of_the_page(tmp_path):
    right = re.search(r"([\d.]+)% right", run_program(EXERCISE, tmp_path))
    assert f"{float(right[1]):.0f} % are right" in PAGE
