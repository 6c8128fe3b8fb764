"""ROC curves, areas and top-k errors: by hand, against scikit-learn, with ties, absent classes and NaN."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, top_k_accuracy_score

from minidl.errors import ConfigError, ShapeError
from minidl.evaluation.ranking import averaged_auc, class_roc_curves, label_ranks, roc_curve, top_k_error


def random_scores(n=300, k=6, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(k, size=n)
    logits = generator.normal(size=(n, k)) + 1.5 * (labels[:, None] == np.arange(k))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), labels


def test_by_hand():
    # Falling: positive .9, negative .8, positive .7, negative .1. Of four pairs three are in order: area 3/4.
    found = roc_curve(np.array([0.1, 0.9, 0.8, 0.7]), np.array([False, True, False, True]))
    np.testing.assert_array_equal(found.false_positive_rate, [0, 0, 0.5, 0.5, 1])
    np.testing.assert_array_equal(found.true_positive_rate, [0, 0.5, 0.5, 1, 1])
    np.testing.assert_array_equal(found.thresholds, [np.inf, 0.9, 0.8, 0.7, 0.1])
    assert found.auc == 0.75


def test_ties_count_half():
    assert roc_curve(np.ones(5), np.array([True, False, True, False, False])).auc == 0.5
    # Pairs: (2 over 1), (2 over 2, half), so 1.5 of 2.
    assert roc_curve(np.array([2.0, 1.0, 2.0]), np.array([True, False, False])).auc == 0.75


@pytest.mark.parametrize("rounded", [False, True])
def test_areas_against_scikit_learn(rounded):
    scores, labels = random_scores()
    if rounded:
        scores = np.round(scores, 1)
    for label, curve in enumerate(class_roc_curves(scores, labels)):
        assert curve.auc == pytest.approx(roc_auc_score(labels == label, scores[:, label]))
    one_hot = labels[:, None] == np.arange(6)
    for average in ("macro", "micro", "weighted"):
        expected = roc_auc_score(one_hot, scores, average=average)
        assert averaged_auc(scores, labels, average) == pytest.approx(expected), average


def test_a_class_without_examples_has_no_curve_and_is_left_out():
    scores, labels = random_scores()
    labels[labels == 3] = 2
    curves = class_roc_curves(scores, labels)
    assert [curve is None for curve in curves] == [label == 3 for label in range(6)]
    assert averaged_auc(scores, labels) == pytest.approx(np.mean([c.auc for c in curves if c is not None]))
    alone = np.zeros(4, int)
    assert class_roc_curves(np.ones((4, 1)), alone) == [None]
    assert (
        averaged_auc(np.ones((4, 2)), alone) is None and averaged_auc(np.ones((4, 1)), alone, "micro") is None
    )


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_against_scikit_learn(k):
    scores, labels = random_scores()
    expected = 1 - top_k_accuracy_score(labels, scores, k=k)
    assert top_k_error(scores, labels, k) == pytest.approx(expected)
    assert top_k_error(np.log(scores).astype(np.float32), labels, k) == pytest.approx(expected)


def test_ties_of_scores_go_to_the_lower_class_as_in_argmax():
    scores, labels = random_scores()
    scores = np.round(scores, 1)
    assert top_k_error(scores, labels, 1) == pytest.approx((scores.argmax(axis=1) != labels).mean())
    # scikit-learn gives ties to the higher class: it agrees once the classes are counted backwards.
    for k in (1, 3):
        expected = 1 - top_k_accuracy_score(5 - labels, scores[:, ::-1], k=k)
        assert top_k_error(scores, labels, k) == pytest.approx(expected)
    np.testing.assert_array_equal(label_ranks(np.ones((3, 4)), np.array([0, 1, 3])), [0, 1, 3])
    assert top_k_error(scores, labels, 6) == 0


def test_bad_input():
    scores, labels = random_scores(20)
    for wrong in (np.nan, np.inf):
        broken = scores.copy()
        broken[3, 1] = wrong
        for function in (class_roc_curves, averaged_auc, label_ranks, top_k_error):
            with pytest.raises(
                ConfigError, match=r"1 of the scores are NaN or infinite, the first at \(3, 1\)"
            ):
                function(broken, labels)
        with pytest.raises(ConfigError, match="NaN or infinite, the first at 3"):
            roc_curve(broken[:, 1], labels == 1)
    with pytest.raises(
        ConfigError, match="all 20 examples are negative, but a ROC curve needs some of either kind"
    ):
        roc_curve(scores[:, 0], np.zeros(20, bool))
    with pytest.raises(ConfigError, match="positive must be boolean, got int"):
        roc_curve(scores[:, 0], labels)
    with pytest.raises(ConfigError, match="labels must lie between 0 and 5"):
        top_k_error(scores, labels + 1)
    with pytest.raises(ConfigError, match="labels must be integers, got float64"):
        top_k_error(scores, labels + 0.5)
    with pytest.raises(ShapeError, match=r"\(20, 6\) and labels \(20, 1\)"):
        label_ranks(scores, labels[:, None])
    with pytest.raises(ShapeError, match="must be .N,. with the same N"):
        roc_curve(scores, labels == 1)
    for k in (0, 7, True, 1.0):
        with pytest.raises(ConfigError, match="whole number from 1 to 6"):
            top_k_error(scores, labels, k)
    with pytest.raises(ConfigError, match="average must be one of"):
        averaged_auc(scores, labels, "none")
