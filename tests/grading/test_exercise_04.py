"""A sample of `minidl exercise verify 4`, and the numbers of the page."""

import re

import numpy as np

from minidl.grading import find_exercise
from minidl.layers import Parameter
from minidl.regularizers import L1, L2
from minidl.training import EarlyStopping
from tests.grading.exercise_sample import check_mistakes_apply, check_sample, opened, page_of, run_program

EXERCISE = find_exercise(4)
PAGE = page_of(EXERCISE)


def test_a_sample():
    with opened(EXERCISE) as context:
        check_sample(
            context,
            "Glorot with positive weights",
            "small gains move the reference",
        )


def test_every_mistake_can_be_made():
    check_mistakes_apply(EXERCISE)


def test_the_penalties_of_the_page():
    parameters = [
        ("1.weight", Parameter(np.array([[2.0, -1.0], [0.5, 0.0]]))),
        ("1.bias", Parameter(np.array([10.0, -10.0]), False)),
    ]
    assert f"= {L2(0.1).penalty(parameters):.4f} " in PAGE
    assert f"= {L1(0.1).penalty(parameters):.2f}\n" in PAGE


def test_the_table_of_early_stopping():
    rows = re.findall(r"^\| (\d) \| ([\d.]+) \| ([\d., ]+) \| ([noyes, ()]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for patience, min_delta, accuracies, answers in rows:
        stopper = EarlyStopping(patience=int(patience), min_delta=float(min_delta))
        found = [stopper.update(float(accuracy)) for accuracy in accuracies.split(",")]
        assert ["yes" if stop else "no" for stop in found] == re.findall("yes|no", answers)


def test_the_program_of_the_page(tmp_path):
    output = run_program(EXERCISE, tmp_path, 1)
    last = {line.split()[0]: float(line.rpartition(" ")[2]) for line in output.splitlines()}
    assert last["unscaled"] > 1e17
    assert last["normal_weights"] < 1e-3 and last["glorot_weights"] < 1e-3  # "a thousandth"
    assert 0.3 < last["he_weights"] < 3  # "they stay"
