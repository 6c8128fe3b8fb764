"""A 5 turned by 15 degrees: the same digit to the eye, another image to the pixels (UU; the book's chapter 3).

How far is a 5 from itself after the turn, pixel by pixel, and how far from the nearest images of others? A
network that has seen only upright digits is asked about turned ones, and so is one that was trained on random
rotations up to those 15 degrees (the affine augmentation of AAR and UU).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader, RandomAffine, Split
from minidl.data.augment import warp
from minidl.errors import ConfigError
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
from minidl.training import predict

FIVE = 5
ANGLE = 15
NETWORKS = ("upright digits only", f"random rotations up to {ANGLE}°")


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    images : int
        Training images, which are also those among which neighbours are looked for.
    fives : int
        Of them, whose distances are measured.
    angles : tuple of int
        Degrees at which the networks are asked, increasing, 0 and 15 among them.
    hidden, batch_size, epochs : int
    validation : int
        Validation images scored.
    """

    images: int = 10_000
    fives: int = 300
    angles: tuple[int, ...] = tuple(range(-60, 61, 5))
    hidden: int = 100
    batch_size: int = 50
    epochs: int = 8
    validation: int = 2000


@dataclass(frozen=True)
class Neighbours:
    """Distances of some images, the root of the summed squared differences of the pixels from 0 to 1.

    Attributes
    ----------
    turned : (F,) array
        To the same image turned by `ANGLE`.
    same, other : (F,) array
        To the nearest other image of the same digit, and of another digit.
    nearest_same, nearest_other : (F,) array of int
        Which these are.
    """

    turned: np.ndarray
    same: np.ndarray
    other: np.ndarray
    nearest_same: np.ndarray
    nearest_other: np.ndarray


def turn(images: np.ndarray, degrees: float) -> np.ndarray:
    """Return images turned counter-clockwise about their middle, with linear interpolation.

    Parameters
    ----------
    images : (n, 1, H, W) uint8 array
    degrees : float

    Returns
    -------
    (n, 1, H, W) uint8 array
    """
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrices = np.broadcast_to(np.array([[cos, -sin], [sin, cos]]), (len(images), 2, 2))
    return warp(images, matrices, np.zeros((len(images), 2)))


def neighbours(split: Split, chosen: np.ndarray) -> Neighbours:
    """Measure the distances of the images at the indices `chosen`, all of one digit, within a split."""
    flat = split.images.reshape(len(split), -1).astype(np.float64) / 255
    mine = flat[chosen]
    squares = (flat**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[chosen, None] + squares - 2 * mine @ flat.T, 0))
    distances[np.arange(len(chosen)), chosen] = math.inf  # not itself
    is_same = split.labels == split.labels[chosen[0]]
    same, other = np.where(is_same, distances, math.inf), np.where(is_same, math.inf, distances)
    turned = turn(split.images[chosen], ANGLE).reshape(len(chosen), -1) / 255
    return Neighbours(
        np.sqrt(((turned - mine) ** 2).sum(axis=1)),
        same.min(axis=1),
        other.min(axis=1),
        same.argmin(axis=1),
        other.argmin(axis=1),
    )


def fives_of(split: Split, count: int, data: DataSet) -> np.ndarray:
    """Return the indices of the first images of a 5.

    Raises
    ------
    ConfigError
        If there are fewer than two fives, or nothing else.
    """
    found = np.flatnonzero(split.labels == FIVE)
    if not 2 <= len(found) < len(split):
        raise ConfigError(
            f"the demonstration 'rotated-five' needs two images of class {FIVE} and others, got {len(found)} in the "
            f"first {len(split):,} training images of {data.title}; take more"
        )
    return found[:count]


def accuracies(data: DataSet, plan: Plan, train: Split, *, seed: int = 0) -> np.ndarray:
    """Return the accuracy of both networks on turned validation images, in per cent: (2, angles)."""
    validation = validation_images(data, plan.validation)
    seeds = seeds_of("rotated-five", seed)
    turned = [turn(validation.images, angle) for angle in plan.angles]
    found = []
    for augment in (None, RandomAffine(rotation=ANGLE)):
        model = dense_network([plan.hidden], len(data.classes))
        model.build(train.images.shape[1:], seeds.child("model"))
        loader = Loader(
            train.images, train.labels, plan.batch_size, seeds=seeds.child("loader"), augment=augment
        )
        short_run(model, SoftmaxCrossEntropy(), Adam(lr=0.002), loader, plan.epochs * len(loader))
        found.append(
            [100 * float((predict(model, x).argmax(axis=1) == validation.labels).mean()) for x in turned]
        )
    return np.array(found)


def run(data: DataSet, out: Path, *, seed: int = 0, plan: Plan | None = None) -> str:
    """Do the experiment, write ``rotated-five.png`` and ``.json`` to `out`, return what to print."""
    from minidl.plots.concepts.rotated_five import rotated_five_plot

    plan = plan or Plan()
    train = first_images(data, plan.images, plan.batch_size, "rotated-five")
    chosen = fives_of(train, plan.fives, data)
    with threads(1):
        around = neighbours(train, chosen)
        accuracy = accuracies(data, plan, train, seed=seed)
    facts: dict[str, Any] = {
        "data": data.title,
        "seed": seed,
        "plan": asdict(plan),
        "images": len(train),
        "distances": {name: getattr(around, name) for name in ("turned", "same", "other")},
        "networks": list(NETWORKS),
        "accuracy": accuracy,
    }
    first = int(chosen[0])
    sheet = [
        train.images[first],
        turn(train.images[first : first + 1], ANGLE)[0],
        train.images[around.nearest_same[0]],
        train.images[around.nearest_other[0]],
    ]
    figure = rotated_five_plot(
        np.array(sheet)[:, 0],
        [
            "a 5",
            f"turned by {ANGLE}°\ndistance {around.turned[0]:.1f}",
            f"nearest other 5\ndistance {around.same[0]:.1f}",
            f"nearest other digit\ndistance {around.other[0]:.1f}",
        ],
        {
            "itself, turned": around.turned,
            "nearest other 5": around.same,
            "nearest other digit": around.other,
        },
        (np.array(plan.angles), accuracy, list(NETWORKS)),
        title=f"A 5 turned by {ANGLE} degrees: {data.title}",
    )
    write_results(out, {"rotated-five": figure}, "rotated-five", facts)
    return "\n".join([table(plan, accuracy), "", conclusion(plan, around, accuracy, len(train))])


def table(plan: Plan, accuracy: np.ndarray) -> str:
    """Return the accuracy at the angles that are multiples of 15 degrees."""
    shown = [i for i, angle in enumerate(plan.angles) if angle % 15 == 0]
    rows = [["accuracy, %, on images turned by", *(f"{plan.angles[i]}°" for i in shown)]]
    for name, values in zip(NETWORKS, accuracy, strict=True):
        rows.append([name, *(f"{values[i]:.1f}" for i in shown)])
    return columns(rows)


def conclusion(plan: Plan, around: Neighbours, accuracy: np.ndarray, images: int) -> str:
    """Return two sentences on what the numbers show."""
    farther, foreign = (
        100 * float((around.turned > nearest).mean()) for nearest in (around.same, around.other)
    )
    moved, same, other = (
        number(float(values.mean()), 2) for values in (around.turned, around.same, around.other)
    )
    upright, turned = plan.angles.index(0), plan.angles.index(ANGLE)
    plain, augmented = accuracy
    return (
        f"Turned by {ANGLE} degrees a 5 moves {moved} away from itself on average (root of the summed squares of the "
        f"pixels), while the nearest other 5 among {images:,} images is at {same} and the nearest other digit at "
        f"{other}: {farther:.0f} % of the {len(around.turned):,} fives are closer to another 5 than to themselves "
        f"turned, {foreign:.0f} % closer to another digit. "
        f"From upright to turned images the accuracy goes from {plain[upright]:.1f} to {plain[turned]:.1f} % for the "
        f"network that saw upright digits only, and from {augmented[upright]:.1f} to {augmented[turned]:.1f} % for the "
        "one trained on random rotations."
    )
