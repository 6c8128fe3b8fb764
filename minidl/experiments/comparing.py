"""Compare runs by what is on record in their folders: groups, tests, tables, and what may be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from minidl.errors import CheckpointError, ConfigError, MinidlError
from minidl.evaluation.comparison import DIFFERENT, Comparison, compare, compare_classifiers
from minidl.evaluation.wording import sentence
from minidl.experiments.finished_run import FinishedRun
from minidl.experiments.fold_groups import are_cross_validations, fold_accuracies
from minidl.experiments.predictions import Recorded, read_recorded
from minidl.experiments.run_groups import (
    accuracies,
    differences,
    group_runs,
    is_lettered,
    mixed_settings,
    paired,
)

MOST_PAIRS = 15  # that fit into one picture


@dataclass(frozen=True)
class RunComparison:
    """Groups of runs, compared.

    Attributes
    ----------
    groups : dict of str to list of FinishedRun
    split : {"validation", "test"}
    weights : {"best", "last"}
        Whose accuracy was compared.
    comparison : Comparison
    networks : Comparison or None
        Where every group is a single run: the same networks image by image.
    notes : list of str
        What a reader should know.
    """

    groups: dict[str, list[FinishedRun]]
    split: str
    weights: str
    comparison: Comparison
    networks: Comparison | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def images(self) -> str:
        """On what was compared: "the validation images of MNIST"."""
        return f"the {self.split} images of {data_title(next(iter(self.groups.values()))[0].data)}"

    def sentences(self) -> list[str]:
        """Return what each pair has shown, in words to quote."""
        found = [sentence(self.comparison, pair, self.images) for pair in self.comparison.pairs]
        if self.networks is not None and self.networks is not self.comparison:
            found += [sentence(self.networks, pair, self.images) for pair in self.networks.pairs]
        return found

    def picture(self) -> dict[str, Any]:
        """Return the arguments of `minidl.plots.comparison.comparison_plot`."""
        shown = self.networks or self.comparison
        return {
            "names": self._labels(),
            "values": [group.values for group in self.comparison.groups],
            "intervals": [None if g.low is None else (g.low, g.high) for g in self.comparison.groups],
            "differences": [
                (f"{pair.b} − {pair.a}", pair.difference, pair.low, pair.high, pair.verdict == DIFFERENT)
                for pair in (shown.pairs if len(shown.pairs) <= MOST_PAIRS else [])
            ],
            "level": f"{100 * (1 - self.comparison.alpha):g} %",
            "x": f"accuracy on {self.images}, %",
            "title": "Comparison of runs"
            if self.comparison.folds is None
            else "Comparison of cross-validations",
            "point": "a run" if self.comparison.folds is None else "a fold",
        }

    def _labels(self) -> list[str]:
        """Return the names of the groups; those that are mere letters with what sets the group apart."""
        unequal = differences(self.groups)
        if not is_lettered(self.groups):
            return list(self.groups)
        values = {name: ", ".join(text.strip('"') for text in unequal[name].values()) for name in self.groups}
        return [f"{name}: {text}" if text else name for name, text in values.items()]

    def table(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {
            "split": self.split,
            "weights": self.weights,
            "alpha": self.comparison.alpha,
            "correction": self.comparison.correction,
            "groups": [
                {
                    **{name: value for name, value in asdict(group).items() if name != "values"},
                    "accuracies": group.values.tolist(),
                    "runs": [str(run.folder) for run in self.groups[group.name]],
                    "seeds": [run.seed for run in self.groups[group.name]],
                    "folds": [run.fold for run in self.groups[group.name]],
                }
                for group in self.comparison.groups
            ],
            "pairs": [asdict(pair) for pair in self.comparison.pairs],
            "networks": [asdict(pair) for pair in self.networks.pairs] if self.networks else [],
            "sentences": self.sentences(),
            "notes": self.notes,
        }


def compare_runs(
    words: Sequence[str],
    *,
    split: str = "validation",
    weights: str | None = None,
    test: str | None = None,
    correction: str = "holm",
    alpha: float = 0.05,
    baseline: str | None = None,
    data_dir: Path | None = None,
) -> RunComparison:
    """Compare groups of runs.

    Parameters
    ----------
    words : sequence of str
        As in `minidl.experiments.run_groups.group_runs`.
    split : {"validation", "test"}
        "test" uses what is on record; it never opens the vault.
    weights : {"best", "last"}, optional
        By default the best, if every run kept them.
    test : {"welch", "student", "paired", "permutation", "folds", "mcnemar"}, optional
        By default Welch's, and where every group is a single run also McNemar's if it can be had. "folds" is
        the default for the validation images of cross-validations.
    correction, alpha, baseline
        As in `minidl.evaluation.comparison.compare`.
    data_dir : Path, optional
        Folder with the data files, should networks have to be run on the validation images.

    Raises
    ------
    MinidlError
        If something is missing, or the runs cannot be compared.
    """
    if split not in ("validation", "test"):
        raise ConfigError(f"split must be validation or test, got {split!r}")
    groups = group_runs(words)
    if test is None and split == "validation" and are_cross_validations(groups):
        test = "folds"
    if test == "folds" and split == "test":
        raise ConfigError(
            "--test folds compares on the images that each fold held out; leave it out for the test images, or leave "
            "out --split test"
        )
    if test == "paired":
        groups = paired(groups)
    runs = [run for members in groups.values() for run in members]
    _require_same_images(groups, split, test)
    weights = weights or _kept_by_all(runs, split)
    options: dict[str, Any] = {"correction": correction, "alpha": alpha, "baseline": baseline}
    notes = _notes(groups, split, weights, test)
    if test == "mcnemar":
        networks = _compare_networks(groups, split, weights, data_dir, options)
        return RunComparison(groups, split, weights, networks, networks, notes)
    if baseline is None and len(groups) * (len(groups) - 1) // 2 > MOST_PAIRS:
        notes.append(
            f"so many pairs cost much of the power of every test, and the picture leaves them out; --baseline NAME "
            f"compares all with one group, in {len(groups) - 1} pairs"
        )
    if test == "folds":
        groups, values, options["folds"] = fold_accuracies(groups, weights)
    else:
        values = {name: accuracies(members, split, weights) for name, members in groups.items()}
    comparison = compare(values, test=test or "welch", **options)
    found = None
    if test is None and len(groups) > 1 and all(len(members) == 1 for members in groups.values()):
        try:
            found = _compare_networks(groups, split, weights, data_dir, options)
        except MinidlError as error:
            notes.append(f"McNemar's test of the single networks was not possible: {error}")
    return RunComparison(groups, split, weights, comparison, found, notes)


def data_title(name: str | None) -> str:
    """Return the title of a data set: "MNIST" for "mnist"."""
    from minidl.data.digits import TITLE
    from minidl.data.sources import source

    if name == "digits":
        return TITLE
    try:
        return "the data set" if name is None else source(name).title
    except ConfigError:  # of a program of one's own
        return str(name)


def _require_same_images(groups: dict[str, list[FinishedRun]], split: str, test: str | None) -> None:
    """Refuse to compare accuracies that were taken on different images."""
    runs = [run for members in groups.values() for run in members]
    first = runs[0]
    for run in runs:
        if run.data != first.data:
            raise ConfigError(
                f"{first.folder} was trained on {first.data} and {run.folder} on {run.data}; accuracies on different "
                "data sets cannot be compared"
            )
    if split == "test" or test == "folds":  # of folds each has images of its own: see fold_accuracies
        return
    if test == "paired":
        for members in zip(*groups.values(), strict=True):
            if len({run.validated_on for run in members}) > 1:
                raise ConfigError(
                    f"{' and '.join(str(run.folder) for run in members)} form a pair but were validated on different "
                    "images; a pair has to share them"
                )
        return
    for run in runs:
        if run.validated_on != first.validated_on:
            raise ConfigError(
                f"{first.folder} and {run.folder} were validated on different images, so their accuracies cannot be "
                "compared; train both with the same data.split (runs over the same folds: --test folds)"
            )


def _kept_by_all(runs: Sequence[FinishedRun], split: str) -> str:
    """Return "best" if all runs have an accuracy of their best weights on record, or else "last"."""
    for weights in ("best", "last"):
        values = [
            run.validation_accuracy(weights) if split == "validation" else run.test_accuracy(weights)
            for run in runs
        ]
        if None not in values:
            return weights
    return "best"


def _notes(groups: dict[str, list[FinishedRun]], split: str, weights: str, test: str | None) -> list[str]:
    notes = []
    for name, members in groups.items():
        mixed = mixed_settings(members)
        if mixed:
            notes.append(
                f"the runs of {name} differ in more than the seed ({', '.join(mixed)}), so their scatter is not that "
                "of repetitions"
            )
    if test == "folds":
        notes.append(
            "the folds share training images, so the standard deviation over sqrt(folds) is no standard error, and "
            "none without bias can be had (Bengio and Grandvalet 2004); intervals and p use the larger variance of "
            "Nadeau and Bengio (2003), an approximation"
        )
    elif any(run.fold is not None for members in groups.values() for run in members):
        notes.append(
            "the folds of a cross-validation share training images, so the runs are not independent and p comes out "
            "too small"
        )
    if split == "validation" and weights == "best":
        notes.append(
            "each run's best epoch was chosen on these same images, which makes every accuracy here a little too good"
        )
    return notes


def _compare_networks(
    groups: dict[str, list[FinishedRun]],
    split: str,
    weights: str,
    data_dir: Path | None,
    options: dict[str, Any],
) -> Comparison:
    several = [name for name, members in groups.items() if len(members) > 1]
    if several:
        raise ConfigError(
            f"McNemar's test compares single networks, but the group {several[0]} has "
            f"{len(groups[several[0]])} runs; give one run for each group, as in A=RUN B=RUN"
        )
    found = {name: _predictions(members[0], split, weights, data_dir) for name, members in groups.items()}
    digests = {each.labels_digest for each in found.values()} - {None}
    if len(digests) > 1 or len({len(each.correct) for each in found.values()}) > 1:
        raise ConfigError(
            "the predictions on record are of different images; run minidl evaluate on each of the runs again"
        )
    return compare_classifiers({name: each.correct for name, each in found.items()}, **options)


def _predictions(run: FinishedRun, split: str, weights: str, data_dir: Path | None) -> Recorded:
    """Return what the network said of each image, asking it again only about validation images."""
    data, epoch = run.data or "", run.epoch(weights)
    found = read_recorded(run.folder, data, split, weights, epoch)
    if found is None and split == "validation":
        from minidl.experiments.scoring import TrainedRun

        TrainedRun(run.folder, weights=weights, data_dir=data_dir).score(split)
        found = read_recorded(run.folder, data, split, weights, epoch)
    if found is None:
        raise CheckpointError(
            f"{run.folder}: there are no predictions image by image on record for the {split} images; "
            f"minidl evaluate {run.folder} --split {split} --weights {weights} keeps them"
        )
    return found
