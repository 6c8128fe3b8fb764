"""Watching a training (FAU, AAR: "babysitting"): what goes on inside, what went wrong, what to try.

`Monitor` is all of it in one callback. Nothing here changes the training: with and without, its
numbers are the same to the bit.
"""

from minidl.monitoring.filters import Filters, first_filters
from minidl.monitoring.histograms import Histograms
from minidl.monitoring.jumps import LossJumps
from minidl.monitoring.monitor import Monitor
from minidl.monitoring.probe import LayerView, View, look_inside
from minidl.monitoring.tensorboard import TensorBoard
from minidl.monitoring.updates import UpdateRatios, update_ratio
from minidl.monitoring.verdicts import Verdict, fit_verdicts, learning_rate_verdict, update_verdict

__all__ = [
    "Filters",
    "Histograms",
    "LayerView",
    "LossJumps",
    "Monitor",
    "TensorBoard",
    "UpdateRatios",
    "Verdict",
    "View",
    "fit_verdicts",
    "first_filters",
    "learning_rate_verdict",
    "look_inside",
    "update_ratio",
    "update_verdict",
]
