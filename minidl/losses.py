"""Losses: one number that says how wrong the outputs are, and its gradient.

``forward(outputs, targets)`` returns the loss, a mean over the batch, and keeps what ``backward()``
needs to return the gradient with respect to the outputs. The gradient already contains the division
by the batch size; no layer divides again. ``forward(outputs, targets, weights)`` gives each example a
weight: its part of the sum is multiplied by it.

Both cross-entropies take *logits*, the outputs before softmax or sigmoid. Put together, the
exponential and the logarithm cancel: the gradient becomes (probability - target), and logits of
10,000 are as harmless as logits of 1.

Softmax cross-entropy has a file of its own, `minidl.softmax`.

Legend: N examples, K classes or outputs, z logits, p probabilities, t targets, a weights of the examples.
"""

from __future__ import annotations

import math
from typing import Any

from minidl.backend import Array, namespace
from minidl.errors import ConfigError
from minidl.loss import Loss
from minidl.softmax import SoftmaxCrossEntropy, log_softmax, softmax
from minidl.targets import as_targets, as_weights, by_example, require_unit_interval

__all__ = [
    "Loss",
    "MeanSquaredError",
    "SigmoidCrossEntropy",
    "SoftDice",
    "SoftmaxCrossEntropy",
    "log_softmax",
    "softmax",
]


class SigmoidCrossEntropy(Loss):
    """Cross-entropy of independent yes/no outputs: binary or multi-label classification.

    With ``p = 1 / (1 + exp(-z))``, one output costs ``-(t log p + (1 - t) log(1 - p))``, computed
    as ``max(z, 0) - z t + log(1 + exp(-|z|))``, which cannot overflow. The gradient of one output
    is ``p - t``.

    Parameters
    ----------
    scale : {"elements", "examples"}
        "elements": mean over all N*K outputs (PyTorch). "examples": summed over the outputs of an
        example, mean over the N examples: Nielsen's cross-entropy cost (ch. 3, eq. 63), K times
        larger.

    Notes
    -----
    ``forward(outputs, targets)`` takes targets in [0, 1] of the shape of the logits (N, K, ...);
    integer labels (N, ...), made one-hot; or, for K = 1, zeros and ones of shape (N, ...).
    """

    def __init__(self, *, scale: str = "elements") -> None:
        super().__init__()
        self._require_choice("scale", scale, "elements", "examples")
        self.scale = scale

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array:
        t = as_targets(self.name, outputs, targets)
        require_unit_interval(self.name, "targets", t)
        a = as_weights(self.name, outputs, weights)
        xp = namespace(outputs)
        count = outputs.size if self.scale == "elements" else outputs.shape[0]
        exps = xp.exp(-abs(outputs))
        costs = xp.maximum(outputs, 0) - outputs * t + xp.log1p(exps)
        if a is not None:
            a = by_example(a, outputs)
            costs *= a
        self._cache = outputs, t, exps, a, count
        return costs.sum() / count

    def backward(self) -> Array:
        z, t, exps, a, count = self._saved()
        # exps = exp(-|z|): the sigmoid is 1/(1 + exps) right of zero and exps/(1 + exps) left of it.
        p = namespace(z).where(z >= 0, 1, exps) / (1 + exps)
        return (p - t if a is None else (p - t) * a) / count


class MeanSquaredError(Loss):
    """Squared distance between outputs y and targets t.

    Parameters
    ----------
    scale : {"elements", "quadratic"}
        "elements": ``mean((y - t)^2)`` over all N*K numbers, gradient ``2 (y - t) / (N K)``.
        "quadratic": Nielsen's quadratic cost ``1/(2N) sum_n |y_n - t_n|^2`` (ch. 1, eq. 6), gradient
        ``(y - t) / N``; K/2 times larger.

    Notes
    -----
    ``forward(outputs, targets)`` takes targets of the shape of the outputs (N, K, ...); integer
    labels (N, ...), made one-hot; or, for K = 1, values of shape (N, ...).
    """

    def __init__(self, *, scale: str = "elements") -> None:
        super().__init__()
        self._require_choice("scale", scale, "elements", "quadratic")
        self.scale = scale

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array:
        difference = outputs - as_targets(self.name, outputs, targets)
        a = as_weights(self.name, outputs, weights)
        factor = 1 / outputs.size if self.scale == "elements" else 0.5 / outputs.shape[0]
        flat = difference.reshape(-1)
        if a is None:
            self._cache = difference, 2 * factor
            return flat.dot(flat) * factor
        weighted = difference * by_example(a, outputs)
        self._cache = weighted, 2 * factor
        return flat.dot(weighted.reshape(-1)) * factor

    def backward(self) -> Array:
        difference, factor = self._saved()
        return difference * factor


class SoftDice(Loss):
    """One minus the Dice coefficient of probabilities p and targets g; for unbalanced classes (FAU).

    ``loss = 1 - (2 sum p g + s) / (sum p + sum g + s)``. The Dice coefficient of two sets is
    ``2 |P and G| / (|P| + |G|)``, the F1 score; the soft form sums probabilities instead of counting,
    which gives it a gradient. With numerator A and denominator B,
    ``d loss / dp = (A / B - 2 g) / B``.

    The loss is a ratio of sums over the batch, not a mean of one loss per example. An example of weight a
    counts in every sum as if it were there a times.

    Parameters
    ----------
    smooth : float
        s > 0. Keeps a class that is neither predicted nor present at loss 0 instead of 0/0.
    per : {"class", "all"}
        "class": sums over the batch and all positions, one coefficient per class (axis 1), then the
        mean over the classes, so that a rare class counts as much as a common one. "all": one
        coefficient over everything.

    Notes
    -----
    ``forward(outputs, targets)`` takes *probabilities* of shape (N, K, ...): end the model with
    Softmax or Sigmoid. Targets in [0, 1] have the same shape, or are integer labels (N, ...).
    """

    def __init__(self, *, smooth: float = 1.0, per: str = "class") -> None:
        super().__init__()
        self._require_choice("per", per, "class", "all")
        if not 0 < smooth < math.inf:
            raise ConfigError(f"{self.name}: smooth must be a finite number above 0, got {smooth!r}")
        self.smooth = float(smooth)
        self.per = per

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array:
        g = as_targets(self.name, outputs, targets)
        require_unit_interval(
            self.name, "outputs (probabilities: end the model with Softmax or Sigmoid)", outputs
        )
        require_unit_interval(self.name, "targets", g)
        axes = tuple(axis for axis in range(outputs.ndim) if axis != 1 or self.per == "all")
        a = as_weights(self.name, outputs, weights)
        scale: Any = 1 if a is None else by_example(a, outputs)
        p, counted = (outputs, g) if a is None else (outputs * scale, g * scale)
        overlap = (p * g).sum(axis=axes, keepdims=True)
        whole = p.sum(axis=axes, keepdims=True) + counted.sum(axis=axes, keepdims=True) + self.smooth
        dice = (2 * overlap + self.smooth) / whole
        self._cache = g, dice, whole, scale
        return 1 - dice.mean()

    def backward(self) -> Array:
        g, dice, whole, scale = self._saved()
        return (dice - 2 * g) * scale / (whole * dice.size)
