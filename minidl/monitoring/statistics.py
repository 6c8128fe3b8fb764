"""Numbers about arrays of activations and gradients: histograms, norms, shares."""

from __future__ import annotations

import math

import numpy as np

from minidl.layers import Layer, Sigmoid, Softmax, Tanh

BINS = 50
SAMPLE = 10_000  # numbers; a histogram of 50 bins does not change visibly with more
# Magnitudes of gradients differ by powers of ten between layers: four bins to a power.
DECADES = (-12, 4)
MAGNITUDES = 4 * (DECADES[1] - DECADES[0])


def sample(x: np.ndarray) -> np.ndarray:
    """Return at most some 10,000 numbers of an array, evenly spread through its memory, as (M,)."""
    flat = x.ravel(order="K")
    # An odd step meets all examples even where neighbours in memory belong to different ones.
    return flat[:: (flat.size // SAMPLE) | 1]


def histogram(x: np.ndarray, low: float, high: float, bins: int = BINS) -> np.ndarray:
    """Count numbers in equal bins from `low` to `high`; what lies outside goes to the outermost bins.

    Returns
    -------
    numpy.ndarray, shape (bins,), uint32
        Numbers that are not finite are not counted.
    """
    x = x[np.isfinite(x)]
    scale = bins / (high - low) if high > low else 0.0
    index = ((x - low) * scale).clip(0, bins - 1).astype(np.intp)
    return np.bincount(index, minlength=bins).astype(np.uint32)


def magnitudes(x: np.ndarray) -> np.ndarray:
    """Count numbers by their size: the first bin is zeros, then four to a power of ten from 1e-12 to 1e4.

    Returns
    -------
    numpy.ndarray, shape (1 + MAGNITUDES,), uint32
    """
    x = np.abs(x[np.isfinite(x)])
    exponents = np.log10(x[x > 0])
    rest = histogram(exponents, *DECADES, bins=MAGNITUDES)
    return np.concatenate([[np.uint32(x.size - exponents.size)], rest]).astype(np.uint32)


def value_range(layer: Layer, values: np.ndarray) -> tuple[float, float]:
    """Return where a layer's outputs lie: the range of its function, or else that of `values`."""
    if isinstance(layer, Tanh):
        return -1.0, 1.0
    if isinstance(layer, Sigmoid | Softmax):
        return 0.0, 1.0
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def norm(x: np.ndarray) -> float:
    """Return the Euclidean norm of all numbers of an array."""
    flat = x.ravel(order="K")
    return math.sqrt(float(np.dot(flat, flat)))
