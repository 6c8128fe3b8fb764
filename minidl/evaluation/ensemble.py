"""Combining networks: voting, averaging, and what independence would promise."""

from __future__ import annotations

import numpy as np

from minidl.errors import ConfigError, ShapeError


def hard_vote(predictions: np.ndarray) -> np.ndarray:
    """Give every example the class that most networks chose (plurality vote).

    A tie goes to whichever of the tied classes the earliest network voted for. That is the order of
    ``Counter(votes).most_common(1)``, with which the lecture's ensemble is decided (UU; Nielsen's
    ``conv.py``), in Python 3.7 and later.

    Parameters
    ----------
    predictions : (M, N) integer array
        Classes chosen by M networks for N examples.

    Returns
    -------
    (N,) array
        The winning classes, in the dtype of `predictions`.

    Raises
    ------
    ShapeError
        If `predictions` is not two-dimensional or has no network.
    """
    predictions = np.asarray(predictions)
    if predictions.ndim != 2 or len(predictions) == 0:
        raise ShapeError(
            f"hard_vote: predictions have shape {predictions.shape}, expected (networks, examples) with at "
            "least one network; stack the (N,) predictions of the members with np.stack"
        )
    # support[m, n]: how many networks agree with network m on example n. argmax takes the first of
    # equals, which is the earliest network that voted for a winning class.
    support = np.stack([(predictions == vote).sum(axis=0) for vote in predictions])
    winner = support.argmax(axis=0)
    return np.take_along_axis(predictions, winner[None], axis=0)[0]


def soft_vote(probabilities: np.ndarray) -> np.ndarray:
    """Give every example the class of the highest mean probability (FAU, AAR: averaging).

    Parameters
    ----------
    probabilities : (M, N, K) float array
        Softmax outputs (not logits: their scale differs from network to network).

    Returns
    -------
    (N,) int64 array
        The winning classes; exact ties go to the lowest class.

    Raises
    ------
    ShapeError
        If `probabilities` is not three-dimensional or has no network.
    """
    probabilities = np.asarray(probabilities)
    if probabilities.ndim != 3 or len(probabilities) == 0:
        raise ShapeError(
            f"soft_vote: probabilities have shape {probabilities.shape}, expected (networks, examples, "
            "classes) with at least one network; stack the (N, K) outputs of the members with np.stack"
        )
    return probabilities.mean(axis=0).argmax(axis=1)


def majority_error(n_members: int, p: float) -> float:
    """Return the probability that more than half of independent networks are wrong.

    ``P = sum_{k > N/2} C(N, k) p^k (1 - p)^(N - k)`` (FAU). It falls towards 0 as N grows only
    for ``p < 1/2`` (erratum 22); at p > 1/2 it rises towards 1. Real networks fail on the same
    examples, so their vote is far worse than this: see `error_correlation`.

    Parameters
    ----------
    n_members : int
        N, at least 1. For an even N a draw counts as not wrong, so odd N compare more fairly.
    p : float
        Error rate of each network, between 0 and 1.

    Returns
    -------
    float

    Raises
    ------
    ConfigError
        If `n_members` < 1 or `p` is not a probability.
    """
    from scipy.stats import binom

    if n_members < 1 or not 0 <= p <= 1:
        raise ConfigError(
            f"majority_error: n_members={n_members}, p={p}; needs n_members >= 1 and 0 <= p <= 1"
        )
    return float(binom.sf(n_members // 2, n_members, p))


def error_correlation(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the correlation of the networks' errors, pair by pair.

    Parameters
    ----------
    predictions : (M, N) integer array
        Classes chosen by M networks.
    labels : (N,) integer array
        True classes.

    Returns
    -------
    (M, M) float64 array
        Pearson's correlation of "wrong on example n" between two networks (the phi coefficient):
        1 when they fail on the same examples, 0 when their failures are unrelated. NaN in the rows
        and columns of a network that is always right or always wrong, where it is undefined.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    """
    predictions, labels = np.asarray(predictions), np.asarray(labels)
    if predictions.ndim != 2 or labels.shape != predictions.shape[1:]:
        raise ShapeError(
            f"error_correlation: predictions have shape {predictions.shape} and labels {labels.shape}; "
            "expected (networks, examples) and (examples,)"
        )
    wrong = (predictions != labels).astype(np.float64)
    varies = wrong.std(axis=1) > 0
    correlation = np.full((len(wrong), len(wrong)), np.nan)
    if varies.any():
        correlation[np.ix_(varies, varies)] = np.corrcoef(wrong[varies])
    return correlation
