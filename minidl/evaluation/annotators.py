"""Labels by several people: what the data say when the people do not agree (FAU).

The people's labels of N items are an (N, A) array with -1 where a person gave none, or the (N, K) counts of
votes that `vote_counts` makes of it. From either: the majority, the mean (a soft target that the
cross-entropy takes as it is), and the entropy by which Steidl et al. compare a machine with the people.

The slide names the paper (S. Steidl, M. Levit, A. Batliner, E. Nöth, H. Niemann, "Of All Things the Measure
Is Man", ICASSP 2005, pp. 317-320) and its idea. Its formula is not on the slide. What is computed here is
the formula as it is remembered: the reference is the mean of the labels of the other people, half of it is
mixed with half of the decision to be judged, and the entropy of the mixture, in bits, is averaged over the
items. The share of one half, the logarithm to base 2 and that the machine is judged against each set of
"all people but one", as the people are, should be checked in the paper before they are quoted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minidl.errors import ConfigError, ShapeError

NOBODY = -1  # in place of a label: this person did not label this item


class Majority(NamedTuple):
    """The outcome of a vote on every item.

    Attributes
    ----------
    labels : (N,) int64 array
        The class with most votes; of a tie the lowest class.
    tied : (N,) boolean array
        Whether another class has as many votes: there the label is arbitrary.
    absolute : (N,) boolean array
        Whether more than half of the votes are for it.
    """

    labels: np.ndarray
    tied: np.ndarray
    absolute: np.ndarray


def vote_counts(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Count the votes for every class.

    Parameters
    ----------
    labels : (N, A) integer array
        Label of every item by every person, -1 where there is none.
    n_classes : int
        K.

    Returns
    -------
    (N, K) int64 array

    Raises
    ------
    ShapeError, ConfigError
        If the shape does not fit, a label is outside 0 … K-1, or an item has no label.
    """
    labels = _labels(labels, n_classes)
    return (labels[:, :, None] == np.arange(n_classes)).sum(axis=1)


def majority_vote(votes: np.ndarray) -> Majority:
    """Return the class that most people chose.

    Parameters
    ----------
    votes : (N, K) integer array
        Counts, as `vote_counts` returns them.

    Raises
    ------
    ShapeError, ConfigError
        If these are no counts, or an item has no vote.
    """
    votes = _counts(votes)
    most = votes.max(axis=1)
    tied = (votes == most[:, None]).sum(axis=1) > 1
    return Majority(votes.argmax(axis=1), tied, 2 * most > votes.sum(axis=1))


def mean_labels(votes: np.ndarray) -> np.ndarray:
    """Return the mean of the people's one-hot labels, (N, K) float64: soft targets whose rows sum to 1.

    Raises
    ------
    ShapeError, ConfigError
        As `majority_vote`.
    """
    votes = _counts(votes)
    return votes / votes.sum(axis=1, keepdims=True)


def mixture_entropy(reference: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    """Return the entropy of half the reference and half the decision, item by item.

    ``l = 1/2 reference + 1/2 one-hot(decision)``, ``H = - sum_k l_k log2 l_k``: 0 bits where all agree, 1 bit
    where the decision is none of those in a unanimous reference, between the two where people disagree and
    the decision is one of theirs.

    Parameters
    ----------
    reference : (N, K) float array
        Rows sum to 1.
    decisions : (N,) integer array

    Returns
    -------
    (N,) float64 array
        Bits.

    Raises
    ------
    ShapeError, ConfigError
        If the shapes do not fit, the rows are no distributions, or a decision is outside the classes.
    """
    from scipy.special import entr

    reference = np.asarray(reference, dtype=np.float64)
    if reference.ndim != 2 or not np.allclose(reference.sum(axis=1), 1) or (reference < 0).any():
        raise ConfigError(
            f"mixture_entropy: reference has shape {reference.shape}; every row must be a distribution over the classes"
        )
    chosen = _decisions(decisions, *reference.shape)
    mixture = 0.5 * reference
    mixture[np.arange(len(mixture)), chosen] += 0.5
    return entr(mixture).sum(axis=1) / np.log(2)


def person_entropies(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the mean entropy of every person against all the others, (A,) float64, in bits.

    Parameters
    ----------
    labels : (N, A) integer array
        -1 where a person gave none. Items that nobody else labelled say nothing and are left out.
    n_classes : int

    Returns
    -------
    (A,) float64 array
        The lower, the more like the others. NaN for a person who shares no item with another.

    Raises
    ------
    ShapeError, ConfigError
        As `vote_counts`; also if there are fewer than two people.
    """
    labels = _labels(labels, n_classes)
    votes = vote_counts(labels, n_classes)
    return np.array([_mean(_against_others(votes, own, own)) for own in labels.T])


def machine_entropy(labels: np.ndarray, decisions: np.ndarray, n_classes: int) -> float:
    """Return the mean entropy of a machine, in bits, to be compared with `person_entropies`.

    It is judged as the people are: against all people but one, leaving out each in turn. A machine below the
    mean of the people agrees with them better than they with each other.

    Parameters
    ----------
    labels : (N, A) integer array
    decisions : (N,) integer array
        Of the machine.
    n_classes : int

    Raises
    ------
    ShapeError, ConfigError
        As `person_entropies`; also if the decisions do not fit.
    """
    labels = _labels(labels, n_classes)
    votes = vote_counts(labels, n_classes)
    chosen = _decisions(decisions, *votes.shape)
    return _mean(np.concatenate([_against_others(votes, own, chosen) for own in labels.T]))


def histogram_entropies(votes: np.ndarray, decisions: np.ndarray) -> tuple[float, float]:
    """Return the mean entropy of the people and of a machine where only the counts of votes are known.

    Who voted for what does not matter for the mean over all people, so each vote is left out in turn.

    Parameters
    ----------
    votes : (N, K) integer array
        Items with a single vote are left out.
    decisions : (N,) integer array

    Returns
    -------
    people, machine : float
        Bits; NaN if no item has two votes.

    Raises
    ------
    ShapeError, ConfigError
        As `majority_vote`; also if the decisions do not fit.
    """
    votes = _counts(votes)
    chosen = _decisions(decisions, *votes.shape)
    items, left_out = np.nonzero(votes)
    repeats = votes[items, left_out]  # as many people gave this label
    items, left_out = np.repeat(items, repeats), np.repeat(left_out, repeats)
    people = _against_others(votes[items], left_out, left_out)
    machine = _against_others(votes[items], left_out, chosen[items])
    return _mean(people), _mean(machine)


def _against_others(votes: np.ndarray, left_out: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    """Return the entropies of decisions against the votes without those left out, where any are left."""
    there = left_out != NOBODY
    others = votes[there].copy()
    others[np.arange(len(others)), left_out[there]] -= 1
    count = others.sum(axis=1)
    kept = count > 0
    return mixture_entropy(others[kept] / count[kept, None], decisions[there][kept])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _labels(labels: np.ndarray, n_classes: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 2 or 0 in labels.shape:
        raise ShapeError(f"labels have shape {labels.shape}, expected (items, people), at least one of each")
    if labels.dtype.kind not in "iu" or labels.min() < NOBODY or labels.max() >= n_classes:
        raise ConfigError(
            f"labels must be whole numbers from 0 to {n_classes - 1}, or {NOBODY} for none, got {labels.dtype} from "
            f"{labels.min()} to {labels.max()}"
        )
    labels = labels.astype(np.int64, copy=False)
    nobody = np.flatnonzero((labels == NOBODY).all(axis=1))
    if len(nobody):
        raise ConfigError(f"item {nobody[0]} has no label by anybody; leave such items out")
    return labels


def _counts(votes: np.ndarray) -> np.ndarray:
    votes = np.asarray(votes)
    if votes.ndim != 2 or 0 in votes.shape:
        raise ShapeError(f"votes have shape {votes.shape}, expected (items, classes), at least one of each")
    if votes.dtype.kind not in "iu" or votes.min() < 0:
        raise ConfigError("votes must be counts, whole numbers of 0 or more; make them with vote_counts")
    empty = np.flatnonzero(votes.sum(axis=1) == 0)
    if len(empty):
        raise ConfigError(f"item {empty[0]} has no vote; leave such items out")
    return votes.astype(np.int64, copy=False)


def _decisions(decisions: np.ndarray, items: int, classes: int) -> np.ndarray:
    decisions = np.asarray(decisions)
    if decisions.shape != (items,):
        raise ShapeError(f"decisions have shape {decisions.shape}, expected ({items},), one for each item")
    if decisions.dtype.kind not in "iu" or (items and (decisions.min() < 0 or decisions.max() >= classes)):
        raise ConfigError(f"decisions must be whole numbers from 0 to {classes - 1}")
    return decisions.astype(np.int64, copy=False)
