"""Softmax, and the cross-entropy that belongs to it.

Legend: N examples, K classes, z logits, p probabilities, t targets, w class weights, a example weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.backend import Array, device_of, namespace, to_device
from minidl.errors import ConfigError, ShapeError
from minidl.kernels.gpu import softmax as gpu
from minidl.loss import Loss
from minidl.targets import as_targets, as_weights, check_labels, check_outputs, one_hot


def log_softmax(logits: Array, axis: int = -1) -> Array:
    """Return ``z - log(sum(exp(z)))`` along `axis`, exact for logits of any size.

    Subtracting the largest logit first changes nothing in exact arithmetic and keeps ``exp`` from
    overflowing in ours.
    """
    xp = namespace(logits)
    shifted = logits - logits.max(axis=axis, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=axis, keepdims=True))


def softmax(logits: Array, axis: int = -1) -> Array:
    """Return ``exp(z) / sum(exp(z))`` along `axis`: positive numbers that sum to one."""
    xp = namespace(logits)
    exps = xp.exp(logits - logits.max(axis=axis, keepdims=True))
    exps /= exps.sum(axis=axis, keepdims=True)
    return exps


class SoftmaxCrossEntropy(Loss):
    """Cross-entropy of the softmax of the logits: the log-likelihood cost of UU.

    ``loss = - 1/N * sum_n sum_k w_k t_nk log p_nk`` with ``p = softmax(z)``; for integer labels the
    inner sum is ``w_y log p_ny``, the weighted cross-entropy of FAU (eq. 1).
    ``d loss / dz_nk = 1/N * (p_nk sum_j w_j t_nj - w_k t_nk)``, which without weights is
    ``(p - t) / N``.

    Parameters
    ----------
    class_weights : sequence of K floats, optional
        w. Against class imbalance FAU takes the inverse class frequencies.
    weight_mean : {"batch", "weights"}
        What the weighted sum is divided by. "batch": N, as printed above, so that doubling all
        weights doubles the loss. "weights": the summed weights of the batch's labels, PyTorch's
        choice, which cannot be told apart from "batch" when all weights are 1, and under which an
        example counts for more when its companions in the batch are light. Where the examples have
        weights of their own, these are a factor of the weights that are summed.
    label_smoothing : float
        e in [0, 1), the probability mass taken from the label.
    smoothing : {"uniform", "others"}
        Who gets it. "uniform": all K classes, ``(1 - e) t + e / K`` (Szegedy et al. 2016, PyTorch);
        "others": the K - 1 wrong ones, giving 1 - e and e / (K - 1) (AAR; Goodfellow et al., 7.5.1).
        For K = 10 and e = 0.1 the label keeps 0.91 or 0.90 (erratum 16). Class weights apply after
        smoothing; ``weight_mean="weights"`` divides by the weights of the targets before it, as
        PyTorch does.

    Notes
    -----
    ``forward(outputs, targets)`` takes logits of shape (N, K), and integer labels of shape (N,), or
    one-hot or soft targets of shape (N, K) whose rows sum to one. Labels are checked on the CPU, not
    on a GPU. With a third argument, weights a of shape (N,), the terms of example n are multiplied by a_n.

    Raises
    ------
    ConfigError
        If an option makes no sense.

    Examples
    --------
    >>> loss = SoftmaxCrossEntropy()
    >>> float(loss.forward(np.zeros((1, 4)), np.array([2])))    # log 4: the loss of a pure guess
    1.3862943611198906
    >>> loss.backward()
    array([[ 0.25,  0.25, -0.75,  0.25]])
    """

    def __init__(
        self,
        *,
        class_weights: Sequence[float] | np.ndarray | None = None,
        weight_mean: str = "batch",
        label_smoothing: float = 0.0,
        smoothing: str = "uniform",
    ) -> None:
        super().__init__()
        self._require_choice("weight_mean", weight_mean, "batch", "weights")
        self._require_choice("smoothing", smoothing, "uniform", "others")
        if not 0 <= label_smoothing < 1:
            raise ConfigError(f"{self.name}: label_smoothing must lie in [0, 1), got {label_smoothing!r}")
        self.class_weights = _checked_weights(self.name, class_weights, weight_mean)
        self.weight_mean = weight_mean
        self.label_smoothing = float(label_smoothing)
        self.smoothing = smoothing
        self._placed_weights: Array = None
        self._layout: Any = None

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array:
        check_outputs(self.name, outputs, targets)
        a = as_weights(self.name, outputs, weights)
        if outputs.ndim != 2:
            raise ShapeError(
                f"{self.name}: expected logits of shape (N, K), got {outputs.shape}; "
                "end the model with Flatten and Dense"
            )
        outputs = namespace(outputs).ascontiguousarray(outputs)  # the labels are found by flat position
        if gpu.applies(self, outputs, targets):
            return gpu.forward(self, outputs, check_labels(self.name, targets, outputs.shape[1]), a)
        if targets.shape != outputs.shape[:1] or targets.dtype.kind not in "iu":
            dense = as_targets(self.name, outputs, targets)
            self._check_rows(dense)
            return self._forward_dense(outputs, dense, a)
        labels = check_labels(self.name, targets, outputs.shape[1])
        if self.label_smoothing:
            return self._forward_dense(outputs, one_hot(labels, outputs.shape[1], outputs.dtype), a)
        return self._forward_labels(outputs, labels, a)

    def backward(self) -> Array:
        if not isinstance(self._saved(), tuple):
            return self._cache  # a GPU computes it along with the loss
        exps, totals, picks, mass, weighted = self._saved()
        gradient = exps * (mass / totals)[:, None]  # p times the weight of the example
        if weighted is None:
            gradient.reshape(-1)[picks] -= mass
        else:
            gradient -= weighted
        return gradient

    def _forward_labels(self, logits: Array, labels: Array, a: Array | None) -> Array:
        # The target is one number per row, so log p is needed at the label alone.
        xp = namespace(logits)
        starts, mass, ones = self._rows(logits)
        weights = self._weights_for(logits)
        if weights is not None or a is not None:
            mass = a if weights is None else weights[labels] if a is None else weights[labels] * a
            mass = mass / self._divisor(mass)
        shifted = logits - _row_maxima(logits)[:, None]
        picks = starts + labels
        at_label = shifted.reshape(-1)[picks]
        exps = xp.exp(shifted, out=shifted)
        totals = exps.dot(ones)
        self._cache = exps, totals, picks, mass, None
        return mass.dot(xp.log(totals) - at_label)

    def _forward_dense(self, logits: Array, targets: Array, a: Array | None) -> Array:
        xp = namespace(logits)
        weights = self._weights_for(logits)
        divisor: Any = targets.shape[0]
        if weights is not None or a is not None:
            mass = targets.sum(axis=1) if weights is None else targets.dot(weights)
            divisor = self._divisor(mass if a is None else mass * a)
        weighted = self._smoothed(targets)
        if weights is not None:
            weighted = weighted * weights
        weighted = (weighted if a is None else weighted * a[:, None]) / divisor
        shifted = logits - _row_maxima(logits)[:, None]
        exps = xp.exp(shifted)
        totals = exps.sum(axis=1)
        shifted -= xp.log(totals)[:, None]  # now log p
        self._cache = exps, totals, None, weighted.sum(axis=1), weighted
        return -weighted.reshape(-1).dot(shifted.reshape(-1))

    def _divisor(self, mass: Array) -> Any:
        """Return what the sum over the examples, of the weights `mass`, is divided by."""
        if self.weight_mean == "batch":
            return mass.shape[0]
        total = mass.sum()
        if isinstance(mass, np.ndarray) and not total > 0:
            raise ConfigError(
                f"{self.name}: weight_mean='weights' divides by the sum of the weights of a batch, which is 0; use "
                "weight_mean='batch'"
            )
        return total

    def _check_rows(self, targets: Array) -> None:
        if not isinstance(targets, np.ndarray):
            return
        sums = targets.sum(axis=1)
        row = int(abs(sums - 1).argmax())
        if not abs(sums[row] - 1) < 1e-3:
            raise ConfigError(
                f"{self.name}: every row of the targets must sum to 1, row {row} sums to {sums[row]:g}; "
                "for several labels per example use SigmoidCrossEntropy"
            )

    def _smoothed(self, targets: Array) -> Array:
        e, classes = self.label_smoothing, targets.shape[1]
        if not e:
            return targets
        if self.smoothing == "uniform":
            return (1 - e) * targets + e / classes
        if classes < 2:
            raise ShapeError(f"{self.name}: smoothing='others' needs at least two classes, got {classes}")
        share = e / (classes - 1)
        return (1 - e - share) * targets + share

    def _rows(self, logits: Array) -> tuple[Array, Array, Array]:
        # Where each row starts in the flattened logits, the weight 1/N of each, and the ones that
        # sum a row faster than sum(axis=1): the same in every batch of one size, so they are kept.
        key = (logits.shape, logits.dtype, type(logits))
        if self._layout is None or self._layout[0] != key:
            xp, (examples, classes) = namespace(logits), logits.shape
            starts = xp.arange(0, examples * classes, classes)
            mass = xp.full(examples, 1 / examples, dtype=logits.dtype)
            self._layout = key, (starts, mass, xp.ones(classes, dtype=logits.dtype))
        return self._layout[1]

    def _weights_for(self, logits: Array) -> Array | None:
        if self.class_weights is None:
            return None
        placed = self._placed_weights
        if placed is None or placed.dtype != logits.dtype or type(placed) is not type(logits):
            host = self.class_weights.astype(logits.dtype)
            placed = self._placed_weights = to_device(host, device_of(logits))
        if placed.shape[0] != logits.shape[1]:
            raise ShapeError(
                f"{self.name}: {placed.shape[0]} class weights do not fit {logits.shape[1]} outputs"
            )
        return placed


def _checked_weights(name: str, weights: Any, weight_mean: str) -> np.ndarray | None:
    if weights is None:
        return None
    array = np.array(weights, dtype=np.float64)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all() or array.min() < 0:
        raise ConfigError(f"{name}: class_weights must be K finite numbers >= 0, got {weights!r}")
    if weight_mean == "weights" and array.min() == 0:
        raise ConfigError(
            f"{name}: weight_mean='weights' needs class_weights above 0, because a batch may consist of "
            "classes of weight 0 alone; use weight_mean='batch'"
        )
    return array


def _row_maxima(logits: Array) -> Array:
    # NumPy's max along short rows is a loop of scalars; along columns it is vectorised. Turned round,
    # 10,000 rows of 10 take a twelfth of the time.
    if logits.shape[1] <= 32:
        return logits.T.copy().max(axis=0)
    return logits.max(axis=1)
