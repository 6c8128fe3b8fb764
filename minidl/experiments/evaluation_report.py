"""The outcome of ``minidl evaluate`` as text and as a page with pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minidl.experiments.report_pictures import mistake_sections
from minidl.experiments.scoring import Outcome
from minidl.plots.report import Cell, Facts, Heading, Section, Table, write_report


def evaluation_text(facts: dict[str, Any]) -> str:
    """Return the outcome as text: accuracy, loss, a line for every class and average, the confusion matrix.

    Parameters
    ----------
    facts : dict
        Of `minidl.experiments.scoring.Outcome`.
    """
    epoch = "" if facts["epoch"] is None else f" (epoch {facts['epoch']})"
    lines = [
        f"{facts['title']}, {facts['split']} images, {facts['weights']} weights{epoch}",
        _accuracy(facts),
        f"loss {_number(facts['loss'])}",
        *_ranking(facts),
        *_label_versions(facts),
        "",
        *_class_table(facts),
        "",
        *_confusion(facts),
    ]
    if facts["split"] == "test":
        lines += ["", "the vault was opened for this; vault.json in the run's folder has it on record"]
    return "\n".join(lines)


def write_evaluation_report(folder: str | Path, outcome: Outcome) -> Path:
    """Write ``evaluation.html`` into a run's folder: the numbers, the confusion matrix, the mistakes.

    Returns
    -------
    Path
        The report.
    """
    folder, facts = Path(folder), outcome.facts
    epoch = "" if facts["epoch"] is None else f", epoch {facts['epoch']}"
    rows: list[list[Cell]] = [
        [row["class"], f"{row['examples']:,}", *(_share(row[name]) for name in ("precision", "recall", "f1"))]
        for row in facts["classes"]
    ]
    sections: list[Section] = [
        Heading("Result"),
        Facts(
            [
                ("Accuracy", f"{facts['accuracy']:.2f} %"),
                ("95 % interval (Wilson)", "{:.2f} to {:.2f} %".format(*facts["wilson"])),
                ("Right", f"{facts['correct']:,} of {facts['examples']:,}"),
                ("Loss", _number(facts["loss"])),
                ("Weights", f"{facts['weights']}{epoch}"),
            ]
        ),
        Heading("Every class"),
        Table(["Class", "Examples", "Precision", "Recall", "F1"], rows, numeric=(1, 2, 3, 4)),
        Heading("Mistakes"),
        *mistake_sections(
            "this network",
            outcome.predictions,
            outcome.images,
            outcome.labels,
            {"classes": outcome.classes, "split": facts["split"]},
        ),
    ]
    path = folder.resolve()
    title = f"Evaluation of {path.parent.name}/{path.name}"
    subtitle = f"{facts['title']} · {facts['split']} images"
    return write_report(folder / "evaluation.html", title, sections, subtitle=subtitle)


def _accuracy(facts: dict[str, Any]) -> str:
    low, high = facts["wilson"]
    return (
        f"accuracy {facts['accuracy']:.2f} %, {facts['correct']:,} of {facts['examples']:,} right; "
        f"95 % interval {low:.2f} to {high:.2f} % (Wilson)"
    )


def _class_table(facts: dict[str, Any]) -> list[str]:
    width = max(8, *(len(row["class"]) for row in facts["classes"]))
    lines = [f"{'class':<{width}}  examples  precision  recall     F1"]
    for row in facts["classes"]:
        shares = f"{_share(row['precision']):>9}  {_share(row['recall']):>6}  {_share(row['f1']):>5}"
        lines.append(f"{row['class']:<{width}}  {row['examples']:>8,}  {shares}")
    for name in ("macro", "weighted"):
        row = facts["averages"][name]
        shares = f"{_share(row['precision']):>9}  {_share(row['recall']):>6}  {_share(row['f1']):>5}"
        lines.append(f"{name:<{width}}  {facts['examples']:>8,}  {shares}")
    return lines


def _ranking(facts: dict[str, Any]) -> list[str]:
    parts = [f"top-{row['k']} error {row['error']:.2f} %" for row in facts["top_k"] if row["k"] > 1]
    if facts["auc"] is not None and facts["auc"]["macro"] is not None:
        parts.append(f"area under the ROC curves {facts['auc']['macro']:.4f}")
    if facts["calibration"] is not None:
        parts.append(f"expected calibration error {facts['calibration']['expected']:.2f} points")
    return ["; ".join(parts)] if parts else []


def _label_versions(facts: dict[str, Any]) -> list[str]:
    return [
        f"labels {row['labels'] + ':':<10} {row['accuracy']:.2f} %, {row['correct']:,} of {row['examples']:,} right; "
        "95 % interval {:.2f} to {:.2f} %".format(*row["wilson"])
        for row in facts["label_versions"]
    ]


def _confusion(facts: dict[str, Any]) -> list[str]:
    names = [row["class"] for row in facts["classes"]]
    left = max(5, *map(len, names))
    # Long names would make the columns too wide: these are numbered then.
    heads = names if left <= 5 else [str(index) for index in range(len(names))]
    rows = names if left <= 5 else [f"{index} {name}" for index, name in enumerate(names)]
    left = max(map(len, rows))
    cells = [[f"{count:,}" if count else "." for count in row] for row in facts["confusion"]]
    width = 2 + max(len(text) for row in [*cells, heads] for text in row)
    lines = ["confusion matrix (rows: the true class; columns: the predicted one)"]
    lines.append(" " * left + "".join(head.rjust(width) for head in heads))
    for name, row in zip(rows, cells, strict=True):
        lines.append(name.ljust(left) + "".join(text.rjust(width) for text in row))
    return lines


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
