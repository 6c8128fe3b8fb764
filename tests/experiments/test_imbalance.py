"""A rare class: the lecture's arithmetic, the experiment, its table and its picture."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from minidl.data import load
from minidl.errors import ConfigError, ShapeError
from minidl.experiments import imbalance
from minidl.experiments.imbalance import METHODS, Method, Score, compare, conclusion, fraud_example, table
from minidl.plots.imbalance import imbalance_plot
from minidl.random import Seeds


@pytest.fixture(scope="module")
def digits():
    return load("digits")


# Arithmetic -------------------------------------------------------------------------------------


def test_the_lectures_fraud():
    """9,999 genuine payments and one fraud (FAU): 99.99 % for looking at nothing, 99 % for finding it."""
    blind, flagging = fraud_example()
    assert blind.accuracy == pytest.approx(9999 / 10_000)
    assert blind.recall == 0 and blind.f1 == 0 and math.isnan(blind.precision)
    # One in a hundred flagged, 100 of 10,000: the fraud and 99 genuine ones. Right: 1 + 9,900.
    assert flagging.found + flagging.alarms == 100
    assert flagging.accuracy == pytest.approx(9901 / 10_000)
    assert flagging.recall == 1 and flagging.precision == pytest.approx(1 / 100)
    assert flagging.f1 == pytest.approx(2 / 101)


def test_scores_at_another_ratio_worked_by_hand():
    """30 of 40 rare and 5 of 50 common called rare, as if there were ten common ones for a rare one.

    For each rare example: TP 0.75, FN 0.25, FP 10 * 0.1 = 1, TN 9. Accuracy 9.75/11, precision
    0.75/1.75, F1 2*0.75/(2*0.75 + 1 + 0.25) = 1.5/2.75.
    """
    score = Score("", found=30, missed=10, alarms=5, passed=45, ratio=10)
    assert score.recall == pytest.approx(0.75)
    assert score.accuracy == pytest.approx(9.75 / 11)
    assert score.precision == pytest.approx(0.75 / 1.75)
    assert score.f1 == pytest.approx(1.5 / 2.75)
    assert score.f1 == pytest.approx(2 / (1 / score.recall + 1 / score.precision))


def test_scores_at_their_own_ratio_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    truth = np.repeat([1, 1, 0, 0], [17, 3, 12, 188])
    calls = np.repeat([1, 0, 1, 0], [17, 3, 12, 188])
    score = Score("", 17, 3, 12, 188, ratio=10)
    assert score.accuracy == pytest.approx(metrics.accuracy_score(truth, calls))
    assert score.precision == pytest.approx(metrics.precision_score(truth, calls))
    assert score.recall == pytest.approx(metrics.recall_score(truth, calls))
    assert score.f1 == pytest.approx(metrics.f1_score(truth, calls))


def test_a_score_goes_into_json_without_nan():
    found = json.loads(json.dumps(fraud_example()[0].as_dict(), allow_nan=False))
    assert found["precision"] is None and found["accuracy"] == pytest.approx(0.9999)


# The experiment ---------------------------------------------------------------------------------


def test_one_digit_becomes_rare(digits):
    split = imbalance.rare_split(digits.train, 9, 300, 3, Seeds(0))
    assert np.bincount(split.labels).tolist() == [300, 3]
    nines = {image.tobytes() for image in digits.train.images[digits.train.labels == 9]}
    assert [image.tobytes() in nines for image in split.images] == [False] * 300 + [True] * 3
    assert len({image.tobytes() for image in split.images}) == 303


def test_what_accuracy_hides(digits):
    """Forty common ones for a rare one, few steps: the remedies find far more than the plain network."""
    scores, facts = compare(digits, ratio=40, steps=150)
    by_name = {score.name: score for score in scores}
    assert list(by_name) == [method.name for method in METHODS]
    assert facts["train_common"] == 40 * facts["train_rare"]
    for score in scores:
        assert score.found + score.missed == 30 and score.alarms + score.passed == 270
    plain = by_name["plain"]
    assert plain.accuracy > 0.97 and plain.recall < 0.7
    for name in ("under-sampling", "over-sampling", "both", "SMOTE", "augmented minority", "weighted loss"):
        assert by_name[name].recall > plain.recall, name
    assert len(digits.vault.openings) == 0


def test_every_method_prepares_what_its_name_says(digits):
    split = imbalance.rare_split(digits.train, 9, 400, 10, Seeds(0))
    by_name = {method.name: method for method in METHODS}
    prepared = {name: method.prepare(split, Seeds(0)) for name, method in by_name.items()}
    counts = {name: np.bincount(part.labels).tolist() for name, part in prepared.items()}
    assert counts["plain"] == counts["Dice loss"] == [400, 10]
    assert counts["SMOTE"] == [400, 400]
    assert counts["augmented minority"] == [400, 40]
    sizes = {
        name: None if method.sampler(split.labels) is None else method.sampler(split.labels).counts
        for name, method in by_name.items()
    }
    assert sizes["plain"] is None and sizes["weighted loss"] is None
    assert sizes["under-sampling"] == {0: 10, 1: 10}
    assert sizes["over-sampling"] == {0: 400, 1: 400}
    assert sizes["both"] == {0: 63, 1: 63}  # sqrt(10 * 400) = 63.2
    weights = by_name["weighted loss"].loss(split.labels).class_weights
    assert np.allclose(weights, [410 / 800, 410 / 20])


def test_the_same_seed_gives_the_same_scores(digits):
    few = (METHODS[0], METHODS[1])
    first, _ = compare(digits, ratio=40, steps=40, methods=few)
    again, _ = compare(digits, ratio=40, steps=40, methods=few)
    other, _ = compare(digits, ratio=40, steps=40, methods=few, seed=1)
    assert first == again != other


def test_too_few_images(digits):
    with pytest.raises(ConfigError, match="needs at least 2000 training images without the digit 9"):
        compare(digits, ratio=1000)


def test_run_writes_a_picture_and_numbers_and_returns_two_sentences(digits, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "new" / "folder"
    text = imbalance.run(digits, out, ratio=40, steps=60, methods=METHODS[:2])
    assert sorted(path.name for path in out.iterdir()) == ["imbalance.json", "imbalance.png"]
    assert (out / "imbalance.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((out / "imbalance.json").read_text())
    assert [score["name"] for score in found["scores"]] == ["call all common", "plain", "under-sampling"]
    assert found["scores"][0]["accuracy"] == pytest.approx(40 / 41)
    assert found["fraud"][0]["accuracy"] == pytest.approx(0.9999)
    assert "99.99 %" in text and "99.01 %" in text and "scikit-learn digits (NOT MNIST)" in text
    assert text.splitlines()[-1].count(". ") == 1


def test_the_table_and_the_conclusion():
    blind = Score("call all common", 0, 100, 0, 900, 9)
    plain = Score("plain", 20, 80, 1, 899, 9)
    over = Score("over", 80, 20, 30, 870, 9)
    lines = table([blind, plain, over]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split() == [*"call all common 90.00 % 0.00 % - 0.00 % 0 100 0 900".split()]
    told = conclusion(blind, [plain, over])
    assert "90.00 % are right" in told and "finds 20 % of the rare class" in told
    assert "The highest F1, 76 %, comes from over (recall 80 %)" in told
    nothing = conclusion(blind, [blind, blind])
    assert "No network has found a single rare example" in nothing and "nan" not in nothing


# The picture ------------------------------------------------------------------------------------


def test_the_picture_shows_every_share_and_count():
    pytest.importorskip("matplotlib")
    shares = np.array([[0.99, 0.0, np.nan, 0.0], [0.98, 0.8, 0.4, 0.533]])
    counts = np.array([[0, 50, 0, 4950], [40, 10, 60, 4890]])
    figure = imbalance_plot(["all common", "over-sampling"], shares, counts, title="What accuracy hides")
    axes, columns = figure.axes
    drawn = {
        item.get_label(): np.asarray(item.get_offsets()) for item in axes.collections if item.get_label()
    }
    recall = next(points for label, points in drawn.items() if str(label).startswith("recall"))
    assert np.allclose(recall, [[0, 0], [80, 1]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["all common", "over-sampling"]
    texts = [text.get_text() for text in columns.texts]
    assert {"0", "50", "4,950", "40", "10", "60", "4,890"} <= set(texts)
    assert figure.get_suptitle() == "What accuracy hides"
    with pytest.raises(ShapeError, match=r"counts has shape \(1, 4\), expected \(2, 4\)"):
        imbalance_plot(["a", "b"], shares, counts[:1])


def test_a_method_is_plain_by_default():
    method = Method("x")
    assert method.sampler(np.zeros(3, int)) is None and not method.dice
