"""The loop, the tables and the numbers of the demonstrations."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from minidl.data import Loader
from minidl.errors import ConfigError
from minidl.experiments.concepts.results import columns, listed, number, write_results
from minidl.experiments.concepts.short_run import (
    dense_network,
    first_images,
    seeds_of,
    short_run,
    validation_images,
)
from minidl.initializers import Constant
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD
from minidl.plots.concepts.series import titled_figure
from minidl.regularizers import L2


@pytest.fixture
def small():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(7, 1, 2, 2)).astype(np.float32)
    return Loader(x, generator.integers(3, size=7), 3, scale=1.0, dtype=np.float64)


def test_the_loop_is_gradient_descent(small):
    """Softmax regression written out: dJ/dW = x^T (p - t) / n, and the penalty's strength * W."""
    model = dense_network([], 3, init=Constant(0.1))
    model.build((1, 2, 2), 0, dtype=np.float64)
    looked = []
    losses = short_run(
        model, SoftmaxCrossEntropy(), SGD(0.5), small, 5, regularizers=[L2(0.1)], look=looked.append, every=2
    )
    weight, bias, expected = np.full((4, 3), 0.1), np.zeros(3), []
    batches = [batch for epoch in range(2) for batch in small.epoch(epoch)][:5]
    for x, y in batches:
        flat = x.reshape(len(x), 4)
        shares = np.exp(flat @ weight + bias)
        shares /= shares.sum(axis=1, keepdims=True)
        expected.append(-np.log(shares[np.arange(len(y)), y]).mean())
        slope = (shares - np.eye(3)[y]) / len(y)
        weight, bias = weight - 0.5 * (flat.T @ slope + 0.1 * weight), bias - 0.5 * slope.sum(axis=0)
    np.testing.assert_allclose(losses, expected, rtol=1e-10)
    np.testing.assert_allclose(model.state_dict()["1.weight"], weight, rtol=1e-10)
    assert looked == [0, 2, 4] and losses.shape == (5,)


def test_a_training_that_is_lost_ends_in_infinity(small):
    model = dense_network([4], 3)
    model.build((1, 2, 2), 0, dtype=np.float64)
    losses = short_run(model, SoftmaxCrossEntropy(), SGD(1e12), small, 50)
    lost = np.flatnonzero(np.isinf(losses))
    assert len(lost) and np.all(np.isinf(losses[lost[0] :])) and np.all(losses[: lost[0]] <= 1e8)


def test_images_and_seeds(digits):
    assert len(first_images(digits, 20, 5, "x")) == 20
    assert len(first_images(digits, 10**6, 5, "x")) == len(digits.train)
    few = replace(digits, train=digits.train.subset(4))
    with pytest.raises(ConfigError, match="demonstration 'x' needs at least 5 training images, got 4"):
        first_images(few, 20, 5, "x")
    assert len(validation_images(digits, 7)) == 7 and len(validation_images(digits, 10**6)) == 300
    assert seeds_of("a", 0).generator().random() != seeds_of("b", 0).generator().random()


def test_numbers_are_readable():
    values = (0, 0.3219, 12.34, 1234.5, 0.00009, 2e6, -0.05, math.inf)
    assert [number(value, 2) for value in values] == [
        "0", "0.32", "12", "1,234", "9e-05", "2e+06", "-0.050", "beyond all bounds",
    ]  # fmt: skip
    assert listed(["a"]) == "a" and listed(["a", "b", "c"]) == "a, b and c"
    assert columns([["a", "1"], ["bcd", "10"]]) == "a     1\nbcd  10"


def test_results_are_json_without_infinities(tmp_path):
    pytest.importorskip("matplotlib")
    facts = {
        "a": np.array([[1.5, np.inf], [np.nan, 2]]),
        "n": np.int64(3),
        "t": (1, {"u": math.inf}),
        "s": "x",
    }
    write_results(tmp_path / "new", {"picture": titled_figure(2, 1, "T")}, "facts", facts)
    found = json.loads((tmp_path / "new" / "facts.json").read_text())
    assert found == {"a": [[1.5, None], [None, 2.0]], "n": 3, "t": [1, {"u": None}], "s": "x"}
    assert (tmp_path / "new" / "picture.png").read_bytes().startswith(b"\x89PNG")
