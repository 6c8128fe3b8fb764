"""Learning-rate schedules: pure functions of progress.

``schedule(progress)`` returns the learning rate at the fraction `progress` in [0, 1] of the training.
A schedule knows no epochs and keeps no count, so it can be plotted without a model, and a resumed
run needs no state for it:

>>> schedule = Warmup(Cosine(0.1), fraction=0.1)
>>> [round(schedule(t / 4), 4) for t in range(5)]
[0.0, 0.0933, 0.0587, 0.0179, 0.0]

A training loop assigns ``optimizer.lr = schedule(step / steps)`` before each step. In the formulas t
is the progress. What a lecture states per epoch or per iteration is divided by their number: with E
epochs of B batches, epoch e (from 0) begins at ``t = e / E``, iteration i (from 0) at ``t = i / (E B)``.
A new schedule is a frozen dataclass with a method `rate`.

The one schedule that is no function of progress, halving the rate when the validation stagnates, is
a callback: `minidl.training.ReduceOnPlateau`.
"""

from minidl.schedules.base import Schedule, sample
from minidl.schedules.compose import Chain, Product, Warmup
from minidl.schedules.cyclic import CosineRestarts, OneCycle, Triangular
from minidl.schedules.decay import (
    Constant,
    Cosine,
    Exponential,
    InverseSqrt,
    InverseTime,
    Linear,
    MultiStep,
    StepDecay,
    StepDecrease,
)

__all__ = [
    "Chain",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Exponential",
    "InverseSqrt",
    "InverseTime",
    "Linear",
    "MultiStep",
    "OneCycle",
    "Product",
    "Schedule",
    "StepDecay",
    "StepDecrease",
    "Triangular",
    "Warmup",
    "sample",
]
