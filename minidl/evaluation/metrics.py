"""Accuracy and its interval, errors, confusion matrix."""

from __future__ import annotations

import numpy as np

from minidl.errors import ConfigError, ShapeError


def accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of right predictions.

    Parameters
    ----------
    predictions, labels : (N,) integer array
        Predicted and true class of every example.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ShapeError
        If the arrays are not one-dimensional, not of the same length, or empty. (Comparing an
        (N,) array with an (N, 1) array would silently compare every pair.)
    ConfigError
        If they are floating-point numbers: scores, or NaN, which equals nothing.
    """
    _check_pair(predictions, labels, "predictions", "labels")
    return float((np.asarray(predictions) == np.asarray(labels)).mean())


def error_indices(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the positions of the wrong predictions, in order, as an (errors,) int64 array.

    Raises
    ------
    ShapeError, ConfigError
        As `accuracy`.
    """
    _check_pair(predictions, labels, "predictions", "labels")
    return np.flatnonzero(np.asarray(predictions) != np.asarray(labels))


def confusion_matrix(predictions: np.ndarray, labels: np.ndarray, n_classes: int | None = None) -> np.ndarray:
    """Count the examples of every true class that were given every predicted class.

    Parameters
    ----------
    predictions, labels : (N,) integer array
        Predicted and true class of every example.
    n_classes : int, optional
        K; by default the largest class that occurs, plus one.

    Returns
    -------
    (K, K) int64 array
        ``matrix[t, p]`` examples are truly of class t and were called p: rows true, columns
        predicted, as in scikit-learn.

    Raises
    ------
    ShapeError
        As `accuracy`.
    ConfigError
        If a class lies outside 0 … K-1, or is no whole number.
    """
    _check_pair(predictions, labels, "predictions", "labels")
    predictions, labels = np.asarray(predictions), np.asarray(labels)
    largest = int(max(predictions.max(), labels.max()))
    k = largest + 1 if n_classes is None else n_classes
    smallest = int(min(predictions.min(), labels.min()))
    if smallest < 0 or largest >= k:
        wrong = smallest if smallest < 0 else largest
        raise ConfigError(
            f"confusion_matrix: class {wrong} occurs but classes must lie in 0 … {k - 1}; "
            "give n_classes or correct the labels"
        )
    return np.bincount(labels * k + predictions, minlength=k * k).reshape(k, k)


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval for a proportion.

    It says how far the accuracy measured on `n` test examples may lie from the accuracy on all
    examples of the same kind; it says nothing about the scatter from seed to seed. Unlike
    ``a ± z sqrt(a (1 - a) / n)`` it stays inside [0, 1] and is good near 100 %.

    Parameters
    ----------
    correct, n : int
        Right predictions, and predictions made.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    low, high : float
        Shares, between 0 and 1.

    Raises
    ------
    ConfigError
        If not ``0 <= correct <= n`` with ``n >= 1``, or `confidence` is not between 0 and 1.

    References
    ----------
    E. B. Wilson (1927), Journal of the American Statistical Association 22, 209-212.
    """
    from scipy.stats import binomtest

    if not 0 <= correct <= n or n < 1:
        raise ConfigError(
            f"wilson_interval: {correct} correct of {n} is impossible; needs 0 <= correct <= n and n >= 1"
        )
    if not 0 < confidence < 1:
        raise ConfigError(
            f"wilson_interval: confidence must lie between 0 and 1, such as 0.95, got {confidence!r}"
        )
    interval = binomtest(int(correct), int(n)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def _check_pair(first: np.ndarray, second: np.ndarray, first_name: str, second_name: str) -> None:
    shapes = np.shape(first), np.shape(second)
    if len(shapes[0]) != 1 or shapes[0] != shapes[1] or shapes[0] == (0,):
        raise ShapeError(
            f"{first_name} has shape {shapes[0]} and {second_name} {shapes[1]}; both must be (N,) with "
            "the same N >= 1; take argmax(axis=1) of scores and flatten labels"
        )
    for name, array in ((first_name, first), (second_name, second)):
        if np.asarray(array).dtype.kind not in "iub":
            raise ConfigError(
                f"{name} must be classes, whole numbers, got {np.asarray(array).dtype}; take argmax(axis=1) of scores"
            )
