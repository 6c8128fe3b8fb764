"""What ``minidl evaluate --report`` writes: every table as a CSV file, every picture as a PNG, and a page of all.

The tables are built once, as `NamedTable`, and go from there into the page and into the files.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.evaluation import confusion_matrix, wilson_interval
from minidl.evaluation.ranking import class_roc_curves
from minidl.experiments.scoring import Outcome
from minidl.files import atomic_write
from minidl.plots import confusion_heatmap, error_gallery
from minidl.plots.calibration import calibration_plot
from minidl.plots.class_bars import class_error_bars
from minidl.plots.report import Cell, Facts, Heading, Paragraph, Picture, Section, Table, write_report
from minidl.plots.roc import roc_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Value = str | int | float | None
INTERVAL = ("low", "high")  # columns that follow a share: the ends of its 95 % Wilson interval


@dataclass(frozen=True)
class NamedTable:
    """A table with the numbers unrounded.

    Attributes
    ----------
    name : str
        Of its file, without ``.csv``.
    header : list of str
    rows : list of lists
        Text, counts, shares; None for a share of nothing.
    note : str
        Below the table on the page.
    """

    name: str
    header: list[str]
    rows: list[list[Value]]
    note: str = ""

    def section(self, digits: int = 4) -> Table:
        """Return the table for a page, rounded."""
        rows = [[_shown(value, digits) for value in row] for row in self.rows]
        return Table(self.header, rows, self.note, numeric=range(1, len(self.header)))

    def write(self, folder: Path) -> Path:
        """Write the table as CSV, an empty field for None."""
        path = folder / f"{self.name}.csv"
        with atomic_write(path) as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(self.header)
            writer.writerows([["" if value is None else value for value in row] for row in self.rows])
        return path


def write_full_report(folder: Path, outcome: Outcome) -> Path:
    """Write tables, pictures and ``report.html`` below a run's folder, in place of earlier ones of the same name.

    Parameters
    ----------
    folder : Path
        Of the run. The files go to ``evaluation/DATA-SPLIT-WEIGHTS/`` in it.
    outcome : Outcome

    Returns
    -------
    Path
        The page.
    """
    facts = outcome.facts
    place = folder / "evaluation" / "-".join([facts["data"], facts["split"], facts["weights"]])
    tables, pictures = evaluation_tables(facts), evaluation_pictures(outcome)
    for table in tables.values():
        table.write(place)
    for name, picture in pictures.items():
        with atomic_write(place / f"{name}.png", "wb") as stream:
            picture.figure.savefig(stream, format="png", metadata={"Software": None})
    path = folder.resolve()
    title = f"Evaluation of {path.parent.name}/{path.name}"
    subtitle = f"{facts['title']} · {facts['split']} images · {facts['weights']} weights"
    return write_report(place / "report.html", title, _sections(facts, tables, pictures), subtitle=subtitle)


def evaluation_tables(facts: dict[str, Any]) -> dict[str, NamedTable]:
    """Return the tables by name; of top_k, calibration and label_versions those that there are."""
    names, areas = [row["class"] for row in facts["classes"]], facts["auc"] or {}
    found = [
        _class_table(facts),
        NamedTable(
            "averages",
            ["average", "precision", "recall", "F1", "specificity", "area under ROC"],
            [
                [name, *(row[key] for key in ("precision", "recall", "f1", "specificity")), areas.get(name)]
                for name, row in facts["averages"].items()
            ],
            "Macro: every class counts the same. Weighted: by its examples. Micro: over all decisions together, "
            "where precision, recall and F1 are the accuracy. Undefined scores are left out.",
        ),
        NamedTable(
            "confusion",
            ["true \\ predicted", *names],
            [[name, *row] for name, row in zip(names, facts["confusion"], strict=True)],
            "Rows: the true class. Columns: the predicted one.",
        ),
        NamedTable(
            "top_k",
            ["k", "error, %", *INTERVAL],
            [[row["k"], row["error"], *row["wilson"]] for row in facts["top_k"]],
            "Share of images whose class is not among the k most likely ones, and its 95 % interval (Wilson).",
        ),
        NamedTable(
            "calibration",
            ["confidence from", "to", "examples", "mean confidence", "accuracy"],
            [list(row.values()) for row in (facts["calibration"] or {"bins": []})["bins"]],
            "A bin includes its upper edge.",
        ),
        NamedTable(
            "label_versions",
            ["labels", "examples", "right", "accuracy, %", *INTERVAL],
            [
                [row["labels"], row["examples"], row["correct"], row["accuracy"], *row["wilson"]]
                for row in facts["label_versions"]
            ],
            "Fewer than three of five people agreed with 15 of the test labels (Northcutt, Athalye, Mueller, 2021). "
            "Corrected: the 10 that have a majority for another digit. Removed: all 15.",
        ),
    ]
    return {table.name: table for table in found if table.rows}


def _class_table(facts: dict[str, Any]) -> NamedTable:
    areas = (facts["auc"] or {}).get("classes") or [None] * len(facts["classes"])
    rows: list[list[Value]] = []
    for row, area in zip(facts["classes"], areas, strict=True):
        cells: list[Value] = [row["class"], row["examples"]]
        for name in ("precision", "recall", "specificity"):
            cells += [row[name], *(row["intervals"][name] or (None, None))]
        rows.append([*cells, row["f1"], area, row["slide_f1"]])
    header = ["class", "examples"]
    for name in ("precision", "recall", "specificity"):
        header += [name, *(f"{name}, {end}" for end in INTERVAL)]
    return NamedTable(
        "classes",
        [*header, "F1", "area under ROC", "mean of rates"],
        rows,
        "Low and high: 95 % interval (Wilson) of the share before them. F1 is the harmonic mean of precision and "
        "recall. Mean of rates: the harmonic mean of recall and specificity, which FAU's slide prints under the "
        "name F1; it is another thing.",
    )


def _class_section(facts: dict[str, Any], table: NamedTable) -> Table:
    """Return the table of the classes for a page: every interval below its share, since the page is narrow."""
    header: list[Cell] = ["class", "examples"]
    header += [(name, "low–high") for name in ("precision", "recall", "specificity")]
    rows: list[list[Cell]] = []
    for row, full in zip(facts["classes"], table.rows, strict=True):
        cells: list[Cell] = [row["class"], f"{row['examples']:,}"]
        for name in ("precision", "recall", "specificity"):
            ends = row["intervals"][name]
            small = "" if ends is None else "{:.4f}–{:.4f}".format(*ends)
            cells.append((_shown(row[name], 4), small))
        rows.append([*cells, *(_shown(value, 4) for value in full[-3:])])
    return Table([*header, *table.header[-3:]], rows, table.note, numeric=range(1, 8))


def evaluation_pictures(outcome: Outcome) -> dict[str, Picture]:
    """Return the pictures by name; roc and calibration where they can be drawn."""
    facts, names = outcome.facts, outcome.classes
    matrix = confusion_matrix(outcome.predictions, outcome.labels, len(names))
    found = {"class_errors": _class_errors(facts)}
    if facts["auc"] is not None:
        found |= _roc(outcome)
    if outcome.calibration is not None:
        found["calibration"] = Picture(
            _calibration(outcome),
            alt=f"Accuracy over confidence; expected calibration error {facts['calibration']['expected']:.2f} points",
            caption="Below the dotted line the network is too sure of itself. Bins of few images scatter.",
        )
    found["confusion"] = Picture(
        confusion_heatmap(matrix, names, title="Confusion matrix"),
        alt="Confusion matrix; its numbers are in confusion.csv",
        caption="Rows are the true class, columns the predicted one. Only the mistakes are coloured.",
    )
    found["mistakes"] = Picture(
        error_gallery(outcome.images, outcome.labels, outcome.predictions, classes=names),
        alt=f"The {facts['split']} images that are classified wrongly, with true and predicted class",
        caption="True class at the upper right, predicted class at the lower right, position below.",
        format="png",
    )
    return found


def _class_errors(facts: dict[str, Any]) -> Picture:
    rows, nothing = facts["classes"], (np.nan, np.nan)
    errors, ends = {}, {}
    for name in ("recall", "precision"):
        errors[name] = np.array([np.nan if row[name] is None else 1 - row[name] for row in rows])
        intervals = [row["intervals"][name] for row in rows]
        ends[name] = np.array([nothing if each is None else (1 - each[1], 1 - each[0]) for each in intervals])
    figure = class_error_bars(
        [row["class"] for row in rows],
        errors["recall"],
        errors["precision"],
        ends["recall"],
        ends["precision"],
        title="Errors of every class",
    )
    return Picture(
        figure,
        alt="Share of every class that is missed, and share of what is called so that is wrong",
        caption="Missed: of the images of the class. Wrongly called so: of the images given the class.",
    )


def _roc(outcome: Outcome) -> dict[str, Picture]:
    curves = class_roc_curves(outcome.probabilities, outcome.labels)
    there = [(name, curve) for name, curve in zip(outcome.classes, curves, strict=True) if curve is not None]
    if not there:
        return {}
    figure = roc_plot(
        [(curve.false_positive_rate, curve.true_positive_rate) for _, curve in there],
        [name for name, _ in there],
        [curve.auc for _, curve in there],
        title="ROC curves, every class against the rest",
    )
    alt = "ROC curves; the areas under them are in classes.csv"
    return {"roc": Picture(figure, alt=alt, caption="The threshold is on the probability of the class.")}


def _calibration(outcome: Outcome) -> Figure:
    found = outcome.calibration
    assert found is not None
    interval = np.full((len(found.examples), 2), np.nan)
    for row, (count, share) in enumerate(zip(found.examples, found.accuracy, strict=True)):
        if count:
            interval[row] = wilson_interval(round(share * count), int(count))
    return calibration_plot(*found, interval, title="Confidence and accuracy")


def _sections(
    facts: dict[str, Any], tables: dict[str, NamedTable], pictures: dict[str, Picture]
) -> list[Section]:
    epoch = "" if facts["epoch"] is None else f", epoch {facts['epoch']}"
    calibration = facts["calibration"]
    pairs = [
        ("Accuracy", f"{facts['accuracy']:.2f} %"),
        ("95 % interval (Wilson)", "{:.2f} to {:.2f} %".format(*facts["wilson"])),
        ("Right", f"{facts['correct']:,} of {facts['examples']:,}"),
        ("Loss", _shown(facts["loss"], 4)),
        ("Weights", f"{facts['weights']}{epoch}"),
        ("Training and validation images", facts["division"]),
    ]
    if calibration is not None:
        pairs.append(("Expected calibration error", f"{calibration['expected']:.2f} points"))
    sections: list[Section] = [Heading("Result"), Facts(pairs)]
    if "label_versions" in tables:
        sections += [Heading("Doubtful labels"), tables["label_versions"].section(2)]
    sections += [Heading("Every class"), _class_section(facts, tables["classes"]), pictures["class_errors"]]
    sections += [Heading("Averages"), tables["averages"].section()]
    sections.append(Heading("Ranking"))
    if "top_k" in tables:
        sections.append(tables["top_k"].section(2))
    else:
        sections.append(
            Paragraph("The outputs of the network are not all finite numbers: they cannot be ranked.")
        )
    sections += [pictures["roc"]] if "roc" in pictures else []
    sections.append(Heading("Calibration"))
    if calibration is None:
        sections.append(Paragraph("The outputs are no probabilities: there is nothing to calibrate."))
    else:
        text = (
            f"The expected calibration error is {calibration['expected']:.2f} points of per cent, the largest gap of a "
            f"bin {calibration['largest']:.2f}."
        )
        sections += [Paragraph(text), pictures["calibration"], tables["calibration"].section()]
    return [*sections, Heading("Mistakes"), pictures["confusion"], pictures["mistakes"]]


def _shown(value: Value, digits: int) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"
