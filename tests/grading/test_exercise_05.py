"""A sample of `minidl exercise verify 5`, and the numbers of the page."""

import re

import numpy as np
import pytest

from minidl.grading import find_exercise
from tests.grading.exercise_sample import check_mistakes_apply, check_sample, opened, page_of, run_program

EXERCISE = find_exercise(5)
PAGE = page_of(EXERCISE)


def test_a_sample():
    with opened(EXERCISE) as context:
        check_sample(
            context,
            "kernel turned around in the loops",
            "patches overwrite each other",
            "forward calls the loops",
        )


def test_every_mistake_can_be_made():
    check_mistakes_apply(EXERCISE)


def test_the_table_of_sizes():
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", PAGE, re.MULTILINE)
    assert len(rows) == 5
    for size, kernel, stride, padding, positions in (map(int, row) for row in rows):
        assert positions == len(range(0, size + 2 * padding - kernel + 1, stride))


def test_the_numbers_of_the_worked_example():
    """Computed here in another way: convolution as SciPy does it, gradients by differences of the whole."""
    signal = pytest.importorskip("scipy.signal", reason="the oracle is SciPy's correlation")
    x = np.array([[1.0, 2, 0, 1], [0, 1, 3, 1], [2, 0, 1, 4]])
    weight, dy = np.array([[1.0, -1], [2, 0]]), np.array([[0.0, 1, 2], [0, 0, 0]])

    def loss(x, weight):
        return np.sum(dy * (signal.correlate2d(x, weight, "valid") + 1))

    def slopes(array, function):
        steps = (np.eye(array.size) / 2).reshape(
            array.size, *array.shape
        )  # the loss is linear: any step will do
        return np.array([function(array + step) - function(array - step) for step in steps]).reshape(
            array.shape
        )

    right = {
        "y": signal.correlate2d(x, weight, "valid") + 1,
        "dweight": slopes(weight, lambda w: loss(x, w)),
        "dx": slopes(x, lambda v: loss(v, weight)),
    }
    page = PAGE.partition("## 6.")[2]
    for name, expected in right.items():
        lines = page.partition(f"\n{name} = ")[2].split("\n")[: len(expected)]
        numbers = [[int(n) for n in re.findall(r"-?\d+", line.partition("]")[0])] for line in lines]
        np.testing.assert_allclose(numbers, expected, atol=1e-9)


def test_the_program_of_the_page(tmp_path):
    same, times = run_program(EXERCISE, tmp_path).splitlines()
    assert float(same.split()[-1]) < 1e-12
    slow, fast = map(float, re.findall(r"[\d.]+", times))
    assert slow > fast
