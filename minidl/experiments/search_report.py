"""The report of a search: the best trials, what mattered, and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from minidl.errors import ConfigError, DataError
from minidl.experiments.records import read_history, read_mapping
from minidl.experiments.report_pictures import curve_sections
from minidl.experiments.search_plan import read_space
from minidl.experiments.search_records import (
    Row,
    number_text,
    ranked,
    read_trials,
    short_names,
    trial_line,
    value_text,
)
from minidl.monitoring.verdicts import fit_verdicts
from minidl.plots.report import (
    Facts,
    Heading,
    Notice,
    Paragraph,
    Picture,
    Pictures,
    Section,
    Table,
    write_report,
)
from minidl.plots.search import Axis, importance_bars, parallel_curves, search_history, search_slices
from minidl.search import importance
from minidl.search.importance import FEWEST
from minidl.search.spaces import Categorical, Space

BEST = 10  # in the first table
CURVES = 3


def write_search_report(
    folder: str | Path, before: list[Section] | None = None, path: Path | None = None, title: str = ""
) -> Path:
    """Write ``report.html`` of a search into its folder.

    Parameters
    ----------
    folder : str or Path
    before : list of Section, optional
        What comes before the results, such as the steps of the recipe.
    path : Path, optional
        Another place for the report.
    title : str

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If ``results.json`` is missing or damaged: the search has not come to its end.
    """
    folder = Path(folder)
    results = read_mapping(folder / "results.json")
    if results is None:
        raise DataError(f"{folder}: there is no readable results.json; finish the search by --resume")
    rows, maximize = read_trials(folder), results["objective"] == "accuracy"
    order = ranked(rows, maximize)
    sections: list[Section] = [*(before or []), Heading("Result"), *_summary(results)]
    sections += [Notice(sentence) for sentence in results["borders"]]
    sections += [_table(order[:BEST], f"The best {min(BEST, len(order))} of {len(rows)} trials.")]
    for stage in results["stages"]:
        here = [row for row in rows if row["stage"] == stage["stage"]]
        sections += _stage_sections(stage, here, maximize, alone=len(results["stages"]) == 1)
    sections += [Heading("Curves of the best trials")]
    for row in order[:CURVES]:
        history = read_history(folder / row["folder"])
        name = f"Trial {row['trial']}: {value_text(row)}"
        sections += [Heading(name, level=3)]
        if history is not None:
            sections += [Paragraph(verdict.text) for verdict in fit_verdicts(history)]
        sections += curve_sections([(name, [history])], best_epoch=row["best_epoch"])
    sections += [Heading("All trials"), _table(rows, "In their order.")]
    title = title or f"{results['method']} search".capitalize()
    return write_report(path or folder / "report.html", title, sections, subtitle=results["data"]["title"])


def result_table(results: dict[str, Any], rows: list[Row], count: int = 5) -> str:
    """Return the best trials and the warnings as text, for the end of the command."""
    order = ranked(rows, results["objective"] == "accuracy")
    states = ", ".join(
        f"{results['trials'][state]} {state}"
        for state in ("pruned", "diverged", "failed")
        if results["trials"][state]
    )
    lines = [f"best of {len(rows)} trials on {results['data']['validation']:,} validation images"]
    lines[0] += f" ({states})" if states else ""
    for place, row in enumerate(order[:count], 1):
        lines.append(trial_line(row, place, len(order)) + f"  (trial {row['trial']})")
    lines += [f"at the border: {sentence}" for sentence in results["borders"]]
    return "\n".join(lines)


def _summary(results: dict[str, Any]) -> list[Section]:
    best, counts = results["best"], results["trials"]
    facts = [
        ("Method", results["method"]),
        ("Trials", f"{counts['all']}: " + ", ".join(
            f"{counts[state]} {state}" for state in ("done", "pruned", "diverged", "failed") if counts[state])),
        ("Chosen by", f"validation {results['objective']}, {results['data']['validation']:,} images"),
        ("Best", f"{value_text(best)} (trial {best['trial']}, epoch {best['best_epoch']})"),
        ("Seed", str(results["seed"])),
        ("Time", f"{results['seconds']:.0f} s"),
    ]  # fmt: skip
    facts += [(name, number_text(value)) for name, value in best["parameters"].items()]
    note = (
        "The best of many trials looks better on the images it was chosen by than it is: the more trials, the more. "
        "Its accuracy on the test set, opened once at the end by minidl evaluate, is the number to quote. "
        "No trial has seen the test set."
    )
    return [Facts(facts), Paragraph(note)]


def _table(rows: list[Row], caption: str) -> Table:
    names = list(rows[0]["parameters"]) if rows else []
    short = short_names(names) if names else {}
    header = ["Trial", "Stage", "Outcome", *(short[name] for name in names), "Epochs", "Seconds"]
    cells = [
        [
            str(row["trial"]),
            str(row["stage"]),
            (value_text(row), row["message"]) if row["message"] else value_text(row),
            *(number_text(row["parameters"][name]) for name in names),
            str(row["epochs"]),
            f"{row['seconds']:.1f}",
        ]
        for row in rows
    ]
    return Table(header, cells, caption=caption, numeric=range(1, len(header)))


def _stage_sections(stage: dict[str, Any], rows: list[Row], maximize: bool, alone: bool) -> list[Section]:
    space = read_space(stage["space"])
    names = short_names(list(space))
    epochs = f", {stage['epochs']} epochs" if stage["epochs"] else ""
    name = "The trials" if alone else f"Stage {stage['stage']}{epochs}"
    sections: list[Section] = [Heading(name)]
    sections += [Facts([(names[key], text) for key, text in stage["space"].items()])]
    if not alone and stage["borders"]:
        sections += [Paragraph(sentence) for sentence in stage["borders"]]
    valued = [row for row in rows if row["state"] in ("done", "diverged")]
    outcome, label = outcomes(valued, maximize)
    axes = plot_axes(space, valued)
    best = next(k for k, row in enumerate(valued) if row["trial"] == stage["best"]["trial"])
    pictures = [
        Picture(search_slices(axes, outcome, label=label, best=best, title="Outcome against each parameter"),
                "The outcome of every trial against each parameter; the numbers are in the table of all trials"),
        Picture(search_history(outcome, label=label, maximize=maximize, title="Trials in their order"),
                "The outcome of the trials in their order, and the best so far"),
    ]  # fmt: skip
    if len(axes) > 1:
        figure = parallel_curves(axes, outcome, label=label, title="Every trial as a line")
        pictures.append(Picture(figure, "Every trial as a line through its parameters' values"))
    found = _importance_picture(space, valued, outcome, maximize)
    if isinstance(found, str):
        return [*sections, Pictures(pictures), Paragraph(found)]
    return [*sections, Pictures([*pictures, found])]


def _importance_picture(space: Space, rows: list[Row], outcome: np.ndarray, maximize: bool) -> Picture | str:
    """Return the picture of what mattered, or why there is none."""
    if len(space) < 2:
        return "With one parameter there is no question of which mattered."
    worst = np.where(np.isfinite(outcome), outcome if maximize else -outcome, -np.inf)
    if len(rows) < FEWEST:
        return f"It takes {FEWEST} trials to see which parameters matter."
    try:
        found = importance(space, [row["parameters"] for row in rows], worst)
    except ConfigError as error:
        return str(error)
    names = short_names(list(space))
    figure = importance_bars(
        [names[name] for name in found.share], list(found.share.values()), title="Which parameters mattered"
    )
    signs = ", ".join(
        f"{names[name]} {value:+.2f}" for name, value in found.correlation.items() if value is not None
    )
    caption = found.sentence + (f" Rank correlation with the outcome: {signs}." if signs else "")
    return Picture(figure, "Share of every parameter in the outcome", caption)


def outcomes(rows: list[Row], maximize: bool) -> tuple[np.ndarray, str]:
    """Return the outcome of every trial, NaN where there is none, and its label."""
    factor = 100.0 if maximize else 1.0
    values = [factor * row["value"] if row["value"] is not None else np.nan for row in rows]
    label = "validation accuracy, %" if maximize else "validation loss"
    return np.array(values, np.float64), label


def plot_axes(space: Space, rows: list[Row]) -> list[Axis]:
    """Return the values of every parameter as the pictures take them."""
    names, axes = short_names(list(space)), []
    for name, dimension in space.items():
        values = [row["parameters"][name] for row in rows]
        if isinstance(dimension, Categorical):
            texts = tuple(each if isinstance(each, str) else json.dumps(each) for each in dimension.values)
            axes.append(Axis(names[name], [dimension.index(value) for value in values], choices=texts))
        else:
            axes.append(Axis(names[name], values, log=dimension.is_log))
    return axes
