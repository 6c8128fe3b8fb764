"""Can the network learn a handful of examples by heart? If not, why not?

The lecture (FAU) names three causes of failure: a bug, a model too small, a model unsuitable for the
task. Each is decided here by evidence: the gradient check finds the bug, the same network several
times wider shows what was too small, and another optimizer on the same examples tells a learning
rate that does not fit from a network that does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.backend import to_cpu
from minidl.errors import MinidlError
from minidl.gradcheck import check_model
from minidl.layers.base import Layer
from minidl.optimizers import Adam
from minidl.random import Seeds
from minidl.training.prechecks.chance import reference_loss
from minidl.training.prechecks.copies import (
    as_inputs,
    dropout_layers,
    fresh_copy,
    plain_loss,
    plain_optimizer,
    require_examples,
    spread,
)
from minidl.training.prechecks.fitting import Batches, Trace, fit, standard_start, widened
from minidl.training.prechecks.gradients import judge_report
from minidl.training.prechecks.result import OK, SUSPICIOUS, WRONG, CheckResult

NEAR_ZERO = 0.02  # of the loss of a guess (of the first loss, where that is not known): 0.046 for ten classes
WIDER = 8
LARGEST = 5_000_000  # parameters of a wider network that is still worth training for a diagnosis


@dataclass(frozen=True)
class _Case:
    """What is trained on what, again and again, from the same start."""

    model: Any
    loss: Any
    batches: Batches
    passes: int
    seeds: Seeds
    goal: float | None  # None: accuracy alone

    def train(self, optimizer: Any, model: Any = None) -> Trace:
        twin = fresh_copy(
            self.model if model is None else model, self.batches[0][0].shape[1:], self.seeds.child("init")
        )
        batches = [(x.astype(twin.dtype or np.float32, copy=False), y) for x, y in self.batches]
        goal = float("inf") if self.goal is None else self.goal
        return fit(twin, plain_loss(self.loss), optimizer, batches, self.passes, goal)


def check_overfit_samples(
    model: Any,
    loss: Any,
    images: Any,
    labels: Any,
    *,
    optimizer: Any = None,
    classes: int | None = None,
    examples: int = 10,
    steps: int = 1000,
    scale: float = 1 / 255,
    seed: int = 0,
    name: str = "overfit samples",
) -> CheckResult:
    """Train a fresh copy on 5 to 20 examples until the loss is near zero and all are right (FAU).

    Regularisation is off: dropout, label smoothing, the optimizer's weight decay, penalties and
    augmentation. Where the given optimizer fails, Adam(lr=0.001) is tried on the same examples, then
    the gradients are checked, then other initial weights are tried, then a network eight times wider:
    the first that explains the failure is the diagnosis, in ``numbers["cause"]``: "data" (equal images
    with different labels), "learning rate", "bug", "initial weights", "too small", "too slow" or
    "unsuitable".

    Parameters
    ----------
    model : Layer
        Built or not; it is not changed, and its weights do not matter.
    loss : loss object
    images, labels : arrays
        Training examples; those used are drawn at random, spread over the classes.
    optimizer : Optimizer, optional
        A copy without memory is used; by default ``Adam(lr=0.001)``.
    classes : int, optional
        K; by default the largest label plus one.
    examples : int
        The lecture says 5 to 20.
    steps : int
        Steps at most, each on all examples.
    scale : float
        Factor for bytes.
    seed : int
    """
    case = _case(model, loss, images, labels, classes, examples, examples, steps, scale, seed, near_zero=True)
    return _check(name, case, optimizer, f"{len(case.batches[0][0])} examples", "steps")


def check_overfit_batches(
    model: Any,
    loss: Any,
    images: Any,
    labels: Any,
    *,
    optimizer: Any = None,
    classes: int | None = None,
    batches: int = 5,
    batch_size: int = 10,
    epochs: int = 100,
    scale: float = 1 / 255,
    seed: int = 0,
    name: str = "overfit batches",
) -> CheckResult:
    """Train a fresh copy on 5 to 10 mini-batches until it gets every example of an epoch right (AAR).

    The second form of the check, on mini-batches as in the real training: the steps are noisy, and a
    learning rate that can still learn ten examples by heart may fail here. Everything else is as in
    `check_overfit_samples`; the loss need not come near zero.
    """
    count = batches * batch_size
    case = _case(
        model, loss, images, labels, classes, count, batch_size, epochs, scale, seed, near_zero=False
    )
    return _check(name, case, optimizer, f"{len(case.batches)} batches of {batch_size}", "epochs")


def _case(
    model: Any,
    loss: Any,
    images: Any,
    labels: Any,
    classes: int | None,
    count: int,
    batch_size: int,
    passes: int,
    scale: float,
    seed: int,
    *,
    near_zero: bool,
) -> _Case:
    require_examples(images, labels)
    labels = to_cpu(np.asarray(labels))
    seeds = Seeds(seed).child("overfit")
    chosen = spread(labels, count, seeds)
    x, y = as_inputs(images[chosen], scale), labels[chosen]
    pieces = [(x[i : i + batch_size], y[i : i + batch_size]) for i in range(0, len(x), batch_size)]
    goal = None
    is_class = labels.ndim == 1 and labels.dtype.kind in "iu"
    if near_zero or not is_class:
        found = reference_loss(model, loss, y, classes or (int(labels.max()) + 1 if is_class else 0))
        case = _Case(model, loss, pieces, 1, seeds, None)
        first = case.train(Adam(lr=0.0)).losses[0]
        goal = NEAR_ZERO * (found[0] if found else first)
    return _Case(model, loss, pieces, passes, seeds, goal)


def _check(name: str, case: _Case, optimizer: Any, what: str, unit: str) -> CheckResult:
    optimizer = Adam(lr=0.001) if optimizer is None else optimizer
    trace = case.train(plain_optimizer(optimizer))
    numbers: dict[str, Any] = {
        "first_loss": trace.losses[0],
        "last_loss": trace.losses[-1],
        "accuracy": trace.accuracy,
        "passes": trace.passes,
        "goal": case.goal,
        "cause": "",
    }
    off = [
        word
        for word, was_on in (
            ("dropout", bool(dropout_layers(case.model))),
            ("label smoothing", bool(getattr(case.loss, "label_smoothing", 0))),
            ("weight decay", bool(getattr(optimizer, "weight_decay", 0))),
        )
        if was_on
    ]
    note = f" ({' and '.join(off)} switched off)" if off else ""
    reached = "" if trace.accuracy is None else f"{100 * trace.accuracy:.0f} % right, "
    finding = f"{what}: {reached}loss {trace.losses[0]:.3g} -> {trace.losses[-1]:.3g} in {trace.passes} {unit}{note}"
    if trace.reached:
        return CheckResult(name, OK, finding, "", numbers)
    verdict, cause, advice = _diagnose(case, trace, optimizer)
    numbers["cause"] = cause
    return CheckResult(name, verdict, finding, advice, numbers)


def _diagnose(case: _Case, trace: Trace, optimizer: Any) -> tuple[str, str, str]:
    """Return (verdict, cause, advice): the first explanation that the evidence supports."""
    clash = _clash(case.batches)
    if clash:
        return WRONG, "data", clash
    reference = case.train(Adam(lr=0.001))
    if reference.reached:
        told = f"Adam(lr=0.001) learns the same examples in {reference.passes} passes"
        verdict, why = _judge_rate(case, trace, optimizer)
        return verdict, "learning rate", f"{why}: {told}"
    broken = _broken_gradient(case)
    if broken:
        return WRONG, "bug", f"a bug: backward does not fit forward, {broken}"
    if _learns(case, standard_start(case.model)):
        return (
            WRONG,
            "initial weights",
            "the initial weights: started with deviation 1/sqrt(n_in) and biases 0, it learns the examples",
        )
    if _learns(case, widened(case.model, WIDER)):
        return (
            WRONG,
            "too small",
            f"the model is too small: with {WIDER} times the units it learns the examples",
        )
    if trace.falling or reference.falling:
        return (
            SUSPICIOUS,
            "too slow",
            "the loss is still falling: allow more steps, or a larger learning rate",
        )
    return (
        WRONG,
        "unsuitable",
        f"the model is unsuitable: neither Adam nor {WIDER} times the units helps, and the gradients are right; "
        "look at the outputs, at saturated or dead units, and at the inputs",
    )


def _judge_rate(case: _Case, trace: Trace, optimizer: Any) -> tuple[str, str]:
    """Say what is wrong with the learning rate of an optimizer that fails where another one does not.

    A rate is too small where ten times as much ends lower, too large where a tenth does.
    """
    lr = getattr(optimizer, "lr", None)
    if isinstance(lr, bool) or not isinstance(lr, float | int):
        return WRONG, "the optimizer does not fit"
    if not trace.finite or trace.losses[-1] >= trace.losses[0]:
        return WRONG, f"the learning rate {lr:g} is too large, divide it by 10 until the loss falls"
    ends = {1.0: trace.losses[-1]}
    for factor in (10.0, 0.1):
        other = plain_optimizer(optimizer)
        other.lr = lr * factor
        tried = case.train(other)
        ends[factor] = tried.losses[-1] if tried.finite else float("inf")
    best = min(ends, key=ends.__getitem__)
    if best == 0.1:
        return WRONG, f"the learning rate {lr:g} is too large, {lr * best:g} ends at a lower loss"
    if best == 10.0:
        return SUSPICIOUS, f"the learning rate {lr:g} may be too small, {lr * best:g} ends at a lower loss"
    return SUSPICIOUS, f"{type(optimizer).__name__} with the learning rate {lr:g} is slow here"


def _clash(batches: Batches) -> str:
    """Name two examples that are equal but have different labels."""
    seen: dict[bytes, np.ndarray] = {}
    for x, y in batches:
        for image, label in zip(x, y, strict=True):
            earlier = seen.setdefault(image.tobytes(), label)
            if not np.array_equal(earlier, label):
                return f"the same image has the labels {earlier} and {label}: no model can learn both"
    return ""


def _broken_gradient(case: _Case) -> str:
    """Return what a gradient check of a fresh copy in double precision finds wrong; empty if nothing."""
    x, y = case.batches[0]
    twin = fresh_copy(case.model, x.shape[1:], case.seeds.child("init"), dtype=np.float64)
    report = check_model(twin, plain_loss(case.loss), x[:3], y[:3], max_entries=10)
    verdict, advice = judge_report(report)
    return advice if verdict == WRONG else ""


def _learns(case: _Case, variant: Layer | None) -> bool:
    """Return whether a variant of the model learns the examples, where it is worth asking."""
    if variant is None:
        return False
    x, _ = case.batches[0]
    try:
        size = fresh_copy(variant, x.shape[1:], case.seeds.child("init")).parameter_count()
        return size <= LARGEST and case.train(Adam(lr=0.001), variant).reached
    except MinidlError:  # widened shapes that no longer fit: that says nothing about the network
        return False
