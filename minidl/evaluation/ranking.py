"""What the scores say beyond the decision: ROC curves, the area under them, and the top-k error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minidl.errors import ConfigError, ShapeError
from minidl.evaluation.classes import AVERAGES, weighted_mean
from minidl.targets import check_labels


class RocCurve(NamedTuple):
    """What becomes of both kinds of errors when the threshold moves.

    Attributes
    ----------
    false_positive_rate, true_positive_rate : (T,) float64 array
        ``FP / (FP + TN)`` and ``TP / (TP + FN)`` when everything scored at least the threshold is called
        positive; both rise from 0 to 1. Corners on a straight line are left out.
    thresholds : (T,) float64 array
        Falling, the first infinite: nothing is called positive.
    auc : float
        Area under the curve: the probability that a positive example has a higher score than a negative one,
        ties counted half. 0.5 is chance.
    """

    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray
    thresholds: np.ndarray
    auc: float


def roc_curve(scores: np.ndarray, positive: np.ndarray) -> RocCurve:
    """Return the receiver operating characteristic of a score (FAU).

    Parameters
    ----------
    scores : (N,) float array
        The higher, the more likely positive. Only their order matters.
    positive : (N,) boolean array
        Whether the example is.

    Raises
    ------
    ShapeError
        If the arrays are not (N,) with the same N.
    ConfigError
        If a score is NaN or infinite, or all examples are of one kind: then one of the rates is 0/0.
    """
    from sklearn.metrics import auc
    from sklearn.metrics import roc_curve as curve

    scores, positive = np.asarray(scores, dtype=np.float64), np.asarray(positive)
    if scores.ndim != 1 or positive.shape != scores.shape or len(scores) == 0:
        raise ShapeError(
            f"roc_curve: scores have shape {scores.shape} and positive {positive.shape}; both must be (N,) with "
            "the same N >= 1"
        )
    if positive.dtype != bool:
        raise ConfigError(f"roc_curve: positive must be boolean, got {positive.dtype}; write labels == class")
    _require_finite("roc_curve", scores)
    if positive.all() or not positive.any():
        kind = "positive" if positive.all() else "negative"
        raise ConfigError(
            f"roc_curve: all {len(scores):,} examples are {kind}, but a ROC curve needs some of either kind"
        )
    fpr, tpr, thresholds = curve(positive, scores)
    return RocCurve(fpr, tpr, thresholds, float(auc(fpr, tpr)))


def class_roc_curves(scores: np.ndarray, labels: np.ndarray) -> list[RocCurve | None]:
    """Return the ROC curve of every class against the rest.

    Parameters
    ----------
    scores : (N, K) float array
        Probabilities. Logits will not do: theirs may be high for all classes of one example at once.
    labels : (N,) integer array
        0 … K-1.

    Returns
    -------
    list of RocCurve or None
        None for a class that has no example, or all of them.

    Raises
    ------
    ShapeError, ConfigError
        If the shapes do not fit, a label is outside the classes, or a score is NaN or infinite.
    """
    scores, labels = _check("class_roc_curves", scores, labels)
    members = [labels == label for label in range(scores.shape[1])]
    return [
        None if own.all() or not own.any() else roc_curve(scores[:, label], own)
        for label, own in enumerate(members)
    ]


def averaged_auc(scores: np.ndarray, labels: np.ndarray, average: str = "macro") -> float | None:
    """Return the area under the ROC curves of all classes in one number.

    Parameters
    ----------
    scores, labels
        As in `class_roc_curves`.
    average : {"macro", "micro", "weighted"}
        "macro": mean over the classes. "weighted": weighted by the examples of each class. "micro": one
        curve over all N K questions "is example n of class k?".

    Returns
    -------
    float or None
        Classes without a curve are left out; None if there is no other.

    Raises
    ------
    ShapeError, ConfigError
        As `class_roc_curves`, or if there is no such average.
    """
    if average not in AVERAGES:
        raise ConfigError(f"averaged_auc: average must be one of {', '.join(AVERAGES)}, got {average!r}")
    scores, labels = _check("averaged_auc", scores, labels)
    classes = np.arange(scores.shape[1])
    if average == "micro" and len(classes) > 1:
        return roc_curve(scores.reshape(-1), (labels[:, None] == classes).reshape(-1)).auc
    curves = class_roc_curves(scores, labels)
    examples = np.bincount(labels, minlength=len(classes))
    weights = [1] * len(classes) if average == "macro" else [int(count) for count in examples]
    return weighted_mean([None if curve is None else curve.auc for curve in curves], weights)


def label_ranks(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how many classes come before the true one, as an (N,) int64 array: 0 where the network is right.

    Of equal scores the lower class comes first, as in ``argmax``.

    Raises
    ------
    ShapeError, ConfigError
        As `class_roc_curves`.
    """
    scores, labels = _check("label_ranks", scores, labels)
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    lower = np.arange(scores.shape[1]) < labels[:, None]
    return ((scores > own) | ((scores == own) & lower)).sum(axis=1)


def top_k_error(scores: np.ndarray, labels: np.ndarray, k: int = 5) -> float:
    """Return the share of examples whose true class is not among the k classes of the highest scores (FAU).

    With k = 1 this is one minus the accuracy of ``scores.argmax(axis=1)``, ties included. scikit-learn's
    ``top_k_accuracy_score`` gives ties to the higher class instead.

    Parameters
    ----------
    scores : (N, K) float array
        Logits will do.
    labels : (N,) integer array
        0 … K-1.
    k : int
        1 … K. For k = K the error is 0.

    Raises
    ------
    ShapeError, ConfigError
        As `class_roc_curves`, or if `k` is outside 1 … K.
    """
    ranks = label_ranks(scores, labels)
    classes = np.shape(scores)[1]
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= classes:
        raise ConfigError(
            f"top_k_error: k must be a whole number from 1 to {classes}, the classes, got {k!r}"
        )
    return float((ranks >= k).mean())


def _check(what: str, scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, labels = np.asarray(scores), np.asarray(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or scores.size == 0:
        raise ShapeError(
            f"{what}: scores have shape {scores.shape} and labels {labels.shape}; expected (examples, classes) "
            "and (examples,), at least one of each"
        )
    if labels.dtype.kind not in "iu":
        raise ConfigError(
            f"{what}: labels must be integers, got {labels.dtype}; convert them with labels.astype(int)"
        )
    labels = check_labels(what, labels, scores.shape[1]).astype(np.int64, copy=False)
    _require_finite(what, scores)
    return scores, labels


def _require_finite(what: str, scores: np.ndarray) -> None:
    wrong = np.argwhere(~np.isfinite(scores))
    if len(wrong):
        place = tuple(int(index) for index in wrong[0])
        where = place[0] if len(place) == 1 else place
        raise ConfigError(
            f"{what}: {len(wrong):,} of the scores are NaN or infinite, the first at {where}; such scores have no "
            "order, so find out why the network gives them"
        )
