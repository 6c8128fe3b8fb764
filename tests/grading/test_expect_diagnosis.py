"""Deliberately wrong arrays, and the cause that a student should read. One row per classic mistake."""

import numpy as np
import pytest

from minidl.grading import expect
from minidl.grading.expect import Mismatch

RNG = np.random.default_rng(5)
E = RNG.normal(size=(5, 3))
SQUARE = RNG.normal(size=(4, 4))
KERNEL = RNG.normal(size=(2, 3, 4, 4))
SCORES = np.exp(E)
SOFTMAX = SCORES / SCORES.sum(axis=1, keepdims=True)
OLD = RNG.normal(size=(5, 3))
LONG = RNG.normal(size=(6, 7))


def changed(array, index, by=1.0):
    other = array.copy()
    other[index] += by
    return other


def cause(actual, expected, **kwargs):
    with pytest.raises(Mismatch) as caught:
        expect.close(actual, expected, "f(x)", **kwargs)
    return caught.value.cause


VALUES = {
    "the mean over the batch forgotten": (E * 5, E, {"batch": 5}, "factor N", "N = 5"),
    "the mean taken twice": (E / 5, E, {"batch": 5}, "factor 1/N", "1/N, with N = 5"),
    "a loss summed over the batch": (10.0, 2.0, {"batch": 5}, "factor N", "mean over the batch is missing"),
    "mean over another axis": (E * 3, E, {}, "factor", "3, the length of axis 1"),
    "sign": (-E, E, {}, "sign", "sign is reversed"),
    "sign and N": (-5 * E, E, {"batch": 5}, "factor N", "and the sign is reversed"),
    "one half": (E / 2, E, {}, "factor", "1/2"),
    "some constant": (3.7 * E, E, {}, "factor", "3.7 times"),
    "transposed square matrix": (SQUARE.T, SQUARE, {}, "transposed", "rows and columns"),
    "transposed axes of four": (KERNEL.transpose(0, 1, 3, 2), KERNEL, {}, "transposed", "transpose(0, 1, 3, 2)"),
    "rows backwards": (E[::-1], E, {}, "reversed", "axis 0"),
    "columns backwards": (E[:, ::-1], E, {}, "reversed", "axis 1"),
    "vector backwards": (E[:, 0][::-1], E[:, 0], {}, "reversed", "axis 0"),
    "kernel turned": (KERNEL[:, :, ::-1, ::-1], KERNEL, {}, "reversed", "cross-correlation"),
    "shuffled": (np.roll(E, 1), E, {}, "other places", "reshape"),
    "all zeros": (np.zeros_like(E), E, {}, "all zeros", "never filled"),
    "zero expected": (E, np.zeros_like(E), {}, "should be zero", "zero"),
    "constant offset": (E + 0.3, E, {}, "offset", "0.3"),
    "bias missing": (E - np.array([0.5, -1.0, 2.0]), E, {}, "same row", "bias"),
    "term per example": (E + RNG.normal(size=(5, 1)), E, {}, "same column", "per row"),
    "softmax over the wrong axis": (SCORES / SCORES.sum(axis=0), SOFTMAX, {}, "wrong axis", "axis=1"),
    "softmax over everything": (SCORES / SCORES.sum(), SOFTMAX, {}, "wrong axis", "all values together"),
    "softmax not normalised": (SCORES, SOFTMAX, {}, "factor per row", "normalisation"),
    "update not stored": (OLD, E, {"before": OLD}, "unchanged", "self.weight"),
    "gradient accumulated": (OLD + E, E, {"before": OLD}, "accumulated", "+="),
    "update uphill": (OLD + 0.1 * E, OLD - 0.1 * E, {"before": OLD}, "update uphill", "w -= eta"),
    "step too long": (OLD - 0.5 * E, OLD - 0.1 * E, {"before": OLD}, "step size", "5 times"),
    "NaN": (np.where(E > 1, np.nan, E), E, {}, "NaN", "0/0"),
    "overflow": (np.where(E > 1, np.inf, E), E, {}, "infinite", "exp"),
    "whole numbers": (np.round(E).astype(int), E, {}, "whole numbers", "dtype=x.dtype"),
    "absolute value": (np.abs(E), E, {}, "sign in part", "absolute"),
    "some signs": (np.where(E > 0.5, -E, E), E, {}, "sign in part", "signs"),
    "relu too many": (np.maximum(E, 0), E, {}, "negative lost", "ReLU"),
    "square too many": (E**2, E, {}, "step", "the square"),
    "logarithm too many": (np.log(SCORES), SCORES, {}, "step", "the logarithm"),
    "complement": (1 - SOFTMAX, SOFTMAX, {}, "step", "one minus"),
    "last row": (changed(E, -1), E, {}, "border", "index 4 of axis 0"),
    "first column": (changed(LONG, np.s_[:, 0], RNG.normal(size=6)), LONG, {}, "border", "index 0 of axis 1"),
    "a row in the middle": (changed(LONG, 2, RNG.normal(size=7)), LONG, {}, "in part", "index 2 of axis 0"),
    "one value": (changed(LONG, (2, 3)), LONG, {}, "in part", "[2, 3]"),
    "epsilon": (E * (1 + 1e-4 * np.sin(np.arange(3))), E, {}, "nearly", "epsilon"),
    "float32 instead of float64": (E * (1 + 1e-6 * np.sin(np.arange(3))), E, {"rtol": 1e-9}, "nearly", "float32"),
    "authored": (E * 2, E, {"mistakes": {"train and test are swapped": E * 2}}, "mistake: train and test are swapped",
                 "train and test"),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_wrong_values(name):
    actual, expected, kwargs, kind, words = VALUES[name]
    found = cause(actual, expected, **kwargs)
    assert found is not None
    assert found.kind == kind
    assert words in found.text


def test_softmax_is_named_where_one_is_expected():
    """A NaN of an optimizer has nothing to do with a softmax."""
    advice = "in a softmax, subtract the largest of each row"
    for expected, named in (
        (SOFTMAX, True),
        (SOFTMAX.T, True),
        (SOFTMAX[0], True),
        (E, False),
        (E[:, 0] ** 2, False),
    ):
        for bad, kind in ((np.nan, "NaN"), (np.inf, "infinite")):
            wrong = expected.copy()
            wrong.flat[1] = bad
            found = cause(wrong, expected)
            assert found.kind == kind and (advice in found.text) == named
            assert f"1 of {expected.size} values are {kind}" in found.text
    assert advice not in cause(float("nan"), 1.0).text, "a single 1 is no softmax"


SHAPES = {
    "(N, 1) for (N,)": ((5, 1), (5,), "extra axis of 1", "keepdims"),
    "(N,) for (N, 1)": ((5,), (5, 1), "axis of 1 missing", "keepdims=True"),
    "transposed": ((3, 5), (5, 3), "transposed", "reverse"),
    "other order": ((2, 4, 3), (2, 3, 4), "transposed", "another order"),
    "not summed over the batch": ((5, 3), (3,), "batch not summed", "5 examples"),
    "a mean missing": ((5, 3), (), "not reduced", "sum or mean"),
    "a mean too many": ((), (5, 3), "reduced", "taken over everything"),
    "flat": ((15,), (5, 3), "not reshaped", "reshape"),
    "the batch lost": ((3,), (5, 3), "first axis lost", "one row per example"),
    "one off": ((2, 6, 6), (2, 7, 7), "one off", "padding"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_wrong_shapes(name):
    found, expected, kind, words = SHAPES[name]
    got = cause(np.zeros(found) if found else 0.0, np.zeros(expected))
    assert got is not None
    assert got.kind == kind
    assert words in got.text


def test_a_list_and_none_are_explained():
    assert cause(None, E).kind == "returned nothing"
    assert cause(E.tolist(), E).kind == "a list"
    assert cause((E, E), E).kind == "several values"


def test_wrong_types_are_explained():
    for dtype, words in ((np.float64, "dtype=x.dtype"), (np.int64, "behind the point")):
        with pytest.raises(Mismatch) as caught:
            expect.dtype(np.zeros(3, dtype), "float32", "forward(x)")
        assert words in caught.value.cause.text


@pytest.mark.parametrize("seed", range(20))
def test_no_cause_is_invented_for_numbers_that_are_just_wrong(seed):
    rng = np.random.default_rng(seed)
    actual, expected = rng.normal(size=(2, 4, 5))
    assert cause(actual, expected, batch=4, before=rng.normal(size=(4, 5))) is None


def test_no_factor_is_read_into_a_single_number():
    assert cause(10.3, 2.0, batch=7) is None


def test_a_gradient_gets_the_same_causes():
    x = RNG.normal(size=(4, 4))

    def loss(z):
        return float((SQUARE * z).sum() / 4)

    for wrong, kind in [(SQUARE, "factor N"), (SQUARE.T / 4, "transposed"), (-SQUARE / 4, "sign")]:
        with pytest.raises(Mismatch) as caught:
            expect.gradient(wrong, loss, x, "backward(dy)", batch=4)
        assert caught.value.cause.kind == kind
    with pytest.raises(Mismatch) as caught:
        expect.gradient(OLD[:4, :3] + 1, lambda z: z.sum(), OLD[:4, :3], before=OLD[:4, :3])
    assert caught.value.cause.kind == "accumulated"


def test_messages_need_no_unicode_that_a_windows_console_lacks():
    for actual, expected, kwargs, _, _ in VALUES.values():
        cause(actual, expected, **kwargs).text.encode("cp1252")
