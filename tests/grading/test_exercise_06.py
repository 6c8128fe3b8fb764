"""A sample of `minidl exercise verify 6`, and the numbers of the page."""

import re

import numpy as np

from minidl.grading import find_exercise
from tests.grading.exercise_sample import check_mistakes_apply, check_sample, opened, page_of

EXERCISE = find_exercise(6)
PAGE = page_of(EXERCISE)


def test_a_sample():
    with opened(EXERCISE) as context:
        check_sample(
            context,
            "mean and variance taken for constants",
            "train and test exchanged",
        )


def test_every_mistake_can_be_made():
    check_mistakes_apply(EXERCISE)


def test_the_numbers_of_the_worked_example():
    """The gradients are taken here by central differences of the whole layer."""
    x = np.array([[0.0, 6], [4, -2], [4, 2], [4, 2]])
    gamma, beta = np.array([2.0, 3]), np.array([1.0, -1])
    dy = np.array([[4.0, 3], [0, 0], [0, 3], [0, 6]])

    def forward(x):
        return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1) + beta

    dx = np.empty_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = 1e-6
        dx[index] = np.sum(dy * (forward(x + step) - forward(x - step))) / 2e-6
    page = PAGE.partition("## 5.")[2]
    for name, right in (("y ", forward(x)), ("dx", dx)):
        rows = page.partition(f"\n{name} ".replace("  ", " "))[2].split("\n")[:4]
        numbers = [float(n) for row in rows for n in re.findall(r"-?\d+(?:\.\d+)?", row.partition("]")[0])]
        np.testing.assert_allclose(numbers, right.ravel(), atol=6e-5)
    running = [float(n) for n in re.search(r"running_var  = \[([\d., ]+)\]  +0\.9", page).group(1).split(",")]
    np.testing.assert_allclose(running, 0.9 + 0.1 * x.var(axis=0, ddof=1), atol=6e-5)
