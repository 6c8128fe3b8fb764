"""Polynomials through a few noisy points: the smallest model with a capacity to turn (TUE, AAR).

The truth is ``sin(2 pi x)`` on [0, 1], seen at equally spaced points with normal noise. Degrees 0 to n - 1 are
fitted by least squares, in Legendre polynomials, whose normal equations stay solvable where those of the
powers of x do not.
"""

from __future__ import annotations

import math

import numpy as np

NOISE = 0.3
GRID = 201  # points at which a fit is compared with the truth


def truth(x: np.ndarray) -> np.ndarray:
    """Return ``sin(2 pi x)``."""
    return np.sin(2 * math.pi * x)


def design(x: np.ndarray, degree: int) -> np.ndarray:
    """Return the Legendre polynomials of degree 0 to `degree` at x in [0, 1]: (points, degree + 1)."""
    return np.polynomial.legendre.legvander(2 * x - 1, degree)


def fit(x: np.ndarray, y: np.ndarray, degree: int) -> np.ndarray:
    """Return the coefficients of the least-squares fit.

    Parameters
    ----------
    x : (n,) array
    y : (n, ...) array
        Each column is fitted on its own.
    degree : int
        Less than n.

    Returns
    -------
    (degree + 1, ...) array
    """
    return np.linalg.lstsq(design(x, degree), y, rcond=None)[0]


def errors(points: int, degrees: range, draws: int, generator: np.random.Generator) -> np.ndarray:
    """Return the mean errors of fits of every degree, over draws of the noise.

    Parameters
    ----------
    points : int
        More than the highest degree.
    degrees : range
    draws : int
    generator : numpy.random.Generator

    Returns
    -------
    (2, degrees) array
        Root of the mean squared error at the points fitted to, and at new points with new noise.
    """
    x, fine = np.linspace(0, 1, points), np.linspace(0, 1, GRID)
    y = truth(x)[:, None] + NOISE * generator.normal(size=(points, draws))
    found = []
    for degree in degrees:
        weights = fit(x, y, degree)
        seen = np.mean((design(x, degree) @ weights - y) ** 2)
        new = np.mean((design(fine, degree) @ weights - truth(fine)[:, None]) ** 2) + NOISE**2
        found.append((math.sqrt(seen), math.sqrt(new)))
    return np.array(found).T
