"""The targets for a GPU, and what was found: met, missed, or not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Steps = Mapping[tuple[str, int], Mapping[str, float]]  # microseconds by rung and batch, then by form

LECTURE_UPDATES = 1_000_000  # of rung 10: 40 epochs of 250,000 images in batches of 10
SPEEDRUN = "speedrun to 99.0 % under 0.3 s of training (here on validation images)"


def targets_of(
    record: Mapping[str, Any], steps: Steps, rungs: Sequence[str], batches: Sequence[int]
) -> list[dict[str, Any]]:
    """Return every target as a dict: target, outcome, found."""
    found = []
    for rung in rungs:
        if 128 in batches:
            target = f"rung {rung}, batch 128: plain no slower than PyTorch eager"
            found.append(_ratio(target, steps.get((rung, 128), {}), "torch eager", "plain", 1.0))
        if 10 in batches:
            graph, times = f"rung {rung}, batch 10: graph", steps.get((rung, 10), {})
            found.append(_ratio(f"{graph} 5x as fast as PyTorch eager", times, "torch eager", "graph", 5.0))
            found.append(
                _ratio(f"{graph} on par with PyTorch's CUDA graphs", times, "torch graph", "graph", 1.0)
            )
    lecture = steps.get(("10", 10), {})
    found.append(_whole("rung 10 at the lecture's settings under 3 minutes", lecture, "graph", 180))
    found.append(_whole("five networks of rung 10 under 5 minutes", lecture, "together", 300))
    return [*found, _speedrun((record["speedrun"] or {}).get("value"))]


def _ratio(target: str, times: Mapping[str, float], slow: str, fast: str, factor: float) -> dict[str, Any]:
    if slow not in times or fast not in times:
        return _entry(target, None, f"{slow} or {fast} is missing")
    ratio = times[slow] / times[fast]
    return _entry(target, ratio >= factor, f"{ratio:.2f}x")


def _whole(target: str, times: Mapping[str, float], form: str, seconds: float) -> dict[str, Any]:
    if form not in times:
        return _entry(target, None, f"rung 10, batch 10, {form} is missing")
    whole = times[form] * LECTURE_UPDATES / 1e6
    text = f"{whole:.0f} s: {LECTURE_UPDATES:,} steps of {times[form]:.1f} µs, without validation"
    return _entry(target, whole < seconds, text)


def _speedrun(value: Mapping[str, Any] | None) -> dict[str, Any]:
    if value is None or value["data"] != "MNIST":
        return _entry(SPEEDRUN, None, "no run on MNIST")
    met = value["seconds"] < 0.3 and value["validation_accuracy"] >= 99.0
    return _entry(SPEEDRUN, met, f"{value['seconds']:.3f} s, {value['validation_accuracy']:.2f} %")


def _entry(target: str, met: bool | None, found: str) -> dict[str, Any]:
    outcome = "not measured" if met is None else "met" if met else "missed"
    return {"target": target, "outcome": outcome, "found": found}
