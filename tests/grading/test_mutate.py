"""Mutants: which there are, that they run, that their ids last."""

import ast

import numpy as np
import pytest

from minidl.errors import ConfigError
from minidl.grading.mutate import as_toml, mutants, mutants_of, read_equivalents
from minidl.grading.spec import Exercise
from tests.grading.tiny import write_course

SOURCE = '''\
import numpy as np


class Layer:
    def __init__(self):
        self.scale = 1 + 1

    def forward(self, x, flip=False):
        """Return something."""
        # BEGIN SOLUTION 1.1
        y = (x @ self.w.T - 3) * 0.5
        y += np.maximum(x, 0).sum(axis=0, keepdims=True)
        if flip and x.size > 2:
            return y[::-1]
        for i in range(2):
            y[i, 0] = -y[i, 0]
        return f(y, scale=self.scale)
        # END SOLUTION

    def backward(self, dy):
        # BEGIN SOLUTION 1.2
        return dy + dy
        # END SOLUTION
'''


@pytest.fixture(scope="module")
def found():
    return mutants_of(SOURCE, "a.py")


def changes(found, kind):
    return {mutant.becomes for mutant in found if mutant.id.split("/")[1] == kind}


@pytest.mark.parametrize(
    ("kind", "becomes"),
    [
        ("factors swapped", "y = (self.w.T @ x - 3) * 0.5"),
        ("transpose dropped", "y = (x @ self.w - 3) * 0.5"),
        ("operator", "y = (x @ self.w.T + 3) * 0.5"),
        ("operator", "y = (x @ self.w.T - 3) / 0.5"),
        ("operator", "y -= np.maximum(x, 0).sum(axis=0, keepdims=True)"),
        ("= for +=", "y = np.maximum(x, 0).sum(axis=0, keepdims=True)"),
        ("term dropped", "y = x @ self.w.T * 0.5"),
        ("term dropped", "y = -3 * 0.5"),
        ("term dropped", "y = x @ self.w.T - 3"),
        ("constant", "y = (x @ self.w.T - 4) * 0.5"),
        ("constant", "y = (x @ self.w.T - 2) * 0.5"),
        ("constant", "y = (x @ self.w.T - 3) * 1.0"),
        ("axis", "y += np.maximum(x, 0).sum(axis=1, keepdims=True)"),
        ("axis dropped", "y += np.maximum(x, 0).sum(keepdims=True)"),
        ("keepdims dropped", "y += np.maximum(x, 0).sum(axis=0)"),
        ("function", "y += np.minimum(x, 0).sum(axis=0, keepdims=True)"),
        ("function", "y += np.maximum(x, 0).mean(axis=0, keepdims=True)"),
        ("arguments swapped", "y += np.maximum(0, x).sum(axis=0, keepdims=True)"),
        ("comparison", "if flip and x.size >= 2:"),
        ("comparison", "if flip and x.size < 2:"),
        ("and for or", "if flip or x.size > 2:"),
        ("condition false", "if False:"),
        ("slice dropped", "return y"),
        ("sign dropped", "y[i, 0] = y[i, 0]"),
        ("indices swapped", "y[0, i] = -y[i, 0]"),
        ("loop dropped", "for i in ():"),
        ("sign of scale", "return f(y, scale=-self.scale)"),
        ("scale dropped", "return f(y)"),
        ("statement dropped", "pass"),
    ],
)
def test_kinds_of_changes(found, kind, becomes):
    assert becomes in changes(found, kind)


def test_only_one_spot_of_a_solution_changes(found):
    right = ast.unparse(ast.parse(SOURCE)).splitlines()
    for mutant in found:
        wrong = mutant.text.splitlines()
        assert wrong != right
        assert wrong[:6] == right[:6], "what students get stays as it is"
        differing = [a for a, b in zip(right, wrong, strict=False) if a != b]
        assert differing[0].strip() == mutant.was


def test_mutants_are_different_programs_with_ids_of_their_own(found):
    assert len({mutant.text for mutant in found}) == len({mutant.id for mutant in found}) == len(found)
    assert len(found) > 40
    for mutant in found:
        ast.parse(mutant.text)
    assert {mutant.task for mutant in found} == {"1.1", "1.2"}


def test_an_id_lasts_when_other_lines_change(found):
    longer = SOURCE.replace("        y = (x @", "        z = 7 + 8\n        y = (x @").replace(
        "return dy + dy", "return 2 * dy"
    )
    later = {mutant.id: mutant for mutant in mutants_of(longer, "a.py")}
    kept = [mutant for mutant in found if mutant.task == "1.1"]
    assert [mutant.id for mutant in kept if mutant.id not in later] == []
    assert all(later[mutant.id].becomes == mutant.becomes for mutant in kept)
    assert [mutant.id for mutant in found if mutant.task == "1.2" and mutant.id in later] == []


def test_equal_lines_of_a_function_have_different_ids():
    text = "def f(x):\n    # BEGIN SOLUTION 1.1\n    x = x + 1\n    x = x + 1\n    return x\n    # END SOLUTION\n"
    found = [mutant for mutant in mutants_of(text, "a.py") if mutant.becomes == "x = x - 1"]
    first, second = found
    assert second.id == f"{first.id}-2"
    results = []
    for mutant in found:
        names = {}
        exec(mutant.text, names)
        results.append(names["f"](5))
    assert results == [5, 5]
    assert len({mutant.text for mutant in found}) == 2


def test_a_mutant_computes_what_it_says():
    text = "def f(x):\n    # BEGIN SOLUTION 1.1\n    return x.sum(axis=0) - 1\n    # END SOLUTION\n"
    values = {}
    for mutant in mutants_of(text, "a.py"):
        names = {}
        exec(mutant.text, names)
        values[mutant.becomes] = names["f"]
    x = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(values["return x.sum(axis=1) - 1"](x), [2, 11])
    np.testing.assert_array_equal(values["return x.sum(axis=0) + 1"](x), [4, 6, 8])
    np.testing.assert_array_equal(values["return x.sum(axis=0)"](x), [3, 5, 7])
    assert values["pass"](x) is None


def test_arguments_for_equivalence_are_read(tmp_path):
    folder = write_course(tmp_path) / "ex01_tiny"
    exercise = Exercise.read(folder)
    assert read_equivalents(exercise) == {}
    mutant = mutants(exercise)[0]
    path = folder / "equivalents.toml"
    path.write_text(as_toml(mutant))
    with pytest.raises(ConfigError, match="why must be a text"):
        read_equivalents(exercise)
    path.write_text(as_toml(mutant).replace('why = ""', 'why = "It is."'))
    with pytest.raises(ConfigError, match="an argument why"):
        read_equivalents(exercise)
    path.write_text(as_toml(mutant).replace('why = ""', 'why = "It is the same because x."'))
    assert read_equivalents(exercise) == {mutant.id: "It is the same because x."}
    path.write_text(path.read_text() + "\n" + path.read_text())
    with pytest.raises(ConfigError, match="listed twice"):
        read_equivalents(exercise)
