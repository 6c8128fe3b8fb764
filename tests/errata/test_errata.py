"""Misprints of the lectures that have a wrong and a right form, told apart by numbers.

Each test is named after its number in docs/lecture-map.md, which also says where the others are tested:
beside the formula that they concern.
"""

import math

import numpy as np
import pytest
from scipy.stats import binom

from minidl.evaluation import confusion_matrix, mcnemar
from minidl.evaluation.classes import class_scores, slide_f1
from minidl.initializers import FanIn, Normal
from minidl.layers import BatchNorm, Conv2D, Dense, Dropout


def built(layer, input_shape, rng=0):
    layer.build(input_shape, rng, np.float64)
    return layer


def test_erratum_01_the_standard_deviation_of_a_weight_is_one_over_the_root_of_the_inputs():
    # UU prints sigma := sqrt(n_in). A unit with 900 inputs of variance 1 sums 900 terms of variance sigma^2:
    # std(z) = 30 sigma, which is 1 for 1/sqrt(900) and 900 for sqrt(900). The sigmoid of 900 is flat.
    x = np.random.default_rng(0).standard_normal((200, 900))
    spread = {}
    for name, init in (("right", FanIn()), ("printed", Normal(math.sqrt(900))), ("large", Normal(1.0))):
        spread[name] = built(Dense(300, weight_init=init), (900,)).forward(x).std()
    # 60,000 sums, of which those of one unit or one example are related: good to a few per cent
    assert spread["right"] == pytest.approx(1, rel=0.02)
    assert spread["printed"] == pytest.approx(900, rel=0.02)
    assert spread["large"] == pytest.approx(30, rel=0.02)  # N(0, 1), the start that the lecture warns of


def test_erratum_03_a_kernel_of_size_m_has_the_offsets_0_to_m_minus_1():
    # UU sums l, m = 0 .. M. Over ones, 5x5 ones give 25 (0 .. 4); with 0 .. 5 it would be 36, on 23x23 places.
    layer = built(Conv2D(1, 5, bias=False), (1, 28, 28))
    layer.parameters["weight"].value[...] = 1
    y = layer.forward(np.ones((1, 1, 28, 28)))
    assert y.shape == (1, 1, 24, 24)
    np.testing.assert_allclose(y, 25)


def test_erratum_14_batch_normalisation_needs_eps_and_can_be_undone_by_gamma_and_beta():
    # AAR prints z = (x - mu) / sigma. A pixel that is always black has sigma = 0: 0/0 without eps.
    black = np.zeros((4, 1))
    layer = built(BatchNorm(), (1,))
    np.testing.assert_array_equal(layer.forward(black, train=True), black)
    # x = 1, 3, 5, 7: mu = 4, var = 5. The slide's form leaves only (x - 4) / sqrt(5); with gamma = sqrt(5 + eps)
    # and beta = 4, which training may find, the layer is the identity.
    x = np.array([[1.0], [3], [5], [7]])
    layer = built(BatchNorm(eps=1e-3), (1,))
    np.testing.assert_allclose(layer.forward(x, train=True), (x - 4) / math.sqrt(5.001), rtol=1e-12)
    layer.parameters["gamma"].value[...] = math.sqrt(5.001)
    layer.parameters["beta"].value[...] = 4
    np.testing.assert_allclose(layer.forward(x, train=True), x, rtol=1e-12)


# Of 100 patients 10 are ill; 8 of these are found (TP = 8, FN = 2), and 9 healthy ones are called ill
# (FP = 9, TN = 81).
ILL = np.repeat([1, 0], [10, 90])
CALLED = np.repeat([1, 0, 1, 0], [8, 2, 9, 81])


def test_erratum_18_f1_is_the_harmonic_mean_of_precision_and_recall():
    # precision 8/17, recall 8/10: F1 = 2 * 8 / (2 * 8 + 9 + 2) = 16/27 = 0.593.
    # FAU prints 2 TPV TNV / (TPV + TNV); with the rates 0.8 and 81/90 = 0.9 that is 1.44 / 1.7 = 0.847.
    ill = class_scores(confusion_matrix(CALLED, ILL))[1]
    assert ill.f1 == pytest.approx(16 / 27)
    assert ill.f1 == pytest.approx(2 * ill.precision * ill.recall / (ill.precision + ill.recall))
    assert slide_f1(confusion_matrix(CALLED, ILL))[1] == pytest.approx(1.44 / 1.7)


def test_erratum_19_rates_are_not_predictive_values():
    # FAU calls recall and specificity "values". The true positive *rate* is TP / (TP + FN) = 8/10, the positive
    # predictive *value* TP / (TP + FP) = 8/17; specificity is TN / (TN + FP) = 81/90, the negative predictive
    # value TN / (TN + FN) = 81/83. Of two classes, specificity is the recall of the other one.
    healthy, ill = class_scores(confusion_matrix(CALLED, ILL))
    assert (ill.recall, ill.precision) == pytest.approx((8 / 10, 8 / 17))
    assert (healthy.recall, healthy.precision) == pytest.approx((81 / 90, 81 / 83))
    assert ill.specificity == healthy.recall


def p_value(wins, disagreements):
    """McNemar's p-value if A is right alone `wins` times."""
    a = np.arange(disagreements) < wins
    return mcnemar(a, ~a).p_value


def test_erratum_21_a_p_value_is_not_the_probability_of_chance():
    # Two networks disagree on 20 images, and A wins 15 or more (or 5 or fewer): significant at 5 %.
    significant = [wins for wins in range(21) if p_value(wins, 20) < 0.05]
    assert significant == [*range(6), *range(15, 21)]
    # What alpha = 5 % bounds is the chance of that *if* the networks are equally good: 2 * 21,700 / 2^20 = 0.0414.
    if_equal = sum(binom.pmf(significant, 20, 0.5))
    assert if_equal == pytest.approx(0.0414, abs=5e-5)
    # FAU: "the probability that this difference is caused by chance". Suppose that 9 of 10 new ideas are worth
    # nothing and the tenth wins 7 of 10 disagreements. Then of the significant results almost half are chance.
    if_better = sum(binom.pmf(significant, 20, 0.7))
    chance = 0.9 * if_equal / (0.9 * if_equal + 0.1 * if_better)
    assert chance == pytest.approx(0.47, abs=0.005)


def test_erratum_24_dropout_turns_off_units_with_all_their_connections():
    # TUE: "turns off connections", which is DropConnect. Unit i of 3 feeds the outputs by its own digit: outputs
    # are w . mask with weights (1, 10, 100) to the first and (2, 20, 200) to the second. When units drop, the
    # second output is twice the first, digit by digit; with connections dropped on their own it need not be.
    drop, dense = built(Dropout(0.5, scaling="test"), (3,)), built(Dense(2, bias=False), (3,))
    dense.parameters["weight"].value[...] = [[1, 2], [10, 20], [100, 200]]
    outputs = dense.forward(drop.forward(np.ones((500, 3)), train=True))
    np.testing.assert_array_equal(outputs[:, 1], 2 * outputs[:, 0])
    # All 2^3 thinned networks occur, not the 2^6 of DropConnect.
    assert {tuple(row) for row in outputs} == {
        (a + 10 * b + 100 * c, 2 * (a + 10 * b + 100 * c)) for a in (0, 1) for b in (0, 1) for c in (0, 1)
    }
