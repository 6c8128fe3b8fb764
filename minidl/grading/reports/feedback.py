"""What a student reads: the points of every task, and what to look at, as Markdown and as a page of HTML.

Both say the same, and nothing that a test's visibility keeps from the student: of the messages only what is
meant to be shown, what the submission printed only where the test is visible (it could print the inputs of the
others), neither the seed nor any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from minidl.grading.outcomes import Graded, Header, Outcome
from minidl.grading.reports.clean import fenced, inline, line, plain
from minidl.plots.report import Facts, Heading, Notice, Paragraph, render

WORDS = {
    "passed": "passed",
    "failed": "failed",
    "not_done": "not done yet",
    "timeout": "too slow",
    "crashed": "crashed",
    "error": "not graded",
    "not_run": "not run",
}
_OUTPUT = 1000  # characters of what the submission printed
LEVELS = {
    "L0": "no isolation (L0): this is a trial, not a grade",
    "L1": "a process of its own with time and memory limits (L1)",
    "L2": "a process of its own without access to files or network (L2)",
}


def number(points: float) -> str:
    """Return points as a person writes them: 3, 2.5, 0.333."""
    return f"{points:.3f}".rstrip("0").rstrip(".")


def score_line(header: Header, submission: Graded) -> str:
    """Return "17 of 30 points (57 %)"."""
    share = 100 * submission.points / header.points
    return f"{number(submission.points)} of {number(header.points)} points ({share:.0f} %)"


def remarks(submission: Graded) -> list[str]:
    """Return what is to be said about the submission as a whole."""
    found = []
    if submission.reason:
        found.append(
            f"The submission could not be graded: {line(submission.reason, 400)}. It gets no points."
        )
    elif submission.missing:
        found.append(f"Missing: {', '.join(submission.missing)}.")
    found += [f"{line(note, 300)}." for note in submission.notes]
    if not submission.complete:
        found.append(
            "Grading is incomplete: a test or the grader itself failed. The points are not final; staff will "
            "look at it."
        )
    return found


def ignored(submission: Graded) -> str:
    """Return what of the submission did not count; empty if everything did."""
    if not submission.ignored:
        return ""
    return f"Ignored, as the exercise does not ask for it: {line(', '.join(submission.ignored), 400)}."


def text_of(outcome: Outcome) -> str:
    """Return what the student may read about a test that did not pass."""
    text = plain(outcome.shown or outcome.test.hint)
    if outcome.status == "error":
        return f"The test itself failed; staff will look at it.\n{text}".rstrip()
    return text


def output_of(outcome: Outcome) -> str:
    """Return what the submission printed during a visible test."""
    return plain(outcome.output, _OUTPUT) if outcome.test.visibility == "visible" else ""


def facts(header: Header, submission: Graded) -> list[tuple[str, str]]:
    """Return the points and how they were found."""
    passed = sum(outcome.passed for outcome in submission.outcomes)
    return [
        ("Points", score_line(header, submission)),
        ("Tests passed", f"{passed} of {len(submission.outcomes)}"),
        ("Run in", LEVELS.get(submission.isolation, submission.isolation)),
        ("minidl", header.versions.get("minidl", "unknown")),
    ]


def markdown(header: Header, submission: Graded) -> str:
    """Return the feedback as Markdown (the GitHub kind)."""
    lines = [
        f"# Exercise {int(header.exercise)}: {inline(header.title)}",
        "",
        f"**{inline(submission.id)}**",
        "",
    ]
    lines += [f"- {name}: {inline(value)}" for name, value in facts(header, submission)]
    lines += [""]
    for remark in remarks(submission):
        lines += [f"> {inline(remark, 500)}", ""]
    if ignored(submission):
        lines += [inline(ignored(submission), 500), ""]
    lines += ["| Task | | Points |", "|---|---|---:|"]
    for task, title in header.tasks:
        lines.append(f"| {task} | {inline(title)} | {_points(submission.of_task(task))} |")
    lines += [f"| | Together | {number(submission.points)} / {number(header.points)} |", ""]
    for task, title in header.tasks:
        outcomes = submission.of_task(task)
        lines += [f"## Task {task}: {inline(title)} ({_points(outcomes)})", ""]
        for outcome in outcomes:
            lines += _markdown_test(outcome)
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def html(header: Header, submission: Graded) -> str:
    """Return the feedback as one page that needs no other file."""
    sections: list = [Notice(remark) for remark in remarks(submission)]
    sections.append(Facts(facts(header, submission)))
    if ignored(submission):
        sections.append(Paragraph(ignored(submission)))
    bars = [(f"{task}  {line(title)}", *_sums(submission.of_task(task))) for task, title in header.tasks]
    sections += [Heading("Points"), Bars(bars)]
    for task, title in header.tasks:
        outcomes = submission.of_task(task)
        sections.append(Heading(f"Task {task}: {line(title)} ({_points(outcomes)})"))
        sections += [Card(outcome) for outcome in outcomes if not outcome.passed]
        passed = [outcome for outcome in outcomes if outcome.passed]
        if passed:
            sections.append(Passed(passed))
        if not outcomes:
            sections.append(Paragraph("No test belongs to this task."))
    title = f"Exercise {int(header.exercise)}: {line(header.title)}"
    return render(
        title, sections, subtitle=f"{submission.id} \N{MIDDLE DOT} {score_line(header, submission)}"
    )


@dataclass(frozen=True)
class Bars:
    """Rows of a name, a bar of the share, and numbers.

    Attributes
    ----------
    rows : list of (str, float, float)
        Name, points, points that can be had.
    """

    rows: list[tuple[str, float, float]]

    def html(self) -> str:
        return f'<div style="max-width:48rem">{"".join(self._row(*row) for row in self.rows)}</div>'

    def _row(self, name: str, points: float, most: float) -> str:
        share = 100 * points / most if most else 0
        return (
            '<div style="display:grid;grid-template-columns:minmax(9rem,2fr) 3fr 5.5rem;gap:.25rem 1rem;'
            f'align-items:center;margin:.35rem 0"><span>{escape(name)}</span>'
            '<span style="background:var(--soft);border:1px solid var(--line);height:.9rem;display:block">'
            f'<span style="background:var(--accent);display:block;height:100%;width:{share:.1f}%"></span></span>'
            f'<span style="text-align:right;font-variant-numeric:tabular-nums">{number(points)} / '
            f"{number(most)}</span></div>"
        )


@dataclass(frozen=True)
class Card:
    """A test that did not pass."""

    outcome: Outcome

    def html(self) -> str:
        outcome = self.outcome
        parts = [
            '<section style="border-left:.25rem solid var(--warn-line);padding:.1rem 0 .1rem 1rem;margin:1rem 0">',
            f"<p><strong>{escape(WORDS[outcome.status])}</strong> \N{MIDDLE DOT} {escape(line(outcome.test.title))}"
            f' <span class="subtitle">(0 / {number(outcome.test.points)})</span></p>',
        ]
        if text_of(outcome):
            parts.append(_pre(text_of(outcome)))
        if output_of(outcome):
            parts += ["<p>Your code printed:</p>", _pre(output_of(outcome))]
        return "".join(parts) + "</section>"


@dataclass(frozen=True)
class Passed:
    """The tests of a task that passed."""

    outcomes: list[Outcome]

    def html(self) -> str:
        items = (
            f'<li>{escape(line(o.test.title))} <span class="subtitle">({number(o.points)} / '
            f"{number(o.test.points)})</span></li>"
            for o in self.outcomes
        )
        return f'<p>passed:</p><ul style="margin:.2rem 0">{"".join(items)}</ul>'


def _pre(text: str) -> str:
    style = "white-space:pre-wrap;overflow-wrap:anywhere"
    return f'<pre tabindex="0" style="{style}"><code>{escape(text)}</code></pre>'


def _markdown_test(outcome: Outcome) -> list[str]:
    box = "x" if outcome.passed else " "
    points = f"{number(outcome.points)} / {number(outcome.test.points)}"
    head = f"- [{box}] {WORDS[outcome.status]}: {inline(outcome.test.title)} ({points})"
    if outcome.passed:
        return [head]
    lines = [head, ""]
    if text_of(outcome):
        lines += [_indented(fenced(text_of(outcome))), ""]
    if output_of(outcome):
        lines += ["  Your code printed:", "", _indented(fenced(output_of(outcome), _OUTPUT)), ""]
    return lines


def _indented(text: str) -> str:
    return "\n".join(f"  {row}" for row in text.split("\n"))


def _sums(outcomes: list[Outcome]) -> tuple[float, float]:
    return sum(o.points for o in outcomes), sum(o.test.points for o in outcomes)


def _points(outcomes: list[Outcome]) -> str:
    points, most = _sums(outcomes)
    return f"{number(points)} / {number(most)}"
