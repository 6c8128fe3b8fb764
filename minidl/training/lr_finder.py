"""The learning-rate range test: raise the rate after every batch and watch the loss."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.data.resident import on_device
from minidl.errors import ConfigError
from minidl.training.divergence import check_finite
from minidl.training.evaluate import model_device

LEAST_FALL = 0.05  # of the loss at the beginning; anything less may be noise
LARGEST_RISE = 0.25  # of the fall so far; beyond it training has become unstable


@dataclass(frozen=True, eq=False)
class LRRangeTest:
    """What the test found.

    Attributes
    ----------
    rates : numpy.ndarray, shape (n,)
        The rates tried, increasing; fewer than asked for if the loss diverged.
    losses : numpy.ndarray, shape (n,)
        The loss of each batch, before the step with this rate.
    smoothed : numpy.ndarray, shape (n,)
        Exponential average of the losses, with the bias of its start corrected.
    suggestion : float or None
        The rate up to `lowest` at which the smoothed loss falls fastest (AAR), over the logarithm of the
        rate; None if it does not fall.
    lowest : float or None
        The rate at which the smoothed loss was lowest before it rose again by more than a quarter of its
        fall: about as high as a rate may ever be, the upper bound of a cyclical schedule for one. What it
        does after such a rise is luck. None if the loss does not fall.
    divergence : float or None
        The rate at which the test was stopped; None if it came to its end.
    verdict : str
        One sentence.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float | None
    lowest: float | None
    divergence: float | None
    verdict: str

    @property
    def tenth_of_lowest(self) -> float | None:
        """A tenth of `lowest`, the other common rule; None if the loss does not fall."""
        return None if self.lowest is None else self.lowest / 10


def lr_range_test(
    model: Any,
    loss: Any,
    optimizer: Any,
    loader: Any,
    *,
    regularizers: Sequence[Any] = (),
    low: float = 1e-5,
    high: float = 10.0,
    steps: int = 100,
    mode: str = "exponential",
    smoothing: float = 0.9,
    stop_factor: float = 4.0,
) -> LRRangeTest:
    """Find the learning rates that suit a model (Smith 2015; AAR).

    The test trains copies. Weights, buffers, gradients, the layers' random generators and the state
    and rate of the optimizer stay as they are, bit for bit, however the test ends.

    Parameters
    ----------
    model : Layer
        Built; in the state from which the training is to start.
    loss, optimizer
        As for the `Trainer`. The optimizer's rate is not used.
    loader : Loader
        Or anything with a length and ``epoch(e)``, whose batches depend on `e` alone. After the last
        batch comes the next epoch.
    regularizers : sequence, optional
        Each adds its gradient; the losses are without penalties.
    low, high : float
        First and last rate.
    steps : int
        Rates to try, one batch each.
    mode : {"exponential", "linear"}
        Rates ``low (high / low) ** (i / (steps - 1))``, which treat every power of ten alike, or
        ``low + (high - low) i / (steps - 1)`` (AAR), for i from 0.
    smoothing : float
        ``average <- smoothing * average + (1 - smoothing) * loss``, divided by
        ``1 - smoothing ** (i + 1)``; 0 leaves the losses as they are.
    stop_factor : float
        Stop when the smoothed loss exceeds this many times its lowest value so far. NaN and infinity
        stop at once.

    Returns
    -------
    LRRangeTest

    Raises
    ------
    ConfigError
        If an option makes no sense.
    DivergenceError
        If the loss is NaN or infinite before the first step.

    Examples
    --------
    ``found = lr_range_test(model, SoftmaxCrossEntropy(), SGD(0.1), loader)``, then ``print(found.verdict)``
    and ``minidl.plots.lr_range_curve(found.rates, found.losses, found.smoothed)``.
    """
    check_range(low, high, steps)
    _check_options(mode, smoothing, stop_factor)
    if len(loader) < 1:
        raise ConfigError("lr_range_test: the loader has no batches; give it at least one example")
    # One call, so that what the three share is shared by the copies, too.
    model, loss, optimizer = copy.deepcopy((model, loss, optimizer))
    rates = np.geomspace(low, high, steps) if mode == "exponential" else np.linspace(low, high, steps)
    losses, smoothed, divergence = _raise_rate(
        model,
        loss,
        optimizer,
        _batches(on_device(loader, model_device(model)), steps),
        regularizers,
        rates,
        smoothing,
        stop_factor,
    )
    tried = rates[: len(losses)]
    fastest, lowest = _landmarks(tried, smoothed, losses[0])
    verdict = _verdict(tried, smoothed, fastest, lowest, divergence)
    return LRRangeTest(tried, losses, smoothed, fastest, lowest, divergence, verdict)


def _raise_rate(
    model: Any,
    loss: Any,
    optimizer: Any,
    batches: Iterator[tuple[Any, Any]],
    regularizers: Sequence[Any],
    rates: np.ndarray,
    smoothing: float,
    stop_factor: float,
) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Train one step at each rate; return the losses, their averages, and where they diverged."""
    parameters = list(model.named_parameters())
    if hasattr(loss, "named_parameters"):
        parameters += loss.named_parameters()
    backward = getattr(model, "backward_parameters", model.backward)
    losses: list[float] = []
    smoothed: list[float] = []
    average, best = 0.0, math.inf
    with np.errstate(all="ignore"):  # diverging is what the test is for
        for rate, (x, y) in zip(rates.tolist(), batches, strict=True):
            optimizer.lr = rate
            optimizer.prepare(parameters)
            value = float(loss.forward(model.forward(x, train=True), y))
            if not losses:
                check_finite(value, model, x, "the first batch of the range test, before any step")
            if not math.isfinite(value):
                return np.array(losses), np.array(smoothed), rate
            average = smoothing * average + (1 - smoothing) * value
            losses.append(value)
            smoothed.append(average / (1 - smoothing ** len(losses)))
            best = min(best, smoothed[-1])
            if smoothed[-1] > stop_factor * best > 0:
                return np.array(losses), np.array(smoothed), rate
            backward(loss.backward())
            for regularizer in regularizers:
                regularizer.add_gradient(parameters)
            optimizer.step(parameters)
    return np.array(losses), np.array(smoothed), None


def _batches(loader: Any, steps: int) -> Iterator[tuple[Any, Any]]:
    done = epoch = 0
    while done < steps:
        for batch in loader.epoch(epoch):
            yield batch
            done += 1
            if done == steps:
                return
        epoch += 1


def _landmarks(
    rates: np.ndarray, smoothed: np.ndarray, first: float
) -> tuple[float, float] | tuple[None, None]:
    """Return the rates of the steepest fall and of the first valley's bottom; None if the loss does not fall."""
    skipped = max(1, len(rates) // 10)  # the average of a few losses is still noise
    best = np.minimum.accumulate(smoothed)
    fallen = first - best
    unstable = (fallen >= LEAST_FALL * abs(first)) & (smoothed - best > LARGEST_RISE * fallen)
    lowest = int(np.argmin(smoothed[: int(np.argmax(unstable))] if unstable.any() else smoothed))
    if lowest <= skipped or fallen[lowest] < LEAST_FALL * abs(first):
        return None, None
    slopes = np.gradient(smoothed, np.log(rates))
    fastest = skipped + int(np.argmin(slopes[skipped : lowest + 1]))
    return float(rates[fastest]), float(rates[lowest])


def _verdict(
    rates: np.ndarray,
    smoothed: np.ndarray,
    fastest: float | None,
    lowest: float | None,
    divergence: float | None,
) -> str:
    if fastest is None or lowest is None:
        useless = "this curve is of no use: the loss"
        remedy = f"without having fallen, so the range begins too high; lower low, which was {rates[0]:.2g}"
        if divergence is not None:
            return f"{useless} diverges at {divergence:.2g} {remedy}"
        if smoothed.max() > smoothed[0] + LEAST_FALL * abs(smoothed[0]):
            return f"{useless} rises {remedy}"
        return (
            f"{useless} hardly changes up to a rate of {rates[-1]:.2g}, so the range ends too low, or there is "
            "nothing left to learn; raise high"
        )
    told = (
        f"the loss falls fastest near {fastest:.2g}, the rate to start with, and is lowest near {lowest:.2g}"
    )
    if divergence is not None:
        return f"{told}; it diverges by {divergence:.2g}"
    if lowest < rates[-1] / 2:
        return f"{told}; beyond that it rises again"
    return f"{told}; it is still falling at {rates[-1]:.2g}, so raise high to see where it diverges"


def check_range(low: float, high: float, steps: int) -> None:
    """Raise a `ConfigError` unless there are at least ten rates, from `low` above 0 up to `high`."""
    if not 0 < low < high < math.inf:
        raise ConfigError(
            f"lr_range_test: low and high must be numbers, 0 < low < high, got {low} and {high}"
        )
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 10:
        raise ConfigError(f"lr_range_test: steps must be an integer >= 10, got {steps!r}")


def _check_options(mode: str, smoothing: float, stop_factor: float) -> None:
    if mode not in ("exponential", "linear"):
        raise ConfigError(f"lr_range_test: mode must be 'exponential' or 'linear', got {mode!r}")
    if not 0 <= smoothing < 1:
        raise ConfigError(f"lr_range_test: smoothing must lie in [0, 1), got {smoothing!r}")
    if not 1 < stop_factor < math.inf:
        raise ConfigError(f"lr_range_test: stop_factor must be a finite number above 1, got {stop_factor!r}")
