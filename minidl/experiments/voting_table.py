"""The outcome of a vote as text and as JSON."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

import numpy as np

from minidl.evaluation import wilson_interval
from minidl.evaluation.ensemble_score import EnsembleScore
from minidl.evaluation.wording import p_text
from minidl.experiments.voting import Voters


def voting_text(voters: Voters, score: EnsembleScore) -> str:
    """Return the table of the networks and votes, and what independence would have bought."""
    n, members = score.examples, len(voters.members)
    lines = [f"{members} networks vote on {n:,} {voters.split} images of {voters.data}", ""]
    rows = [
        (member.name, int(wrong)) for member, wrong in zip(voters.members, score.member_errors, strict=True)
    ]
    width = max(34, *(len(name) for name, _ in rows))
    lines += [f"{'':<{width}}  wrong    error  95 % interval (Wilson)"]
    lines += [_line(name, wrong, n, width) for name, wrong in rows]
    mean = score.mean_error
    lines += [f"{'mean of the networks':<{width}}  {mean * n:>5.1f}  {_share(mean):>7}"]
    lines += [_line("hard vote (the class most choose)", score.hard_errors, n, width)]
    lines += [_line("soft vote (mean probability)", score.soft_errors, n, width)]
    if voters.averaged is not None:
        lines.append(_line("one network of the mean weights", averaged_errors(voters), n, width))
    lines += ["", *_independence(score)]
    for text in [*(f"note: {note}" for note in voters.notes), gain_sentence(voters, score)]:
        lines += ["", *wrap(text, 110, break_long_words=False, break_on_hyphens=False)]
    if voters.split == "test":
        lines += ["", "the vault was opened for this; vault.json in each run's folder has it on record"]
    return "\n".join(lines)


def averaged_errors(voters: Voters) -> int:
    """Return how many images the network of the averaged weights gets wrong."""
    assert voters.averaged is not None
    return int((voters.averaged.argmax(axis=1) != voters.labels).sum())


def gain_sentence(voters: Voters, score: EnsembleScore) -> str:
    """Return what the vote gained over the best network, in words."""
    test = score.against_best
    return (
        f"Of {score.examples:,} {voters.split} images of {voters.data} the soft vote gets {score.soft_errors:,} wrong, "
        f"the best of the {len(voters.members)} networks {int(score.member_errors.min()):,} and the mean one "
        f"{score.mean_error * score.examples:,.1f}. Right by the vote alone: {test.only_b}; by the best network alone: "
        f"{test.only_a} (McNemar's exact test, {p_text(test.p_value)}). If the networks erred independently, a "
        f"majority would be wrong on {_number(score.promised_each * score.examples)} images."
    )


def voting_table(voters: Voters, score: EnsembleScore) -> dict[str, Any]:
    """Return everything as JSON can hold it."""
    correlation = np.where(np.isfinite(score.correlation), score.correlation, np.nan)
    return {
        "data": voters.data,
        "split": voters.split,
        "examples": score.examples,
        "members": [
            {"run": str(member.folder), "weights": member.weights, "wrong": int(wrong)}
            for member, wrong in zip(voters.members, score.member_errors, strict=True)
        ],
        "hard_vote_wrong": score.hard_errors,
        "soft_vote_wrong": score.soft_errors,
        "mean_weights_wrong": None if voters.averaged is None else averaged_errors(voters),
        "mean_error": score.mean_error,
        "binomial": score.promised,
        "poisson_binomial": score.promised_each,
        "error_correlation": [[None if np.isnan(r) else float(r) for r in row] for row in correlation],
        "mean_correlation": score.mean_correlation,
        "counts_like": score.counts_like,
        "agreement": score.agreement.tolist(),
        "wrong_counts": score.counts.tolist(),
        "wrong_counts_if_independent": score.independent_counts.tolist(),
        "vote_against_best": {
            "only_best": score.against_best.only_a,
            "only_vote": score.against_best.only_b,
            "p_value": score.against_best.p_value,
        },
        "notes": voters.notes,
    }


def _independence(score: EnsembleScore) -> list[str]:
    n, members = score.examples, len(score.member_errors)
    all_wrong, alone = int(score.counts[-1]), float(score.independent_counts[-1])
    rows = [
        ("majority wrong, measured", f"{int(score.counts[members // 2 + 1 :].sum()):,} images"),
        ("if independent: the lecture's binomial formula", f"{_number(score.promised * n)} images"),
        ("if independent: each with its own error", f"{_number(score.promised_each * n)} images"),
        ("all wrong, measured", f"{all_wrong:,} images (if independent {_number(alone)})"),
    ]
    if score.mean_correlation is not None:
        like = "" if score.counts_like is None else f": {members} networks count like {score.counts_like:.1f}"
        rows.append(("mean correlation of the errors of two", f"{score.mean_correlation:.2f}{like}"))
    width = max(len(name) for name, _ in rows)
    lines = ["what independence would have bought", *(f"  {name:<{width}}  {text}" for name, text in rows)]
    if score.mean_error >= 0.5:
        lines.append(
            "  (more networks help only where each is wrong less than half of the time, which these are not)"
        )
    return lines


def _line(name: str, wrong: int, n: int, width: int) -> str:
    low, high = wilson_interval(n - wrong, n)
    return f"{name:<{width}}  {wrong:>5,}  {_share(wrong / n):>7}  {_share(1 - high)} to {_share(1 - low)}"


def _share(value: float) -> str:
    return f"{100 * value:.2f} %"


def _number(value: float) -> str:
    return f"{value:.1f}" if value >= 0.95 else f"{value:.1g}" if value > 0 else "0"
