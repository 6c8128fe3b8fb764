"""What the curves of a training say, in a sentence with the numbers it rests on.

Rules of thumb (FAU, AAR, UU; cs231n, neural networks part 3), as pure functions of the curves. They
point to what to try next; they prove nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minidl.monitoring.updates import HEALTHY

SHORTEST = 3  # epochs for a verdict on the fit
RISE = 0.1  # of the validation loss above its minimum
HIGH_ERROR = 0.05
POINTS = 30  # of a learning-rate curve; each the mean of many batches


class Verdict(NamedTuple):
    """A judgement.

    Attributes
    ----------
    kind : str
        One or two words, such as "overfitting".
    text : str
        The sentence, with the numbers.
    """

    kind: str
    text: str


def fit_verdicts(history: Mapping[str, Any], *, high_error: float = HIGH_ERROR) -> list[Verdict]:
    """Judge the fit by the curves of training and validation.

    They diverge: more regularisation, or early stopping. They are close but high: a bigger model. They
    are noisy: bigger batches (FAU).

    Parameters
    ----------
    history : mapping
        Arrays with a number per epoch: "train_loss", "val_loss", and if there are "train_accuracy",
        "val_accuracy" (shares, 0 to 1). NaN or None where nothing was measured.
    high_error : float
        Training error from which a fit counts as poor. What is high depends on the task.

    Returns
    -------
    list of Verdict
        First one of "diverged", "too short", "overfitting", "still learning", "underfitting",
        "well fitted"; then perhaps "noisy".
    """
    train, valid = _numbers(history, "train_loss"), _numbers(history, "val_loss")
    measured = np.isfinite(valid) if len(valid) == len(train) else np.zeros(0, bool)
    if len(train) and not np.isfinite(train[-1]):
        return [
            Verdict("diverged", f"The training loss was {train[-1]} at the end: lower the learning rate.")
        ]
    if measured.sum() < SHORTEST:
        text = f"To judge the fit takes {SHORTEST} validated epochs; this training has {int(measured.sum())}."
        return [Verdict("too short", text)]
    epochs = np.flatnonzero(measured) + 1
    errors = [1 - _numbers(history, f"{part}_accuracy") for part in ("train", "val")]
    known = all(len(each) == len(train) and np.isfinite(each[measured]).all() for each in errors)
    train_error, valid_error = (each[measured] if known else None for each in errors)
    verdicts = [_fit(epochs, train[measured], valid[measured], train_error, valid_error, high_error)]
    noise = _scatter(valid[measured])
    if noise > 0.1:
        verdicts.append(
            Verdict(
                "noisy",
                f"From epoch to epoch the validation loss scatters by about {100 * noise:.0f} %: try bigger batches, "
                "a lower learning rate, or more validation examples.",
            )
        )
    return verdicts


def _fit(
    epochs: np.ndarray,
    train: np.ndarray,
    valid: np.ndarray,
    train_error: np.ndarray | None,
    valid_error: np.ndarray | None,
    high_error: float,
) -> Verdict:
    best, last = int(valid.argmin()), float(np.median(valid[-3:]))
    rise = last / float(valid[best]) - 1 if valid[best] > 0 else 0.0
    if rise > RISE and train[-1] < train[best]:
        better = valid_error is not None and valid_error[-3:].min() < valid_error[best]
        despite = " The validation accuracy has still improved since, as it often does." if better else ""
        return Verdict(
            "overfitting",
            f"The validation loss was lowest after epoch {epochs[best]} ({valid[best]:.3g}) and has risen by "
            f"{100 * rise:.0f} % since, while the training loss fell from {train[best]:.3g} to {train[-1]:.3g}: the "
            f"curves diverge; try more regularisation, more data or early stopping.{despite}",
        )
    if train_error is not None and valid_error is not None:
        high, close = train_error[-1] > high_error, valid_error[-1] < 1.5 * train_error[-1] + 0.01
        levels = (
            f"training error {100 * train_error[-1]:.2f} %, validation error {100 * valid_error[-1]:.2f} %"
        )
    else:
        high, close = train[-1] > 0.5 * train[0], valid[-1] < 1.5 * train[-1]
        levels = f"training loss {train[-1]:.3g}, validation loss {valid[-1]:.3g}"
    if not close:
        return Verdict(
            "overfitting",
            f"The curves end far apart ({levels}): try more regularisation, more data or augmentation.",
        )
    third = len(train) - 1 - max(1, len(train) // 3)
    recent = 1 - train[-1] / train[third] if train[third] > 0 else 0.0
    if high and recent > 0.1:
        return Verdict(
            "still learning",
            f"The training loss fell by {100 * recent:.0f} % in the last third of the training ({levels}): train "
            "longer, or with a higher learning rate.",
        )
    if high:
        return Verdict(
            "underfitting",
            f"The curves are close but high ({levels}), and the training loss hardly falls any more: try a bigger "
            "model, or less regularisation.",
        )
    return Verdict("well fitted", f"The curves are close and low ({levels}).")


def _scatter(values: np.ndarray) -> float:
    """Return by what share of its size a curve typically misses the mean of its neighbours."""
    if len(values) < 8:
        return 0.0
    middle = values[1:-1]
    # Of independent errors of standard deviation s, these differences have sqrt(3/2) s.
    misses = np.abs(middle - (values[:-2] + values[2:]) / 2) / math.sqrt(1.5)
    return float(1.4826 * np.median(misses / np.maximum(np.abs(middle), 1e-12)))


def learning_rate_verdict(losses: Sequence[float] | np.ndarray, lr: Any = None) -> Verdict:
    """Judge the learning rate by the shape of the training loss.

    Too high: the loss does not fall, or falls and then goes up and down. Too low: it falls smoothly and
    is far from level at the end. Good: it falls fast at first and then levels off (UU with
    eta = 2.5, 0.025, 0.25; cs231n).

    Parameters
    ----------
    losses : array, shape (n,)
        Training loss at equal intervals: of every batch, of blocks of batches, or of every epoch.
    lr : float or array, optional
        The rate, or those of a schedule at the same intervals. Where the rate changes, so does the shape of
        the curve, and nothing but "too high" can be told from it.

    Returns
    -------
    Verdict
        "too high", "too low", "good", "stuck" (the loss does not move at all), or "unclear" with less than 6
        points.
    """
    losses = np.asarray(losses, dtype=np.float64)
    rates = np.atleast_1d(np.asarray(math.nan if lr is None else lr, dtype=np.float64))
    rates = rates[np.isfinite(rates)]
    low, high = (float(rates.min()), float(rates.max())) if len(rates) else (0.0, 0.0)
    rate = "The learning rate" + (f" of {high:.3g}" if len(rates) else "")
    if high > 1.5 * low:
        rate = f"The learning rate, from {low:.3g} to {high:.3g},"
    verdict = _rate_verdict(losses, rate)
    if high > 1.5 * low and verdict.kind in ("too low", "good"):
        text = (
            f"{rate} changes while training: the shape of the curve tells of the schedule, not of one rate."
        )
        return Verdict("unclear", text)
    return verdict


def _rate_verdict(losses: np.ndarray, rate: str) -> Verdict:
    if not np.isfinite(losses).all():
        return Verdict("too high", f"{rate} is too high: the loss became {losses[~np.isfinite(losses)][0]}.")
    if len(losses) < 6:
        return Verdict("unclear", f"{len(losses)} points are too few to judge the learning rate.")
    curve = np.array([part.mean() for part in np.array_split(losses, min(POINTS, len(losses)))])
    first, last, steps = float(curve[0]), float(curve[-3:].mean()), np.diff(curve)
    fall = first - last
    later = steps[len(steps) // 2 :]
    up, down = float(later[later > 0].sum()), float(-later[later < 0].sum())
    # In the second half: how much of the way leads back up, and how long a step of it is.
    back, swing = up / (up + down) if up + down else 0.0, float(np.abs(later).mean())
    level = float(curve[len(curve) - 1 - len(curve) // 3])
    share = (level - last) / fall if fall > 0 else 0.0
    trend = f"the loss went from {first:.3g} to {last:.3g}"
    if fall < 0.05 * first:
        if swing < 0.02 * first and abs(fall) < 0.05 * first and back > 0.25:
            return Verdict(
                "stuck",
                f"The training does not get anywhere: {trend}. {rate} is far too low, or the network cannot learn: "
                "look for dead or saturated units and vanishing gradients.",
            )
        if back > 0.25 or last > first:
            return Verdict("too high", f"{rate} is too high: {trend}, up and down rather than downwards.")
        return Verdict("too low", f"{rate} is too low: {trend}, smoothly, but by next to nothing.")
    if back > 0.3 and swing > (0.025 if last > 0.2 * first else 0.05) * fall:
        return Verdict(
            "too high",
            f"{rate} is too high: {trend}, where it goes up and down by {swing:.2g} from one {len(curve)}th of the "
            "training to the next.",
        )
    if back < 0.25 and share > (0.03 if back < 0.1 and last > 0.3 * first else 0.06):
        return Verdict(
            "too low",
            f"{rate} is too low: {trend}, smoothly, and {100 * share:.0f} % of that came in the last third of the "
            "training, where the loss should be level.",
        )
    return Verdict("good", f"{rate} is about right: {trend}, fast at first, and then levels off.")


def update_verdict(ratios: Mapping[str, Any]) -> Verdict:
    """Judge the learning rate by the ratio of update to weight.

    Parameters
    ----------
    ratios : mapping of str to array
        Ratios of every weight tensor at successive looks. Judged is the median of the second half.

    Returns
    -------
    Verdict
        "healthy", "large", "small", or "unclear" without looks.
    """
    medians = {}
    for name, values in ratios.items():
        later = np.asarray(values, dtype=np.float64)[len(values) // 2 :]
        later = later[np.isfinite(later) & (later > 0)]
        if len(later):
            medians[name] = float(np.median(later))
    if not medians:
        return Verdict("unclear", "No updates were looked at.")
    low, high = min(medians, key=lambda name: medians[name]), max(medians, key=lambda name: medians[name])
    span = f"A step changes the weights by {medians[low]:.1g} ({low}) to {medians[high]:.1g} ({high}) of their size"
    if len(medians) == 1:
        span = f"A step changes {low} by {medians[low]:.1g} of its size"
    if medians[high] > 10 * HEALTHY:
        return Verdict("large", f"{span}, where about {HEALTHY:g} is healthy: try a lower learning rate.")
    if medians[high] < HEALTHY / 30:
        return Verdict("small", f"{span}, where about {HEALTHY:g} is healthy: try a higher learning rate.")
    return Verdict("healthy", f"{span}; about {HEALTHY:g} is healthy.")


def _numbers(history: Mapping[str, Any], name: str) -> np.ndarray:
    values = history[name] if name in history else ()
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
