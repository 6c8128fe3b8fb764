"""Whether a network that says "90 %" is right nine times in ten.

The cost is "no more than a proxy" for the accuracy (UU, erratum 8), but it measures this: a network can
classify well and be far too sure of itself. C. Guo et al., On Calibration of Modern Neural Networks, ICML
2017.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minidl.errors import ConfigError, ShapeError
from minidl.targets import check_labels


class Calibration(NamedTuple):
    """Confidence against accuracy, bin by bin.

    Attributes
    ----------
    edges : (B + 1,) float64 array
        Of the bins of confidence. A bin includes its upper edge, the first one both.
    examples : (B,) int64 array
    confidence, accuracy : (B,) float64 array
        Mean confidence, and share that came true, in each bin; NaN in an empty one.
    """

    edges: np.ndarray
    examples: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def gaps(self) -> np.ndarray:
        """Confidence minus accuracy, (B,): above 0 where too sure; 0 in an empty bin."""
        return np.nan_to_num(self.confidence - self.accuracy)

    @property
    def expected_error(self) -> float:
        """Expected calibration error ``sum_b n_b / N |confidence_b - accuracy_b|``, a share.

        It depends on the bins, and even of a perfectly calibrated network it is above 0, since the accuracy
        of a few examples scatters.
        """
        return float((self.examples / self.examples.sum()) @ np.abs(self.gaps))

    @property
    def largest_error(self) -> float:
        """Largest gap of a bin, a share; with few examples in some bin mostly chance."""
        return float(np.abs(self.gaps).max())


def reliability(
    confidence: np.ndarray, happened: np.ndarray, bins: int = 10, *, equal: str = "width"
) -> Calibration:
    """Compare forecasts with what happened.

    Parameters
    ----------
    confidence : (N,) float array
        Forecast probabilities, in [0, 1].
    happened : (N,) boolean array
        Whether it came true.
    bins : int
        B, at least 1.
    equal : {"width", "examples"}
        "width": B equal parts of [0, 1], as in Guo et al. "examples": about as many examples in each, which
        shows more where nearly all confidences are close to 1, as on MNIST.

    Raises
    ------
    ShapeError
        If the arrays are not (N,) with the same N >= 1.
    ConfigError
        If a forecast is NaN or outside [0, 1], or an option makes no sense.
    """
    confidence, happened = np.asarray(confidence, dtype=np.float64), np.asarray(happened)
    if confidence.ndim != 1 or happened.shape != confidence.shape or len(confidence) == 0:
        raise ShapeError(
            f"reliability: confidence has shape {confidence.shape} and happened {happened.shape}; both must be "
            "(N,) with the same N >= 1"
        )
    if happened.dtype != bool:
        raise ConfigError(
            f"reliability: happened must be boolean, got {happened.dtype}; write guesses == labels"
        )
    _require_probabilities("reliability", confidence)
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
        raise ConfigError(f"reliability: bins must be a whole number of at least 1, got {bins!r}")
    if equal == "width":
        edges = np.linspace(0, 1, bins + 1)
    elif equal == "examples":
        edges = np.quantile(confidence, np.linspace(0, 1, bins + 1))
    else:
        raise ConfigError(f'reliability: equal must be "width" or "examples", got {equal!r}')
    place = np.searchsorted(edges[1:-1], confidence)
    examples = np.bincount(place, minlength=bins)
    there = np.maximum(examples, 1)
    mean = np.bincount(place, weights=confidence, minlength=bins) / there
    share = np.bincount(place, weights=happened, minlength=bins) / there
    empty = examples == 0
    return Calibration(edges, examples, np.where(empty, np.nan, mean), np.where(empty, np.nan, share))


def calibration_curve(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = 10, *, equal: str = "width"
) -> Calibration:
    """Compare the confidence of a network, the probability of the class it chose, with its accuracy.

    Parameters
    ----------
    probabilities : (N, K) float array
        Such as the softmax of the logits.
    labels : (N,) integer array
        0 … K-1.
    bins, equal
        As in `reliability`.

    Raises
    ------
    ShapeError, ConfigError
        As `reliability`; also if a label is outside the classes.
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or probabilities.size == 0:
        raise ShapeError(
            f"calibration_curve: probabilities have shape {probabilities.shape} and labels {labels.shape}; "
            "expected (examples, classes) and (examples,), at least one of each"
        )
    if labels.dtype.kind not in "iu":
        raise ConfigError(f"calibration_curve: labels must be integers, got {labels.dtype}")
    _require_probabilities("calibration_curve", probabilities)
    labels = check_labels("calibration_curve", labels, probabilities.shape[1])
    happened = probabilities.argmax(axis=1) == labels
    # Float32 rounding may leave a softmax a hair above 1.
    confidence = np.minimum(probabilities.max(axis=1).astype(np.float64), 1)
    return reliability(confidence, happened, bins, equal=equal)


def _require_probabilities(what: str, values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise ConfigError(
            f"{what}: some probabilities are NaN or infinite; find out why the network gives them"
        )
    if values.min() < 0 or values.max() > 1 + 1e-6:
        raise ConfigError(
            f"{what}: probabilities must lie in [0, 1], got {values.min():g} to {values.max():g}; "
            "take the softmax of logits first"
        )
