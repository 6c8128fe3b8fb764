"""The text and the tables of a progression's report."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from minidl.evaluation import error_correlation, majority_error, mcnemar
from minidl.experiments.records import read_predictions
from minidl.plots.report import Cell, Code, Facts, Heading, Notice, Paragraph, Section, Table

Rung = dict[str, Any]
DASH = "\N{EN DASH}"  # where there is no number


def is_done(rung: Rung) -> bool:
    """Whether the rung was trained and tested."""
    return rung.get("status") == "done"


def text(value: Any, digits: int | None = None) -> str:
    """Return a value for print: numbers grouped or rounded, a dash for None."""
    if value is None:
        return DASH
    if digits is not None:
        return f"{value:,.{digits}f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def duration(seconds: float | None) -> str:
    """Return seconds as "8.4 s", "2 min 05 s" or "1 h 07 min"."""
    if seconds is None:
        return DASH
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def header_sections(results: dict[str, Any]) -> list[Section]:
    """Return what was run, on what, with what, and how to run it again."""
    data = results.get("data") or {}
    sections: list[Section] = []
    if not data.get("is_mnist"):
        what = data.get("title", "unknown data")
        if data.get("name") == "digits":
            what += ": the small set of digits that comes with scikit-learn, enlarged to 28 x 28"
        sections.append(
            Notice(
                f"This is not MNIST. These networks were trained and tested on {what}. The lecture's and the "
                "book's numbers are for MNIST and are not comparable with ours."
            )
        )
    sizes = " / ".join(text(data.get(part)) for part in ("train", "validation", "test"))
    facts = [
        ("Data set", text(data.get("title"))),
        ("Training / validation / test images", sizes),
        ("Source of the data", text(data.get("source"))),
        ("Preset", text(results.get("preset"))),
        ("Seeds", ", ".join(str(seed) for seed in results.get("seeds") or []) or DASH),
        ("Device", text(results.get("device"))),
        ("Started", _moment(results.get("started"))),
        ("Duration", duration(results.get("seconds"))),
    ]
    facts += [
        (key.replace("_", " ").capitalize(), text(value))
        for key, value in (results.get("machine") or {}).items()
    ]
    versions = results.get("versions") or {}
    facts.append(("Versions", ", ".join(f"{name} {version}" for name, version in versions.items()) or DASH))
    sections.append(Facts(facts))
    if results.get("command"):
        sections += [Paragraph("This command repeats it:"), Code(str(results["command"]))]
    return sections


def results_table(results: dict[str, Any]) -> Table:
    """Return the table of the ladder: ours beside the lecture's and the book's."""
    is_mnist = bool((results.get("data") or {}).get("is_mnist"))
    title = (results.get("data") or {}).get("title", "unknown data")
    reference = "" if is_mnist else "on MNIST"
    header: list[Cell] = [
        "Rung",
        ("Network", "what is new · architecture"),
        ("Ours, %", "mean ± sd"),
        ("Wilson, %", "95 % interval"),
        ("Lecture, %", reference),
        ("Book, %", reference),
        "Parameters",
        ("Epochs", "images"),
        ("Time", "a seed"),
    ]
    rungs = results.get("rungs") or []
    rows = [_row(rung) for rung in rungs]
    if any(len(rung.get("runs") or []) > 1 for rung in rungs):
        # The lecture quotes, of several runs, the one that did best on validation (Nielsen, chapter 6).
        header.insert(4, ("Best run, %", "by validation"))
        for row, rung in zip(rows, rungs, strict=True):
            row.insert(4, text(rung.get("by_validation"), 2))
    return Table(
        header,
        rows,
        caption=f"Accuracy on the {results.get('split', 'test')} images of {title}. The interval says how far the "
        "accuracy on new images of the same kind may lie from the one measured on these; sd is the scatter from seed "
        "to seed.",
        numeric=range(2, len(header)),
    )


def _row(rung: Rung) -> list[Cell]:
    runs = rung.get("runs") or []
    mean, sd, wilson = rung.get("mean"), rung.get("sd"), rung.get("wilson")
    ours: Cell = text(rung.get("status", "pending"))
    if mean is not None:
        seeds = f"{len(runs)} seeds" if len(runs) > 1 else ""
        ours = (text(mean, 2) + (f" ± {sd:.2f}" if sd is not None else ""), seeds)
    details = [rung.get("change"), rung.get("architecture")]
    if rung.get("ensemble") and rung.get("members"):
        details.append(f"{rung.get('vote', 'hard')} vote of {len(rung['members'])} networks")
    if rung.get("error"):
        details.append(f"failed: {rung['error']}")
    return [
        str(rung.get("rung", "")),
        (text(rung.get("title")), " · ".join(detail for detail in details if detail)),
        ours,
        f"{wilson[0]:.2f} {DASH} {wilson[1]:.2f}" if wilson else DASH,
        text(rung.get("lecture"), 2),
        text(rung.get("published"), 2),
        text(rung.get("parameters")),
        (text(rung.get("epochs")), text(rung.get("train_images"))),
        duration(rung.get("seconds")),
    ]


def comparison_sections(
    folder: Path, rungs: list[Rung], labels: np.ndarray | None, split: str = "test"
) -> list[Section]:
    """Return McNemar's test between every finished rung and the finished one before it."""
    if labels is None:
        return [Paragraph(f"Not computed: the report was written without the labels of the {split} images.")]
    done = [rung for rung in rungs if is_done(rung) and rung.get("runs")]
    tests, rows, missing = 0, [], []
    for before, after in pairwise(done):
        count, row = _compare(folder, before, after, labels, split)
        tests += count
        if count:
            rows.append(row)
        else:
            missing.append(f"{before['rung']} and {after['rung']}")
    sections: list[Section] = []
    if rows:
        sections += [
            Paragraph(
                f"McNemar's exact test looks at the {split} images that only one of two networks gets right. The "
                "p-value is the probability of a difference at least this large if the two networks were "
                "equally good. A large p-value does not show that they are. With several seeds, each column "
                "lists them in order."
            ),
            Table(
                [
                    "Rungs",
                    "Seeds",
                    ("Only the first right", "images"),
                    ("Only the second right", "images"),
                    "p-values",
                ],
                rows,
                caption=_bonferroni(tests),
                numeric=range(1, 5),
            ),
        ]
    if missing:
        sections.append(
            Paragraph(f"Not compared, for want of saved predictions on these {split} images: {'; '.join(missing)}.")
        )
    return sections or [Paragraph("Fewer than two rungs are finished: there is nothing to compare yet.")]


def step_sections(folder: Path, results: dict[str, Any]) -> list[Section]:
    """Return every rung against the one before it over all seeds; nothing where there are fewer than two seeds."""
    from minidl.experiments.steps import ladder_steps
    from minidl.experiments.steps_text import steps_prose, steps_rows

    found = ladder_steps(folder, results)
    if not any(min(step.runs) > 1 for step in found.steps):
        return []
    head, *rows = steps_rows(found)
    caption = (
        "Points: difference of the mean accuracies, with its 95 % interval over the seeds. p (seeds): Welch's t-test "
        "(an ensemble is paired with its own members). p (images): McNemar's exact test, in which an image counts once "
        "with all its networks. Holm: corrected for the number of steps."
    )
    cells: list[list[Cell]] = [[(row[0], row[1]), *row[2:]] for row in rows]
    return [Paragraph(steps_prose(found)), Table([head[0], *head[2:]], cells, caption, numeric=range(1, 8))]


def _compare(
    folder: Path, before: Rung, after: Rung, labels: np.ndarray, split: str
) -> tuple[int, list[Cell]]:
    """Return the number of tests made, one for each seed that both rungs have, and their row."""
    first, second = ({run.get("seed"): run for run in rung["runs"]} for rung in (before, after))
    shared = [seed for seed in first if seed in second]
    pairs = [(first[seed], second[seed]) for seed in shared] or [(before["runs"][0], after["runs"][0])]
    seeds, results = [], []
    for one, other in pairs:
        a, b = (read_predictions(folder / each["folder"], split) for each in (one, other))
        if a is None or b is None or a.shape != labels.shape or b.shape != labels.shape:
            continue
        results.append(mcnemar(a == labels, b == labels))
        both = (text(one.get("seed")), text(other.get("seed")))
        seeds.append(both[0] if shared else " and ".join(both))
    row: list[Cell] = [
        f"{before['rung']} → {after['rung']}",
        ", ".join(seeds),
        ", ".join(text(result.only_a) for result in results),
        ", ".join(text(result.only_b) for result in results),
        ", ".join(f"{r.p_value:.2g}" if r.p_value >= 0.0001 else "< 0.0001" for r in results),
    ]
    return len(results), row


def _bonferroni(tests: int) -> str:
    if tests == 1:
        return ""
    return (
        f"With {tests} tests, holding the risk of even one false alarm below 5 % asks for p < "
        f"{0.05 / tests:.2g} in each (Bonferroni; true whether or not the tests are independent)."
    )


def independence_sections(
    folder: Path, rungs: list[Rung], labels: np.ndarray | None, split: str = "test"
) -> list[Section]:
    """Return what the ensemble would reach if its members erred independently, and what it reaches."""
    rung = next((r for r in rungs if r.get("ensemble") and is_done(r) and r.get("runs")), None)
    if rung is None or labels is None:
        return []
    heading = Heading("What would independent networks reach?")
    vote = read_predictions(folder / rung["runs"][0]["folder"], split)
    members = [read_predictions(folder / name, split) for name in rung.get("members") or []]
    found = [p for p in members if p is not None and p.shape == labels.shape]
    if vote is None or vote.shape != labels.shape or len(found) < 2 or len(found) < len(members):
        return [
            heading,
            Paragraph("Not computed: predictions of the ensemble or of some of its members are missing."),
        ]
    predictions = np.stack(found)
    wrong = (predictions != labels).mean(axis=1)
    promised = majority_error(len(found), float(wrong.mean()))
    pairs = error_correlation(predictions, labels)[np.triu_indices(len(found), 1)]
    pairs = pairs[np.isfinite(pairs)]
    common = int((predictions != labels).all(axis=0).sum())
    facts = [
        ("Mean error of one network", f"{100 * wrong.mean():.2f} %"),
        (
            "Majority wrong if independent",
            f"{np.format_float_positional(100 * promised, precision=2, fractional=False, trim='-')} %",
        ),
        ("Measured error of the vote", f"{100 * (vote != labels).mean():.2f} %"),
        ("Correlation of errors, mean of pairs", f"{pairs.mean():.2f}" if len(pairs) else "undefined"),
        ("Images all networks get wrong", text(common)),
    ]
    note = (
        f"If the {len(found)} networks erred independently of each other, a majority of them would hardly "
        "ever be wrong. Networks trained on the same images fail on the same difficult ones, and a vote "
        "mends only the failures they do not share. The promise for independent networks is the binomial "
        "formula at their mean error."
    )
    return [heading, Paragraph(note), Facts(facts)]


def vault_sections(results: dict[str, Any]) -> list[Section]:
    """Return the log of every opening of the test set."""
    openings = results.get("vault") or []
    if not openings:
        return [Paragraph("No opening is recorded.")]
    rows: list[list[Cell]] = [[_moment(entry.get("time")), text(entry.get("reason"))] for entry in openings]
    return [
        Paragraph(
            "Training and the choice of the best epoch see the training and validation sets. The test set "
            "was opened only here:"
        ),
        Table(["Time", "Reason"], rows),
    ]


def _moment(iso: str | None) -> str:
    """Return an ISO time without its fraction, or as it is when it is none."""
    try:
        return datetime.fromisoformat(str(iso)).isoformat(sep=" ", timespec="seconds") if iso else DASH
    except ValueError:
        return str(iso)
