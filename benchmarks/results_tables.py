"""The tables of README.md and docs/results/README.md, as Markdown, from the files of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minidl.experiments.ladder import LADDER, Rung
from minidl.experiments.steps import LadderSteps, Step
from minidl.experiments.steps_text import rung_ranges, steps_prose, steps_rows

NOT_RUN = "not run"
PRESETS = ("quick", "express", "lecture", "corrected")  # the order of the columns

Results = dict[str, Any]


def ladder_section(results: Sequence[Results]) -> str:
    """Return the README's table of the ladder and a line about each measurement that is in it.

    A column is a preset of which any rung was run, unchanged, on MNIST's test images. Of several measurements of a
    rung the one with the most networks counts, of equals the latest. What was not run is called that.
    """
    columns = chosen_rungs(results)
    head = [
        "Rung",
        "Network",
        "Activation",
        "Training images",
        "Book",
        *(f"`{preset}`" for preset in columns),
    ]
    lines = [_line(head), "|---:|---|---|---:|---:|" + "---:|" * len(columns)]
    for index, rung in enumerate(LADDER):
        cells = [_accuracy(found and found[1]) for found in (column[index] for column in columns.values())]
        lines.append(_line([rung.id, *_what(rung), f"{rung.published:.2f}", *cells]))
    if columns:
        lines += ["", "![The error of every rung](docs/results/ladder.svg)"]
    lines.append("")
    for column in columns.values():
        for each in results:
            rungs = [
                rung.id for rung, found in zip(LADDER, column, strict=True) if found and found[0] is each
            ]
            if rungs:
                lines.append(f"- {_measured(each, rungs)}")
    return "\n".join([*lines, *_past_the_lecture(results)])


def _past_the_lecture(results: Sequence[Results]) -> list[str]:
    """Return the README's table of the recipes whose test set was opened, on MNIST and the labels as published."""
    found = [each for each in results if each["kind"] == "beyond" and each["is_mnist"]]
    if not found:
        return []
    lines = [
        "",
        "Past the lecture: [recipes chosen on other writers' digits](docs/beyond.md), and votes of so many networks:",
        "",
        _line(["Recipe", "Networks", "One network", "Votes"]),
        "|---|---:|---:|---|",
    ]
    for each in found:
        labels = each["labels"][0]
        votes = ", ".join(
            f"of {vote['members']}: {_accuracy(vote)} ({vote['n']})" for vote in labels["ensembles"]
        )
        recipe = f"[`{each['recipe']}`](docs/results/README.md#{each['name']})"
        lines.append(_line([recipe, str(each["networks"]), _accuracy(labels["single"]), votes or NOT_RUN]))
    return lines


def results_page(results: Sequence[Results]) -> str:
    """Return docs/results/README.md."""
    lines = [
        "# Results",
        "",
        "Made by `python -m benchmarks.results write` from the files beside this one; nothing here is typed by hand.",
        "`python -m benchmarks.results collect RUN --as NAME` adds the results of a finished run. `NAME.json` has",
        "every number, the machine, the seeds, the command, the date and the openings of the test set;",
        "`NAME.runs.json` has `run.json` of every network, a line each. What was not run is called that and never",
        "filled in.",
    ]
    if chosen_rungs(results):
        lines += ["", "![The error of every rung](ladder.svg)"]
    for each in results:
        lines += ["", *(_progression(each) if each["kind"] == "progression" else _beyond(each))]
    if not results:
        lines += ["", "Nothing has been collected yet."]
    return "\n".join(lines) + "\n"


def chosen_rungs(results: Sequence[Results]) -> dict[str, list[tuple[Results, dict[str, Any]] | None]]:
    """Return, for each preset that was run, the measurement that counts for every rung, and its row there."""
    found = {preset: [_chosen(results, preset, rung.id) for rung in LADDER] for preset in PRESETS}
    return {preset: column for preset, column in found.items() if any(column)}


def _chosen(results: Sequence[Results], preset: str, rung: str) -> tuple[Results, dict[str, Any]] | None:
    found = [
        (each, row)
        for each in results
        if each["kind"] == "progression" and each["preset"] == preset and not each["changes"]
        and each["split"] == "test" and each["data"]["is_mnist"]
        for row in each["rungs"]
        if row["rung"] == rung and row["status"] == "done"
    ]  # fmt: skip
    return max(found, key=lambda pair: (pair[1]["n"], pair[0]["started"]), default=None)


def _what(rung: Rung) -> list[str]:
    """Return network, activation and number of training images."""
    images = "250,000" if rung.expanded else "50,000"
    if rung.members:
        return [
            f"vote of {'five' if rung.members == 5 else rung.members} networks of rung 10",
            "ReLU",
            images,
        ]
    network = rung.architecture.removeprefix("28x28-").removesuffix("-S10").replace("P2", "P")
    activation = "ReLU" if rung.activation == "relu" else rung.activation
    return ["the same with dropout 0.5" if rung.dropout else network, activation, images]


def _accuracy(row: dict[str, Any] | None) -> str:
    if row is None or row["mean"] is None:
        return NOT_RUN
    return f"{row['mean']:.2f}" + ("" if row["sd"] is None else f" ± {row['sd']:.2f}")


def _measured(each: Results, rungs: Sequence[str]) -> str:
    seeds = len(each["seeds"])
    s = "s" if len(rungs) > 1 else ""
    which = "all rungs" if len(rungs) == len(LADDER) else f"rung{s} {rung_ranges(rungs)}"
    sentence = (
        f"`{each['preset']}`, {which}: `{each['command']}`, {seeds} seed{'s' if seeds > 1 else ''}, {_when(each)}; "
        f"[all of it](docs/results/README.md#{each['name']})"
    )
    return "\n  ".join(_wrapped(sentence, 126))


def _when(each: Results) -> str:
    machine, versions = each["machine"], each["versions"]
    cores = machine["cores"]
    took = "" if each["seconds"] is None else f", {_duration(each['seconds'])} for everything"
    return (
        f"{each['started'][:10]}, {cores} core{'s' if cores != 1 else ''} of {machine['processor']}, Python "
        f"{versions['python']}, NumPy {versions['numpy']}, minidl {versions['minidl']}{took}"
    )


def _progression(each: Results) -> list[str]:
    lines = _head(
        each, f"{each['data']['title']}, preset `{each['preset']}`, {each['split']} images, {each['device']}"
    )
    head = [
        "Rung", "What", "n", "Mean, %", "sd", "Wilson 95 %, one test set", "Best of n by validation", "Book",
        "Book within mean ± 2 sd", "Seconds each",
    ]  # fmt: skip
    lines += [_line(head), "|---:|---|" + "---:|" * 6 + "---|---:|"]
    lines += [_line(_rung_cells(row, comparable=each["data"]["is_mnist"])) for row in each["rungs"]]
    there = {row["rung"] for row in each["rungs"]}
    missing = [rung.id for rung in LADDER if rung.id not in there]
    if missing:
        lines += [
            "",
            f"{NOT_RUN.capitalize()}: rung{'s' if len(missing) > 1 else ''} {rung_ranges(missing)}.",
        ]
    return [*lines, *_steps(each)]


def _steps(each: Results) -> list[str]:
    """Return every rung against the one before it, where there are several seeds."""
    if each.get("steps") is None:
        return []
    kept = each["steps"]
    steps = [
        Step(**{**step, "runs": tuple(step["runs"]), "left_out": tuple(step["left_out"])})
        for step in kept["steps"]
    ]
    found = LadderSteps(**{**kept, "steps": steps})
    head, *rows = steps_rows(found)
    lines = [
        "",
        *_wrapped(f"**Which steps are real improvements?** {steps_prose(found)}", 128),
        "",
        _line(head),
    ]
    return [*lines, "|" + "---|" * 2 + "---:|" * (len(head) - 3) + "---|", *map(_line, rows)]


def _rung_cells(row: dict[str, Any], comparable: bool) -> list[str]:
    name = row["rung"]
    if row["mean"] is None:
        return [name, NOT_RUN, *["-"] * 8]
    sd, book = row["sd"], row["published"] if comparable else None
    best = row["by_validation"]
    # Best of one run is that run.
    return [
        name,
        row["title"] + ("" if row["status"] == "done" else " (unfinished)"),
        str(row["n"]),
        f"{row['mean']:.2f}",
        "-" if sd is None else f"{sd:.2f}",
        "{:.2f}-{:.2f}".format(*row["wilson"]),
        "-" if best is None or row["n"] < 2 else f"{best:.2f}",
        "-" if book is None else f"{book:.2f}",
        _within(row["mean"], sd, book),
        f"{row['seconds']:,.0f}",
    ]


def _within(mean: float, sd: float | None, book: float | None) -> str:
    if book is None:
        return "-"
    if sd is None:
        return "one network, no sd"
    return (
        "yes" if abs(book - mean) <= 2 * sd else f"no ({(mean - book) / sd:+.1f} sd)" if sd else "no (sd 0)"
    )


def _beyond(each: Results) -> list[str]:
    lines = _head(
        each, f"recipe `{each['recipe']}`, {each['networks']} networks, division {each['division']}"
    )
    head = [
        "Labels",
        "Images",
        "Networks",
        "n",
        "Mean, %",
        "sd",
        "Lowest",
        "Highest",
        "Wilson 95 %, one test set",
    ]
    lines += [_line(head), "|---|---:|---|" + "---:|" * 6]
    validation = each["validation"]
    chosen_on = {**validation, "labels": "validation", "examples": validation["images"]}
    for version in (chosen_on, *each["labels"]):
        rows = [
            ("single", version["single"]),
            *((f"votes of {v['members']}", v) for v in version["ensembles"]),
        ]
        for name, found in rows:
            cells = [
                version["labels"],
                f"{version['examples']:,}",
                name,
                str(found["n"]),
                f"{found['mean']:.3f}",
            ]
            sd = "-" if found["sd"] is None else f"{found['sd']:.3f}"
            ends = "{:.2f}-{:.2f}".format(*found["wilson"]) if "wilson" in found else "-"
            lines.append(_line([*cells, sd, f"{found['lowest']:.2f}", f"{found['highest']:.2f}", ends]))
    openings = "; ".join(f"{entry['time']} ({entry['reason']})" for entry in each["vault"])
    picture = f"![The accuracy of every network and every vote]({each['name']}.svg)"
    return [*lines, "", f"Openings of the test set: {openings}.", "", picture]


def _head(each: Results, what: str) -> list[str]:
    epochs = each.get("config", {}).get("training", {}).get("epochs")
    trained = "" if epochs is None else f" {epochs} epochs."
    files = (
        f"[{each['name']}.json]({each['name']}.json), [{each['name']}.runs.json]({each['name']}.runs.json)"
    )
    text = f"{what}.{trained} `{each['command']}`; {_when(each)}. {files}"
    return [f"## {each['name']}", "", *_wrapped(text, 128), "", *_notes(each)]


def _notes(each: Results) -> list[str]:
    lines: list[str] = []
    for note in each["notes"]:
        lines += [*_wrapped(note, 128), ""]
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    from textwrap import wrap

    return wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes:.1f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
