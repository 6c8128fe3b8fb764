"""A made-up exercise of two files, three tasks and five tests, for the tests of what handles exercises."""

from __future__ import annotations

from pathlib import Path

TOML = """\
id = "01"
name = "tiny"
title = "A tiny exercise"
hours = 0.5
files = ["layers.py", "tools.py"]

[limits]
seconds = 1

[entry]
functions = ["mean"]

[entry.classes.Dense]
methods = ["forward", "backward"]
attributes = ["weight", "bias", "grad_weight", "grad_bias"]

[[tasks]]
id = "1.1"
title = "The mean"
points = 3

[[tasks]]
id = "1.2"
title = "The forward pass"
points = 2

[[tasks]]
id = "1.3"
title = "The backward pass"
points = 3.5

[train]
model = "Flatten(), Dense(10)"
update = "SGD(lr=0.5)"
epochs = 1
images = 400
batch_size = 20

[train.layers.Dense]
arguments = ["inputs", "units"]
parameters = { weight = ["weight", "grad_weight"], bias = ["bias", "grad_bias"] }
"""

LAYERS = '''\
"""Layers."""

import numpy as np


class Dense:
    """y = x W + b."""

    def __init__(self, inputs, outputs):
        self.weight = np.zeros((inputs, outputs))
        self.bias = np.zeros(outputs)

    def forward(self, x):
        """Return y."""
        # BEGIN SOLUTION 1.2
        # HINT one product for all examples
        self._x = x
        return x @ self.weight + self.bias
        # END SOLUTION

    def backward(self, dy):
        """Return dx."""
        # BEGIN SOLUTION 1.3
        self.grad_weight = self._x.T @ dy
        self.grad_bias = dy.sum(axis=0)
        return dy @ self.weight.T
        # END SOLUTION
'''

TOOLS = '''\
"""Tools."""


def mean(x):
    """Return the mean."""
    # BEGIN SOLUTION 1.1
    return x.sum() / x.size
    # END SOLUTION
'''

PUBLIC = '''\
"""Public tests."""

import numpy as np

from minidl.grading import expect, task


@task("1.1", points=1, hint="add up, then divide")
def test_mean(submission, rng):
    """mean gives the mean of all values."""
    x = rng.normal(size=(4, 3))
    expect.close(submission.call("mean", x), x.mean(), "mean(x)", mistakes={"this is the sum": x.sum()})


@task("1.2", points=2, hint="the bias is added to every row")
def test_forward(submission, rng):
    """Dense.forward multiplies and adds."""
    layer = submission.new("Dense", 4, 3)
    x, w, b = rng.normal(size=(5, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
    layer.weight, layer.bias = w, b
    expect.close(layer.forward(x), x @ w + b, "Dense.forward(x)")


@task("1.3", points=1.5)
def test_backward(submission, rng):
    """Dense.backward sets the gradient of the weights."""
    layer = submission.new("Dense", 4, 3)
    x, dy = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    layer.forward(x)
    layer.backward(dy)
    expect.close(layer.grad_weight, x.T @ dy, "grad_weight", batch=5)
'''

PRIVATE = '''\
"""Private tests."""

import numpy as np

from minidl.grading import expect, task


@task("1.1", points=2, visibility="hidden", hint="think of other shapes")
def test_mean_of_one(submission, rng):
    """mean works for a single value."""
    x = rng.normal(size=1)
    expect.close(submission.call("mean", x), x[0], "mean(x)")


@task("1.3", points=2, visibility="hint", hint="the chain rule")
def test_dx(submission, rng):
    """Dense.backward returns the gradient of the input."""
    layer = submission.new("Dense", 4, 3)
    w, dy = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    layer.weight = w
    layer.forward(rng.normal(size=(5, 4)))
    expect.close(layer.backward(dy), dy @ w.T, "Dense.backward(dy)", batch=5)
'''

HANDOUT = "# A tiny exercise\n\n{{tasks}}\n\n{{api}}\n"


def write_course(root: Path) -> Path:
    """Write ``root/ex01_tiny`` and return `root`."""
    folder = root / "ex01_tiny"
    for name, text in {
        "exercise.toml": TOML,
        "handout.md": HANDOUT,
        "source/layers.py": LAYERS,
        "source/tools.py": TOOLS,
        "tests/test_public.py": PUBLIC,
        "tests/test_private.py": PRIVATE,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return root
