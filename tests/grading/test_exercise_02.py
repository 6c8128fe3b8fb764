"""A sample of `minidl exercise verify 2`, and the numbers of the page."""

import re

import numpy as np

from minidl.grading import find_exercise
from tests.grading.exercise_sample import check_mistakes_apply, check_sample, opened, page_of, run_program

EXERCISE = find_exercise(2)
PAGE = page_of(EXERCISE)


def test_a_sample():
    with opened(EXERCISE) as context:
        check_sample(context, "NaN is right", "single precision in the check")


def test_every_mistake_can_be_made():
    check_mistakes_apply(EXERCISE)


def test_the_numbers_of_the_page():
    up, down, here = (np.array([1.0, -2.0]) + h for h in (0.1, -0.1, 0.0))
    rows = {
        "f up, only what changes": up**3,
        "f down": down**3,
        "central, over 0.2": (up**3 - down**3) / 0.2,
        "right, over 0.1": (up**3 - here**3) / 0.1,
    }
    for name, values in rows.items():
        cells = re.search(rf"\| {name} \|(.*)\|(.*)\|", PAGE).groups()
        shown = [float(cell.rpartition("=")[2]) for cell in cells]
        np.testing.assert_allclose(shown, values, rtol=1e-9)


def power(text):
    """Return the number that the page writes as 2·10⁻⁵."""
    digits = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
    factor, _, exponent = text.strip().rpartition("10")
    return (
        float(factor.rstrip("·") or 1) * 10 ** float(exponent.translate(digits)) if exponent else float(text)
    )


def test_the_table_of_steps():
    rows = re.findall(r"^\| ([^|]*10⁻[^|]*) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", PAGE, re.MULTILINE)
    steps = [row for row in rows if not row[0].startswith("10⁻⁹")]
    assert len(steps) == 5
    for h, cut, rounding, total in (map(power, row) for row in steps):
        epsilon = 2.0**-52
        for shown, right in ((cut, h**2 / 6), (rounding, epsilon / h), (total, h**2 / 6 + epsilon / h)):
            assert abs(shown - right) < 1e-12 * right + 0.5 * 10 ** np.floor(np.log10(right))  # one digit


def test_the_program_of_the_page(tmp_path):
    lines = run_program(EXERCISE, tmp_path, 1).splitlines()
    assert len(lines) == 7
    assert all(line.endswith(" right") for line in lines)
