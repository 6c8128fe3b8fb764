"""A sample of `minidl exercise verify 3`, and the numbers of the page."""

import re

import numpy as np

import minidl
from minidl.grading import find_exercise
from minidl.layers import Parameter
from tests.grading.exercise_sample import check_mistakes_apply, check_sample, opened, page_of, run_program

EXERCISE = find_exercise(3)
PAGE = page_of(EXERCISE)


def test_a_sample():
    with opened(EXERCISE) as context:
        check_sample(
            context,
            "the velocity is the gradient's own array",
            "Adam keeps the corrected averages",
        )


def test_every_mistake_can_be_made():
    check_mistakes_apply(EXERCISE)


def test_the_table_of_the_example():
    """The library takes the same steps as the page."""
    rows = re.findall(r"^\| (\w+)(?:, [^|]*)? \| \[(.*)\] \| \[(.*)\] \|$", PAGE, re.MULTILINE)
    assert [row[0] for row in rows] == ["SGD", "Momentum", "Nesterov", "Adagrad", "RMSProp", "Adam"]
    for name, *shown in rows:
        parameter, optimizer = Parameter(np.array([1.0, -2.0])), getattr(minidl, name)(0.1)
        for gradient, cells in zip(([2.0, -1.0], [1.0, 1.0]), shown, strict=True):
            parameter.grad = np.array(gradient)
            optimizer.step([("w", parameter)])
            np.testing.assert_allclose([float(cell) for cell in cells.split(",")], parameter.value, atol=5e-5)


def test_the_program_of_the_page(tmp_path):
    output = run_program(EXERCISE, tmp_path)
    listed = re.findall(r"^```\n(SGD .*?)```$", PAGE, re.MULTILINE | re.DOTALL)[0]
    assert [line.rstrip() for line in output.splitlines()][:3] == listed.splitlines()
    last = output.splitlines()[-1]
    assert "RMSProp" in last and float(re.search(r"after 100 (\S+)", last)[1]) < 1e-20
