"""A sample of `minidl exercise verify 8`, and the numbers of the page."""

import re

from minidl.grading import find_exercise
from minidl.grading.build import submission_files
from tests.grading.exercise_sample import check_mistakes_apply, check_sample, opened, page_of, run_program

EXERCISE = find_exercise(8)
PAGE = page_of(EXERCISE)


def test_a_sample():
    with opened(EXERCISE) as context:
        check_sample(context, "biases decay as well")


def test_every_mistake_can_be_made():
    check_mistakes_apply(EXERCISE)


def test_it_stands_on_earlier_exercises():
    earlier = ["layers.py", "optimizers.py", "regularisation.py", "convolution.py", "batchnorm.py"]
    assert list(submission_files(EXERCISE)) == [*earlier, "training.py"]
    assert list(EXERCISE.handed_in) == ["training.py", *earlier]


def test_the_step_of_the_worked_example():
    """Worked out here: y = w x + b, half the squared distance, eta = 0.1."""
    w, b, losses = 2.0, 1.0, []
    for _ in range(3):
        differences = [w * 1 + b - 1, w * 3 + b - 5]
        losses.append(sum(d * d / 2 for d in differences) / 2)
        w, b = w - 0.1 * (differences[0] + 3 * differences[1]) / 2, b - 0.1 * sum(differences) / 2
    assert f"/ 2 = {losses[0]:g}\n" in PAGE
    assert f"= {losses[1]:g}, and the one after that with {losses[2]:g}." in PAGE


def test_the_program_of_the_page(tmp_path):
    losses, right = run_program(EXERCISE, tmp_path, 1).splitlines()
    first, last = map(float, re.findall(r"[\d.]+", losses))
    seen, unseen = (int(n) for n in re.findall(r"(\d+)%", right))
    assert last < 0.1 < first and seen > 98 and unseen > 90
