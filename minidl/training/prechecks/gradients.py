"""Gradient checks of the real model, as the lecture wants them (FAU, cs231n), and of its penalties."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import to_cpu
from minidl.gradcheck import GradientReport, check_model, verdict
from minidl.layers.base import Layer
from minidl.layers.foreign import as_layer
from minidl.optimizers import Adam
from minidl.random import Seeds
from minidl.regularizers import L2
from minidl.training.prechecks.copies import (
    as_inputs,
    dropout_layers,
    fresh_copy,
    plain_loss,
    plain_optimizer,
    require_examples,
    spread,
    without_dropout,
)
from minidl.training.prechecks.fitting import fit
from minidl.training.prechecks.result import OK, SUSPICIOUS, WRONG, CheckResult, gravest

WRONG_FROM, UNEASY_FROM = 1e-2, 1e-4  # cs231n's thresholds for the relative error
UNRESOLVED = 1e-8  # below it, beside a loss near one, rounding leaves too few digits of a difference


def check_gradients(
    model: Any,
    loss: Any,
    images: Any,
    labels: Any,
    *,
    regularizers: Sequence[Any] = (),
    optimizer: Any = None,
    examples: int = 3,
    burn_in: int = 20,
    max_entries: int = 10,
    noise: float = 0.01,
    scale: float = 1 / 255,
    seed: int = 0,
    name: str = "gradients",
) -> CheckResult:
    """Compare backward with central differences, on a copy of the model in double precision.

    In the lecture's order: a short burn-in first, because a network at its start can sit where wrong
    gradients happen to vanish; few examples, so that few kinks are near; without dropout and without
    penalties, whose gradient may hide a wrong one; then with the penalties; then with dropout, its
    mask held fixed by the same random state in every pass.

    Every pixel of the background is the same, so the maxima of a pooling tie there and a ReLU without
    bias sits at zero, where no derivative exists: a little noise moves the images off such points. A
    loss that is tiny by its definition (below 1e-3 for an untrained network) is scaled up to about one
    for the check (`minidl.check_model`, `loss_scale`).

    Of each tensor `max_entries` entries are compared, and two random directions, which test all of its
    entries at once. Relative errors are judged as in cs231n: above 1e-2 wrong, above 1e-4 uneasy, up to
    1e-4 fine with kinks, up to 1e-7 good.

    Parameters
    ----------
    model : Layer
        Built or not; it is not changed. A built one keeps its weights for the check.
    loss : loss object
    images, labels : arrays
    regularizers : sequence of Regularizer
    optimizer : Optimizer, optional
        For the burn-in; by default, and where it diverges, ``Adam(lr=0.001)``.
    examples : int
        Examples of the check itself; the burn-in uses batches of ten.
    burn_in : int
        Steps of training before the check; 0 for none.
    max_entries : int
    noise : float
        Uniform noise of up to this size is added to the inputs.
    scale : float
        Factor for bytes.
    seed : int
    """
    require_examples(images, labels)
    labels = to_cpu(np.asarray(labels))
    seeds = Seeds(seed).child("gradients")
    chosen = spread(labels, 10 * max(1, min(burn_in, 5)), seeds)
    x, y = as_inputs(images[chosen], scale), labels[chosen]
    own = _built_copy(model, x.shape[1:], seeds)
    _burn_in(own, plain_loss(loss), optimizer, x, y, burn_in)
    x, y = x[:examples].astype(np.float64), y[:examples]
    x += seeds.generator("noise").uniform(-noise, noise, x.shape)
    magnified = _loss_scale(model, loss, x, y, seeds)
    options: dict[str, Any] = {"max_entries": max_entries, "seed": seed, "loss_scale": magnified}
    reports = {"plain": check_model(without_dropout(own), loss, x, y, **options)}
    if regularizers:
        reports["with penalties"] = check_model(
            without_dropout(own), loss, x, y, regularizers=regularizers, **options
        )
    if dropout_layers(own):
        reports["with dropout"] = check_model(own, loss, x, y, regularizers=regularizers, **options)
    return _judge(name, reports, magnified)


def _loss_scale(model: Any, loss: Any, x: np.ndarray, y: np.ndarray, seeds: Seeds) -> float:
    """Return the power of two that brings the loss of an untrained network near one, if it is far below."""
    untrained = fresh_copy(model, x.shape[1:], seeds.child("init"), dtype=np.float64)
    value = float(plain_loss(loss).forward(untrained.forward(x), y))
    return 2.0 ** round(-math.log2(value)) if 0 < value < 1e-3 else 1.0


def _built_copy(model: Any, shape: tuple[int, ...], seeds: Seeds) -> Layer:
    """Return a copy with the model's weights and dropout; a model not built yet gets initial ones."""
    twin = as_layer(copy.deepcopy(model))
    if twin.input_shape is None:
        twin.build(shape, seeds.child("init"))
    twin.to("cpu")
    return twin


def _burn_in(model: Layer, loss: Any, optimizer: Any, x: np.ndarray, y: np.ndarray, steps: int) -> None:
    """Take a few steps; where they diverge, go back and take them with small ones of Adam."""
    if steps < 1:
        return
    x = x.astype(model.dtype or np.float32, copy=False)
    batches = [(x[i : i + 10], y[i : i + 10]) for i in range(0, len(x), 10)]
    passes = max(1, steps // len(batches))
    before = {path: value.copy() for path, value in model.state_dict().items()}
    for candidate in ([] if optimizer is None else [plain_optimizer(optimizer)]) + [Adam(lr=0.001)]:
        trace = fit(model, loss, candidate, batches, passes, -math.inf)
        values = (parameter.value for _, parameter in model.named_parameters())
        if trace.losses[-1] <= 2 * trace.losses[0] and all(np.isfinite(value).all() for value in values):
            return
        model.load_state_dict(before)


def _judge(name: str, reports: dict[str, GradientReport], loss_scale: float) -> CheckResult:
    numbers: dict[str, Any] = {"loss_scale": loss_scale}
    told, verdicts, advice = [], [], ""
    for form, report in reports.items():
        level, why = judge_report(report)
        numbers[form] = {
            "error": report.error,
            "largest_gradient": _largest(report),
            "tensors": {tensor.name: tensor.error for tensor in report.tensors},
            "problems": list(report.problems),
        }
        verdicts.append(level)
        word = verdict(report.error) if level == OK else "fails"
        told.append(f"{form} {report.error:.1e} ({word})")
        advice = advice or why
    kinds = f"largest relative error: {', '.join(told)}"
    return CheckResult(name, gravest(*verdicts), kinds, advice, numbers)


def judge_report(report: GradientReport) -> tuple[str, str]:
    """Return verdict and advice for one gradient check, by cs231n's thresholds."""
    if report.problems:
        return WRONG, report.problems[0]
    failed = [tensor for tensor in report.tensors if not tensor.ok]
    real = [tensor for tensor in failed if not tensor.hint.startswith("kink")]
    # An entry tells more than a random direction, which only says that something is wrong somewhere.
    worst = max(real or failed, key=lambda tensor: (bool(tensor.index), tensor.error), default=None)
    if worst is None:
        if _largest(report) < UNRESOLVED:
            advice = "the gradients are too small to be checked: are all units saturated or dead?"
            return SUSPICIOUS, advice
        return OK, ""
    place = f"{worst.name}: {worst.hint}"
    if not real:
        return SUSPICIOUS, f"{place}; check with other examples"
    if not worst.error <= WRONG_FROM:
        return WRONG, place
    return (SUSPICIOUS, f"uneasy: {place}") if worst.error > UNEASY_FROM else (OK, "")


def _largest(report: GradientReport) -> float:
    sizes = [abs(tensor.analytic) for tensor in report.tensors if tensor.index]
    return max(sizes, default=0.0)


def check_penalty(
    model: Any,
    loss: Any,
    images: Any,
    labels: Any,
    *,
    regularizers: Sequence[Any] = (),
    factors: Sequence[float] = (0.0, 1.0, 10.0, 100.0),
    scale: float = 1 / 255,
    seed: int = 0,
    name: str = "penalty raises loss",
) -> CheckResult:
    """Ask whether the loss rises with the strength of the penalty (cs231n: "increase lambda, the loss goes up").

    Parameters
    ----------
    model : Layer
        Built or not; it is not changed.
    loss : loss object
    images, labels : arrays
        A few of them are used.
    regularizers : sequence of Regularizer
        Without any, ``L2(0.0001)`` is tried, to see that there are weights to act on. One without an
        attribute `strength` is only switched off and on.
    factors : sequence of float
        What the strengths are multiplied by, increasing.
    scale : float
        Factor for bytes.
    seed : int
    """
    require_examples(images, labels)
    labels = to_cpu(np.asarray(labels))
    seeds = Seeds(seed).child("penalty")
    chosen = spread(labels, 20, seeds)
    twin = without_dropout(_built_copy(model, images.shape[1:], seeds))
    x = as_inputs(images[chosen], scale, twin.dtype or np.float32)
    parameters = list(twin.named_parameters())
    data = float(plain_loss(loss).forward(twin.forward(x, True), labels[chosen]))
    used = list(regularizers) or [L2(1e-4)]
    adjustable = all(hasattr(regularizer, "strength") for regularizer in used)
    steps = list(factors) if adjustable else [0.0, 1.0]
    totals = [data + sum(_penalty(regularizer, parameters, f) for regularizer in used) for f in steps]
    numbers = {"factors": steps, "losses": totals, "data_loss": data}
    names = " and ".join(map(repr, used)) if regularizers else f"no penalty in use; with {used[0]!r}"
    rises = "strength times " + ", ".join(f"{f:g}" for f in steps)
    finding = f"{names}: {rises} gives loss {', '.join(f'{total:.4g}' for total in totals)}"
    if not all(math.isfinite(total) for total in totals):
        return CheckResult(
            name, WRONG, finding, "a penalty must be a finite number: look at the weights", numbers
        )
    if not all(later > earlier for earlier, later in itertools.pairwise(totals)):
        advice = "the penalty is not added, has the wrong sign, or finds no weights (Parameter.decay is False for all)"
        return CheckResult(name, WRONG, finding, advice, numbers)
    if regularizers and adjustable and 1.0 in steps and totals[steps.index(1.0)] > 2 * data:
        advice = "the penalty is larger than the loss of the data: lower its strength, unless this is meant"
        return CheckResult(name, SUSPICIOUS, finding, advice, numbers)
    return CheckResult(name, OK, finding, "", numbers)


def _penalty(regularizer: Any, parameters: list, factor: float) -> float:
    if factor == 0:
        return 0.0
    stronger = copy.deepcopy(regularizer)
    if hasattr(stronger, "strength"):
        stronger.strength *= factor
    return float(stronger.penalty(parameters))
