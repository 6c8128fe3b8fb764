"""Precision, recall and F1 of every class: what the accuracy hides when classes are unequal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minidl.errors import ShapeError


class ClassScore(NamedTuple):
    """How one class fares.

    Attributes
    ----------
    examples : int
        Examples that are truly of the class.
    precision : float or None
        Share of those called so that are of the class; None if none was called so.
    recall : float or None
        Share of the class that was called so; None if there is no example of it.
    f1 : float or None
        ``2 TP / (2 TP + FP + FN)``, the harmonic mean of precision and recall; None if the class neither
        occurs nor was predicted.
    """

    examples: int
    precision: float | None
    recall: float | None
    f1: float | None


def class_scores(matrix: np.ndarray) -> list[ClassScore]:
    """Return precision, recall and F1 of every class.

    Parameters
    ----------
    matrix : (K, K) integer array
        Rows true, columns predicted, as `minidl.evaluation.confusion_matrix` returns it.

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
    ClassScore(examples=10, precision=1.0, recall=0.8, f1=0.8888888888888888)
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ShapeError(f"class_scores: the confusion matrix has shape {matrix.shape}, expected (K, K)")
    hits, true, called = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return [
        ClassScore(int(t), _share(h, c), _share(h, t), _share(2 * h, t + c))
        for h, t, c in zip(hits, true, called, strict=True)
    ]


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
