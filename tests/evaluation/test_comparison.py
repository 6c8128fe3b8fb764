"""Verdicts and sentences of constructed cases: a clear difference, none, too few runs."""

import numpy as np
import pytest
from scipy import stats

from minidl.errors import ConfigError, ShapeError
from minidl.evaluation.comparison import DIFFERENT, NOT_SHOWN, TOO_FEW, compare, compare_classifiers
from minidl.evaluation.wording import sentence

LOW = [97.10, 97.20, 97.00, 97.15, 97.05]
HIGH = [97.60, 97.50, 97.70, 97.55, 97.65]
ALIKE = [97.12, 97.22, 97.01, 97.25, 97.05]


def only(comparison):
    (pair,) = comparison.pairs
    return pair, sentence(comparison, pair, "the validation images of MNIST")


def test_a_clear_difference():
    pair, text = only(compare({"A": LOW, "B": HIGH}))
    expected = stats.ttest_ind(HIGH, LOW, equal_var=False)
    assert (pair.verdict, pair.difference) == (DIFFERENT, pytest.approx(0.5))
    assert pair.p_value == pair.corrected == pytest.approx(expected.pvalue)
    assert text.startswith(
        "B is more accurate than A on the validation images of MNIST: 97.60 +- 0.08 % against 97.10 +- 0.08 % (mean "
        "+- standard deviation of 5 runs each), a difference of +0.50 points (95 % interval +0.38 to +0.62; Welch's "
        "t-test, p < 0.001)."
    )


def test_the_other_way_round():
    _, text = only(compare({"A": HIGH, "B": LOW}))
    assert text.startswith("B is less accurate than A") and "-0.50 points" in text


def test_no_difference():
    pair, text = only(compare({"A": LOW, "B": ALIKE}))
    assert (pair.verdict, pair.p_value) == (NOT_SHOWN, pytest.approx(0.6228, abs=1e-4))
    assert text.startswith("No difference between A and B was shown on the validation images")
    assert "It is not shown that they are equal either: the interval leaves room for -0.11 to +0.17" in text
    assert "takes about 151 runs of each" in text


@pytest.mark.parametrize("b", [HIGH, ALIKE])
def test_p_is_said_to_be_what_it_is(b):
    pair, text = only(compare({"A": LOW, "B": b}))
    often = "fewer than 0.1 %" if pair.p_value < 0.001 else "62 %"
    assert (
        f"If both were equally good on average, a difference at least this large, either way, would come up in {often} "
        "of such comparisons; that is what p says, and not how probable it is that the difference is due to chance."
    ) in text


@pytest.mark.parametrize(
    ("a", "b", "test", "why"),
    [
        ([97.1], HIGH, "welch", "one run does not show how much"),
        ([97.1], [98.0], "permutation", "one run does not show how much"),
        ([97.10, 97.11], [98.0, 98.01], "welch", "two runs hardly show how much"),
        (LOW[:3], HIGH[:3], "permutation", "cannot give a p value below 0.05"),
        ([97.1] * 3, [98.1] * 3, "welch", "cannot give a p value below 0.05"),
    ],
)
def test_too_few_runs(a, b, test, why):
    pair, text = only(compare({"A": a, "B": b}, test=test))
    assert pair.verdict == TOO_FEW
    assert text.startswith("Too few runs to compare A and B") and why in text
    assert "train five or more of each (minidl train --seeds 5)" in text


def test_runs_without_scatter_are_compared_by_permutations():
    pair, text = only(compare({"A": [97.1] * 5, "B": [98.12] * 5}))
    assert (pair.verdict, pair.test, pair.p_value) == (DIFFERENT, "permutation test", pytest.approx(2 / 252))
    assert pair.low is None and "interval" not in text
    pair, text = only(compare({"A": [97.1] * 5, "B": [97.1] * 5}))
    assert (pair.verdict, pair.p_value) == (NOT_SHOWN, 1)
    assert "in practically all of such comparisons" in text


def test_several_pairs_are_corrected_for():
    # Alone p = 0.03 would pass; of three it does not.
    generator = np.random.default_rng(8)
    groups = {name: generator.normal(97, 0.2, 5) for name in "ABC"}
    found = compare(groups)
    p = np.array([pair.p_value for pair in found.pairs])
    assert [(pair.a, pair.b) for pair in found.pairs] == [("A", "B"), ("A", "C"), ("B", "C")]
    np.testing.assert_allclose([pair.corrected for pair in compare(groups, correction="bonferroni").pairs],
                               np.minimum(1, 3 * p))  # fmt: skip
    np.testing.assert_allclose([pair.corrected for pair in compare(groups, correction="none").pairs], p)
    assert "after Holm's correction for 3 comparisons" in sentence(found, found.pairs[0])
    one = compare({"A": [1.0, 2.0, 3.0, 4.0], "B": [4.0, 5.0, 6.0, 5.0], "C": [2.0, 1.0, 3.0, 4.5]})
    assert one.pairs[0].p_value < 0.05 < one.pairs[0].corrected
    assert one.pairs[0].verdict == NOT_SHOWN


def test_a_baseline_needs_fewer_pairs():
    found = compare({"A": LOW, "B": HIGH, "C": ALIKE}, baseline="B")
    assert [(pair.a, pair.b) for pair in found.pairs] == [("B", "A"), ("B", "C")]
    assert "2 comparisons" in sentence(found, found.pairs[0])


def test_paired_runs():
    # Differences 0.1, 0.2, 0.3: t = 2 sqrt(3), p = 0.0742; unpaired nothing shows.
    a = np.array([90.0, 95.0, 97.0])
    pair, _ = only(compare({"A": a, "B": np.add(a, [0.1, 0.2, 0.3])}, test="paired"))
    assert (pair.test, pair.p_value) == ("paired t-test", pytest.approx(0.0742, abs=1e-4))
    # The same difference in each of five pairs: no scatter; permutations of five pairs give 1/16 at least.
    pair, _ = only(compare({"A": LOW, "B": np.add(LOW, 0.5)}, test="paired"))
    assert (pair.verdict, pair.test) == (TOO_FEW, "paired permutation test")
    with pytest.raises(ShapeError, match="A has 3 runs and B 5"):
        compare({"A": a, "B": LOW}, test="paired")


def test_single_networks_by_mcnemar():
    # A alone right on 5 of 1,000 images, B alone on 25: p = 2 P(X <= 5) of 30 coins = 0.00033.
    a, b = np.ones(1000, dtype=bool), np.ones(1000, dtype=bool)
    b[:5], a[5:30] = False, False
    found = compare_classifiers({"A": a, "B": b})
    pair, text = only(found)
    assert (pair.verdict, pair.counts, pair.difference) == (DIFFERENT, (5, 25), pytest.approx(2.0))
    assert pair.p_value == pytest.approx(2 * stats.binom.cdf(5, 30, 0.5))
    # Agresti and Min: 20 / 1002 -+ 1.96 sqrt(31 - 400/1002) / 1002.
    half = 1.959964 * np.sqrt(31 - 400 / 1002) / 1002
    assert (pair.low, pair.high) == pytest.approx(
        (100 * (20 / 1002 - half), 100 * (20 / 1002 + half)), abs=1e-5
    )
    assert "Of these two networks B is more accurate" in text
    assert "This is about these two networks" in text
    pair, text = only(compare_classifiers({"A": a, "B": a}))
    assert (pair.verdict, pair.p_value) == (NOT_SHOWN, 1.0)


@pytest.mark.parametrize(
    ("groups", "options", "why"),
    [
        ({"A": LOW, "B": [97.0, np.nan]}, {}, "group B has a run with nan"),
        ({"A": LOW, "B": []}, {}, "group B has shape"),
        ({}, {}, "there are no groups"),
        ({"A": LOW, "B": HIGH}, {"test": "t"}, "test must be one of welch"),
        ({"A": LOW, "B": HIGH}, {"correction": "tukey"}, "correction must be one of"),
        ({"A": LOW, "B": HIGH}, {"alpha": 5}, "alpha must lie between"),
        ({"A": LOW, "B": HIGH}, {"baseline": "C"}, "no group 'C'"),
    ],
)
def test_nonsense_is_refused(groups, options, why):
    with pytest.raises(ConfigError, match=why):
        compare(groups, **options)
