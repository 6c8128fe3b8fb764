"""The hostile submissions: one file each, whose docstring says what is honest.

``Base`` is what the file is appended to: the reference, or code that is wrong everywhere. ``Loses`` names the tests
that a submission on the reference must not pass, ``Earns`` those that a wrong one deserves. ``User: yes`` marks what is
tried as an ordinary user as well.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "submissions"

WRONG = """
class Dense:
    def __init__(self, inputs, outputs, seed=0):
        self.weight, self.bias = np.zeros((inputs, outputs)), np.zeros(outputs)
        self.grad_weight = self.grad_bias = None

    def forward(self, x):
        return np.zeros((len(x), len(self.bias)), x.dtype)

    def backward(self, dy):
        self.grad_weight, self.grad_bias = np.zeros_like(self.weight), np.zeros_like(self.bias)
        return np.zeros((len(dy), len(self.weight)), dy.dtype)


class Sigmoid:
    def forward(self, x):
        return x * 0

    def backward(self, dy):
        return dy * 0


class Tanh(Sigmoid):
    pass


class ReLU(Sigmoid):
    pass


def softmax(z):
    return z * 0


class SoftmaxCrossEntropy:
    def forward(self, z, labels):
        self.z = z
        return 0.0

    def backward(self):
        return self.z * 0


class Network(Sigmoid):
    def __init__(self, layers):
        pass
"""


@dataclass(frozen=True)
class Case:
    """A hostile submission.

    Attributes
    ----------
    name : str
    text : str
    base : str
        "reference" or "wrong".
    tests : frozenset of str
        Lost, or earned, according to `base`.
    user : bool
        Whether it is tried as an ordinary user, too.
    """

    name: str
    text: str
    base: str
    tests: frozenset[str]
    user: bool

    def passes(self, all_tests: set[str]) -> set[str]:
        """Return the tests that it deserves to pass."""
        return all_tests - self.tests if self.base == "reference" else set(self.tests)


def read_cases() -> list[Case]:
    """Return all cases, ordered by name."""
    return [_read(path) for path in sorted(FOLDER.glob("*.py"))]


def _read(path: Path) -> Case:
    text = path.read_text(encoding="utf-8")
    page = ast.get_docstring(ast.parse(text)) or ""
    values = dict(re.findall(r"^(Base|Loses|Earns|User): (.*)$", page, re.MULTILINE))
    base = values["Base"]
    listed = values["Loses" if base == "reference" else "Earns"]
    tests = frozenset() if listed == "nothing" else frozenset(listed.split(", "))
    return Case(path.stem, text, base, tests, values.get("User") == "yes")


def compose(case: Case, reference: str, prelude: str) -> str:
    """Return the file that is handed in."""
    return "\n\n".join([prelude, reference if case.base == "reference" else WRONG, case.text])
