"""How good a trained network is, how sure we can be of it, and how to combine several.

Everything here is a function of plain arrays: predictions, labels, probabilities. Nothing trains by itself
and nothing reads files, so each function serves a hand-written loop as well as the library.
"""

from minidl.evaluation.annotators import (
    histogram_entropies,
    machine_entropy,
    majority_vote,
    mean_labels,
    person_entropies,
    vote_counts,
)
from minidl.evaluation.calibration import Calibration, calibration_curve, reliability
from minidl.evaluation.classes import averaged_scores, class_intervals, class_scores, slide_f1
from minidl.evaluation.comparison import compare, compare_classifiers
from minidl.evaluation.crossval import (
    CrossValidation,
    NestedCrossValidation,
    cross_validate,
    nested_cross_validate,
)
from minidl.evaluation.ensemble import (
    average_weights,
    error_correlation,
    hard_vote,
    majority_error,
    soft_vote,
    wrong_counts,
)
from minidl.evaluation.folds import fold_interval, fold_test
from minidl.evaluation.label_errors import label_versions
from minidl.evaluation.metrics import (
    accuracy,
    confusion_matrix,
    error_indices,
    wilson_interval,
)
from minidl.evaluation.multiple import bonferroni, holm
from minidl.evaluation.pooled import PooledMcNemar, pooled_mcnemar
from minidl.evaluation.ranking import RocCurve, averaged_auc, class_roc_curves, roc_curve, top_k_error
from minidl.evaluation.significance import McNemar, mcnemar, paired_test, permutation_test, t_test

__all__ = [
    "Calibration",
    "CrossValidation",
    "McNemar",
    "NestedCrossValidation",
    "PooledMcNemar",
    "RocCurve",
    "accuracy",
    "average_weights",
    "averaged_auc",
    "averaged_scores",
    "bonferroni",
    "calibration_curve",
    "class_intervals",
    "class_roc_curves",
    "class_scores",
    "compare",
    "compare_classifiers",
    "confusion_matrix",
    "cross_validate",
    "error_correlation",
    "error_indices",
    "fold_interval",
    "fold_test",
    "hard_vote",
    "histogram_entropies",
    "holm",
    "label_versions",
    "machine_entropy",
    "majority_error",
    "majority_vote",
    "mcnemar",
    "mean_labels",
    "nested_cross_validate",
    "paired_test",
    "permutation_test",
    "pooled_mcnemar",
    "person_entropies",
    "reliability",
    "roc_curve",
    "slide_f1",
    "soft_vote",
    "t_test",
    "top_k_error",
    "vote_counts",
    "wilson_interval",
    "wrong_counts",
]
