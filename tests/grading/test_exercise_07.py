"""A sample of `minidl exercise verify 7`, and the numbers of the page."""

import re
from itertools import pairwise

import numpy as np
import pytest

from minidl.grading import find_exercise
from tests.grading.exercise_sample import check_mistakes_apply, check_sample, opened, page_of

EXERCISE = find_exercise(7)
PAGE = page_of(EXERCISE)


def test_a_sample():
    with opened(EXERCISE) as context:
        check_sample(
            context,
            "drawn with replacement",
            "too low before overfitting",
        )


def test_every_mistake_can_be_made():
    check_mistakes_apply(EXERCISE)


def test_the_table_of_scores():
    metrics = pytest.importorskip("sklearn.metrics", reason="the oracle is scikit-learn")
    labels, predictions = (
        [int(n) for n in re.findall(r"\d", re.search(rf"^{name} += \[(.*)\]", PAGE, re.M).group(1))]
        for name in ("labels", "predictions")
    )
    rows = re.findall(r"^\| \d \| \S+ = ([\d.]+) \| \S+ = ([\d.]+) \| \S+ = ([\d.]+) \|$", PAGE, re.MULTILINE)
    right = metrics.precision_recall_fscore_support(labels, predictions)[:3]
    np.testing.assert_allclose(np.array(rows, float).T, right, atol=6e-5)
    assert f"= {metrics.balanced_accuracy_score(labels, predictions):.4f}" in PAGE
    counts = [
        [int(n) for n in re.findall(r"\d", row)] for row in re.findall(r"^is \d +\[+(.*?)\]", PAGE, re.M)
    ]
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(labels, predictions))


def test_the_four_pairs_of_curves():
    """Judged here by the rules as the page states them."""
    rows = re.findall(r"^\| (too high|too low|overfitting|good) \| ([\d. ]+) \| ([\d. ]+) \|", PAGE, re.M)
    assert len(rows) == 4
    for verdict, *texts in rows:
        train, validation = ([float(n) for n in text.split()] for text in texts)
        quarter = len(train) // 4
        rises = sum(b > a for a, b in pairwise(train))
        if 10 * rises > 3 * (len(train) - 1) or train[-1] >= train[0]:
            assert verdict == "too high"
        elif sum(validation[-quarter:]) / quarter > 1.1 * min(validation):
            assert verdict == "overfitting"
        elif train[-1 - quarter] - train[-1] > 0.1 * (train[0] - train[-1]):
            assert verdict == "too low"
        else:
            assert verdict == "good"
