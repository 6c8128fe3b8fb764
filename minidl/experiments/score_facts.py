"""Everything that ``evaluation.json`` says about the scores of a network, as plain numbers.

Shares of one class lie between 0 and 1; what is about all examples is in per cent, as in the tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.data import DataSet
from minidl.evaluation import wilson_interval
from minidl.evaluation.calibration import Calibration, calibration_curve
from minidl.evaluation.classes import (
    AVERAGES,
    averaged_scores,
    class_intervals,
    class_scores,
    slide_f1,
)
from minidl.evaluation.label_errors import label_versions
from minidl.evaluation.ranking import averaged_auc, class_roc_curves, label_ranks
from minidl.losses import SigmoidCrossEntropy, SoftDice, SoftmaxCrossEntropy
from minidl.softmax import softmax

TOP = (1, 2, 3, 5)  # k of the top-k errors; the lecture has 1 and 5
PROBABILISTIC = (SoftmaxCrossEntropy, SigmoidCrossEntropy, SoftDice)


def class_facts(names: list[str], matrix: np.ndarray) -> list[dict[str, Any]]:
    """Return a dictionary for every class: its examples, its shares, and their Wilson intervals."""
    rows = zip(names, class_scores(matrix), class_intervals(matrix), slide_f1(matrix), strict=True)
    return [
        {
            "class": name,
            **score._asdict(),
            "intervals": {
                key: None if ends is None else list(ends) for key, ends in interval._asdict().items()
            },
            "slide_f1": slide,
        }
        for name, score, interval, slide in rows
    ]


def average_facts(matrix: np.ndarray) -> dict[str, dict[str, float | None]]:
    """Return precision, recall, F1 and specificity by the kind of average."""
    return {average: averaged_scores(matrix, average)._asdict() for average in AVERAGES}


def class_probabilities(loss: Any, outputs: np.ndarray) -> np.ndarray:
    """Return what the network gives for the probability of every class, (N, K) float64.

    The softmax or the sigmoid of logits, as the loss takes them; the outputs themselves of a network that
    ends in probabilities. Of a network trained on another loss (such as the squared error) these are its
    outputs as they are: they can be ranked, but are no probabilities.
    """
    # In double precision, so that the confident ones do not all become 1.
    outputs = outputs.astype(np.float64)
    if isinstance(loss, SoftmaxCrossEntropy):
        return softmax(outputs, axis=1)
    if isinstance(loss, SigmoidCrossEntropy):
        from scipy.special import expit

        return expit(outputs)
    return outputs


def ranking_facts(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return the top-k errors and the areas under the ROC curves; nothing if a score is not finite."""
    if not np.isfinite(probabilities).all():
        return {"top_k": [], "auc": None}
    ranks, n = label_ranks(probabilities, labels), len(labels)
    top = []
    for k in TOP:
        if k < probabilities.shape[1]:
            missed = int((ranks >= k).sum())
            ends = [100 * end for end in wilson_interval(missed, n)]
            top.append({"k": k, "error": 100 * missed / n, "wilson": ends})
    curves = class_roc_curves(probabilities, labels)
    areas: dict[str, Any] = {average: averaged_auc(probabilities, labels, average) for average in AVERAGES}
    areas["classes"] = [None if curve is None else curve.auc for curve in curves]
    return {"top_k": top, "auc": areas}


def calibration_of(loss: Any, probabilities: np.ndarray, labels: np.ndarray) -> Calibration | None:
    """Return the calibration, or None where the outputs are no probabilities."""
    if not isinstance(loss, PROBABILISTIC) or not np.isfinite(probabilities).all():
        return None
    return calibration_curve(np.clip(probabilities, 0, 1), labels)


def calibration_facts(found: Calibration | None) -> dict[str, Any] | None:
    """Return the expected and the largest calibration error (points of per cent) and every bin (shares)."""
    if found is None:
        return None
    bins = [
        {
            "from": float(low),
            "to": float(high),
            "examples": int(count),
            "confidence": None if count == 0 else float(confidence),
            "accuracy": None if count == 0 else float(accuracy),
        }
        for low, high, count, confidence, accuracy in zip(
            found.edges[:-1], found.edges[1:], *found[1:], strict=True
        )
    ]
    return {"expected": 100 * found.expected_error, "largest": 100 * found.largest_error, "bins": bins}


def label_version_facts(
    data: DataSet, split: str, predictions: np.ndarray, labels: np.ndarray
) -> list[dict[str, Any]]:
    """Return the accuracy on MNIST's test labels as published, corrected, and without the doubtful ones.

    Nothing for other data and for validation images, whose labels nobody has gone through.
    """
    if not (data.is_mnist and split == "test" and len(labels) == 10_000):
        return []
    found = []
    for version in label_versions(labels):
        right = int((predictions == version.labels)[version.kept].sum())
        examples = int(version.kept.sum())
        found.append(
            {
                "labels": version.name,
                "examples": examples,
                "correct": right,
                "accuracy": 100 * right / examples,
                "wilson": [100 * end for end in wilson_interval(right, examples)],
            }
        )
    return found
