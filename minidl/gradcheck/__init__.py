"""Is a backward pass right? Compare it with central differences (LECTURE FAU, "before training").

`check_layer`, `check_loss` and `check_model` each return a `GradientReport`: print it, ask it
``report.ok``, or call ``report.raise_if_failed()``. The same checker serves the library's own tests,
``minidl gradcheck``, and students' layers that have only `forward` and `backward`.
"""

from minidl.gradcheck.checks import check_layer, check_loss, check_model
from minidl.gradcheck.report import GradientCheckError, GradientReport, TensorReport, verdict

__all__ = [
    "GradientCheckError",
    "GradientReport",
    "TensorReport",
    "check_layer",
    "check_loss",
    "check_model",
    "verdict",
]
