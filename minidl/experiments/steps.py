"""Which steps of the ladder are real improvements? Every rung of a progression against the one before it.

Two things scatter. Another seed gives another network, so the accuracies over the seeds are compared by Welch's
t-test; an ensemble is compared with its own members, pair by pair. Another set of images would have been easier
here and harder there, so the networks are also compared image by image (`pooled_mcnemar`). Each family of tests is
corrected for the number of steps by Holm, and a step counts only if it stands up to both: the chance that even one
step that is nothing is called something is then at most alpha.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from minidl.errors import ConfigError
from minidl.evaluation.comparison import TOO_FEW, compare
from minidl.evaluation.multiple import holm
from minidl.evaluation.pooled import PooledMcNemar, pooled_mcnemar
from minidl.experiments.ladder import LADDER
from minidl.experiments.records import read_correct
from minidl.files import write_json

BETTER, WORSE, NOT_SHOWN, NOT_RUN = "better", "worse", "not shown", "not run"


@dataclass(frozen=True)
class Step:
    """A rung against the one before it.

    Attributes
    ----------
    before, after : str
        Rungs.
    change : str
        What is new in the second, as the ladder has it.
    verdict : {"better", "worse", "not shown", "too few runs", "not run"}
    runs : (int, int)
        Networks, or ensembles, of each.
    means : (float, float) or None
        Accuracies in per cent.
    difference : float or None
        In points.
    low, high : float or None
        Its confidence interval over the seeds, not corrected for the other steps.
    test : str
        The test over the seeds.
    p_seeds, p_seeds_corrected : float or None
    needed : int or None
        Seeds of each that would usually show a true difference of this size.
    more_before, more_after : int or None
        Images that a larger share of the networks before, and after, got right.
    p_images, p_images_corrected : float or None
    left_out : tuple of str
        Rungs of the ladder between the two that the progression did not have.
    """

    before: str
    after: str
    change: str
    verdict: str = NOT_RUN
    runs: tuple[int, int] = (0, 0)
    means: tuple[float, float] | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    test: str = ""
    p_seeds: float | None = None
    p_seeds_corrected: float | None = None
    needed: int | None = None
    more_before: int | None = None
    more_after: int | None = None
    p_images: float | None = None
    p_images_corrected: float | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class LadderSteps:
    """All steps of a progression.

    Attributes
    ----------
    steps : list of Step
    alpha : float
    preset, data, split : str
        Which recipe, the title of the data set, and which images were scored.
    missing : list of str
        Rungs of the ladder that the progression was not asked for.
    command : str
        That repeats the progression.
    """

    steps: list[Step]
    alpha: float
    preset: str
    data: str
    split: str
    missing: list[str] = field(default_factory=list)
    command: str = ""


def ladder_steps(folder: Path, results: dict[str, Any], alpha: float = 0.05) -> LadderSteps:
    """Compare neighbouring rungs of a progression.

    Parameters
    ----------
    folder : Path
        Of the progression. Which images each network got right is read from its runs, the vault stays shut.
    results : dict
        Its ``results.json``.
    alpha : float
        Level of significance for all steps together.

    Raises
    ------
    ConfigError
        If `alpha` is no level.
    """
    if not 0 < alpha < 0.5:
        raise ConfigError(f"alpha must lie between 0 and 0.5, got {alpha!r}; 0.05 and 0.01 are usual")
    rungs = {row["rung"]: row for row in results.get("rungs") or []}
    split, order = results.get("split", "test"), [rung.id for rung in LADDER]
    ladder = [name for name in order if name in rungs]
    pairs = [*pairwise(ladder), *((name[:-1], name) for name in rungs if name not in order)]
    steps = []
    for before, after in pairs:
        if before in rungs:
            step = _step(folder, rungs[before], rungs[after], split, alpha)
            between = order[order.index(before) + 1 : order.index(after)] if after in order else []
            steps.append(replace(step, left_out=tuple(between)))
    data = results.get("data") or {}
    return LadderSteps(
        _judged(steps, alpha),
        alpha,
        str(results.get("preset", "unknown")),
        str(data.get("title", "unknown data")),
        split,
        [name for name in order if name not in rungs],
        str(results.get("command") or ""),
    )


def write_steps(folder: Path, found: LadderSteps, markdown: str) -> list[Path]:
    """Write ``steps.json`` and ``steps.md`` into the folder; return their paths."""
    from minidl.files import atomic_write

    write_json(folder / "steps.json", asdict(found))
    with atomic_write(folder / "steps.md") as stream:
        stream.write(markdown)
    return [folder / "steps.json", folder / "steps.md"]


def _step(folder: Path, before: dict[str, Any], after: dict[str, Any], split: str, alpha: float) -> Step:
    step = Step(before["rung"], after["rung"], str(after.get("change") or ""))
    if before.get("status") != "done" or after.get("status") != "done":
        return step
    a, b = ([run["accuracy"] for run in row["runs"]] for row in (before, after))
    step = replace(
        step,
        runs=(len(a), len(b)),
        means=(float(np.mean(a)), float(np.mean(b))),
        difference=float(np.mean(b) - np.mean(a)),
    )
    members = _of_members(before, after)
    test = "welch" if members is None else "paired"
    (pair,) = compare(
        {"a": a if members is None else members, "b": b}, test=test, correction="none", alpha=alpha
    ).pairs
    step = replace(
        step,
        verdict=TOO_FEW if pair.verdict == TOO_FEW else NOT_SHOWN,
        low=pair.low,
        high=pair.high,
        test=pair.test,
        p_seeds=pair.p_value,
        needed=pair.needed,
    )
    images = _over_images(folder, before, after, split)
    if images is None:
        return step
    return replace(step, more_before=images.more_a, more_after=images.more_b, p_images=images.p_value)


def _of_members(before: dict[str, Any], after: dict[str, Any]) -> list[float] | None:
    """Return the mean accuracy of every ensemble's own members; None where the second rung is no ensemble."""
    if not after.get("ensemble"):
        return None
    accuracy = {run["folder"]: run["accuracy"] for run in before["runs"]}
    try:
        return [float(np.mean([accuracy[name] for name in run["members"]])) for run in after["runs"]]
    except KeyError:  # of another rung than the one before
        return None


def _over_images(
    folder: Path, before: dict[str, Any], after: dict[str, Any], split: str
) -> PooledMcNemar | None:
    """Return the test over images; None where files are missing or are not of the same images."""
    found = []
    for row in (before, after):
        correct = [read_correct(folder / run["folder"], split) for run in row["runs"]]
        there = [each for each in correct if each is not None]
        if len(there) < len(correct) or len({len(each) for each in there}) != 1:
            return None
        found.append(np.stack(there))
    if found[0].shape[1] != found[1].shape[1]:
        return None
    return pooled_mcnemar(*found)


def _judged(steps: list[Step], alpha: float) -> list[Step]:
    """Correct both families of p values and say what follows."""
    seeds, images = (_corrected([getattr(step, name) for step in steps]) for name in ("p_seeds", "p_images"))
    judged = []
    for step, of_seeds, of_images in zip(steps, seeds, images, strict=True):
        verdict = step.verdict
        shown = of_seeds is not None and of_images is not None and max(of_seeds, of_images) < alpha
        if verdict == NOT_SHOWN and shown:
            verdict = BETTER if (step.difference or 0.0) > 0 else WORSE
        judged.append(
            replace(step, verdict=verdict, p_seeds_corrected=of_seeds, p_images_corrected=of_images)
        )
    return judged


def _corrected(p_values: list[float | None]) -> list[float | None]:
    corrected = iter(holm([p for p in p_values if p is not None]).tolist())
    return [None if p is None else next(corrected) for p in p_values]
