"""Every class by itself, and averaged: what the accuracy hides when classes are unequal.

Everything here is counted in a confusion matrix. For one class against the rest, with TP, FP, FN and TN the
examples rightly called so, wrongly called so, missed, and rightly left alone (FAU):

====================  ==============================  ===========================================
precision (PPV)       ``TP / (TP + FP)``              of those called so, how many are
recall (TPR)          ``TP / (TP + FN)``              of those that are, how many were called so
specificity (TNR)     ``TN / (TN + FP)``              of those that are not, how many were left alone
F1                    ``2 TP / (2 TP + FP + FN)``     harmonic mean of precision and recall
====================  ==============================  ===========================================

A share of nothing is None, not 0: a class that was never called has no precision.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minidl.errors import ConfigError, ShapeError
from minidl.evaluation.metrics import wilson_interval

AVERAGES = ("macro", "micro", "weighted")
Interval = tuple[float, float]


class ClassScore(NamedTuple):
    """How one class fares.

    Attributes
    ----------
    examples : int
        Examples that are truly of the class.
    precision : float or None
        Share of those called so that are of the class; None if none was called so.
    recall : float or None
        Share of the class that was called so, the sensitivity or true positive rate; None if there is no
        example of it.
    f1 : float or None
        ``2 TP / (2 TP + FP + FN)``, the harmonic mean of precision and recall; None if the class neither
        occurs nor was predicted.
    specificity : float or None
        Share of the other examples that were not called so, the true negative rate (erratum 19: a rate, not
        a "value"); None if there are no others.
    """

    examples: int
    precision: float | None
    recall: float | None
    f1: float | None
    specificity: float | None


class AverageScore(NamedTuple):
    """The scores of all classes in one row; None where no class has the score."""

    precision: float | None
    recall: float | None
    f1: float | None
    specificity: float | None


class ClassIntervals(NamedTuple):
    """Wilson intervals of the shares of one class, (low, high), None as in `ClassScore`.

    F1 has none: it is no share of a number of examples fixed beforehand.
    """

    precision: Interval | None
    recall: Interval | None
    specificity: Interval | None


class Counts(NamedTuple):
    """TP, FP, FN and TN of every class against the rest: (K,) integer arrays that sum to N everywhere."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray


def one_vs_rest(matrix: np.ndarray) -> Counts:
    """Return TP, FP, FN and TN of every class.

    Parameters
    ----------
    matrix : (K, K) integer array
        Rows true, columns predicted, as `minidl.evaluation.confusion_matrix` returns it.

    Raises
    ------
    ShapeError
        If the matrix is not square.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ShapeError(f"class scores: the confusion matrix has shape {matrix.shape}, expected (K, K)")
    tp, true, called = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return Counts(tp, called - tp, true - tp, matrix.sum() - true - called + tp)


def class_scores(matrix: np.ndarray) -> list[ClassScore]:
    """Return precision, recall, F1 and specificity of every class.

    Parameters
    ----------
    matrix : (K, K) integer array
        Rows true, columns predicted.

    Returns
    -------
    list of ClassScore
        One for each class, in order.

    Raises
    ------
    ShapeError
        If the matrix is not square.

    Examples
    --------
    >>> class_scores(np.array([[8, 2], [0, 0]]))[0]
    ClassScore(examples=10, precision=1.0, recall=0.8, f1=0.8888888888888888, specificity=None)
    """
    return [
        ClassScore(
            int(tp + fn),
            _share(tp, tp + fp),
            _share(tp, tp + fn),
            _share(2 * tp, 2 * tp + fp + fn),
            _share(tn, tn + fp),
        )
        for tp, fp, fn, tn in zip(*one_vs_rest(matrix), strict=True)
    ]


def class_intervals(matrix: np.ndarray, confidence: float = 0.95) -> list[ClassIntervals]:
    """Return Wilson's intervals of precision, recall and specificity of every class.

    Parameters
    ----------
    matrix : (K, K) integer array
        Rows true, columns predicted.
    confidence : float
        Of each interval by itself; of thirty intervals at 95 %, one or two are expected to miss.

    Raises
    ------
    ShapeError, ConfigError
        If the matrix is not square, or `confidence` not between 0 and 1.
    """

    def interval(part: int, whole: int) -> Interval | None:
        return wilson_interval(int(part), int(whole), confidence) if whole else None

    return [
        ClassIntervals(interval(tp, tp + fp), interval(tp, tp + fn), interval(tn, tn + fp))
        for tp, fp, fn, tn in zip(*one_vs_rest(matrix), strict=True)
    ]


def averaged_scores(matrix: np.ndarray, average: str = "macro") -> AverageScore:
    """Return the scores of all classes in one.

    Parameters
    ----------
    matrix : (K, K) integer array
        Rows true, columns predicted.
    average : {"macro", "micro", "weighted"}
        "macro": mean over the classes, each counting the same, however rare. "weighted": mean weighted by
        the examples of each class; the weighted recall is the accuracy. "micro": TP, FP, FN and TN summed
        over the classes first; where every example has one class and gets one, its precision, recall and F1
        are all the accuracy.

    Returns
    -------
    AverageScore
        Classes whose score is undefined are left out of macro and weighted means (scikit-learn's
        ``zero_division=nan``; its default counts them as 0).

    Raises
    ------
    ShapeError, ConfigError
        If the matrix is not square, or there is no such average.
    """
    if average not in AVERAGES:
        raise ConfigError(f"averaged_scores: average must be one of {', '.join(AVERAGES)}, got {average!r}")
    scores = class_scores(matrix)
    if average == "micro":
        tp, fp, fn, tn = (int(count.sum()) for count in one_vs_rest(matrix))
        return AverageScore(
            _share(tp, tp + fp), _share(tp, tp + fn), _share(2 * tp, 2 * tp + fp + fn), _share(tn, tn + fp)
        )
    weights = [1 if average == "macro" else score.examples for score in scores]
    return AverageScore(
        *(weighted_mean([getattr(score, name) for score in scores], weights) for name in AverageScore._fields)
    )


def slide_f1(matrix: np.ndarray) -> list[float | None]:
    """Return what FAU's slide prints under the name F1, for every class. It is not F1 (erratum 18).

    Printed is ``2 TPV TNV / (TPV + TNV)``, with the true positive and true negative "values" of the slide,
    which are the rates: the harmonic mean of sensitivity and specificity. It sees the examples that were
    rightly left alone, which F1 ignores on purpose, and so flatters a search for something rare: of 10 ill
    and 990 healthy, 8 ill and 99 healthy called ill give 0.85 by the slide; the right F1 is 0.14.

    Parameters
    ----------
    matrix : (K, K) integer array
        Rows true, columns predicted.

    Returns
    -------
    list of float or None
        None where one of the two rates is undefined; 0 where both are 0.

    Raises
    ------
    ShapeError
        If the matrix is not square.
    """
    means: list[float | None] = []
    for score in class_scores(matrix):
        tpr, tnr = score.recall, score.specificity
        if tpr is None or tnr is None:
            means.append(None)
        else:
            means.append(2 * tpr * tnr / (tpr + tnr) if tpr + tnr else 0.0)
    return means


def weighted_mean(values: list[float | None], weights: list[int]) -> float | None:
    """Return the weighted mean of the values that are not None; None if they carry no weight."""
    there = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    whole = sum(weight for _, weight in there)
    return sum(value * weight for value, weight in there) / whole if whole else None


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
