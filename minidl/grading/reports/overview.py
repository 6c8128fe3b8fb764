"""What staff read about a class: the distribution, the hardest tasks, the commonest mistakes."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import mean, median, pstdev

from minidl.grading.outcomes import Graded, Header
from minidl.grading.reports.clean import cell, line
from minidl.grading.reports.feedback import WORDS, ignored, number, remarks
from minidl.plots.report import Cell, Facts, Heading, Notice, Paragraph, Picture, Section, Table, render

_EXAMPLES = 4  # students named beside a mistake
_MISTAKES = 20
_HARDEST = 15


def grades_csv(header: Header, submissions: Sequence[Graded]) -> str:
    """Return the table of the class: a row for each submission, a column for each task."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    tasks = [f"task {task}" for task, _ in header.tasks]
    after = ["complete", "isolation", "not_passed", "remark", "source", "sha256"]
    writer.writerow(["id", "points", "max_points", "percent", *tasks, *after])
    for submission in submissions:
        tasks = [number(sum(o.points for o in submission.of_task(task))) for task, _ in header.tasks]
        writer.writerow(
            [
                cell(submission.id),
                number(submission.points),
                number(header.points),
                f"{100 * submission.points / header.points:.1f}",
                *tasks,
                "yes" if submission.complete else "no",
                submission.isolation,
                cell(_tally(submission)),
                cell(" ".join([*_remarks(submission), submission.open_questions]).strip()),
                cell(submission.source),
                submission.digest,
            ]
        )
    return stream.getvalue()


def overview(header: Header, submissions: Sequence[Graded]) -> str:
    """Return the class as one page of HTML, for staff."""
    sections: list[Section] = []
    unfinished = [s.id for s in submissions if not s.complete]
    if unfinished:
        sections.append(
            Notice(
                f"Grading is incomplete for {len(unfinished)} of {len(submissions)} submissions "
                f"({_some(unfinished)}): their points are not final. Run it again with --resume."
            )
        )
    if header.isolation == "L0":
        sections.append(Notice("The submissions ran in the grader's own process (L0): these are no grades."))
    sections.append(Facts(_facts(header, submissions)))
    if submissions:
        sections += _pictures(header, submissions)
        sections += _broken(header, submissions)
        sections += _hardest(header, submissions)
        sections += _mistakes(header, submissions)
        sections += _refused(submissions)
        sections += _alike(submissions)
        sections += [Heading("All submissions"), _table(header, submissions)]
    else:
        sections.append(Paragraph("No submission has been graded."))
    title = f"Exercise {int(header.exercise)}: {line(header.title)}"
    return render(title, sections, subtitle=f"class overview \N{MIDDLE DOT} {len(submissions)} submissions")


def _facts(header: Header, submissions: Sequence[Graded]) -> list[tuple[str, str]]:
    points = [submission.points for submission in submissions]
    facts = [("Submissions", str(len(submissions))), ("Points that can be had", number(header.points))]
    if points:
        facts += [
            ("Mean, standard deviation", f"{mean(points):.2f}, {pstdev(points):.2f}"),
            ("Median", f"{median(points):.2f}"),
            ("Lowest, highest", f"{number(min(points))}, {number(max(points))}"),
            ("Full points", str(sum(p == header.points for p in points))),
            ("No points", str(sum(p == 0 for p in points))),
            (
                "Time, longest and sum",
                f"{max(s.seconds for s in submissions):.1f} s, {_minutes(submissions)}",
            ),
        ]
    facts += [
        ("Isolation level", header.isolation),
        ("Begun", header.started.replace("T", " ")),
        ("Versions", ", ".join(f"{name} {version}" for name, version in header.versions.items())),
        ("SHA-256 of the exercise", header.digest[:16]),
    ]
    return facts


def _minutes(submissions: Sequence[Graded]) -> str:
    seconds = sum(submission.seconds for submission in submissions)
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _pictures(header: Header, submissions: Sequence[Graded]) -> list[Section]:
    from minidl.plots.grading import plot_scores, plot_tasks

    points = [submission.points for submission in submissions]
    names, shares = [], []
    for task, title in header.tasks:
        most = sum(test.points for test in header.tests if test.task == task)
        if most:
            got = [sum(o.points for o in submission.of_task(task)) for submission in submissions]
            names.append(f"{task} {line(title)}")
            shares.append(mean(got) / most)
    text = ", ".join(f"{name}: {share:.0%}" for name, share in zip(names, shares, strict=True))
    return [
        Heading("Distribution"),
        Picture(plot_scores(points, header.points), f"histogram of the points; mean {mean(points):.1f}"),
        Heading("Tasks"),
        Picture(plot_tasks(names, shares), f"mean share of the points by task: {text}"),
    ]


def _hardest(header: Header, submissions: Sequence[Graded]) -> list[Section]:
    """Return the tests that the fewest passed. Submissions that could not be taken do not count."""
    taken = [submission for submission in submissions if not submission.reason]
    if not taken:
        return []
    rows = []
    for i, test in enumerate(header.tests):
        outcomes = [submission.outcomes[i] for submission in taken]
        passed = sum(outcome.passed for outcome in outcomes)
        kinds = Counter(WORDS[outcome.status] for outcome in outcomes if not outcome.passed)
        what = ", ".join(f"{count} {word}" for word, count in kinds.most_common())
        row: list[Cell] = [
            (f"{test.task} {line(test.title)}", test.name), test.visibility, number(test.points),
            f"{100 * passed / len(taken):.0f} %", what or "\N{EN DASH}",
        ]  # fmt: skip
        rows.append((passed, i, row))
    rows.sort(key=lambda entry: entry[:2])
    hard = [row for passed, _, row in rows if passed < len(taken)][:_HARDEST]
    if not hard:
        return [Heading("Hardest tests"), Paragraph("Every submission passed every test.")]
    header_cells: list[Cell] = ["Test", "Visibility", "Points", "Passed", "Others"]
    caption = f"Of the {len(taken)} submissions that could be taken; the hardest first."
    return [Heading("Hardest tests"), Table(header_cells, hard, caption, numeric=(2, 3))]


def _broken(header: Header, submissions: Sequence[Graded]) -> list[Section]:
    """Return the tests that failed for a reason of their own, with what they said last."""
    rows: list[list[Cell]] = []
    for i, test in enumerate(header.tests):
        hit = [submission for submission in submissions if submission.outcomes[i].status == "error"]
        if hit:
            said = Counter(line(s.outcomes[i].message.strip().rpartition("\n")[2], 200) for s in hit)
            what, who = said.most_common(1)[0][0], _some([s.id for s in hit])
            rows.append([(f"{test.task} {line(test.title)}", test.name), str(len(hit)), what, who])
    if not rows:
        return []
    note = (
        "These are mistakes in the tests, or answers that the tests did not expect. The record has the whole "
        "message."
    )
    cells: list[Cell] = ["Test", "Students", "What it said", "Who"]
    return [Heading("Tests that failed themselves"), Table(cells, rows, note, numeric=(1,))]


def _mistakes(header: Header, submissions: Sequence[Graded]) -> list[Section]:
    """Return the commonest causes, as the tests diagnosed them, each student once per task."""
    students: dict[tuple[str, str], list[str]] = defaultdict(list)
    for submission in submissions:
        found = {
            (o.test.task, line(o.cause, 80) or WORDS[o.status])
            for o in submission.outcomes
            if o.status in ("failed", "timeout", "crashed") and not submission.reason
        }
        for mistake in found:
            students[mistake].append(submission.id)
    if not students:
        return []
    titles = dict(header.tasks)
    order = sorted(students.items(), key=lambda item: (-len(item[1]), item[0]))[:_MISTAKES]
    rows: list[list[Cell]] = [
        [cause, f"{task} {line(titles.get(task, ''))}", str(len(names)), _some(names)]
        for (task, cause), names in order
    ]
    return [
        Heading("Commonest mistakes"),
        Table(
            ["Mistake", "Task", "Students", "Who"], rows, "Each student counts once for a task.", numeric=(2,)
        ),
    ]


def _refused(submissions: Sequence[Graded]) -> list[Section]:
    rows: list[list[Cell]] = [
        [submission.id, submission.source, line(submission.reason, 300)]
        for submission in submissions
        if submission.reason
    ]
    if not rows:
        return []
    heading = Heading("Submissions that could not be taken")
    return [heading, Table(["Id", "File or folder", "Reason"], rows, "They get no points.")]


def _alike(submissions: Sequence[Graded]) -> list[Section]:
    """Return the groups that handed in the same bytes."""
    groups: dict[str, list[str]] = defaultdict(list)
    for submission in submissions:
        if not submission.reason:
            groups[submission.digest].append(submission.id)
    rows: list[list[Cell]] = [
        [digest[:16], str(len(names)), ", ".join(names)]
        for digest, names in sorted(groups.items(), key=lambda item: (-len(item[1]), item[1]))
        if len(names) > 1
    ]
    if not rows:
        return []
    note = (
        "These handed in the same files, byte for byte. It may be the unchanged skeleton. Files that were "
        "copied and changed are not found in this way."
    )
    table = Table(["SHA-256", "Submissions", "Who"], rows, numeric=(1,))
    return [Heading("Identical submissions"), Paragraph(note), table]


def _table(header: Header, submissions: Sequence[Graded]) -> Table:
    tasks = [task for task, _ in header.tasks]
    rows: list[list[Cell]] = []
    for s in submissions:
        remark = " ".join([*_remarks(s), line(s.open_questions, 300)]).strip()
        rows.append(
            [
                s.id,
                number(s.points),
                f"{100 * s.points / header.points:.0f} %",
                *(number(sum(o.points for o in s.of_task(task))) for task in tasks),
                s.isolation,
                (_tally(s) or "\N{EN DASH}", remark),
            ]
        )
    cells: list[Cell] = ["Id", "Points", "Share", *tasks, "Level", ("Tests not passed", "remarks")]
    return Table(cells, rows, numeric=range(1, 3 + len(tasks)))


def _tally(submission: Graded) -> str:
    kinds = Counter(WORDS[o.status] for o in submission.outcomes if not o.passed)
    return ", ".join(f"{count} {word}" for word, count in kinds.most_common())


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _EXAMPLES} more" if len(names) > _EXAMPLES else ""
    return ", ".join(names[:_EXAMPLES]) + more


def _remarks(submission: Graded) -> list[str]:
    return [text for text in (*remarks(submission), ignored(submission)) if text]
