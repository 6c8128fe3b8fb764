"""Several trained networks of each of two kinds on the same images: McNemar's test, pooled over the networks.

Five seeds on 10,000 images are not 50,000 images: a hard image is hard for all five. Counting every network's
mistakes as if its images were its own makes p far too small. Here an image counts once, with all its networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minidl.errors import ShapeError


@dataclass(frozen=True)
class PooledMcNemar:
    """Two kinds of networks on the same images.

    Attributes
    ----------
    difference : float
        Mean accuracy of B minus that of A, a share between -1 and 1.
    more_a, more_b : int
        Images that a larger share of A's networks, and of B's, got right.
    p_value : float
        The probability of a difference at least as large, either way, *if* on every image it were a toss-up
        whether A or B had done as A did.
    """

    difference: float
    more_a: int
    more_b: int
    p_value: float


def pooled_mcnemar(correct_a: np.ndarray, correct_b: np.ndarray) -> PooledMcNemar:
    """Compare the networks of two kinds, image by image (exact, two-sided).

    With ``d_i`` the share of B's networks that got image i right minus that of A's, the question is how often
    the sum of ``± d_i`` with random signs is as far from zero as that of the ``d_i``. All sign patterns are
    counted. With one network of each kind every ``d_i`` is -1, 0 or 1, and this is McNemar's exact test.

    It is about these networks and new images of the same kind. Whether new seeds would agree is another question,
    which `t_test` on their accuracies answers.

    Parameters
    ----------
    correct_a, correct_b : (networks, N) boolean array
        Whether each network of A, and of B, was right; the same images in the same order. The numbers of networks
        may differ.

    Returns
    -------
    PooledMcNemar

    Raises
    ------
    ShapeError
        If the arrays are not two-dimensional, are of different images, or empty.

    References
    ----------
    The signed sum over clusters is that of V. Durkalski and others (2003), Statistics in Medicine 22, 2417-2428,
    taken exactly rather than as normal.
    """
    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or 0 in (*a.shape, *b.shape):
        raise ShapeError(
            f"correct_a has shape {a.shape} and correct_b {b.shape}; both must be (networks, N) with the same N >= 1"
        )
    # In units of 1 / (networks of A times networks of B), in which everything is whole.
    scores = len(a) * b.sum(axis=0, dtype=np.int64) - len(b) * a.sum(axis=0, dtype=np.int64)
    difference = float(scores.sum()) / (len(a) * len(b) * a.shape[1])
    return PooledMcNemar(
        difference, int((scores < 0).sum()), int((scores > 0).sum()), _sign_flip_p(scores[scores != 0])
    )


def _sign_flip_p(scores: np.ndarray) -> float:
    """Return how probable it is that whole numbers, each with a random sign, sum to as much as they do."""
    if len(scores) == 0:
        return 1.0
    steps = np.abs(scores) // math.gcd(*np.abs(scores).tolist())
    total, reached = int(steps.sum()), int((steps * np.sign(scores)).sum())
    # chance[k]: that those flipped so far hold k of the total; the signed sum is total - 2 k.
    chance = np.zeros(total + 1)
    chance[0] = 1.0
    for step in steps.tolist():
        chance[step:] = 0.5 * (chance[step:] + chance[:-step])
        chance[:step] *= 0.5
    sums = np.abs(total - 2 * np.arange(total + 1))
    return min(1.0, float(chance[sums >= abs(reached)].sum()))
