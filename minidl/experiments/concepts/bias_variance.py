"""Bias and variance, measured: the same small models trained again and again on other data (AAR).

Two experiments. The lecture's targets: a polynomial of low or high degree is fitted to few or many noisy
points of a curve in the plane, 150 times with new noise, and each time says where the curve is at one moment.
The bull's eye is the truth, a hit is a fit, the distance of their mean from the bull's eye the bias.

And the trade-off on images: networks of growing width, each trained on several draws of the training images. The
squared distance between the probabilities p and the true class as a vector y of zeros and a one splits
exactly, image by image, with the mean over trainings written E::

    E|p - y|^2  =  |E p - y|^2  +  E|p - E p|^2
       error           bias^2         variance

where the noise of the labels, which no model can know, counts as bias. E is the mean over the T trainings that
were made, so the variance is too small by the factor (T - 1) / T, and the bias has what it lacks.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader
from minidl.errors import ConfigError
from minidl.experiments.concepts.polynomials import design, fit
from minidl.experiments.concepts.results import columns, number, write_results
from minidl.experiments.concepts.short_run import (
    dense_network,
    first_images,
    seeds_of,
    short_run,
    validation_images,
)
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import Adam
from minidl.parallel import threads
from minidl.softmax import softmax
from minidl.training import predict

MOMENT = 0.75  # of the curve, in [0, 1], that is aimed at
NOISE = 0.6
# Name, degree, points: in the order of the lecture's picture, low variance to the left, low bias above.
BOARDS = (
    ("low bias, low variance", 5, 200),
    ("low bias, high variance", 5, 12),
    ("high bias, low variance", 1, 200),
    ("high bias, high variance", 1, 4),
)


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    shots : int
        Fits on each target.
    widths : tuple of int
        Hidden units of the networks.
    images : int
        Training images of each draw.
    draws : int
        Trainings of each width.
    batch_size, steps : int
    validation : int
        Validation images scored.
    """

    shots: int = 150
    widths: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
    images: int = 300
    draws: int = 8
    batch_size: int = 25
    steps: int = 600
    validation: int = 2000


def curve(t: np.ndarray) -> np.ndarray:
    """Return points of an ellipse, the truth of the targets: (..., 2) for moments t in [0, 1]."""
    return np.stack([1.5 * np.sin(2 * math.pi * t), np.cos(2 * math.pi * t)], axis=-1)


def shoot(degree: int, points: int, shots: int, generator: np.random.Generator) -> np.ndarray:
    """Return where fits to noisy points of the curve say that it is at `MOMENT`: (shots, 2)."""
    t = np.linspace(0, 1, points)
    seen = curve(t)[:, None, :] + NOISE * generator.normal(size=(points, shots, 2))
    weights = fit(t, seen.reshape(points, -1), degree)
    return (design(np.array([MOMENT]), degree) @ weights).reshape(shots, 2)


def split_error(predictions: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Split a squared error into bias and variance.

    Parameters
    ----------
    predictions : (T, N, K) array
        Of T trainings.
    truth : (N, K) array

    Returns
    -------
    error, bias2, variance : float
        Means over the N examples; the first is the sum of the others.
    """
    mean = predictions.mean(axis=0)
    error, variance = (((predictions - middle) ** 2).sum(axis=2).mean() for middle in (truth, mean))
    return float(error), float(((mean - truth) ** 2).sum(axis=1).mean()), float(variance)


def targets(plan: Plan, *, seed: int = 0) -> list[np.ndarray]:
    """Return the hits on each of `BOARDS`, the bull's eye at the origin."""
    seeds = seeds_of("bias-variance", seed)
    bull = curve(np.array(MOMENT))
    return [
        shoot(degree, points, plan.shots, seeds.generator("shots", name)) - bull
        for name, degree, points in BOARDS
    ]


def trade_off(data: DataSet, plan: Plan, *, seed: int = 0) -> np.ndarray:
    """Train networks of every width on every draw of the images.

    Returns
    -------
    (4, widths) array
        Squared error, squared bias, variance, and the share of wrong answers.

    Raises
    ------
    ConfigError
        If there are fewer training images than two draws take.
    """
    if len(data.train) < plan.images + plan.batch_size:
        raise ConfigError(
            f"the demonstration 'bias-variance' draws {plan.images:,} images again and again and needs more to draw "
            f"from, got {len(data.train):,} of {data.title}; take more"
        )
    pool = first_images(data, len(data.train), plan.images, "bias-variance")
    validation = validation_images(data, plan.validation)
    truth = np.eye(len(data.classes))[validation.labels]
    seeds = seeds_of("bias-variance", seed)
    found = np.empty((4, len(plan.widths)))
    for column, width in enumerate(plan.widths):
        shares = []
        for draw in range(plan.draws):
            branch = seeds.child(str(draw))
            # Without replacement from all images, so that of a large set the draws hardly overlap.
            rows = branch.generator("images").permutation(len(pool))[: plan.images]
            train = pool.subset(rows)
            model = dense_network([width], len(data.classes))
            model.build(train.images.shape[1:], branch.child("model"))
            loader = Loader(train.images, train.labels, plan.batch_size, seeds=branch.child("loader"))
            short_run(model, SoftmaxCrossEntropy(), Adam(lr=0.003), loader, plan.steps)
            shares.append(softmax(predict(model, validation.images).astype(np.float64)))
        predictions = np.array(shares)
        wrong = (predictions.argmax(axis=2) != validation.labels).mean()
        found[:, column] = (*split_error(predictions, truth), wrong)
    return found


def run(data: DataSet, out: Path, *, seed: int = 0, plan: Plan | None = None) -> str:
    """Make both experiments, write ``bias-variance.png`` and ``.json`` to `out`, return what to print."""
    from minidl.plots.concepts.bias_variance import bias_variance_plot

    plan = plan or Plan()
    boards = targets(plan, seed=seed)
    with threads(1):
        found = trade_off(data, plan, seed=seed)
    facts: dict[str, Any] = {
        "data": data.title,
        "seed": seed,
        "plan": asdict(plan),
        "targets": [
            {"name": name, "degree": degree, "points": points, "bias": off, "spread": spread}
            for (name, degree, points), (off, spread) in zip(BOARDS, map(measured, boards), strict=True)
        ],
        "error": found[0],
        "bias2": found[1],
        "variance": found[2],
        "wrong": found[3],
    }
    figure = bias_variance_plot(
        [(f"{name}", f"degree {degree}, {points} points", hits)
         for (name, degree, points), hits in zip(BOARDS, boards, strict=True)],
        np.array(plan.widths),
        found[:3],
        title=f"Bias and variance: networks on {plan.images:,} images of {data.title}",
    )  # fmt: skip
    write_results(out, {"bias-variance": figure}, "bias-variance", facts)
    return "\n".join([table(plan, boards, found), "", conclusion(plan, boards, found)])


def measured(hits: np.ndarray) -> tuple[float, float]:
    """Return how far the mean of the hits is from the bull's eye, and their root mean square distance from it."""
    mean = hits.mean(axis=0)
    return float(np.linalg.norm(mean)), math.sqrt(float(((hits - mean) ** 2).sum(axis=1).mean()))


def table(plan: Plan, boards: list[np.ndarray], found: np.ndarray) -> str:
    """Return both experiments as text."""
    rows = [["target", "degree", "points", "bias", "spread"]]
    for (name, degree, points), hits in zip(BOARDS, boards, strict=True):
        rows.append([name, str(degree), str(points), *(number(value, 2) for value in measured(hits))])
    body = [["hidden units", "bias²", "variance", "sum", "wrong answers"]]
    for width, (error, bias2, variance, wrong) in zip(plan.widths, found.T, strict=True):
        body.append([str(width), f"{bias2:.3f}", f"{variance:.3f}", f"{error:.3f}", f"{100 * wrong:.1f} %"])
    return columns(rows) + "\n\n" + columns(body)


def conclusion(plan: Plan, boards: list[np.ndarray], found: np.ndarray) -> str:
    """Return two sentences on what the numbers show."""
    (_, precise), (_, wild), (off, _), _ = (measured(hits) for hits in boards)
    _, high, few = BOARDS[1]
    _, low, many = BOARDS[2]
    error, bias2, variance, _ = found
    most, best = int(variance.argmax()), int(error.argmin())
    widths = plan.widths
    return (
        f"With {few} points instead of {many} the polynomial of degree {high} scatters {number(wild / precise, 2)} "
        f"times as far ({number(wild, 2)} against {number(precise, 2)}), while that of degree {low} misses by "
        f"{number(off, 2)} on average even with {many}. "
        f"From {widths[0]} to {widths[-1]} hidden units the squared bias of the networks goes from {bias2[0]:.2f} to "
        f"{bias2[-1]:.2f} and the variance from {variance[0]:.2f} to {variance[-1]:.2f}, with its maximum of "
        f"{variance[most]:.2f} at {widths[most]}; their sum is lowest, {error[best]:.2f}, at {widths[best]}."
    )
