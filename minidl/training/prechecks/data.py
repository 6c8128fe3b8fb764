"""Checks of the data alone: what costs nothing and explains most trainings that never get going."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

from minidl.backend import to_cpu
from minidl.random import Seeds
from minidl.training.prechecks.copies import as_inputs, require_examples
from minidl.training.prechecks.result import OK, SUSPICIOUS, WRONG, CheckResult

LARGEST_INPUT = 10.0  # standardised inputs reach some ±4; grey levels reach 255
UNBALANCED = 10.0  # examples of the largest class for one of the smallest
NEIGHBOURS_FROM = 100  # examples below which the nearest neighbour proves nothing


def check_inputs(images: Any, *, scale: float = 1 / 255, name: str = "inputs") -> CheckResult:
    """Look at the numbers a network will receive: range, mean, spread, NaN, images of one grey.

    A network wants inputs of the order of one (AAR: zero mean, unit variance; 0 to 1 will do). MNIST
    has mean 0.1307 and standard deviation 0.3081.

    Parameters
    ----------
    images : array, shape (N, ...)
        Bytes, which are multiplied by `scale`, or numbers, which are taken as they are.
    scale : float
        The loader's factor.
    """
    images = to_cpu(images)
    # Sums over pieces: the whole of MNIST in float64 would take 300 MB.
    count = total = squares = 0.0
    low, high, bad, constant = math.inf, -math.inf, 0, 0
    for start in range(0, len(images), 1000):
        piece = as_inputs(images[start : start + 1000], scale, np.float64)
        x = piece.reshape(len(piece), -1)
        finite = np.isfinite(x)
        bad += int(x.size - finite.sum())
        x[~finite] = 0
        constant += int((x.min(axis=1) == x.max(axis=1)).sum())
        low, high = min(low, float(x.min())), max(high, float(x.max()))
        count, total, squares = count + x.size, total + float(x.sum()), squares + float((x * x).sum())
    mean = total / count
    std = math.sqrt(max(squares / count - mean * mean, 0.0))
    numbers = {
        "examples": len(images),
        "min": low,
        "max": high,
        "mean": mean,
        "std": std,
        "not_finite": bad,
        "constant_images": constant,
    }
    finding = f"{low:.3g} to {high:.3g}, mean {mean:.4f}, standard deviation {std:.4f}"
    if bad:
        advice = "find out where NaN or infinity comes from; one is enough to make every weight NaN"
        return CheckResult(name, WRONG, f"{bad:,} numbers are NaN or infinite", advice, numbers)
    if std == 0:
        return CheckResult(
            name, WRONG, f"every number is {low:.3g}", "look at how the images are read", numbers
        )
    if max(abs(low), abs(high)) > LARGEST_INPUT:
        advice = "bring the inputs to 0 to 1 (grey levels: images / 255) or to mean 0 and deviation 1"
        return CheckResult(name, SUSPICIOUS, finding, advice, numbers)
    if constant:
        finding += f"; {constant:,} images have one single value everywhere"
        return CheckResult(
            name, SUSPICIOUS, finding, "look at these images: are they empty or damaged?", numbers
        )
    return CheckResult(name, OK, finding, "", numbers)


def check_labels(labels: Any, classes: int, *, name: str = "labels") -> CheckResult:
    """Look at the labels: whole numbers, in range, every class there, and how evenly.

    Parameters
    ----------
    labels : array, shape (N,)
    classes : int
        K; labels must lie in 0 to K - 1.
    """
    labels = to_cpu(np.asarray(labels))
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        finding = f"labels are {labels.dtype} of shape {labels.shape}, not one whole number for each image"
        return CheckResult(name, SUSPICIOUS, finding, "for classes, give integers of shape (N,)")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        finding = f"labels from {low} to {high}, but there are classes 0 to {classes - 1} only"
        advice = "count classes from 0; if the labels are right, the last layer needs more units"
        return CheckResult(name, WRONG, finding, advice, {"min": low, "max": high, "classes": classes})
    counts = np.bincount(labels, minlength=classes)
    present = counts[counts > 0]
    ratio = float(present.max() / present.min())
    numbers: dict[str, Any] = {"counts": counts.tolist(), "largest_to_smallest": ratio}
    if len(present) == 1:
        finding = f"every label is {low}"
        return CheckResult(
            name, WRONG, finding, "there is nothing to tell apart; look at how labels are read", numbers
        )
    least, most = int(present.min()), int(present.max())
    size = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    finding = f"{classes} classes of {size} examples"
    if len(present) < classes:
        missing = ", ".join(map(str, np.flatnonzero(counts == 0)[:10]))
        finding = f"no examples of class {missing}; the others have {size}"
        advice = "a class without examples is never learned; is the split drawn at random?"
        return CheckResult(name, SUSPICIOUS, finding, advice, numbers)
    if ratio > UNBALANCED:
        finding += f", {ratio:.0f} to 1"
        advice = (
            "accuracy will hide the rare class: look at recall and F1, and see minidl.data.resample "
            "and SoftmaxCrossEntropy(class_weights=...)"
        )
        return CheckResult(name, SUSPICIOUS, finding, advice, numbers)
    return CheckResult(name, OK, finding, "", numbers)


def check_duplicates(
    images: Any, labels: Any, validation_images: Any = None, *, name: str = "duplicates"
) -> CheckResult:
    """Look for training images that occur again in the validation split, or twice with two labels.

    An image in both splits makes validation too good; one image with two labels cannot be learned.
    Only exact copies are found.

    Parameters
    ----------
    images : array, shape (N, ...)
    labels : array, shape (N,)
    validation_images : array, optional
    """
    images, labels = to_cpu(images), to_cpu(np.asarray(labels))
    require_examples(images, labels)
    first: dict[bytes, int] = {}
    twins = conflicts = 0
    for index, key in enumerate(_keys(images)):
        earlier = first.setdefault(key, index)
        if earlier != index:
            twins += 1
            conflicts += not np.array_equal(labels[earlier], labels[index])
    shared = total = 0
    if validation_images is not None:
        total = len(validation_images)
        shared = sum(key in first for key in _keys(to_cpu(validation_images)))
    numbers = {"twins": twins, "conflicts": conflicts, "shared": shared, "validation_examples": total}
    told = f"{twins:,} training images occur twice"
    if conflicts:
        told += f", {conflicts:,} of them with another label"
    finding = f"{shared:,} of {total:,} validation images are training images; {told}" if total else told
    if shared > 0.01 * total:
        advice = "split the data before copying or augmenting: the validation score measures memory here"
        return CheckResult(name, WRONG, finding, advice, numbers)
    if shared or conflicts:
        advice = "remove the copies" if shared else "decide which label is right, or leave both out"
        return CheckResult(name, SUSPICIOUS, finding, advice, numbers)
    return CheckResult(name, OK, finding, "", numbers)


def check_pairing(
    images: Any,
    labels: Any,
    validation_images: Any = None,
    validation_labels: Any = None,
    *,
    examples: int = 1000,
    seed: int = 0,
    name: str = "image-label pairs",
) -> CheckResult:
    """Ask whether the labels belong to the images: does an image's nearest neighbour share its label?

    A network fits permuted or shifted labels on a few examples as easily as true ones (Zhang et al.
    2016), so no overfitting check can find them. The nearest neighbour can: with labels that have
    nothing to do with the images it is right as often as by chance, ``sum_k p_k^2`` for class shares
    p_k. Agreement counts as above chance from five standard errors on.

    Parameters
    ----------
    images : array, shape (N, ...)
    labels : integer array, shape (N,)
    validation_images, validation_labels : arrays, optional
        Their neighbours are looked for among the training examples: labels that are numbered
        differently in the two splits show here.
    examples : int
        How many to draw from either split.
    seed : int
    """
    images, labels = to_cpu(images), to_cpu(np.asarray(labels))
    require_examples(images, labels)
    seeds = Seeds(seed).child("pairing")
    chosen = seeds.generator("train").permutation(len(labels))[:examples]
    known, answers = _flat(images[chosen]), labels[chosen]
    parts = {"training": _agreement(known, answers, known, answers, itself=True)}
    if validation_images is not None and validation_labels is not None:
        asked = seeds.generator("validation").permutation(len(validation_labels))[:examples]
        there, theirs = _flat(to_cpu(validation_images)[asked]), to_cpu(np.asarray(validation_labels))[asked]
        parts["validation"] = _agreement(known, answers, there, theirs, itself=False)
    numbers: dict[str, Any] = {}
    for part, (agreement, chance, _) in parts.items():
        numbers |= {f"{part}_agreement": agreement, f"{part}_chance": chance}
    told = ", ".join(
        f"{part}: {100 * agreement:.1f} % (chance {100 * chance:.1f} %)"
        for part, (agreement, chance, _) in parts.items()
    )
    finding = f"the nearest training image has the same label; {told}"
    if len(chosen) < NEIGHBOURS_FROM:
        return CheckResult(name, OK, f"{finding}; too few examples to judge", "", numbers)
    lost = [part for part, (agreement, chance, error) in parts.items() if agreement < chance + 5 * error]
    if "training" in lost:
        advice = "labels and images are no pairs: were both files sorted, shuffled or cut in the same way?"
        return CheckResult(name, WRONG, finding, advice, numbers)
    if lost:
        advice = "the validation labels do not fit: are the classes numbered as in training, the order kept?"
        return CheckResult(name, WRONG, finding, advice, numbers)
    return CheckResult(name, OK, finding, "", numbers)


def _agreement(
    known: np.ndarray, answers: np.ndarray, asked: np.ndarray, theirs: np.ndarray, *, itself: bool
) -> tuple[float, float, float]:
    """Return how often the nearest of `known` has the label of `asked`, how often by chance, and the error."""
    # |a - b|^2 without |a|^2, which is the same for all candidates.
    distances = (known * known).sum(axis=1) - 2 * asked @ known.T
    if itself:
        np.fill_diagonal(distances, np.inf)
    agreement = float((answers[distances.argmin(axis=1)] == theirs).mean())
    values = np.union1d(answers, theirs)
    chance = float(sum((answers == value).mean() * (theirs == value).mean() for value in values))
    return agreement, chance, math.sqrt(chance * (1 - chance) / len(asked))


def _flat(images: np.ndarray) -> np.ndarray:
    return np.nan_to_num(images.reshape(len(images), -1).astype(np.float32))


def _keys(images: np.ndarray) -> list[bytes]:
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]
