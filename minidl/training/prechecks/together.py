"""All checks before training, in the order in which a failure explains the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from minidl.errors import ConfigError, MinidlError
from minidl.training.prechecks.chance import check_chance_loss, check_outputs
from minidl.training.prechecks.data import check_duplicates, check_inputs, check_labels, check_pairing
from minidl.training.prechecks.gradients import check_gradients, check_penalty
from minidl.training.prechecks.overfit import check_overfit_batches, check_overfit_samples
from minidl.training.prechecks.result import WRONG, CheckResult, PrecheckReport


def precheck(
    model: Any,
    loss: Any,
    train: Any,
    validation: Any = None,
    *,
    optimizer: Any = None,
    regularizers: Sequence[Any] = (),
    classes: int | None = None,
    examples: int = 10,
    scale: float = 1 / 255,
    seed: int = 0,
    subject: str = "",
    on_result: Callable[[CheckResult], None] | None = None,
) -> PrecheckReport:
    """Make every check before training; seconds for a small network.

    Nothing that is passed in is changed: model, loss, optimizer and random states are copied.

    Parameters
    ----------
    model : Layer
        Built or not. The chance and overfitting checks build copies anew; the gradients are checked with
        the weights of a built model.
    loss : loss object
    train, validation : Split
        Objects with `images` and `labels`. Without `validation` it is not compared.
    optimizer : Optimizer, optional
        The one to be used; by default ``Adam(lr=0.001)``.
    regularizers : sequence of Regularizer
    classes : int, optional
        K; by default the largest training label plus one.
    examples : int
        How many examples to overfit, 5 to 20.
    scale : float
        Factor for images of bytes; numbers are taken as they are.
    seed : int
    subject : str
        What is checked, for the report's first line.
    on_result : callable, optional
        Called with each result as soon as it is there.

    Returns
    -------
    PrecheckReport

    Examples
    --------
    >>> from minidl import Dense, Flatten, Sequential, SoftmaxCrossEntropy
    >>> from minidl.data import load
    >>> digits = load("digits")
    >>> model = Sequential([Flatten(), Dense(10)])
    >>> report = precheck(model, SoftmaxCrossEntropy(), digits.train, digits.validation)
    >>> report["labels"].verdict
    'ok'
    """
    if not 5 <= examples <= 20:
        raise ConfigError(f"precheck: examples to overfit must be from 5 to 20, got {examples!r}")
    images, labels = train.images, np.asarray(train.labels)
    if classes is None and labels.ndim == 1 and labels.dtype.kind in "iu" and len(labels):
        classes = int(labels.max()) + 1
    other = (None, None) if validation is None else (validation.images, np.asarray(validation.labels))
    of_data: list[partial[CheckResult]] = [partial(check_inputs, images, scale=scale, name="inputs")]
    if classes is not None:
        of_data.append(partial(check_labels, labels, classes, name="labels"))
        of_data.append(partial(check_pairing, images, labels, *other, seed=seed, name="image-label pairs"))
    if validation is not None:
        of_data.insert(1, partial(check_inputs, other[0], scale=scale, name="validation inputs"))
        if classes is not None:
            of_data.insert(3, partial(check_labels, other[1], classes, name="validation labels"))
    of_data.append(partial(check_duplicates, images, labels, other[0], name="duplicates"))

    common: dict[str, Any] = {"scale": scale, "seed": seed}
    counted = {**common, "classes": classes}
    trained = {**counted, "optimizer": optimizer}
    subjects = (model, loss, images, labels)
    of_model: list[partial[CheckResult]] = [
        partial(check_chance_loss, *subjects, **counted, name="chance loss"),
        partial(check_penalty, *subjects, **common, regularizers=regularizers, name="penalty raises loss"),
        partial(
            check_gradients,
            *subjects,
            **common,
            regularizers=regularizers,
            optimizer=optimizer,
            name="gradients",
        ),
        partial(check_overfit_samples, *subjects, **trained, examples=examples, name="overfit samples"),
        partial(check_overfit_batches, *subjects, **trained, name="overfit batches"),
    ]
    results: list[CheckResult] = []

    def make(check: partial[CheckResult]) -> CheckResult:
        try:
            result = check()
        except MinidlError as error:  # a batch that does not pass through is a finding, not a crash
            result = CheckResult(check.keywords["name"], WRONG, str(error))
        results.append(result)
        if on_result is not None:
            on_result(result)
        return result

    for check in of_data:
        make(check)
    outputs = make(partial(check_outputs, *subjects, **counted, name="outputs"))
    # A network that one batch cannot pass through has nothing else that could be checked.
    if outputs.verdict != WRONG or outputs.numbers:
        for check in of_model:
            make(check)
    return PrecheckReport(subject or type(model).__name__, results)
