"""What L1 and L2 do to the weights (UU, AAR; the book's chapter 3): many small ones, or few large ones.

First on two weights, where one sees why (`minidl.experiments.concepts.two_weights`). Then on a network: of each
penalty several strengths are tried, and the strongest is shown whose validation accuracy is within a standard
error of the best of its kind. Of the weights of that network a histogram; the share that is practically
zero; and how many of them are needed: all but the largest are set to zero, and the accuracy is measured again.
(The gradient of L1 never sets a weight to zero exactly: it lets it hop around zero in steps of rate times
strength. Hence "practically".)
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader
from minidl.experiments.concepts.results import columns, number, write_results
from minidl.experiments.concepts.short_run import (
    dense_network,
    first_images,
    seeds_of,
    short_run,
    validation_images,
)
from minidl.experiments.concepts.two_weights import LOWEST, STRENGTH, with_l1, with_l2
from minidl.experiments.concepts.two_weights import loss as loss_of_two
from minidl.layers import Layer, Parameter
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import Momentum
from minidl.parallel import threads
from minidl.regularizers import L1, L2
from minidl.training import evaluate

ZERO = 1e-3  # a weight below this is practically zero
LARGEST = 0.1  # the share of the weights whose part of the sum of |w| is told
KEPT = (1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 0.005)


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    l1, l2 : tuple of float
        Strengths tried.
    images, hidden, batch_size, steps : int
    rate : float
        Of momentum 0.9.
    validation : int
        Validation images scored.
    """

    l1: tuple[float, ...] = (1e-5, 3e-5, 1e-4, 3e-4)
    l2: tuple[float, ...] = (1e-4, 1e-3, 3e-3, 1e-2)
    images: int = 5000
    hidden: int = 100
    batch_size: int = 50
    steps: int = 3000
    rate: float = 0.05
    validation: int = 5000


@dataclass(frozen=True)
class Trained:
    """A network after training.

    Attributes
    ----------
    name : str
        The penalty, as ``L1(0.0001)``.
    accuracy : float
        On validation images, in per cent.
    weights : (W,) array
        All weights, without the biases.
    pruned : (kept,) array
        Accuracy with only so many of the largest weights, in the order of `KEPT`.
    """

    name: str
    accuracy: float
    weights: np.ndarray
    pruned: np.ndarray

    @property
    def zeros(self) -> float:
        """Share of the weights that are practically zero."""
        return float((np.abs(self.weights) < ZERO).mean())

    @property
    def concentration(self) -> float:
        """What the largest tenth of the weights has of the sum of all |w|."""
        sizes = np.sort(np.abs(self.weights))[::-1]
        return float(sizes[: round(LARGEST * len(sizes))].sum() / sizes.sum())

    @property
    def needed(self) -> float:
        """The smallest share kept that costs at most a point of accuracy."""
        good = [share for share, value in zip(KEPT, self.pruned, strict=True) if value >= self.accuracy - 1]
        return min(good)


def measure(data: DataSet, plan: Plan, *, seed: int = 0) -> tuple[list[Trained], list[Trained]]:
    """Train with every penalty.

    Returns
    -------
    shown : list of Trained
        Without a penalty, with L2, with L1.
    everything : list of Trained
    """
    none = _train(data, plan, None, seed)
    of_each = [
        [_train(data, plan, penalty(strength), seed) for strength in strengths]
        for penalty, strengths in ((L2, plan.l2), (L1, plan.l1))
    ]
    count = min(plan.validation, len(data.validation))
    return [none, *(strongest(several, count) for several in of_each)], [none, *of_each[0], *of_each[1]]


def strongest(several: list[Trained], images: int) -> Trained:
    """Return the last that is within a standard error of the best, ``sqrt(p (1 - p) / images)``.

    They are in the order of their strength.
    """
    best = max(each.accuracy for each in several)
    error = math.sqrt(best * (100 - best) / images)
    return [each for each in several if each.accuracy >= best - error][-1]


def _train(data: DataSet, plan: Plan, penalty: L1 | L2 | None, seed: int) -> Trained:
    images = first_images(data, plan.images, plan.batch_size, "l1-l2")
    validation = validation_images(data, plan.validation)
    seeds = seeds_of("l1-l2", seed)
    model = dense_network([plan.hidden], len(data.classes))
    model.build(images.images.shape[1:], seeds.child("model"))
    loader = Loader(images.images, images.labels, plan.batch_size, seeds=seeds.child("loader"))
    loss = SoftmaxCrossEntropy()
    short_run(
        model, loss, Momentum(plan.rate, 0.9), loader, plan.steps, regularizers=[penalty] if penalty else []
    )

    def accuracy() -> float:
        return 100 * float(evaluate(model, loss, validation).accuracy or 0.0)

    whole, parameters = accuracy(), _weights(model)
    weights = np.concatenate([parameter.value.ravel() for parameter in parameters])
    pruned = []
    for share in KEPT:  # fewer and fewer are left
        prune(parameters, weights, share)
        pruned.append(accuracy())
    return Trained(repr(penalty) if penalty else "no penalty", whole, weights, np.array(pruned))


def _weights(model: Layer) -> list[Parameter]:
    return [parameter for _, parameter in model.named_parameters() if parameter.decay]


def prune(parameters: list[Parameter], weights: np.ndarray, share: float) -> None:
    """Set all but the largest weights to zero, in place.

    Parameters
    ----------
    parameters : list of Parameter
    weights : (W,) array
        All their values.
    share : float
        Of the weights that stay.
    """
    smallest = np.sort(np.abs(weights))[::-1][max(round(share * len(weights)), 1) - 1]
    for parameter in parameters:
        parameter.value[np.abs(parameter.value) < smallest] = 0


def run(data: DataSet, out: Path, *, seed: int = 0, plan: Plan | None = None) -> str:
    """Do the experiment, write two pictures and ``l1-l2.json`` to `out`, return what to print."""
    from minidl.plots.concepts.penalties import ellipse_plot, weights_plot

    plan = plan or Plan()
    with threads(1):
        shown, everything = measure(data, plan, seed=seed)
    strengths = np.linspace(0, 2 * STRENGTH, 61)
    paths = {
        "L2": np.array([with_l2(strength) for strength in strengths]),
        "L1": np.array([with_l1(strength) for strength in strengths]),
    }
    points = {"L2": with_l2(STRENGTH), "L1": with_l1(STRENGTH)}
    facts: dict[str, Any] = {
        "data": data.title,
        "seed": seed,
        "plan": asdict(plan),
        "two_weights": points,
        "shown": [each.name for each in shown],
        "networks": [
            {
                "penalty": each.name,
                "accuracy": each.accuracy,
                "zeros": each.zeros,
                "largest_tenth": each.concentration,
                "kept": KEPT,
                "accuracy_kept": each.pruned,
            }
            for each in everything
        ],
    }
    x, y = np.linspace(-1.4, 2.0, 200), np.linspace(-1.4, 2.2, 200)
    figures = {
        "ellipses": ellipse_plot(
            (x, y, loss_of_two(np.stack(np.meshgrid(x, y), axis=-1))),
            LOWEST,
            {name: (point, float(loss_of_two(point))) for name, point in points.items()},
            paths,
            title=f"Two weights, penalties of strength {STRENGTH:g}",
        ),
        "l1-l2": weights_plot(
            [each.name for each in shown],
            [each.weights for each in shown],
            (np.array(KEPT), np.array([each.pruned for each in shown])),
            title=f"Weights under L1 and L2: {plan.hidden} hidden units, {data.title}",
        ),
    }
    write_results(out, figures, "l1-l2", facts)
    return "\n".join([table(shown, everything), "", conclusion(shown, points)])


def table(shown: list[Trained], everything: list[Trained]) -> str:
    """Return a line for each network; a star marks those shown."""
    rows = [["penalty", "accuracy", f"|w| < {ZERO:g}", "largest tenth has", "needed", "shown"]]
    for each in everything:
        rows.append(
            [
                each.name,
                f"{each.accuracy:.2f} %",
                f"{100 * each.zeros:.1f} %",
                f"{100 * each.concentration:.0f} %",
                f"{100 * each.needed:g} %",
                "*" if any(each is one for one in shown) else "",
            ]
        )
    return columns(rows)


def conclusion(shown: list[Trained], points: dict[str, np.ndarray]) -> str:
    """Return two sentences on what the numbers show."""
    none, two, one = shown
    small = [
        f"({number(float(point[0]), 2)}, {number(float(point[1]), 2)})"
        for point in (points["L2"], points["L1"])
    ]
    return (
        f"Of two weights L2 leaves {small[0]} and L1 {small[1]}, "
        f"{'of which one is exactly zero' if 0 in points['L1'] else 'neither of them zero'}; in the network "
        f"{100 * one.zeros:.0f} % of the weights are below {ZERO:g} with {one.name}, {100 * two.zeros:.0f} % with "
        f"{two.name} and {100 * none.zeros:.0f} % without a penalty, at validation accuracies of {one.accuracy:.1f}, "
        f"{two.accuracy:.1f} and {none.accuracy:.1f} %. "
        f"To stay within a point of these it takes the largest {100 * one.needed:g} % of the weights with L1, "
        f"{100 * two.needed:g} % with L2 and {100 * none.needed:g} % without."
    )
