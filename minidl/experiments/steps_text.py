"""The steps of the ladder in words: a table, and a paragraph made from its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from minidl.evaluation.comparison import TOO_FEW
from minidl.evaluation.wording import p_text, points
from minidl.experiments.concepts.results import columns, listed
from minidl.experiments.steps import BETTER, NOT_RUN, NOT_SHOWN, WORSE, LadderSteps, Step

HEAD = (
    "step", "what is new", "runs", "points", "interval", "p (seeds)", "Holm", "p (images)", "Holm", "verdict",
)  # fmt: skip


def steps_rows(found: LadderSteps) -> list[list[str]]:
    """Return the table, the head first."""
    return [list(HEAD), *(_row(step) for step in found.steps)]


def steps_text(found: LadderSteps) -> str:
    """Return the table and the paragraph for a terminal."""
    return "\n".join(
        [
            f"Every rung against the one before: {found.split} accuracy on {found.data}, preset {found.preset}",
            columns([[f"{row[0]}  {row[1]}", *row[2:]] for row in steps_rows(found)]),
            "",
            *wrap(steps_prose(found), 110, break_long_words=False, break_on_hyphens=False),
        ]
    )


def steps_markdown(found: LadderSteps) -> str:
    """Return the table and the paragraph as Markdown."""
    head, *rows = steps_rows(found)
    lines = [
        f"# Which steps are real improvements? {found.data}, preset `{found.preset}`",
        "",
        f"Accuracy on the {found.split} images. `{found.command}`" if found.command else "",
        "",
        f"| {' | '.join(head)} |",
        "|" + "---|" * 2 + "---:|" * (len(head) - 3) + "---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        *wrap(steps_prose(found), 120, break_long_words=False, break_on_hyphens=False),
        "",
    ]
    return "\n".join(lines)


def steps_prose(found: LadderSteps) -> str:
    """Return a paragraph that says which steps are more than scatter, which are not shown to be, and why."""
    tested = [step for step in found.steps if step.verdict in (BETTER, WORSE, NOT_SHOWN)]
    parts = []
    if tested:
        parts.append(_real(found, tested))
    losses = [step for step in tested if step.verdict == WORSE]
    if losses:
        parts.append(
            f"Worse than the rung before, by more than scatter: {listed([_named(step) for step in losses])}."
        )
    unclear = [step for step in tested if step.verdict == NOT_SHOWN]
    if unclear:
        parts.append(
            f"No difference is shown for {'; '.join(_doubted(step, found.alpha) for step in unclear)}."
        )
        parts.append(
            "That does not show that these steps are worth nothing: the intervals say what is left open."
        )
    few = [step for step in found.steps if step.verdict == TOO_FEW]
    if few:
        steps = listed([f"{step.before} → {step.after}" for step in few])
        parts.append(
            f"Too few runs to tell for {steps}: at least three seeds of each rung, better five (--seeds 5)."
        )
    absent = [f"{step.before} → {step.after}" for step in found.steps if step.verdict == NOT_RUN]
    if absent:
        parts.append(f"Not finished: {listed(absent)}.")
    if found.missing:
        s = "s" if len(found.missing) > 1 else ""
        parts.append(f"Not run: rung{s} {rung_ranges(found.missing)}.")
    if not found.steps:
        parts.append("There are no two neighbouring rungs to compare.")
    return " ".join(parts)


def _real(found: LadderSteps, tested: list[Step]) -> str:
    real = [step for step in tested if step.verdict == BETTER]
    how = (
        f"more than scatter, over the seeds and over the images ({100 * found.alpha:g} % for all steps together after "
        "Holm's correction)"
    )
    number = len(tested)
    if not real:
        which = "the one step" if number == 1 else f"the {number} steps"
        return f"Of {which} tested none is an improvement by {how}."
    if number == 1:
        return f"The one step tested is an improvement by {how}: {_named(real[0])}."
    are = "is an improvement" if len(real) == 1 else "are improvements"
    return (
        f"Of the {number} steps tested {len(real)} {are} by {how}: {listed([_named(step) for step in real])}."
    )


def _row(step: Step) -> list[str]:
    over = f" (over {listed(step.left_out)})" if step.left_out else ""
    runs = "-" if step.means is None else "/".join(map(str, step.runs))
    interval = "-" if step.low is None or step.high is None else f"{points(step.low)} to {points(step.high)}"
    return [
        f"{step.before} → {step.after}{over}",
        step.change,
        runs,
        "-" if step.difference is None else points(step.difference),
        interval,
        _p(step.p_seeds),
        _p(step.p_seeds_corrected),
        _p(step.p_images),
        _p(step.p_images_corrected),
        step.verdict,
    ]


def _named(step: Step) -> str:
    assert step.difference is not None
    return f"{step.before} → {step.after} ({step.change}: {points(step.difference)} points)"


def _doubted(step: Step, alpha: float) -> str:
    """Return the step with what it did not stand up to."""
    assert step.difference is not None
    said = [f"{step.change}: {points(step.difference)} points"]
    if step.low is not None and step.high is not None:
        said.append(f"interval {points(step.low)} to {points(step.high)}")
    for name, p in (("seeds", step.p_seeds_corrected), ("images", step.p_images_corrected)):
        said.append(f"{name}: {p_text(p) if p is not None else 'not tested'}")
    doubtful = step.p_seeds_corrected is None or step.p_seeds_corrected >= alpha
    if doubtful and step.needed is not None and step.needed > max(step.runs):
        said.append(f"a true difference of this size would take about {step.needed:,} seeds of each to show")
    return f"{step.before} → {step.after} ({', '.join(said)})"


def rung_ranges(rungs: Sequence[str]) -> str:
    """Return "1, 3 to 5" for rungs 1, 3, 4 and 5, which follow one another on the ladder."""
    parts: list[list[int]] = []
    for number in map(int, rungs):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(
        f"{part[0]} to {part[-1]}" if len(part) > 2 else ", ".join(map(str, part)) for part in parts
    )


def _p(p: float | None) -> str:
    return "-" if p is None else p_text(p).removeprefix("p = ").removeprefix("p ")
