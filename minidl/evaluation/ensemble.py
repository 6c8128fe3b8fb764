"""Combining networks: voting, averaging, and what independence would promise."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

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


def wrong_counts(error_rates: np.ndarray) -> np.ndarray:
    """Return the probability that exactly k of independent networks are wrong, for k from 0 to their number.

    With equal rates p these are the binomial ``C(N, k) p^k (1 - p)^(N - k)`` of FAU; with unequal ones the
    Poisson binomial distribution.

    Parameters
    ----------
    error_rates : (N,) array
        How often each network is wrong.

    Returns
    -------
    (N + 1,) float64 array
        It sums to 1.

    Raises
    ------
    ConfigError
        If there is no network or a rate is no probability.
    """
    rates = np.asarray(error_rates, dtype=np.float64)
    if rates.ndim != 1 or len(rates) == 0 or not ((rates >= 0) & (rates <= 1)).all():
        raise ConfigError(
            f"wrong_counts: expected one error rate between 0 and 1 for each network, got {error_rates!r}"
        )
    shares = np.ones(1)
    for p in rates:  # one network more: as many wrong as before, or one more
        shares = np.append(shares, 0.0) * (1 - p) + np.append(0.0, shares) * p
    return shares


def independent_members(n_members: int, correlation: float) -> float:
    """Return how many independent networks scatter as little as `n_members` correlated ones.

    The mean of N numbers of equal variance with correlation r between any two has the variance
    ``(1 + (N - 1) r) / N`` of a single one, so N of them count like ``N / (1 + (N - 1) r)``: with r = 0.4
    five count like 1.9, and any number like no more than 2.5.

    Raises
    ------
    ConfigError
        If `n_members` < 1, or r is not between -1 / (N - 1) and 1.
    """
    if n_members < 1 or not correlation <= 1 or (variance := 1 + (n_members - 1) * correlation) < -1e-12:
        raise ConfigError(
            f"independent_members: n_members={n_members}, correlation={correlation}; needs n_members >= 1 and a "
            "correlation between -1 / (n_members - 1) and 1"
        )
    return n_members / variance if variance > 1e-12 else float("inf")


def vote_curve(
    predictions: np.ndarray, labels: np.ndarray, sizes: Sequence[int], *, draws: int = 20
) -> np.ndarray:
    """Return the mean error of hard votes among so many of the networks.

    Parameters
    ----------
    predictions : (M, N) integer array
    labels : (N,) integer array
    sizes : sequence of int
        Numbers of networks, from 1 to M.
    draws : int
        Groups that are drawn of each size; all of them, where there are no more.

    Returns
    -------
    (len(sizes),) float64 array
        Shares, between 0 and 1.

    Raises
    ------
    ConfigError
        If there are not that many networks.
    """
    members = len(predictions)
    generator = np.random.default_rng(0)
    errors = []
    for size in sizes:
        if not 1 <= size <= members:
            raise ConfigError(f"vote_curve: a vote of {size} among {members} networks; give 1 to {members}")
        if math.comb(members, size) <= draws:
            groups = [list(group) for group in itertools.combinations(range(members), size)]
        else:
            groups = [sorted(generator.choice(members, size, replace=False)) for _ in range(draws)]
        errors.append(np.mean([(hard_vote(predictions[group]) != labels).mean() for group in groups]))
    return np.array(errors)


def average_weights(states: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the mean of the weights of several networks of one architecture: a "soup", one network again.

    It is good only where the networks lie in one valley of the loss: checkpoints of one training, or
    networks fine-tuned from the same weights. Networks trained from different initial weights have their
    features in different places, and their mean has none.

    Parameters
    ----------
    states : iterable of dict of str to array
        From ``model.state_dict()``. Statistics of `BatchNorm` are averaged like weights; measure them anew
        by `minidl.training.averaging.recompute_batchnorm`. Of counters the first is taken.

    Returns
    -------
    dict of str to array
        In the types of the first.

    Raises
    ------
    ShapeError
        If the networks are not of one architecture.
    ConfigError
        If there is none.

    References
    ----------
    Wortsman et al. 2022, "Model soups"; FAU "moving average of w".
    """
    total: dict[str, np.ndarray] = {}
    first: dict[str, np.ndarray] = {}
    count = 0
    for state in states:
        arrays = {name: np.asarray(x) for name, x in state.items()}
        shapes = {name: x.shape for name, x in arrays.items()}
        if not first:
            first = arrays
        elif shapes != {name: x.shape for name, x in first.items()}:
            raise ShapeError(
                "average_weights: the networks have different layers, so there is no mean of their weights; let "
                "them vote instead"
            )
        for name, x in arrays.items():
            total[name] = x.astype(np.float64) + total.get(name, 0.0)
        count += 1
    if count == 0:
        raise ConfigError("average_weights: there are no networks; give at least one")
    return {
        name: (total[name] / count).astype(x.dtype) if x.dtype.kind == "f" else x for name, x in first.items()
    }
