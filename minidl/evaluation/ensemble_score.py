"""What a vote gained, and what it would have gained if the networks erred independently."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minidl.errors import ConfigError, ShapeError
from minidl.evaluation.ensemble import (
    error_correlation,
    hard_vote,
    independent_members,
    majority_error,
    soft_vote,
    wrong_counts,
)
from minidl.evaluation.significance import McNemar, mcnemar


@dataclass(frozen=True)
class EnsembleScore:
    """Networks and their votes on the same images.

    Attributes
    ----------
    examples : int
    member_errors : (M,) int64 array
        Images that each network gets wrong.
    hard_errors, soft_errors : int
        Images that the plurality, and the class of the highest mean probability, get wrong.
    correlation : (M, M) float64 array
        Of the errors (`error_correlation`).
    mean_correlation : float or None
        Over pairs; None where no pair has one.
    agreement : (M, M) float64 array
        Share of the images that two networks give the same class.
    counts : (M + 1,) int64 array
        Images that exactly k networks get wrong.
    independent_counts : (M + 1,) float64 array
        As many as there would be if the networks erred independently, each as often as it does.
    promised : float
        Error that FAU's formula gives for the majority of independent networks of the mean error
        (`majority_error`); a share.
    promised_each : float
        The same with the error of each network instead of the mean.
    counts_like : float or None
        Independent networks that scatter as little (`independent_members`).
    against_best : McNemar
        The soft vote (B) against the best single network (A), image by image.
    """

    examples: int
    member_errors: np.ndarray
    hard_errors: int
    soft_errors: int
    correlation: np.ndarray
    mean_correlation: float | None
    agreement: np.ndarray
    counts: np.ndarray
    independent_counts: np.ndarray
    promised: float
    promised_each: float
    counts_like: float | None
    against_best: McNemar

    @property
    def mean_error(self) -> float:
        """Mean error of a network, a share."""
        return float(self.member_errors.mean()) / self.examples


def ensemble_score(probabilities: np.ndarray, labels: np.ndarray) -> EnsembleScore:
    """Score networks and their votes.

    Parameters
    ----------
    probabilities : (M, N, K) float array
        What each of M networks gives for the probability of each class.
    labels : (N,) integer array

    Returns
    -------
    EnsembleScore

    Raises
    ------
    ShapeError
        If the shapes do not fit, or there are fewer than two networks.
    ConfigError
        If a probability is not finite.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    if probabilities.ndim != 3 or len(probabilities) < 2 or probabilities.shape[1:2] != labels.shape:
        raise ShapeError(
            f"ensemble_score: probabilities have shape {probabilities.shape} and labels {labels.shape}; expected "
            "(networks, examples, classes) with at least two networks, and (examples,)"
        )
    if not np.isfinite(probabilities).all():
        bad = int(np.flatnonzero(~np.isfinite(probabilities).all(axis=(1, 2)))[0])
        raise ConfigError(f"ensemble_score: network {bad} answers with NaN or infinity, so it cannot vote")
    predictions = probabilities.argmax(axis=2)
    wrong = predictions != labels
    soft = soft_vote(probabilities)
    rates = wrong.mean(axis=1)
    members = len(wrong)
    correlation = error_correlation(predictions, labels)
    pairs = correlation[np.triu_indices(members, 1)]
    pairs = pairs[np.isfinite(pairs)]
    mean_correlation = float(pairs.mean()) if len(pairs) else None
    shares = wrong_counts(rates)
    return EnsembleScore(
        examples=len(labels),
        member_errors=wrong.sum(axis=1),
        hard_errors=int((hard_vote(predictions) != labels).sum()),
        soft_errors=int((soft != labels).sum()),
        correlation=correlation,
        mean_correlation=mean_correlation,
        agreement=(predictions[:, None] == predictions[None]).mean(axis=2),
        counts=np.bincount(wrong.sum(axis=0), minlength=members + 1),
        independent_counts=shares * len(labels),
        promised=majority_error(members, float(rates.mean())),
        promised_each=float(shares[members // 2 + 1 :].sum()),
        counts_like=None if mean_correlation is None else _counts_like(members, mean_correlation),
        against_best=mcnemar(~wrong[rates.argmin()], soft == labels),
    )


def _counts_like(members: int, correlation: float) -> float | None:
    # Where some networks have no correlation, the mean of the other pairs may be one that M networks cannot have.
    return independent_members(members, correlation) if 1 + (members - 1) * correlation > 1e-9 else None
