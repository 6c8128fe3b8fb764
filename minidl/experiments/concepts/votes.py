"""Votes of networks, and the ensemble inside dropout (FAU, AAR, UU; section 6 of the notes on the lectures).

If N networks erred independently with probability p each, a majority of them would be wrong with the binomial
probability sum over k > N/2 of C(N, k) p^k (1 - p)^(N - k), which is next to nothing. Here it stands beside the
vote of real networks, whose errors are measured to be correlated, the less so the more the networks differ:
the same initial weights and images in another order; other initial weights; other images, too.

And dropout "as a giant ensemble": a network trained with dropout is asked with units dropped, again and again,
and the probabilities are averaged. What the mean tends to is compared with the network as it is used at
test time, with all units and scaled weights.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, Loader, Split
from minidl.errors import ConfigError
from minidl.evaluation.ensemble import error_correlation, majority_error, vote_curve
from minidl.experiments.concepts.results import columns, listed, mean_correlation, number, write_results
from minidl.experiments.concepts.short_run import dense_network, seeds_of, short_run, validation_images
from minidl.initializers import He
from minidl.layers import Dense, Dropout, Flatten, ReLU, Sequential
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import Adam
from minidl.parallel import threads
from minidl.random import Seeds
from minidl.softmax import softmax
from minidl.training import predict

KINDS = ("other order", "other initial weights", "other images")  # each with what comes before it


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    members : int
        Networks of each kind, odd.
    images : int
        Training images of each network; fewer, where the data have not that many for every member.
    hidden, batch_size, steps : int
    dropout_hidden, dropout_steps : int
        Of the network with dropout.
    p : float
        Of dropping a unit.
    thinned : tuple of int
        Numbers of thinned networks whose probabilities are averaged, increasing.
    repeats : int
        Times each number of them is drawn anew.
    validation : int
        Validation images scored.
    """

    members: int = 11
    images: int = 2000
    hidden: int = 50
    batch_size: int = 25
    steps: int = 800
    dropout_hidden: int = 200
    dropout_steps: int = 1600
    p: float = 0.5
    thinned: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    repeats: int = 5
    validation: int = 5000


@dataclass(frozen=True)
class Outcome:
    """What came out; errors are shares.

    Attributes
    ----------
    sizes : (S,) array of int
        Networks that vote: 1, 3, 5, …
    single, correlation : (kinds,) array
        Mean error of a network, and mean correlation of the errors of two.
    measured, independent : (kinds, S) array
        Error of the votes, and what the binomial would have it.
    thinned : (numbers,) array
        Error of the mean of so many thinned networks.
    scaled : float
        Error of the network with dropout as it is used at test time.
    """

    sizes: np.ndarray
    single: np.ndarray
    correlation: np.ndarray
    measured: np.ndarray
    independent: np.ndarray
    thinned: np.ndarray
    scaled: float


def measure(data: DataSet, plan: Plan, *, seed: int = 0) -> Outcome:
    """Make both experiments.

    Raises
    ------
    ConfigError
        If there are not enough images for the members.
    """
    images = min(plan.images, len(data.train) // plan.members)
    if images < plan.batch_size:
        raise ConfigError(
            f"the demonstration 'votes' needs {plan.batch_size} training images for each of its {plan.members} "
            f"networks, got {len(data.train):,} of {data.title} in all; take more"
        )
    validation = validation_images(data, plan.validation)
    sizes = np.arange(1, plan.members + 1, 2)
    single, correlation, measured, independent = [], [], [], []
    for kind in KINDS:
        votes = np.array(
            [_member(data, plan, kind, index, images, validation, seed) for index in range(plan.members)]
        )
        p, together = error_and_correlation(votes, validation.labels)
        single.append(p)
        correlation.append(together)
        measured.append(vote_curve(votes, validation.labels, sizes.tolist()))
        independent.append([majority_error(int(size), p) for size in sizes])
    thinned, scaled = _dropout(data, plan, images, validation, seeds_of("votes", seed).child("dropout"))
    return Outcome(
        sizes,
        np.array(single),
        np.array(correlation),
        np.array(measured),
        np.array(independent),
        thinned,
        scaled,
    )


def error_and_correlation(votes: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the mean error of single networks, and the mean correlation of the errors of any two of them."""
    return float((votes != labels).mean()), mean_correlation(error_correlation(votes, labels))


def _member(
    data: DataSet, plan: Plan, kind: str, index: int, images: int, validation: Split, seed: int
) -> np.ndarray:
    """Train one network and return the classes it chooses for the validation images."""
    seeds = seeds_of("votes", seed)
    own = KINDS.index(kind)
    start = index if own >= 1 else 0
    first = index * images if own >= 2 else 0
    train = data.train.subset(np.arange(first, first + images))
    model = dense_network([plan.hidden], len(data.classes))
    model.build(train.images.shape[1:], seeds.child(f"start {start}"))
    order = seeds.child(f"order {index}")
    short_run(
        model,
        SoftmaxCrossEntropy(),
        Adam(lr=0.002),
        Loader(train.images, train.labels, plan.batch_size, seeds=order),
        plan.steps,
    )
    return predict(model, validation.images).argmax(axis=1)


def _dropout(
    data: DataSet, plan: Plan, images: int, validation: Split, seeds: Seeds
) -> tuple[np.ndarray, float]:
    train = data.train.subset(images)
    model = Sequential(
        [
            Flatten(),
            Dense(plan.dropout_hidden, weight_init=He()),
            ReLU(),
            Dropout(plan.p),
            Dense(len(data.classes), weight_init=He()),
        ]
    )
    model.build(train.images.shape[1:], seeds.child("model"))
    loader = Loader(train.images, train.labels, plan.batch_size, seeds=seeds.child("loader"))
    short_run(model, SoftmaxCrossEntropy(), Adam(lr=0.002), loader, plan.dropout_steps)
    x = validation.images.astype(np.float32) / 255
    errors = np.zeros(len(plan.thinned))
    for _ in range(plan.repeats):
        total = np.zeros((len(x), len(data.classes)))
        for asked in range(1, plan.thinned[-1] + 1):
            total += softmax(
                model.forward(x, train=True).astype(np.float64)
            )  # every image with masks of its own
            if asked in plan.thinned:
                wrong = (total.argmax(axis=1) != validation.labels).mean()
                errors[plan.thinned.index(asked)] += wrong / plan.repeats
    scaled = (predict(model, validation.images).argmax(axis=1) != validation.labels).mean()
    return errors, float(scaled)


def run(data: DataSet, out: Path, *, seed: int = 0, plan: Plan | None = None) -> str:
    """Make both experiments, write ``votes.png`` and ``votes.json`` to `out`, return what to print."""
    from minidl.plots.concepts.votes import votes_plot

    plan = plan or Plan()
    with threads(1):
        outcome = measure(data, plan, seed=seed)
    facts: dict[str, Any] = {
        "data": data.title,
        "seed": seed,
        "plan": asdict(plan),
        "kinds": list(KINDS),
        **asdict(outcome),
    }
    figure = votes_plot(
        list(KINDS),
        outcome.sizes,
        (100 * outcome.measured, 100 * outcome.independent),
        outcome.correlation,
        (np.array(plan.thinned), 100 * outcome.thinned, 100 * outcome.scaled),
        title=f"Votes of networks of {plan.hidden} hidden units: {data.title}",
    )
    write_results(out, {"votes": figure}, "votes", facts)
    return "\n".join([table(plan, outcome), "", conclusion(plan, outcome)])


def table(plan: Plan, outcome: Outcome) -> str:
    """Return both experiments as text."""
    last = outcome.sizes[-1]
    rows = [
        ["networks with", "error of one", f"of {last}, measured", f"of {last}, if independent", "correlation"]
    ]
    for i, kind in enumerate(KINDS):
        rows.append(
            [
                kind,
                f"{100 * outcome.single[i]:.2f} %",
                f"{100 * outcome.measured[i, -1]:.2f} %",
                f"{number(100 * outcome.independent[i, -1], 2)} %",
                _told(outcome.correlation[i]),
            ]
        )
    body = [["thinned networks averaged", *(str(count) for count in plan.thinned), "all units, scaled"]]
    body.append(["error, %", *(f"{100 * error:.2f}" for error in (*outcome.thinned, outcome.scaled))])
    return columns(rows) + "\n\n" + columns(body)


def conclusion(plan: Plan, outcome: Outcome) -> str:
    """Return two sentences on what the numbers show."""
    last = outcome.sizes[-1]
    said = [
        f"{100 * outcome.measured[i, -1]:.1f} % with {kind} (correlation of the errors {_told(outcome.correlation[i])})"
        for i, kind in enumerate(KINDS)
    ]
    bound = number(100 * float(outcome.independent[:, -1].max()), 2)
    low, high = 100 * outcome.single.min(), 100 * outcome.single.max()
    return (
        f"{last} networks, each wrong on {low:.1f} to {high:.1f} % of the images, would be outvoted on {bound} % at "
        f"most if they erred independently; their votes are wrong on {listed(said)}. "
        f"Of the network with dropout one thinned version errs on {100 * outcome.thinned[0]:.1f} %, the mean of "
        f"{plan.thinned[-1]} on {100 * outcome.thinned[-1]:.1f} %, and the network with all units and scaled weights, "
        f"which is asked once, on {100 * outcome.scaled:.1f} %."
    )


def _told(correlation: float) -> str:
    return f"{correlation:.2f}" if np.isfinite(correlation) else "undefined"
