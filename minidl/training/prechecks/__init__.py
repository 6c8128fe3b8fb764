"""Checks before training: minutes that save days (lectures FAU and AAR; cs231n, "Sanity checks").

Each check is a function that takes the model, the loss and some data, leaves them exactly as they were,
and returns a `CheckResult`: ok, suspicious or wrong, the numbers, and a sentence of advice. `precheck`
makes them all. On the command line: ``minidl precheck``.
"""

from minidl.training.prechecks.chance import check_chance_loss, check_outputs, reference_loss
from minidl.training.prechecks.data import check_duplicates, check_inputs, check_labels, check_pairing
from minidl.training.prechecks.gradients import check_gradients, check_penalty
from minidl.training.prechecks.overfit import check_overfit_batches, check_overfit_samples
from minidl.training.prechecks.result import OK, SUSPICIOUS, WRONG, CheckResult, PrecheckReport
from minidl.training.prechecks.together import precheck

__all__ = [
    "OK",
    "SUSPICIOUS",
    "WRONG",
    "CheckResult",
    "PrecheckReport",
    "check_chance_loss",
    "check_duplicates",
    "check_gradients",
    "check_inputs",
    "check_labels",
    "check_outputs",
    "check_overfit_batches",
    "check_overfit_samples",
    "check_pairing",
    "check_penalty",
    "precheck",
    "reference_loss",
]
