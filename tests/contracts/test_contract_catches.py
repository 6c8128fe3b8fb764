"""The contract bites: each broken layer fails the check it should, with the words it should."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from minidl.gradcheck import GradientCheckError
from minidl.layers import Dense, ReLU
from minidl.layers.base import Layer, Parameter
from minidl.layers.catalogue import LAYERS
from tests.contracts import checks


class Linear(Layer):
    """``y = x W + b``, right; the layers below break one thing each."""

    def setup(self, input_shape, seeds):
        weight = seeds.generator("init").normal(size=(input_shape[0], 4)).astype(self.dtype)
        self.parameters["weight"] = Parameter(weight)
        self.parameters["bias"] = Parameter(np.zeros(4, self.dtype), decay=False)
        return (4,)

    def forward(self, x, train=False):
        self._check_input(x)
        self._cache = x
        return x @ self.parameters["weight"].value + self.parameters["bias"].value

    def backward(self, dy):
        x = self._saved(dy)
        self.parameters["weight"].grad = x.T @ dy
        self.parameters["bias"].grad = dy.sum(axis=0)
        return dy @ self.parameters["weight"].value.T


class MeanTwice(Linear):
    def backward(self, dy):
        dx = super().backward(dy)
        self.parameters["weight"].grad /= len(dy)
        return dx


class Transposed(Linear):
    def backward(self, dy):
        dx = super().backward(dy)
        self.parameters["weight"].grad = self.parameters["weight"].grad.T.copy()
        return dx


class WrongSign(Linear):
    def backward(self, dy):
        return -super().backward(dy)


class NoBias(Linear):
    def backward(self, dy):
        dx = super().backward(dy)
        self.parameters["bias"].grad = np.zeros_like(self.parameters["bias"].value)
        return dx


class ChangesX(Linear):
    def forward(self, x, train=False):
        y = super().forward(x, train)
        x -= x.mean()
        return y


class ChangesDy(Linear):
    def backward(self, dy):
        dx = super().backward(dy)
        dy *= 2
        return dx


class AddsUp(Linear):
    def backward(self, dy):
        weight = self.parameters["weight"]
        before = weight.grad
        dx = super().backward(dy)
        if before is not None:
            weight.grad = weight.grad + before
        return dx


class BecomesDouble(Linear):
    def forward(self, x, train=False):
        return super().forward(x, train) * np.float64(1.0)


class DoubleGradient(Linear):
    def backward(self, dy):
        dx = super().backward(dy)
        self.parameters["bias"].grad = self.parameters["bias"].grad.astype(np.float64)
        return dx


class AlwaysDrops(Linear):
    """Dropout that does not look at the mode."""

    def setup(self, input_shape, seeds):
        self.generator = seeds.generator("dropout")
        return super().setup(input_shape, seeds)

    def forward(self, x, train=False):
        return super().forward(x * (self.generator.random(x.shape) < 0.5).astype(x.dtype), train)


class CountsInEvaluation(Linear):
    def setup(self, input_shape, seeds):
        self.buffers["seen"] = np.zeros((), np.int64)
        return super().setup(input_shape, seeds)

    def forward(self, x, train=False):
        self.buffers["seen"] += len(x)
        return super().forward(x, train)


class DeclaresWrong(Linear):
    def setup(self, input_shape, seeds):
        super().setup(input_shape, seeds)
        return (5,)

    def _saved(self, dy):
        return self._cache


class CachesWhenTrainingOnly(Linear):
    def forward(self, x, train=False):
        kept = self._cache
        y = super().forward(x, train)
        if not train:
            self._cache = kept
        return y


class ReusesItsOutput(Linear):
    """Backward writes into the array that forward returned."""

    def forward(self, x, train=False):
        self._y = super().forward(x, train)
        return self._y

    def backward(self, dy):
        dx = super().backward(dy)
        self._y *= dy
        return dx


class ReusesDx(Linear):
    """Forward uses the array of the last dx as scratch memory."""

    def forward(self, x, train=False):
        if getattr(self, "_dx", None) is not None:
            self._dx.fill(0)
        return super().forward(x, train)

    def backward(self, dy):
        self._dx = super().backward(dy)
        return self._dx


class KeepsItsPredictions(Linear):
    """Writes every output into one array, in evaluation too."""

    def forward(self, x, train=False):
        y = super().forward(x, train)
        self._y = getattr(self, "_y", np.empty_like(y))
        self._y[...] = y
        return self._y


class ForgetsInParametersOnly(Linear):
    def backward_parameters(self, dy):
        self.parameters["weight"].grad = self._saved(dy).T @ dy
        self.parameters["bias"].grad = dy.mean(axis=0)


class NeedsABatch(Linear):
    """Divides by N - 1."""

    def forward(self, x, train=False):
        with np.errstate(all="ignore"):
            return super().forward(x, train) * np.asarray(np.float64(0) / (len(x) - 1) + 1).astype(x.dtype)


class ReadsMemory(Linear):
    """Looks at the numbers in the order of memory, not of the axes."""

    def forward(self, x, train=False):
        return super().forward(x.ravel(order="K").reshape(x.shape), train)


class HidesState(Linear):
    def setup(self, input_shape, seeds):
        shape = super().setup(input_shape, seeds)
        self.scale = seeds.generator("scale").uniform(1, 2)
        return shape

    def forward(self, x, train=False):
        return super().forward(x, train) * np.asarray(self.scale, x.dtype)


class IgnoresTheSeed(Linear):
    def setup(self, input_shape, seeds):
        shape = super().setup(input_shape, seeds)
        self.parameters["weight"].value[...] = np.arange(input_shape[0])[:, None]
        return shape


class SaysNothing(Linear):
    def _check_input(self, x):
        pass


class Bent(Linear):
    """A wrong border: one entry of dx is off by a thousandth."""

    def backward(self, dy):
        dx = super().backward(dy)
        dx[0, 0] *= dx.dtype.type(1.001)
        return dx


CAUGHT = [
    (
        MeanTwice,
        checks.gradients_are_right,
        "one over the batch size 3: the mean over the batch is counted twice",
    ),
    (Transposed, checks.gradients_are_right, "transposed"),
    (WrongSign, checks.gradients_are_right, "wrong sign"),
    (NoBias, checks.gradients_are_right, "zero everywhere"),
    (Bent, checks.gradients_are_right, "1 of 12 entries are wrong"),
    (ChangesX, checks.gradients_are_right, "input mutated: the array x"),
    (ChangesX, checks.arguments_are_not_changed, "the input x was changed"),
    (ChangesDy, checks.gradients_are_right, "input mutated: the array dy"),
    (ChangesDy, checks.arguments_are_not_changed, "backward changed dy"),
    (AddsUp, checks.gradients_are_right, "added up over two calls"),
    (AddsUp, checks.gradients_are_overwritten, "weight is added up or changed by a second backward"),
    (BecomesDouble, checks.dtype_is_kept, "output 0 is float64 for float32 input"),
    (DoubleGradient, checks.dtype_is_kept, "gradient of bias is float64 for float32 input"),
    (AlwaysDrops, checks.evaluation_is_repeatable, "twice in evaluation gives two results"),
    (CountsInEvaluation, checks.evaluation_is_repeatable, "evaluation changed seen"),
    (DeclaresWrong, checks.declared_shape_is_real, r"declared shape \(5,\), real output \[\(4, 4\)\]"),
    (CachesWhenTrainingOnly, checks.backward_follows_either_mode, "matmul"),
    (ReusesItsOutput, checks.returned_arrays_stay_valid, "backward changed the output of forward"),
    (ReusesDx, checks.returned_arrays_stay_valid, "the next forward changed the dx"),
    (
        KeepsItsPredictions,
        checks.returned_arrays_stay_valid,
        "the next forward changed an output of evaluation",
    ),
    (ForgetsInParametersOnly, checks.parameters_alone_get_the_same_gradients, "another gradient for bias"),
    (NeedsABatch, checks.one_example_is_a_batch, "nan"),
    (ReadsMemory, checks.memory_order_does_not_matter, "differs in Fortran order"),
    (HidesState, checks.state_survives_saving, "another output after loading"),
    (IgnoresTheSeed, checks.seed_decides_parameters, "weight ignores the seed"),
    (SaysNothing, checks.order_of_calls_is_checked, "'weight'"),
    (SaysNothing, checks.wrong_input_is_named, "matmul"),
]


@pytest.mark.parametrize("check", checks.CHECKS, ids=[check.__name__ for check in checks.CHECKS])
def test_the_right_layer_passes_every_check(check):
    check(Linear, (4,), np.float32)
    check(Linear, (3,), np.float64)


@pytest.mark.parametrize(("broken", "check", "words"), CAUGHT)
def test_a_broken_layer_is_caught(broken, check, words):
    # pytest.fail, which reports an exception that did not come, is not an Exception.
    with pytest.raises((Exception, pytest.fail.Exception), match=words) as caught:
        check(broken, (4,), np.float32)
    if check is checks.gradients_are_right:
        assert isinstance(caught.value, GradientCheckError) and broken.__name__ in str(caught.value)


def test_every_check_catches_something():
    assert {check for _, check, _ in CAUGHT} == set(checks.CHECKS)


def test_a_layer_missing_from_the_table_is_named():
    kinds = checks.library_layers()
    assert {Dense, ReLU} <= kinds and Layer not in kinds
    without = [case for case in LAYERS if case.kind != "LeakyReLU"]
    assert checks.missing_from(without, kinds) == ["LeakyReLU"]


def test_a_new_layer_of_the_library_is_found_without_being_listed():
    new = type("Swish", (Dense,), {"__module__": "minidl.layers.activations"})
    private = type("_Half", (Dense,), {"__module__": "minidl.layers.activations"})
    foreign = type("Elsewhere", (Dense,), {"__module__": "somebody.layers"})
    found = checks.library_layers()
    assert new in found and private not in found and foreign not in found
    assert checks.missing_from(LAYERS, found) == ["Swish"]
    # The class registry of Python is weak: once collected, the class is gone for the other tests too.
    del new, private, foreign, found
    gc.collect()
    assert checks.missing_from(LAYERS, checks.library_layers()) == []
