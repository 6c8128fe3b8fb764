"""How good a trained network is, how sure we can be of it, and how to combine several.

Everything here is a function of plain arrays: predictions, labels, probabilities. Nothing trains
and nothing reads files, so each function serves a hand-written loop as well as the library.
"""

from minidl.evaluation.ensemble import error_correlation, hard_vote, majority_error, soft_vote
from minidl.evaluation.metrics import (
    McNemar,
    accuracy,
    confusion_matrix,
    error_indices,
    mcnemar,
    wilson_interval,
)

__all__ = [
    "McNemar",
    "accuracy",
    "confusion_matrix",
    "error_correlation",
    "error_indices",
    "hard_vote",
    "majority_error",
    "mcnemar",
    "soft_vote",
    "wilson_interval",
]
