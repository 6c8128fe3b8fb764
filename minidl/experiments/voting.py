"""Let trained networks vote: members from run folders, the votes, and what independence would have bought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minidl import parallel
from minidl.data import Loader, Split
from minidl.errors import ConfigError, ShapeError
from minidl.evaluation.ensemble import average_weights, majority_error, vote_curve
from minidl.evaluation.ensemble_score import EnsembleScore, ensemble_score
from minidl.experiments.comparing import data_title
from minidl.experiments.finished_run import FinishedRun, finished_below
from minidl.experiments.score_facts import class_probabilities
from minidl.experiments.scoring import TrainedRun
from minidl.layers.norm import BatchNorm
from minidl.training.averaging import recompute_batchnorm
from minidl.training.checkpoint import load_weights
from minidl.training.evaluate import predict
from minidl.training.snapshots import Snapshots

TAKE = ("best", "last", "snapshots", "all")


@dataclass(frozen=True)
class Member:
    """One network that votes.

    Attributes
    ----------
    folder : Path
        Of its run.
    weights : str
        File of its weights, without the ending: "best", "last", "snapshot-01".
    probabilities : (N, K) float64 array
    """

    folder: Path
    weights: str
    probabilities: np.ndarray

    @property
    def name(self) -> str:
        """Short enough for a table: the last two folders and the weights."""
        place = "/".join(self.folder.parts[-2:])
        return place if self.weights == "best" else f"{place} {self.weights}"


@dataclass
class Voters:
    """Networks that have seen the same images.

    Attributes
    ----------
    members : list of Member
    labels : (N,) int64 array
    data : str
        Title of the data set.
    split : {"validation", "test"}
    averaged : (N, K) float64 array or None
        Probabilities of the network of the averaged weights; None where there is none.
    notes : list of str
    """

    members: list[Member]
    labels: np.ndarray
    data: str
    split: str
    averaged: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)


def gather(
    folders: Sequence[Path],
    *,
    take: str = "best",
    top: int | None = None,
    split: str = "validation",
    data_dir: Path | None = None,
    device: str = "cpu",
) -> Voters:
    """Run the networks of some runs on the same images.

    Parameters
    ----------
    folders : sequence of Path
        Runs, or folders of runs: of ``minidl train --seeds``, of a rung of a progression, of a search.
    take : {"best", "last", "snapshots", "all"}
        Which weights of each run vote: the best (or the last, where no best were kept), the last, those of
        its `Snapshots`, or every one of these.
    top : int, optional
        Only the runs of the best validation accuracy, so many.
    split : {"validation", "test"}
        "test" opens the vault, which is put on record in ``vault.json`` of every run first.
    data_dir : Path, optional
        Folder with the data files.
    device : {"cpu", "cuda"}
        Where to compute.

    Raises
    ------
    MinidlError
        If something is missing or the networks do not belong together.
    """
    for name, value, choices in (("take", take, TAKE), ("split", split, ("validation", "test"))):
        if value not in choices:
            raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    runs = _chosen([run for folder in folders for run in finished_below(folder)], top)
    _require_together(runs, split)
    files = {run.folder: _weights(run.folder, take) for run in runs}
    if sum(map(len, files.values())) < 2:
        raise ConfigError(
            f"{runs[0].folder}: one network cannot vote; give more runs, or --take all for the snapshots and "
            "checkpoints of one run"
        )
    networks: list[TrainedRun] = []
    for run in runs:
        shared = (
            networks[0].data if networks else None
        )  # read once: of one data set, and for validation one division
        networks.append(TrainedRun(run.folder, data_dir=data_dir, data=shared, device=device))
    asked: list[tuple[TrainedRun, str, dict[str, np.ndarray]]] = []
    twice: list[str] = []
    for trained in networks:
        own: list[dict[str, np.ndarray]] = []
        for path in files[trained.folder]:
            load_weights(trained.model, path)
            weights = {name: x.copy() for name, x in trained.model.state_dict().items()}
            if any(_equal(weights, other) for other in own):
                twice.append(f"{trained.folder} {path.stem}")
                continue
            own.append(weights)
            asked.append((trained, path.stem, weights))
    if len(asked) < 2:
        raise ConfigError(f"{runs[0].folder}: all these checkpoints hold the same weights; give more runs")
    # What can go wrong with files has shown itself by now, before the vault is opened.
    images = networks[0].data.validation
    if split == "test":
        for trained in networks:
            images = trained.open_vault(
                f"minidl ensemble, {len(asked)} networks with those of {trained.folder}"
            )
    voters = Voters([], images.labels, data_title(runs[0].data), split)
    for trained, name, weights in asked:
        trained.model.load_state_dict(weights)
        voters.members.append(Member(trained.folder, name, _probabilities(trained, images)))
    _average(voters, networks[-1], [weights for _, _, weights in asked], images)
    if twice:
        voters.notes.append(
            f"left out, since another checkpoint of the run is the same network: {', '.join(twice)}"
        )
    if split == "validation" and top is not None:
        voters.notes.append(
            f"the {top} best were chosen on these same images, which makes their accuracy here a little too good"
        )
    return voters


def score_and_picture(voters: Voters) -> tuple[EnsembleScore, dict[str, Any]]:
    """Return the score of the votes, and the arguments of `minidl.plots.ensemble.ensemble_plot`."""
    probabilities = np.stack([member.probabilities for member in voters.members])
    score = ensemble_score(probabilities, voters.labels)
    members = len(voters.members)
    odd = range(1, members + 1, 2)  # an even number of votes may end in a draw
    return score, {
        "names": [member.name for member in voters.members],
        "correlation": score.correlation,
        "counts": score.counts,
        "independent_counts": score.independent_counts,
        "curve": (
            odd,
            vote_curve(probabilities.argmax(axis=2), voters.labels, odd),
            [majority_error(size, score.mean_error) for size in odd],
        ),
        "title": f"{members} networks vote on the {voters.split} images of {voters.data}",
    }


def _chosen(runs: list[FinishedRun], top: int | None) -> list[FinishedRun]:
    seen: set[Path] = set()
    for run in runs:
        if run.folder.resolve() in seen:
            raise ConfigError(f"{run.folder}: this run is given twice; its vote counts once, leave one out")
        seen.add(run.folder.resolve())
    if top is None:
        return runs
    if not 1 <= top <= len(runs):
        raise ConfigError(
            f"--top {top}: there are {len(runs)} finished runs; give a number from 1 to {len(runs)}"
        )
    scored = [
        (run.validation_accuracy("best") or run.validation_accuracy("last") or 0.0, run) for run in runs
    ]
    return [run for _, run in sorted(scored, key=lambda pair: -pair[0])[:top]]  # of equals the first given


def _require_together(runs: Sequence[FinishedRun], split: str) -> None:
    first = runs[0]
    for run in runs:
        if run.data != first.data:
            raise ConfigError(
                f"{first.folder} was trained on {first.data} and {run.folder} on {run.data}; only networks of one data "
                "set can vote"
            )
        if split == "validation" and run.validated_on != first.validated_on:
            raise ConfigError(
                f"{first.folder} and {run.folder} have different validation images, and one network's are among the "
                "other's training images; train both with the same data.split"
            )


def _weights(folder: Path, take: str) -> list[Path]:
    checkpoints = folder / "checkpoints"
    best, last = checkpoints / "best.safetensors", checkpoints / "last.safetensors"
    snapshots = sorted(checkpoints.glob("snapshot-*.safetensors"))[: len(Snapshots.of_run(folder))]
    if take == "snapshots" and not snapshots:
        raise ConfigError(
            f"{folder}: this run has no snapshots; train with --callback 'Snapshots()' and a schedule of cycles such "
            "as 'CosineRestarts(0.1)', or with --callback 'Snapshots(every=5)'"
        )
    found = {
        "best": [best if best.is_file() else last],
        "last": [last],
        "snapshots": snapshots,
        "all": [*snapshots, *(path for path in (best, last) if path.is_file())],
    }[take]
    for path in found:
        if not path.is_file():
            raise ConfigError(f"{folder}: this run has no weights ({path} is missing); leave it out")
    return found


def _equal(weights: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(x, others[name]) for name, x in weights.items())


def _probabilities(trained: TrainedRun, images: Split) -> np.ndarray:
    with parallel.threads():
        outputs = predict(trained.model, images.images, **trained.scaling)
    return class_probabilities(trained.loss, outputs[0] if isinstance(outputs, tuple) else outputs)


def _average(voters: Voters, trained: TrainedRun, states: list[dict[str, Any]], images: Split) -> None:
    """Give the last network the mean of all weights and ask it, where the networks are of one architecture."""
    try:
        trained.model.load_state_dict(average_weights(states))
    except ShapeError:
        voters.notes.append("the networks have different layers, so there is no average of their weights")
        return
    if any(isinstance(layer, BatchNorm) for _, layer in trained.model.named_layers()):
        train = trained.data.train
        loader = Loader(train.images, train.labels, 500, shuffle="never", **trained.scaling)
        recompute_batchnorm(trained.model, loader)
    voters.averaged = _probabilities(trained, images)
    if len({member.folder for member in voters.members}) > 1:
        voters.notes.append(
            "the average of the weights is of networks from different trainings, whose features lie in different "
            "places; it is meant for the snapshots of one training, or networks fine-tuned from the same weights"
        )
