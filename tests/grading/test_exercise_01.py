"""Exercise 1 is fair, its page is right, and what it says students see is what they see.

`minidl exercise verify 1 --seeds 200 --mutants` is the whole proof and takes a minute; here is a sample of it.
"""

import contextlib
import io
import re
import sys

import numpy as np
import pytest

from minidl.grading.build import handout_files, reference_files
from minidl.grading.finding import find_exercise
from minidl.grading.mutate import mutants, read_equivalents
from minidl.grading.testing import Plan
from minidl.grading.verify import Options, mistakes, reference, static
from minidl.grading.verify.check import Context
from minidl.grading.worker import ForkServer

EXERCISE = find_exercise(1)
PAGE = (EXERCISE.folder / "handout.md").read_text(encoding="utf-8")
MISTAKES = {mistake.name: mistake for mistake in mistakes.read_mistakes(EXERCISE)}


@pytest.fixture(scope="module")
def context():
    with ForkServer() as server:
        yield Context(EXERCISE, Plan.of(EXERCISE), Options(seeds=2, in_process=1), server)


def test_the_plan():
    check = static.check_plan(EXERCISE, Plan.of(EXERCISE), "plan")
    assert check.problems == ()
    assert EXERCISE.points == 40 and len(EXERCISE.tasks) == 8


def test_the_hand_out_gives_nothing_away():
    assert static.check_secrets(EXERCISE).problems == ()


@pytest.mark.parametrize(
    "check",
    [
        reference.check_reference,
        reference.check_in_process,
        reference.check_agreement,
        reference.check_skeleton,
    ],
)
def test_what_is_known(context, check):
    assert check(context).problems == ()


# One mistake of every task, and those that only the private tests can notice; the command tries them all.
@pytest.mark.parametrize(
    "name",
    [
        "forward in double precision",
        "gradient of the weights added up",
        "the cache belongs to the class",
        "sigmoid as a quotient of exponentials",
        "relu writes into its input",
        "softmax with one maximum for all rows",
        "logarithm of a probability and a small number",
        "gradient of the loss in double precision",
        "backward in the order of forward",
    ],
)
def test_typical_mistakes(context, name):
    assert mistakes.try_mistake(context, MISTAKES[name]) == []


def test_every_mistake_can_be_made():
    text = reference_files(EXERCISE)["layers.py"].decode()
    changed = [mistake.apply(text) for mistake in MISTAKES.values()]
    assert len(set(changed)) == len(changed) >= 30
    for wrong in changed:
        compile(wrong, "layers.py", "exec")
    assert {task for mistake in MISTAKES.values() for task in mistake.tasks} == {t.id for t in EXERCISE.tasks}


def test_equivalent_mutants_are_mutants():
    found = {mutant.id: mutant for mutant in mutants(EXERCISE)}
    assert len(found) > 150
    assert read_equivalents(EXERCISE).keys() <= found.keys()


# The page ----------------------------------------------------------------------------------------


def printed(array):
    """Return the numbers of an array as the page prints them."""
    return re.findall(
        r"-?\d+\.\d{4}", " ".join(f"{value:.4f}" for value in np.ravel(array) if abs(value) > 1e-9)
    )


def test_the_numbers_of_the_worked_example():
    """Computed here in another way: entry by entry, by central differences of the whole network."""
    values = {
        "x": np.array([[1.0, 2.0], [-2.0, 1.0]]),
        "W1": np.array([[1.0, 0.0, -1.0], [1.0, -1.0, 2.0]]),
        "b1": np.array([0.0, 3.0, -2.0]),
        "W2": np.array([[1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]]),
        "b2": np.array([1.0, 2.0]),
    }

    def loss():
        h = np.maximum(values["x"] @ values["W1"] + values["b1"], 0)
        z = h @ values["W2"] + values["b2"]
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        return -(np.log(p[0, 1]) + np.log(p[1, 0])) / 2

    def slopes(array):
        found = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            old = array[index]
            array[index] = old + 1e-6
            up = loss()
            array[index] = old - 1e-6
            found[index] = (up - loss()) / 2e-6
            array[index] = old
        return found

    assert f"= {loss():.4f}" in PAGE
    backward = PAGE.partition("Backward, from the bottom line up")[2]
    gradients = {name: slopes(array) for name, array in values.items()}
    for name, gradient in gradients.items():
        block = re.search(rf"^d{name} +=.*?(?=^d\w+ +=|^```)", backward, re.MULTILINE | re.DOTALL).group(0)
        shown = re.findall(r"-?\d\.\d{4}", re.sub(r"first entry.*", "", block))
        assert shown == printed(gradient), name
    for name in ("W1", "b1", "W2", "b2"):
        values[name] -= 0.1 * gradients[name]
    assert f"to {loss():.4f}" in PAGE


def test_the_table_of_slopes():
    for x, *row in re.findall(
        r"^\| (-?\d) \| ([\d.-]+) \| ([\d.-]+) \| ([\d.-]+) \| ([\d.-]+) \|$", PAGE, re.MULTILINE
    ):
        y = 1 / (1 + np.exp(-float(x)))
        expected = [y, y * (1 - y), np.tanh(float(x)), 1 / np.cosh(float(x)) ** 2]
        np.testing.assert_allclose([float(cell) for cell in row], expected, atol=5e-5)
    assert "| -2 | 0.1192 |" in PAGE


def test_the_program_at_the_end_of_the_page(tmp_path, monkeypatch):
    [program] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "layers.py").write_bytes(reference_files(EXERCISE)["layers.py"])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "layers", raising=False)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(program, "README.md", "exec"), {})
    sys.modules.pop("layers")
    first, *_, last = [
        [float(n) for n in re.findall(r"[\d.]+", line)] for line in output.getvalue().splitlines()
    ]
    assert abs(first[1] - 0.693) < 0.1 and last[0] == 1000 and last[2] > 99


def test_the_page_of_the_student():
    page = handout_files(EXERCISE)["README.md"].decode()
    assert "| 1.2 | Dense: the backward pass | 9 |" in page and "| | together | 40 |" in page
    assert re.search(r"About five hours", page) and EXERCISE.hours == 5
